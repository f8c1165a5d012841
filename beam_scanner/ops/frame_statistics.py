"""Brightness, Contrast and Sharpness: one number for each frame."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ElementTypeError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.ops._opencv import opencv
from beam_scanner.types.element_types import FrameType

_STEEPEST = 4 * 255
"""The Laplacian of uint8 samples lies between minus this and this."""


@register_python_op()
class Brightness(Kernel):
    """Gives the mean luma of each frame, from 0 (black) to 255 (white).

    Luma is Y of OpenCV's COLOR_RGB2YUV: 0.299 R + 0.587 G + 0.114 B, rounded for each
    pixel. Of a frame with one channel it is the channel.

    Raises:
        MissingDependencyError: OpenCV is not installed.

    Examples:
        >>> frame = np.zeros((2, 2, 3), np.uint8)
        >>> frame[0] = 255
        >>> Brightness(KernelConfig()).execute(frame)
        127.5
    """

    def __init__(self, config: KernelConfig) -> None:
        super().__init__(config)
        self._opencv = opencv("Brightness")

    def execute(self, frame: FrameType) -> float:
        """The mean over all pixels."""
        return float(_luma("Brightness", frame, self._opencv).mean())


@register_python_op()
class Contrast(Kernel):
    """Gives the standard deviation of each frame's luma, from 0 to 127.5.

    Luma is what Brightness is the mean of. This is also called the RMS
    contrast (Peli 1990, Contrast in complex images).

    Raises:
        MissingDependencyError: OpenCV is not installed.

    Examples:
        >>> frame = np.zeros((2, 2, 3), np.uint8)
        >>> frame[0] = 255
        >>> Contrast(KernelConfig()).execute(frame)
        127.5
    """

    def __init__(self, config: KernelConfig) -> None:
        super().__init__(config)
        self._opencv = opencv("Contrast")

    def execute(self, frame: FrameType) -> float:
        """The deviation over all pixels: divided by their number, not by one less."""
        luma = _luma("Contrast", frame, self._opencv)
        return math.sqrt(_variance(np.bincount(luma.reshape(-1))))


@register_python_op()
class Sharpness(Kernel):
    """Gives the variance of each frame's Laplacian: 0 without edges, low where blurred.

    The Laplacian of a sample is the sum of its four neighbors less four times itself,
    with the frame mirrored at its borders; the variance is that of the Laplacians of
    all channels together (Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield
    microscopy). It grows with noise and with detail, so compare frames of one scene.

    Raises:
        MissingDependencyError: OpenCV is not installed.

    Examples:
        >>> frame = np.zeros((2, 2, 1), np.uint8)
        >>> frame[0] = 100
        >>> Sharpness(KernelConfig()).execute(frame)
        40000.0
    """

    def __init__(self, config: KernelConfig) -> None:
        super().__init__(config)
        self._opencv = opencv("Sharpness")

    def execute(self, frame: FrameType) -> float:
        """The variance over all samples: divided by their number, not by one less."""
        frame = _checked("Sharpness", frame)
        edges = self._opencv.Laplacian(frame, self._opencv.CV_16S)
        return _variance(np.bincount(edges.reshape(-1) + np.int16(_STEEPEST)))


def _luma(op: str, frame: npt.NDArray[Any], cv2: Any) -> npt.NDArray[np.uint8]:
    frame = _checked(op, frame)
    if frame.shape[2] == 1:
        return frame
    luma: npt.NDArray[np.uint8] = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV)[..., 0]
    return luma


def _checked(op: str, frame: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if frame.ndim != 3 or frame.shape[2] not in (1, 3) or frame.dtype != np.uint8:
        raise ElementTypeError(
            f"{op} expected an H x W x 3 or H x W x 1 frame of uint8, got "
            f"{frame.dtype} with shape {frame.shape}"
        )
    return np.ascontiguousarray(frame)


def _variance(counts: npt.NDArray[np.int64]) -> float:
    """The variance of integers, of which ``counts[i]`` are i more than the least."""
    values = np.arange(len(counts))
    # Integers of Python: floats would give a frame of one color some contrast.
    number, total = int(counts.sum()), int(counts @ values)
    squares = int(counts @ (values * values))
    return (number * squares - total * total) / number**2
