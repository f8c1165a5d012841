"""The layer over the driver, as far as it goes without one."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from av.codec.hwaccel import HWAccel

from beam_scanner.errors import MissingDependencyError, VideoError
from beam_scanner.kernels.gpus import has_gpu
from beam_scanner.video import nvidia
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.nvidia import NvidiaDevice, _Exported
from tests.support.corpus import indexed_kind

needs_no_gpu = pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")


def test_a_machine_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "has_gpu", lambda: False)
    with pytest.raises(VideoError, match="but this worker's machine has none"):
        NvidiaDevice()


@needs_no_gpu
def test_a_device_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a device file, and no driver."""
    monkeypatch.setattr(nvidia, "has_gpu", lambda: True)
    with pytest.raises(
        VideoError, match="CUDA cannot be used on this worker's machine"
    ):
        NvidiaDevice()


@needs_no_gpu
@pytest.mark.parametrize("kind", ["h264", "hevc", "vp9"])
def test_nothing_is_decoded_in_software_instead(kind: str, tmp_path: Path) -> None:
    path, index, _ = indexed_kind(kind, tmp_path)
    with pytest.raises(VideoError):
        NvidiaDevice.open(NvidiaDevice.__new__(NvidiaDevice), path, index)


def test_pyav_has_what_is_asked_of_it() -> None:
    accelerator: Any = NvidiaDevice._accelerator()
    assert isinstance(accelerator, HWAccel)
    assert accelerator.is_hw_owned
    assert not getattr(accelerator, "allow_software_fallback")  # noqa: B009
    for own in nvidia._OWN_DECODER.values():
        assert av.Codec(own, "r").canonical_name == own
    assert hasattr(av.VideoFrame, "sw_format")


def test_a_picture_of_software_is_refused(tmp_path: Path) -> None:
    path, index, _ = indexed_kind("h264", tmp_path)
    with VideoDecoder(path, index) as decoder:
        picture = decoder.decode_frame(0)
    device = NvidiaDevice.__new__(NvidiaDevice)
    with pytest.raises(VideoError, match=r"in software \(yuv420p\)"):
        device.planes(picture)
    on_gpu: Any = SimpleNamespace(
        format=SimpleNamespace(name="cuda"),
        sw_format=SimpleNamespace(name="nv12"),
        planes=picture.planes,
    )
    layout, planes = device.planes(on_gpu)
    assert layout == "nv12"
    luma = np.from_dlpack(planes[0])
    assert np.array_equal(luma, picture.to_ndarray()[: picture.height])


class StrictPlane:
    """Refuses a stream, as PyAV's planes on a GPU do."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        assert stream is None
        return self._array.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def test_libraries_may_name_a_stream() -> None:
    plane = _Exported(StrictPlane(np.arange(6, dtype=np.uint8)))
    assert np.from_dlpack(plane).tolist() == [0, 1, 2, 3, 4, 5]
    assert plane.__dlpack__(stream=1, max_version=(1, 0)) is not None


def test_the_library_of_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    def library(works: bool) -> Any:
        return SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: works))

    found = {"torch": library(False), "cupy": library(True)}

    def load(name: str) -> Any:
        if name not in found:
            raise ImportError(name)
        return found[name]

    monkeypatch.setattr(importlib, "import_module", load)
    assert nvidia._arrays() is found["cupy"]
    del found["cupy"]
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[cuda\]"):
        nvidia._arrays()


@pytest.mark.parametrize("name", ["current_stream", "get_current_stream"])
def test_waiting(name: str) -> None:
    """PyTorch and CuPy call it differently."""
    waited: list[int] = []
    stream = SimpleNamespace(synchronize=lambda: waited.append(1))
    device = NvidiaDevice.__new__(NvidiaDevice)
    device.arrays = SimpleNamespace(cuda=SimpleNamespace(**{name: lambda: stream}))
    device.synchronize()
    assert waited == [1]
