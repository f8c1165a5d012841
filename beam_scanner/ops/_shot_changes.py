"""Arrays of the features of frames, and how much these differ from row to row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ElementTypeError
from beam_scanner.ops.shot_features import BINS, GRID, SIZE

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

CHUNK = 4096
"""Rows that are compared at once: a long film must not need much memory."""

_CELLS = GRID[0] * GRID[1]
_PATTERN_SCALE = 640
_LEAST_CONTRAST = 6.0


class BytesOfRows:
    """Some of the bytes of each element, read as an array where they are looked at.

    One array of all would hold a film twice.

    Args:
        elements: Of one length.
        columns: Which bytes of each.

    Attributes:
        shape: Rows and bytes of each.
    """

    def __init__(self, elements: Sequence[bytes], columns: slice) -> None:
        self._elements, self._columns = elements, columns
        self.shape = (len(elements), len(range(SIZE)[columns]))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Rows) -> npt.NDArray[np.uint8]:
        """uint8[rows, bytes]: of a slice, or of rows that are near each other."""
        if isinstance(rows, slice):
            return self._joined(rows)
        if not len(rows):
            return np.empty((0, self.shape[1]), np.uint8)
        first = int(rows.min())
        return self._joined(slice(first, int(rows.max()) + 1))[rows - first]

    def _joined(self, rows: slice) -> npt.NDArray[np.uint8]:
        joined = b"".join(self._elements[rows])
        return np.frombuffer(joined, np.uint8).reshape(-1, SIZE)[:, self._columns]


Values = BytesOfRows | npt.NDArray[Any]
"""A line for each row of a stream."""


class Features:
    """The features of all rows of a stream.

    Args:
        elements: What ShotFeatures gave, a row each.

    Attributes:
        elements: The same.
        bins: uint8[rows, 48], a chunk at a time: shares of the bins of the histograms,
            of 255.
        colors: uint8[rows, 144], likewise: the cells.

    Raises:
        ElementTypeError: They are something else.
    """

    def __init__(self, elements: Sequence[bytes]) -> None:
        wrong = next((e for e in elements if len(e) != SIZE), None)
        if wrong is not None:
            raise ElementTypeError(
                f"DetectShots expected the {SIZE} bytes that ShotFeatures gives for a "
                f"frame, got {len(wrong)}"
            )
        self.elements = elements
        self.bins = BytesOfRows(elements, slice(BINS))
        self.colors = BytesOfRows(elements, slice(BINS, SIZE))

    def __len__(self) -> int:
        return len(self.bins)

    @cached_property
    def luma(self) -> npt.NDArray[np.uint8]:
        """uint8[rows, 48]: the cells without their color."""
        made = np.empty((len(self), _CELLS), np.uint8)
        for part in chunks(len(self)):
            cells = self.colors[part].reshape(-1, _CELLS, 3).astype(np.uint16)
            weighted = 77 * cells[..., 0] + 150 * cells[..., 1] + 29 * cells[..., 2]
            made[part] = (weighted + 128) >> 8
        return made

    @cached_property
    def patterns(self) -> npt.NDArray[np.int16]:
        """int16[rows, 48]: luma without brightness and contrast, 16 to a level."""
        made = np.empty((len(self), _CELLS), np.int16)
        for part in chunks(len(self)):
            luma = self.luma[part].astype(np.float64)
            luma -= luma.mean(axis=1, keepdims=True)
            contrast = luma.std(axis=1, keepdims=True) + _LEAST_CONTRAST
            made[part] = np.rint(_PATTERN_SCALE * luma / contrast)
        return made


def chunks(rows: int) -> list[slice]:
    """Slices of at most ``CHUNK`` rows, in order."""
    return [slice(first, min(first + CHUNK, rows)) for first in range(0, rows, CHUNK)]


def distances(values: Values, one: Rows, other: Rows) -> Floats:
    """Mean absolute differences of pairs of rows: the sums are exact."""
    made = np.empty(len(one), np.float64)
    for part in chunks(len(one)):
        a, b = values[one[part]], values[other[part]]
        difference = np.abs(np.subtract(a, b, dtype=np.int16))
        made[part] = difference.sum(axis=1, dtype=np.int64)
    made /= values.shape[1]
    return made


def changes(values: Values, distance: int = 1) -> Floats:
    """How much each row differs from one some rows before; 0 where there is none."""
    rows = np.arange(len(values))
    # Rows without one before them are compared with themselves.
    return distances(values, rows, np.where(rows < distance, rows, rows - distance))


def typical_around(values: Floats, reach: int) -> Floats:
    """Medians of the values around each one, which is left out; mirrored at the ends."""
    made = np.empty_like(values)
    mirrored = np.pad(values, reach, mode="reflect" if len(values) > reach else "edge")
    around = np.lib.stride_tricks.sliding_window_view(mirrored, 2 * reach + 1)
    others = np.delete(np.arange(2 * reach + 1), reach)
    for part in chunks(len(values)):
        made[part] = np.median(around[part][:, others], axis=1)
    return made


def spaced(rows: Rows, strengths: Floats, length: int, total: int) -> list[int]:
    """The strongest rows that leave no shot shorter than ``length``, ascending.

    Args:
        rows: Candidates, ascending.
        strengths: Of the candidates; of equal ones the first counts.
        length: Least rows of a shot.
        total: Rows of the stream.

    Examples:
        >>> spaced(np.array([2, 10, 12, 19]), np.array([1., 1, 2, 9]), 3, 20)
        [12]
    """
    kept: list[int] = []
    taken = np.zeros(total + 1, bool)
    for index in np.argsort(-strengths, kind="stable").tolist():
        row = int(rows[index])
        near = taken[max(0, row - length + 1) : row + length].any()
        if length <= row <= total - length and not near:
            taken[row] = True
            kept.append(row)
    return sorted(kept)
