"""Histogram and HSVHistogram: how often each sixteenth of the range occurs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ElementTypeError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.ops._native import native_op
from beam_scanner.ops._opencv import opencv, opencv_or_none
from beam_scanner.types.element_types import FrameType, Histogram

BINS = 16


def color_histogram(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Counts pixels in 16 equal bins a channel.

    Args:
        frame: H x W x 3, uint8.

    Returns:
        int32[3, 16]; each row sums to H * W.

    Raises:
        ElementTypeError: The frame has another dtype or shape.

    Examples:
        >>> color_histogram(np.zeros((2, 2, 3), np.uint8))[:, 0].tolist()
        [4, 4, 4]
    """
    _check("Histogram", frame)
    frame = np.ascontiguousarray(frame)
    cv2 = opencv_or_none()
    # calcHist counts in float32, which is exact up to 2**24.
    if cv2 is None or frame.shape[0] * frame.shape[1] > 2**24:
        return histogram_with_numpy(frame)
    counts = [cv2.calcHist([frame], [c], None, [BINS], [0, 256]) for c in range(3)]
    return np.asarray(counts).reshape(3, BINS).astype(np.int32)


def _check(op: str, frame: npt.NDArray[Any]) -> None:
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ElementTypeError(
            f"{op} expected an H x W x 3 frame of uint8, got {frame.dtype} with "
            f"shape {frame.shape}"
        )


def histogram_with_numpy(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """What :func:`color_histogram` gives for a C-contiguous frame, without OpenCV."""
    samples = frame.reshape(-1)
    # Two pixels are three 16-bit words: R|G, B|R, G|B. Counting pairs of bins takes
    # half the look-ups of counting bins, and so at most 1.5 times calcHist's time.
    even = len(samples) // 6 * 6
    words: npt.NDArray[Any] = samples[:even].view("<u2") >> 4
    words &= 0x0F0F
    pairs = [_count_pairs(words[first::3]) for first in range(3)]
    low = [pair.sum(axis=0) for pair in pairs]
    high = [pair.sum(axis=1) for pair in pairs]
    counts = np.stack((low[0] + high[1], high[0] + low[2], low[1] + high[2]))
    for channel, sample in enumerate(samples[even:]):
        counts[channel, sample >> 4] += 1
    return counts.astype(np.int32)


def _count_pairs(words: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """int64[high, low]: counts of words by the low nibbles of their two bytes."""
    counts = np.bincount(words, minlength=16 * 256)
    return counts.reshape(BINS, 256)[:, :BINS]


@register_python_op(name="Histogram")
class HistogramKernel(Kernel):
    """Counts each channel of a uint8 RGB frame in 16 bins.

    Examples:
        >>> from beam_scanner.kernels import KernelConfig
        >>> histogram = HistogramKernel(KernelConfig())
        >>> red, green, blue = histogram.execute(np.full((2, 3, 3), 255, np.uint8))
        >>> int(red[15])
        6
    """

    def __init__(self, config: KernelConfig) -> None:
        super().__init__(config)
        sample = np.arange(32 * 33 * 3).astype(np.uint8).reshape(32, 33, 3)
        found = native_op("Histogram", histogram_with_numpy, sample)
        self._counts = found or color_histogram

    def execute(self, frame: FrameType) -> Histogram:
        """A list of three int32[16]: red, green, blue."""
        _check("Histogram", frame)
        counts: Any = self._counts(frame)
        return list(counts)


@register_python_op()
class HSVHistogram(Kernel):
    """Counts hue, saturation and value of a uint8 RGB frame in 16 bins each.

    The same as Histogram after ConvertColor with COLOR_RGB2HSV: bin i counts 16 i to
    16 i + 15. OpenCV's hue is in steps of two degrees, 0 to 179, so that its last four
    bins are empty; gray pixels have hue 0.

    Raises:
        MissingDependencyError: OpenCV is not installed.

    Examples:
        >>> from beam_scanner.kernels import KernelConfig
        >>> green = np.zeros((2, 3, 3), np.uint8)
        >>> green[..., 1] = 255
        >>> hue, saturation, value = HSVHistogram(KernelConfig()).execute(green)
        >>> int(hue[120 // 2 // 16]), int(saturation[15]), int(value[15])
        (6, 6, 6)
    """

    def __init__(self, config: KernelConfig) -> None:
        super().__init__(config)
        self._opencv = opencv("HSVHistogram")
        self._histogram = HistogramKernel(config)

    def execute(self, frame: FrameType) -> Histogram:
        """A list of three int32[16]: hue, saturation, value."""
        _check("HSVHistogram", frame)
        frame = np.ascontiguousarray(frame)
        hsv = self._opencv.cvtColor(frame, self._opencv.COLOR_RGB2HSV)
        return self._histogram.execute(hsv)
