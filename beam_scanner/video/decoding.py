"""Where packets become frames: on the CPU, or on a device.

A ``VideoDecoder`` chooses packets by the index and compares every frame's time with it.
A *decoding* is what differs from place to place: how a file is opened so that its
pictures are decoded there, and how arrays are made of them. So the contract of rows is
one and the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from beam_scanner.video.container import OpenVideo
from beam_scanner.video.conversion import FrameConverter
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.source import VideoSource


class Decoding(Protocol):
    """Where packets become frames.

    Attributes:
        advice: What errors say at their end where a row cannot be decoded; or ''.
    """

    advice: str

    def open(self, source: VideoSource, index: FrameIndex) -> OpenVideo:
        """Opens a video whose ``context`` decodes there.

        Raises:
            VideoError: It cannot be decoded there, or not on this machine.
        """

    def converter(self, index: FrameIndex, name: str) -> Callable[[Any], Any]:
        """Makes frames of the ``av.VideoFrame`` that the context gives.

        Args:
            index: The video's index.
            name: What errors call the video.
        """


class CpuDecoding:
    """FFmpeg's own decoders, whose pixels are the reference."""

    advice = ""

    def open(self, source: VideoSource, index: FrameIndex) -> OpenVideo:
        """See :class:`Decoding`."""
        return OpenVideo(source, strict=index.strict)

    def converter(self, index: FrameIndex, name: str) -> Callable[[Any], Any]:
        """See :class:`Decoding`; arrays of NumPy."""
        return FrameConverter(index, name)


CPU = CpuDecoding()


def decoding_of(name: str) -> Decoding:
    """The decoding of one of ``decoder_names.DECODERS``.

    Raises:
        VideoError: This machine has no such device.
        MissingDependencyError: A library that it needs is not installed.

    Examples:
        >>> decoding_of('cpu') is CPU
        True
    """
    if name == "cpu":
        return CPU
    # Loads a library of arrays on GPUs.
    from beam_scanner.video.device_decoding import device_decoding

    return device_decoding()
