"""A device whose memory is this process's, with NumPy in the place of CuPy.

It has the shape of ``NvidiaDevice``: pictures come as planes behind DLPack, and what is
made of them must be asked for. FFmpeg decodes them in software.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
import numpy as np
import pytest

from beam_scanner.engine import instance
from beam_scanner.errors import VideoError
from beam_scanner.run import gpu_stages
from beam_scanner.video import device_decoding
from beam_scanner.video.container import OpenVideo
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.source import VideoSource

_SHIFTS = {"yuv420p": 0, "yuvj420p": 0, "yuv420p10le": 6, "yuv420p12le": 4}
_LAYOUTS = {0: "nv12", 6: "p010le", 4: "p016le"}


class Plane:
    """A plane that can only be read by DLPack."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack__(self, **given: Any) -> Any:
        return self._array.__dlpack__(**given)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class Late:
    """A decoder that gives frames other times than they have."""

    def __init__(self, context: Any, ticks: int) -> None:
        self._context, self._ticks = context, ticks

    def decode(self, packet: Any = None) -> list[Any]:
        frames = self._context.decode(packet)
        for frame in frames:
            frame.pts += self._ticks
        return frames

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class FakeDevice:
    """See the module.

    Args:
        arrays: See below.
        ticks: Added to the time of each frame, as a faulty driver might.
        decoder: A decoder of FFmpeg in place of that which the container has chosen.

    Attributes:
        arrays: A library like CuPy.
        opened: Files that were opened.
        waits: How often somebody waited for it.
    """

    def __init__(self, arrays: Any = np, ticks: int = 0, decoder: str = "") -> None:
        self.arrays = arrays
        self.opened = 0
        self.waits = 0
        self._ticks = ticks
        self._decoder = decoder

    def open(self, source: VideoSource, index: FrameIndex) -> OpenVideo:
        self.opened += 1
        video = OpenVideo(source, index.strict)
        if self._decoder:
            codec = av.Codec(self._decoder, "r")
            context: Any = av.CodecContext.create(codec, "r")
            context.extradata = video.context.extradata
            context.options = video.context.options
            video.context = context
        if self._ticks:
            video.context = Late(video.context, self._ticks)
        return video

    def planes(self, frame: Any) -> tuple[str, list[Any]]:
        name = frame.format.name
        if name not in _SHIFTS:
            raise VideoError(f"no device decodes {name}")
        y, u, v = [np.from_dlpack(plane) for plane in frame.planes]
        shift = _SHIFTS[name]
        pair: list[Any] = [y, np.stack([u, v], -1)]
        made = [plane << shift for plane in pair]
        return _LAYOUTS[shift], [Plane(plane) for plane in made]

    def synchronize(self) -> None:
        self.waits += 1


@contextmanager
def fake_device(device: FakeDevice | None = None) -> Iterator[FakeDevice]:
    """Puts a fake in the place of this machine's GPU, for this process."""
    made = device or FakeDevice()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_decoding, "open_device", lambda: made)
        patch.setattr(device_decoding, "_opened", [])
        for user in (gpu_stages, instance):
            patch.setattr(user, "has_gpu", lambda: True)
        yield made
