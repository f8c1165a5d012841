"""Samplers, spacers and partitioners: which rows they take from a stream.

Each is a frozen value that says what the user asked for. ``row_map(n, where)``
applies it to a stream of ``n`` rows and raises an ``ArgumentError`` that begins with
``where`` if it cannot be applied. Ends are exclusive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beam_scanner.errors import ArgumentError, RowError
from beam_scanner.rows.row_maps import Layout, RowMap

Interval = tuple[int, int]


class Sampler:
    """Takes or spaces rows of a stream."""

    def row_map(self, rows: int, where: str) -> RowMap:
        """Applies the sampler to a stream.

        Args:
            rows: Length of the input.
            where: Names the op and the stream; begins every error.

        Returns:
            The map from output rows to input rows.

        Raises:
            ArgumentError: The sampler cannot be applied to that many rows.
            RowError: It names a row that the stream does not have.
        """
        raise TypeError(f"{type(self).__name__} is not a sampler")


def _interval(
    start: int, end: int, rows: int, where: str, clamp: bool = True
) -> Interval:
    if start < 0:
        raise ArgumentError(
            f"{where}: start {start} is negative; rows are counted from 0"
        )
    if end < start:
        raise ArgumentError(f"{where}: start {start} is after end {end}")
    if start > rows:
        raise ArgumentError(
            f"{where}: start {start} is past the end, the stream has {rows} rows"
        )
    if end > rows and not clamp:
        raise ArgumentError(
            f"{where}: end {end} is past the end, the stream has {rows} rows"
        )
    return start, min(end, rows)


def _positive(value: int, name: str, where: str) -> int:
    if value <= 0:
        raise ArgumentError(f"{where}: {name} must be at least 1, got {value}")
    return value


@dataclass(frozen=True)
class All(Sampler):
    """Every row.

    Example:
        >>> len(All().row_map(5, 'All'))
        5
    """

    def row_map(self, rows: int, where: str) -> RowMap:
        """See :meth:`Sampler.row_map`."""
        return RowMap.identity(rows)


@dataclass(frozen=True)
class StridedRanges(Sampler):
    """Rows ``start, start + stride, ...`` below ``end`` of each interval in turn.

    Intervals may come in any order, overlap and repeat. An end past the stream is
    clamped; a start past it is an error.

    Example:
        >>> rows = StridedRanges(((5, 8), (0, 4)), 2).row_map(10, 'StridedRanges')
        >>> rows.map(np.arange(len(rows))).tolist()
        [5, 7, 0, 2]
    """

    intervals: tuple[Interval, ...]
    stride: int = 1

    def row_map(self, rows: int, where: str) -> RowMap:
        """See :meth:`Sampler.row_map`."""
        stride = _positive(self.stride, "stride", where)
        bounds = [_interval(s, e, rows, where) for s, e in self.intervals]
        return _strided(bounds, stride)


def _strided(bounds: Sequence[Interval], stride: int) -> RowMap:
    starts = np.array([start for start, _ in bounds], dtype=np.int64)
    ends = np.array([end for _, end in bounds], dtype=np.int64)
    counts = -(-(ends - starts) // stride)
    return RowMap(starts, np.full(len(bounds), stride), counts)


@dataclass(frozen=True)
class Stride(Sampler):
    """Rows 0, k, 2k, ...

    Example:
        >>> len(Stride(8).row_map(720, 'Stride'))
        90
    """

    stride: int

    def row_map(self, rows: int, where: str) -> RowMap:
        """See :meth:`Sampler.row_map`."""
        stride = _positive(self.stride, "stride", where)
        return RowMap([0], [stride], [-(-rows // stride)])


@dataclass(frozen=True)
class Gather(Sampler):
    """The given rows, in any order, with duplicates.

    Example:
        >>> rows = Gather((5, 1, 1)).row_map(6, 'Gather')
        >>> rows.map(np.arange(3)).tolist()
        [5, 1, 1]
    """

    rows: tuple[int, ...]

    def row_map(self, rows: int, where: str) -> RowMap:
        """See :meth:`Sampler.row_map`."""
        return _gather([self.rows], rows, where)


def _gather(groups: Sequence[Sequence[int]], rows: int, where: str) -> RowMap:
    listed = np.array([row for group in groups for row in group], dtype=np.int64)
    wrong = (listed < 0) | (listed >= rows)
    if wrong.any():
        raise RowError(
            f"{where}: row {listed[wrong][0]} is out of range, "
            f"the stream has {rows} rows"
        )
    ones = np.ones(len(listed), dtype=np.int64)
    return RowMap(listed, ones, ones)


@dataclass(frozen=True)
class Repeat(Sampler):
    """Each row ``spacing`` times; or once, then ``spacing - 1`` nulls.

    Example:
        >>> rows = Repeat(3, nulls=True).row_map(2, 'RepeatNull')
        >>> rows.map(np.arange(6)).tolist()
        [0, -1, -1, 1, -1, -1]
    """

    spacing: int
    nulls: bool = False

    def row_map(self, rows: int, where: str) -> RowMap:
        """See :meth:`Sampler.row_map`."""
        spacing = _positive(self.spacing, "spacing", where)
        nulls = self.nulls and spacing > 1
        return RowMap([0], [1], [rows * spacing], [spacing], [nulls])


class Partition:
    """Cuts a stream into slice groups."""

    def groups(self, rows: int, where: str) -> tuple[RowMap, Layout]:
        """Applies the partition to a stream.

        Args:
            rows: Length of the input.
            where: Names the op and the stream; begins every error.

        Returns:
            The map from rows, numbered through all groups, to input rows, and how
            they fall into groups.

        Raises:
            ArgumentError: The partition cannot be applied to that many rows.
            RowError: It names a row that the stream does not have.
        """
        raise TypeError(f"{type(self).__name__} is not a partition")


@dataclass(frozen=True)
class StridedPartition(Partition):
    """Rows 0, k, 2k, ... in groups of ``group_size``, the last one partial.

    Example:
        >>> rows, layout = StridedPartition(2, 3).groups(20, 'Slice')
        >>> layout.lengths(), rows.map(np.arange(9, 10)).tolist()
        ([3, 3, 3, 1], [18])
    """

    stride: int
    group_size: int

    def groups(self, rows: int, where: str) -> tuple[RowMap, Layout]:
        """See :meth:`Partition.groups`."""
        size = _positive(self.group_size, "group_size", where)
        taken = Stride(self.stride).row_map(rows, where)
        return taken, Layout.uniform(len(taken), size)


@dataclass(frozen=True)
class RangesPartition(Partition):
    """One group for each interval; groups may overlap, repeat and be unordered.

    Unlike a sampler's, an interval that ends past the stream is an error.

    Example:
        >>> rows, layout = RangesPartition(((10, 15), (0, 5))).groups(20, 'Slice')
        >>> rows.map(np.arange(4, 7)).tolist(), layout.lengths()
        ([14, 0, 1], [5, 5])
    """

    intervals: tuple[Interval, ...]
    stride: int = 1

    def groups(self, rows: int, where: str) -> tuple[RowMap, Layout]:
        """See :meth:`Partition.groups`."""
        stride = _positive(self.stride, "stride", where)
        bounds = [_interval(s, e, rows, where, clamp=False) for s, e in self.intervals]
        lengths = [-(-(end - start) // stride) for start, end in bounds]
        return _strided(bounds, stride), Layout.of_lengths(lengths)


@dataclass(frozen=True)
class GatherPartition(Partition):
    """One group for each list of rows, in any order, with duplicates.

    Example:
        >>> rows, layout = GatherPartition(((3, 1), (0,))).groups(4, 'Slice')
        >>> rows.map(np.arange(3)).tolist(), layout.lengths()
        ([3, 1, 0], [2, 1])
    """

    rows: tuple[tuple[int, ...], ...]

    def groups(self, rows: int, where: str) -> tuple[RowMap, Layout]:
        """See :meth:`Partition.groups`."""
        taken = _gather(self.rows, rows, where)
        return taken, Layout.of_lengths([len(group) for group in self.rows])
