"""ShotFeatures: the little of a frame that shots are told apart by."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ElementTypeError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.ops._native import native_op
from beam_scanner.ops.histogram import histogram_with_numpy
from beam_scanner.types.element_types import FrameType

GRID = (6, 8)
"""Rows and columns of cells."""

BINS = 3 * 16
"""Of the histograms of red, green and blue together."""

SIZE = BINS + GRID[0] * GRID[1] * 3
"""Bytes of the features of a frame."""

_ROWS = 180
"""Of a frame with twice as many rows every second one is looked at, and so on."""


@register_python_op(name="ShotFeatures")
class ShotFeatures(Kernel):
    r"""Gives 192 bytes a frame, from which DetectShots finds shots.

    They are a histogram of each channel, in 16 bins, and the mean color of each of
    6 x 8 cells. Of frames with 360 rows or more some rows are passed over.

    Examples:
        >>> from beam_scanner.kernels import KernelConfig
        >>> features = ShotFeatures(KernelConfig())
        >>> found = features.execute(np.full((9, 16, 3), 255, np.uint8))
        >>> len(found), found[14:17], found[-3:]
        (192, b'\x00\xff\x00', b'\xff\xff\xff')
    """

    def __init__(self, config: KernelConfig) -> None:
        super().__init__(config)
        sample = np.arange(365 * 33 * 3).astype(np.uint8).reshape(365, 33, 3)
        found = native_op("ShotFeatures", features_with_numpy, sample)
        self._features = found or features_with_numpy

    def execute(self, frame: FrameType) -> bytes:
        """The shares of the bins, of 255, then the cells row by row, RGB.

        Raises:
            ElementTypeError: The frame is not H x W x 3 or H x W x 1, or not of uint8.
        """
        if frame.ndim != 3 or frame.shape[2] not in (1, 3) or frame.dtype != np.uint8:
            raise ElementTypeError(
                "ShotFeatures expected an H x W x 3 or H x W x 1 frame of uint8, got "
                f"{frame.dtype} with shape {frame.shape}"
            )
        if not frame.size:
            raise ElementTypeError(f"ShotFeatures got a frame of shape {frame.shape}")
        if frame.shape[2] == 1:
            frame = np.repeat(frame, 3, axis=2)
        return self._features(frame).tobytes()


def features_with_numpy(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """What the op gives for an H x W x 3 frame, as an array."""
    rows = np.ascontiguousarray(frame[:: max(1, len(frame) // _ROWS)])
    pixels = rows.shape[0] * rows.shape[1]
    counts = histogram_with_numpy(rows).astype(np.int64).reshape(-1)
    bins = (counts * 255 + pixels // 2) // pixels
    top, bottom = _parts(GRID[0], rows.shape[0])
    left, right = _parts(GRID[1], rows.shape[1])
    cells: list[Any] = []
    for first, end in zip(top.tolist(), bottom.tolist(), strict=True):
        columns = rows[first:end].sum(axis=0, dtype=np.int64)
        sums = np.concatenate((np.zeros((1, 3), np.int64), np.cumsum(columns, axis=0)))
        size = ((end - first) * (right - left))[:, None]
        cells.append((sums[right] - sums[left] + size // 2) // size)
    return np.concatenate((bins, np.concatenate(cells).reshape(-1))).astype(np.uint8)


def _parts(parts: int, size: int) -> tuple[npt.NDArray[np.int64], ...]:
    """Where each part of a line begins and ends; it has one sample or more."""
    bounds = np.arange(parts + 1) * size // parts
    return bounds[:-1], np.maximum(bounds[1:], bounds[:-1] + 1)
