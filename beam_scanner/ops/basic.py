"""Pass, Discard, DiscardFrame and InfoFromFrame."""

from __future__ import annotations

from typing import TypedDict

from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.types.element_types import FrameType


@register_python_op()
class Pass(Kernel):
    """Gives each element as it came, as bytes.

    Examples:
        >>> from beam_scanner.kernels import KernelConfig
        >>> Pass(KernelConfig()).execute(b'abc')
        b'abc'
    """

    def execute(self, input: bytes) -> bytes:
        """The element."""
        return input


@register_python_op()
class Discard(Kernel):
    r"""Gives one zero byte for each element: to run a graph without its results.

    Examples:
        >>> from beam_scanner.kernels import KernelConfig
        >>> Discard(KernelConfig()).execute(b'abc')
        b'\x00'
    """

    def execute(self, ignore: bytes) -> bytes:
        """One byte."""
        return b"\0"


@register_python_op()
class DiscardFrame(Kernel):
    """Gives one zero byte for each frame: to decode without keeping anything.

    Examples:
        >>> import numpy as np
        >>> from beam_scanner.kernels import KernelConfig
        >>> len(DiscardFrame(KernelConfig()).execute(np.zeros((2, 2, 3), np.uint8)))
        1
    """

    def execute(self, ignore: FrameType) -> bytes:
        """One byte."""
        return b"\0"


class FrameInfo(TypedDict):
    """The size of a frame in pixels, and NumPy's name of its dtype."""

    height: int
    width: int
    channels: int
    dtype: str


@register_python_op()
class InfoFromFrame(Kernel):
    """Gives the size and dtype of each frame.

    Examples:
        >>> import numpy as np
        >>> from beam_scanner.kernels import KernelConfig
        >>> InfoFromFrame(KernelConfig()).execute(np.zeros((4, 6, 3), np.uint8))
        {'height': 4, 'width': 6, 'channels': 3, 'dtype': 'uint8'}
    """

    def execute(self, frame: FrameType) -> FrameInfo:
        """A dict of ints and, under 'dtype', NumPy's name."""
        height, width, channels = frame.shape
        return {
            "height": height,
            "width": width,
            "channels": channels,
            "dtype": str(frame.dtype),
        }
