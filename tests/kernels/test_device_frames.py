"""Frames on a device, and what kernels are given."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import MissingDependencyError
from beam_scanner.kernels.device_frames import DeviceFrame, given_as, library_of
from tests.support.fake_library import FakeLibrary, fake_cupy


@pytest.fixture
def cupy() -> Iterator[FakeLibrary]:
    with fake_cupy() as made:
        yield made


def pixels() -> np.ndarray:
    return np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def test_a_host_copy_is_the_receivers() -> None:
    frame = DeviceFrame(pixels())
    host = frame.to_host()
    host[:] = 0
    assert np.array_equal(frame.to_host(), pixels())
    assert np.array_equal(given_as(frame, ""), pixels())


def test_arrays_of_numpy_stay_as_they_are() -> None:
    array = pixels()
    assert given_as(array, "") is array


def test_frames_reach_a_library_without_a_copy(cupy: FakeLibrary) -> None:
    assert library_of(cupy.ndarray) == "cupy"
    frame = DeviceFrame(pixels())
    made = given_as(frame, "cupy")
    assert isinstance(made, cupy.ndarray)
    assert np.shares_memory(made.array, frame.array)
    frame.is_shared = True
    alone = given_as(frame, "cupy")
    assert not np.shares_memory(alone.array, frame.array)
    assert np.array_equal(alone.array, pixels())


def test_an_array_of_the_library_itself(cupy: FakeLibrary) -> None:
    array = cupy.ndarray(pixels())
    frame = DeviceFrame(array)
    assert given_as(frame, "cupy") is array
    frame.is_shared = True
    assert given_as(frame, "cupy") is not array


def test_read_only_arrays_are_copied(cupy: FakeLibrary) -> None:
    array = pixels()
    array.flags.writeable = False
    made = given_as(array, "cupy")
    assert isinstance(made, cupy.ndarray)
    made.array[:] = 0
    assert array.any()


def test_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(MissingDependencyError, match="arrays of cupy, which is not"):
        given_as(DeviceFrame(pixels()), "cupy")


def test_annotations() -> None:
    class Tensor:
        pass

    assert library_of(Tensor) == ""
    Tensor.__module__ = "torch"
    assert library_of(Tensor) == "torch"
    Tensor.__module__ = "tensorflow.python.framework.tensor"
    assert library_of(Tensor) == "tensorflow"
    Tensor.__module__ = "torchvision"
    assert library_of(Tensor) == ""
    assert library_of("torch.Tensor") == library_of(ModuleType("torch")) == ""


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize("library", ["torch", "tensorflow"])
def test_real_libraries(library: str) -> None:
    """On the CPU, where they are installed."""
    module: Any = pytest.importorskip(library)
    assert library_of(module.Tensor) == library
    for frame in (pixels(), DeviceFrame(pixels())):
        made = given_as(frame, library)
        assert isinstance(made, module.Tensor)
        assert np.array_equal(np.asarray(made), pixels())
    if library == "torch":
        frame = DeviceFrame(module.from_dlpack(pixels()))
        assert given_as(frame, "torch") is frame.array
        frame.is_shared = True
        assert given_as(frame, "torch") is not frame.array
        assert np.array_equal(frame.to_host(), pixels())
