"""Devices, column types and the log, as Scanner's programs have them."""

import logging

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.scannerpy import protobufs
from beam_scanner.scannerpy.common import (
    CacheMode,
    ColumnType,
    CustomFormatter,
    DeviceHandle,
    DeviceType,
    log,
)


def test_texts_are_names() -> None:
    for each in (DeviceType.GPU, ColumnType.Blob, CacheMode.Error):
        text = f"{type(each).__name__}.{each.name}"
        assert str(each) == f"{each}" == f"{each!s}" == text
        assert f"{each:>20}" == text.rjust(20)


def test_numbers_in_messages() -> None:
    assert DeviceType.to_proto(protobufs, DeviceType.GPU) == protobufs.GPU
    assert ColumnType.to_proto(protobufs, ColumnType.Video) == protobufs.Video
    with pytest.raises(ArgumentError, match="Invalid device type 1"):
        DeviceType.to_proto(protobufs, 1)
    with pytest.raises(ArgumentError, match="Invalid column type 'Video'"):
        ColumnType.to_proto(protobufs, "Video")


def test_kernels_of_scannertools_find_their_devices() -> None:
    handles = [DeviceHandle(DeviceType.CPU, 0), DeviceHandle(DeviceType.GPU, 3)]
    # As its TorchKernel and TensorFlowKernel do.
    on_gpu = [h.id for h in handles if int(h.type) == DeviceType.GPU.value]
    assert on_gpu == [h.id for h in handles if h.type == DeviceType.GPU.value] == [3]


def test_log_lines() -> None:
    record = logging.LogRecord("a", logging.WARNING, "/x/y.py", 12, "%d", (3,), None)
    line = CustomFormatter().format(record)
    assert line.startswith("W ")
    assert line.endswith(" y.py:012] 3")
    assert [type(h.formatter) for h in log.handlers].count(CustomFormatter) == 1
