"""Decodes on a device, and leaves frames there.

What only a driver can do is in a :class:`Device`; all else works on any library of
arrays, so that tests can put CPU arrays in the place of a GPU's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from beam_scanner.errors import VideoError
from beam_scanner.kernels.device_frames import DeviceFrame
from beam_scanner.video.container import OpenVideo
from beam_scanner.video.device_pixels import BITS, MATRICES, rgb_of
from beam_scanner.video.hardware_codecs import check_hardware
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.source import VideoSource, source_name

_FULL_RANGE = 2


class Device(Protocol):
    """A device with a video decoder.

    Attributes:
        arrays: The module of a library with arrays on the device, as CuPy.
    """

    arrays: Any

    def open(self, source: VideoSource, index: FrameIndex) -> OpenVideo:
        """Opens a video whose ``context`` leaves pictures on the device."""

    def planes(self, frame: Any) -> tuple[str, list[Any]]:
        """The planes of a picture on the device.

        Args:
            frame: ``av.VideoFrame``.

        Returns:
            FFmpeg's name of their layout, as 'nv12', and objects with ``__dlpack__``:
            brightness [height, width], colours [height / 2, width / 2, 2].

        Raises:
            VideoError: It is not on the device.
        """

    def synchronize(self) -> None:
        """Waits for what was asked of the device: other threads will read it."""


class DeviceDecoding:
    """Decodes on a device.

    Args:
        device: The device.
    """

    advice = (
        "; it was tried on a GPU, which may not decode this profile of the codec, or not "
        "so large pictures: decoder='cpu' does"
    )

    def __init__(self, device: Device) -> None:
        self.device = device

    def __reduce__(self) -> Any:
        return device_decoding, ()

    def open(self, source: VideoSource, index: FrameIndex) -> OpenVideo:
        """See :class:`beam_scanner.video.decoding.Decoding`."""
        check_hardware(source_name(source), index)
        return self.device.open(source, index)

    def converter(self, index: FrameIndex, name: str) -> Callable[[Any], Any]:
        """See :class:`beam_scanner.video.decoding.Decoding`; gives ``DeviceFrame``."""
        return DeviceConverter(self.device, index, name)


class DeviceConverter:
    """Makes RGB frames, on the device, of pictures there.

    Args:
        device: The device.
        index: The video's index.
        name: What errors call it.
    """

    def __init__(self, device: Device, index: FrameIndex, name: str) -> None:
        self._device, self._index, self._name = device, index, name
        coded = index.width, index.height
        self._size = coded[::-1] if index.rotation % 180 else coded

    def __call__(self, frame: Any) -> DeviceFrame:
        """uint8[height, width, 3] on the device, of an ``av.VideoFrame``.

        Raises:
            VideoError: The picture cannot be converted to RGB, or is not of the size
                that the index says.
        """
        if (frame.width, frame.height) != self._size:
            # GPUs do not cut pictures at the left and at the top.
            width, height = self._size
            raise VideoError(
                f"video {self._name!r}: a picture is {frame.width}x{frame.height} on the "
                f"GPU, the index says {width}x{height}; decoder='cpu' decodes it"
            )
        layout, exported = self._device.planes(frame)
        matrix = int(frame.colorspace)
        if layout not in BITS or matrix not in MATRICES:
            raise VideoError(
                f"video {self._name!r}: its pictures ({layout}, colour matrix {matrix}) "
                "cannot be converted to RGB on a GPU"
            )
        arrays = self._device.arrays
        luma, chroma = map(arrays.from_dlpack, exported)
        rgb = rgb_of(
            arrays,
            luma,
            chroma,
            bits=BITS[layout],
            matrix=matrix,
            full_range=int(frame.color_range) == _FULL_RANGE,
            mirrored=self._index.mirrored,
            rotation=self._index.rotation,
        )
        self._device.synchronize()
        return DeviceFrame(rgb)


_lock = threading.Lock()
_opened: list[DeviceDecoding] = []


def device_decoding() -> DeviceDecoding:
    """Decoding on this machine's GPU, which is opened at its first use.

    Raises:
        VideoError: There is none.
        MissingDependencyError: No library with arrays on GPUs is installed.
    """
    with _lock:
        if not _opened:
            _opened.append(DeviceDecoding(open_device()))
        return _opened[0]


def open_device() -> Device:
    """This machine's GPU; see :func:`device_decoding`."""
    from beam_scanner.video.nvidia import NvidiaDevice

    return NvidiaDevice()
