"""NVIDIA's GPUs: NVDEC by FFmpeg, with arrays of PyTorch or CuPy.

All that needs the driver is here, and as little as can be.
"""

from __future__ import annotations

import importlib
from typing import Any

import av
from av.codec.hwaccel import HWAccel

from beam_scanner.errors import MissingDependencyError, VideoError
from beam_scanner.kernels.gpus import has_gpu
from beam_scanner.text.pip_install import pip_install
from beam_scanner.video.container import OpenVideo
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.linear import why
from beam_scanner.video.source import VideoSource

_LIBRARIES = ("torch", "cupy")
# FFmpeg would choose a library for it that knows no GPU.
_OWN_DECODER = {"av1": "av1"}


class NvidiaDevice:
    """The first GPU that this process may see (``CUDA_VISIBLE_DEVICES``).

    Attributes:
        arrays: ``torch``, or else ``cupy``.

    Raises:
        VideoError: There is none, or its driver does not answer.
        MissingDependencyError: Neither library is installed.
    """

    def __init__(self) -> None:
        if not has_gpu():
            raise VideoError(
                "video is to be decoded on a GPU (decoder='cuda'), but this worker's "
                "machine has none"
            )
        try:
            av.CodecContext.create(av.Codec("h264", "r"), "r", self._accelerator())
        except av.error.FFmpegError as error:
            raise VideoError(
                "video is to be decoded on a GPU (decoder='cuda'), but CUDA cannot be "
                f"used on this worker's machine: {why(error)}"
            ) from error
        self.arrays = _arrays()

    @staticmethod
    def _accelerator() -> HWAccel:
        # In the primary context, which PyTorch and CuPy use, too.
        return HWAccel("cuda", is_hw_owned=True, allow_software_fallback=False)

    def open(self, source: VideoSource, index: FrameIndex) -> OpenVideo:
        """See :class:`beam_scanner.video.device_decoding.Device`."""
        own = _OWN_DECODER.get(index.codec)
        if own is None:
            return OpenVideo(source, index.strict, self._accelerator())
        video = OpenVideo(source, index.strict)
        context = av.CodecContext.create(av.Codec(own, "r"), "r", self._accelerator())
        context.extradata = video.context.extradata
        context.options = video.context.options
        context.thread_count = 1
        video.context = context
        return video

    def planes(self, frame: Any) -> tuple[str, list[Any]]:
        """See :class:`beam_scanner.video.device_decoding.Device`."""
        layout = frame.sw_format
        if frame.format.name != "cuda" or layout is None:
            raise VideoError(
                f"FFmpeg decoded a picture in software ({frame.format.name}) that was to "
                "be decoded on a GPU"
            )
        return layout.name, [_Exported(plane) for plane in frame.planes]

    def synchronize(self) -> None:
        """See :class:`beam_scanner.video.device_decoding.Device`."""
        cuda = self.arrays.cuda
        current = getattr(cuda, "current_stream", None) or cuda.get_current_stream
        current().synchronize()


class _Exported:
    """A plane as libraries of arrays read it.

    They name the stream on which they will work, which PyAV refuses. FFmpeg, in the
    primary context, works on the default stream, as they do.
    """

    def __init__(self, plane: Any) -> None:
        self._plane = plane

    def __dlpack__(self, **_: Any) -> Any:
        return self._plane.__dlpack__()

    def __dlpack_device__(self) -> Any:
        return self._plane.__dlpack_device__()


def _arrays() -> Any:
    for name in _LIBRARIES:
        try:
            found: Any = importlib.import_module(name)
        except ImportError:
            continue
        # There is a PyTorch without CUDA, too.
        if found.cuda.is_available():
            return found
    raise MissingDependencyError(
        f"decoder='cuda' needs CuPy or PyTorch: {pip_install('cuda')}"
    )
