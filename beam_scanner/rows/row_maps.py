"""Row arithmetic: which rows, and which row comes from which. Pure integers.

Three things are described here without listing their rows, so that a stride over
ten million rows costs what a stride over ten costs:

* :class:`RowSet`: rows of one stream, each once, ascending.
* :class:`RowMap`: for each row of a derived stream, the row that it is made from.
* :class:`Layout`: how the rows of a sliced stream fall into groups.

A sliced stream is numbered through all its groups: group 0 has rows
``0 .. n0 - 1``, group 1 continues at ``n0``. So slicing is a ``RowMap`` and a
``Layout``, and unslicing changes no row number at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]

NULL_ROW = -1
"""Stands in a mapped row for "made from no row": the element is null."""

_MANY_PIECES = 64


def _int64(values: object) -> Int64Array:
    return np.asarray(values, dtype=np.int64)


class RowSet:
    """Strictly ascending rows, held as arithmetic pieces.

    Args:
        starts: int64[k], first row of each piece, ascending.
        steps: int64[k], distance of rows inside a piece, >= 1.
        counts: int64[k], rows in each piece, >= 1; a piece ends before the next
            one starts.

    Examples:
        >>> rows = RowSet.of(range(0, 80, 8), range(100, 103))
        >>> len(rows), rows.first, rows.last
        (13, 0, 102)
        >>> rows.array(8, 12).tolist()
        [64, 72, 100, 101]
        >>> rows.positions(np.array([8, 101])).tolist()
        [1, 11]
    """

    __slots__ = ("counts", "offsets", "starts", "steps")

    def __init__(self, starts: object, steps: object, counts: object) -> None:
        self.starts = _int64(starts)
        self.steps = _int64(steps)
        self.counts = _int64(counts)
        self.offsets = np.concatenate(([0], np.cumsum(self.counts, dtype=np.int64)))

    @staticmethod
    def of(*ranges: range) -> RowSet:
        """The rows of ranges that ascend and do not interleave."""
        full = [r for r in ranges if len(r)]
        return RowSet(
            [r.start for r in full],
            [r.step if len(r) > 1 else 1 for r in full],
            [len(r) for r in full],
        )

    @staticmethod
    def interval(start: int, stop: int) -> RowSet:
        """Rows ``[start, stop)``."""
        return RowSet.of(range(start, stop))

    @staticmethod
    def of_sorted(values: Int64Array) -> RowSet:
        """The rows of a strictly ascending int64[n], joined where evenly spaced."""
        n = len(values)
        if n <= 1:
            return RowSet(values, np.ones(n), np.ones(n))
        gaps = np.diff(values)
        # A piece must end wherever the gap changes; a lone row between two
        # different gaps joins the piece on its left.
        change = np.flatnonzero(np.diff(gaps) != 0) + 1
        firsts = [0]
        for at in change.tolist():
            if at > firsts[-1]:
                firsts.append(at + 1)
        if firsts[-1] >= n:
            firsts.pop()
        first = _int64(firsts)
        counts = np.diff(np.append(first, n))
        lone = counts == 1
        steps = np.where(lone, 1, gaps[np.minimum(first, n - 2)])
        return RowSet(values[first], steps, counts)

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RowSet):
            return NotImplemented
        return len(self) == len(other) and bool(
            np.array_equal(self.array(), other.array())
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(str(r) for r in list(self.ranges())[:5])
        more = ", ..." if len(self.starts) > 5 else ""
        return f"RowSet({shown}{more})"

    @property
    def first(self) -> int:
        """The lowest row; the set must not be empty."""
        return int(self.starts[0])

    @property
    def last(self) -> int:
        """The highest row; the set must not be empty."""
        return int(self.starts[-1] + (self.counts[-1] - 1) * self.steps[-1])

    def ranges(self) -> Iterator[range]:
        """The pieces as Python ranges, ascending."""
        for start, step, count in zip(
            self.starts.tolist(), self.steps.tolist(), self.counts.tolist(), strict=True
        ):
            yield range(start, start + count * step, step)

    def at(self, positions: Int64Array) -> Int64Array:
        """The rows at these positions of the set; int64[n] to int64[n]."""
        if len(self.starts) == 1:
            alone: Int64Array = self.starts[0] + positions * self.steps[0]
            return alone
        piece = np.searchsorted(self.offsets, positions, side="right") - 1
        inside = positions - self.offsets[piece]
        return self.starts[piece] + inside * self.steps[piece]

    def array(self, start: int = 0, stop: int | None = None) -> Int64Array:
        """The rows at positions ``[start, stop)`` as int64[stop - start]."""
        stop = len(self) if stop is None else min(stop, len(self))
        return self.at(np.arange(start, stop, dtype=np.int64))

    def positions(self, rows: Int64Array) -> Int64Array:
        """Where in the set each row is; every row must be in it."""
        if len(self.starts) == 1:
            away: Int64Array = rows - self.starts[0]
            return away if self.steps[0] == 1 else away // self.steps[0]
        piece = np.searchsorted(self.starts, rows, side="right") - 1
        inside = (rows - self.starts[piece]) // self.steps[piece]
        found: Int64Array = self.offsets[piece] + inside
        return found

    def between(self, low: int, high: int) -> Int64Array:
        """The rows of the set in ``[low, high)`` as int64[m]."""
        return self.array(self.rank(low), self.rank(high))

    def rank(self, row: int) -> int:
        """How many rows of the set are below ``row``."""
        piece = int(np.searchsorted(self.starts, row, side="left")) - 1
        if piece < 0:
            return 0
        start, step = int(self.starts[piece]), int(self.steps[piece])
        inside = min(int(self.counts[piece]), -(-(row - start) // step))
        return int(self.offsets[piece]) + inside

    def dilate(self, before: int, after: int, layout: Layout) -> RowSet:
        """All rows from ``r - before`` to ``r + after``, kept inside r's group."""
        if not len(self.starts):
            return self
        lows, highs = [], []
        for rows in self.ranges():
            if rows.step <= before + after + 1 and len(layout) == 1:
                lows.append(_int64([rows[0] - before]))
                highs.append(_int64([rows[-1] + after + 1]))
            else:
                members = np.arange(rows.start, rows.stop, rows.step, dtype=np.int64)
                start, stop = layout.bounds(members)
                lows.append(np.maximum(members - before, start))
                highs.append(np.minimum(members + after + 1, stop))
        low = np.maximum(np.concatenate(lows), 0)
        high = np.minimum(np.concatenate(highs), layout.rows)
        return _merge(low, high)


EMPTY = RowSet([], [], [])


def _merge(lows: Int64Array, highs: Int64Array) -> RowSet:
    """The union of intervals ``[low, high)`` as dense pieces."""
    order = np.argsort(lows, kind="stable")
    lows, highs = lows[order], np.maximum.accumulate(highs[order])
    keep = lows < highs
    lows, highs = lows[keep], highs[keep]
    if not len(lows):
        return EMPTY
    new = np.concatenate(([True], lows[1:] > highs[:-1]))
    starts = lows[new]
    stops = highs[np.append(np.flatnonzero(new)[1:] - 1, len(highs) - 1)]
    return RowSet(starts, np.ones(len(starts)), stops - starts)


def union(sets: Iterable[RowSet]) -> RowSet:
    """Every row that is in one of the sets.

    Examples:
        >>> union([RowSet.of(range(0, 5)), RowSet.of(range(3, 9))])
        RowSet(range(0, 9))
    """
    full = [rows for rows in sets if len(rows)]
    if not full:
        return EMPTY
    if len(full) == 1:
        return full[0]
    starts = np.concatenate([rows.starts for rows in full])
    steps = np.concatenate([rows.steps for rows in full])
    counts = np.concatenate([rows.counts for rows in full])
    return _join_pieces(starts, steps, counts)


def _join_pieces(starts: Int64Array, steps: Int64Array, counts: Int64Array) -> RowSet:
    """The union of arithmetic pieces in any order, overlapping or not."""
    if bool(np.all((steps == 1) | (counts == 1))):
        return _merge(starts, starts + counts)
    order = np.argsort(starts, kind="stable")
    starts, steps, counts = starts[order], steps[order], counts[order]
    lasts = starts + (counts - 1) * steps
    if bool(np.all(starts[1:] > lasts[:-1])):
        return RowSet(starts, steps, counts)
    same = (starts == starts[0]) & (steps == steps[0]) & (counts == counts[0])
    if bool(np.all(same)):
        return RowSet(starts[:1], steps[:1], counts[:1])
    offsets = np.repeat(np.cumsum(counts) - counts, counts)
    inside = np.arange(int(counts.sum()), dtype=np.int64) - offsets
    values = np.repeat(starts, counts) + inside * np.repeat(steps, counts)
    return RowSet.of_sorted(np.unique(values))


class RowMap:
    """For each row of a derived stream the row that it is made from.

    Piece ``p`` maps row ``j`` of the piece to ``start + (j // repeat) * step``;
    where ``spaced`` is set, to null unless ``j % repeat == 0``.

    Args:
        starts: int64[k].
        steps: int64[k], >= 1.
        counts: int64[k], rows of each piece; 0 is allowed.
        repeats: int64[k], >= 1.
        spaced: bool[k].

    Examples:
        >>> stride = RowMap([0], [8], [90])
        >>> len(stride), stride.map(np.array([0, 1, 89])).tolist()
        (90, [0, 8, 712])
        >>> nulls = RowMap([0], [1], [6], [3], [True])
        >>> nulls.map(np.arange(6)).tolist()
        [0, -1, -1, 1, -1, -1]
        >>> stride.need(RowSet.interval(10, 20))
        RowSet(range(80, 160, 8))
    """

    __slots__ = ("counts", "offsets", "repeats", "spaced", "starts", "steps")

    def __init__(
        self,
        starts: object,
        steps: object,
        counts: object,
        repeats: object = None,
        spaced: object = None,
    ) -> None:
        start, step, count = _int64(starts), _int64(steps), _int64(counts)
        k = len(start)
        repeat = np.ones(k, np.int64) if repeats is None else _int64(repeats)
        null = np.zeros(k, bool) if spaced is None else np.asarray(spaced, dtype=bool)
        keep = count > 0
        start, step, count = start[keep], step[keep], count[keep]
        repeat, null = repeat[keep], null[keep]
        if len(start) > 1:
            ends = start + step * count
            joins = (step[1:] == step[:-1]) & (start[1:] == ends[:-1])
            joins &= (repeat[1:] == 1) & (repeat[:-1] == 1)
            first = np.concatenate(([True], ~joins))
            count = np.add.reduceat(count, np.flatnonzero(first))
            start, step = start[first], step[first]
            repeat, null = repeat[first], null[first]
        self.starts, self.steps, self.counts = start, step, count
        self.repeats, self.spaced = repeat, null
        self.offsets = np.concatenate(([0], np.cumsum(count, dtype=np.int64)))

    @staticmethod
    def identity(rows: int) -> RowMap:
        """Row i from row i."""
        return RowMap([0], [1], [rows])

    @staticmethod
    def of_rows(rows: Sequence[int]) -> RowMap:
        """Row i from ``rows[i]``."""
        ones = np.ones(len(rows), dtype=np.int64)
        return RowMap(rows, ones, ones)

    @staticmethod
    def strided(intervals: Sequence[tuple[int, int]], stride: int) -> RowMap:
        """Every ``stride``-th row of each ``[start, end)`` in turn."""
        starts, ends = _int64(intervals).reshape(-1, 2).T
        counts = -(-(ends - starts) // stride)
        return RowMap(starts, np.full(len(starts), stride), counts)

    @staticmethod
    def concatenate(maps: Sequence[RowMap], shifts: Sequence[int]) -> RowMap:
        """One map after the other, each reading ``shift`` rows further on."""
        if not maps:
            return RowMap([], [], [])
        return RowMap(
            np.concatenate([m.starts + s for m, s in zip(maps, shifts, strict=True)]),
            np.concatenate([m.steps for m in maps]),
            np.concatenate([m.counts for m in maps]),
            np.concatenate([m.repeats for m in maps]),
            np.concatenate([m.spaced for m in maps]),
        )

    def __len__(self) -> int:
        return int(self.offsets[-1])

    @property
    def ordered(self) -> bool:
        """Whether mapped rows never descend."""
        lasts = self.starts + (self.counts - 1) // self.repeats * self.steps
        return bool(np.all(self.starts[1:] >= lasts[:-1]))

    def is_identity_of(self, rows: int) -> bool:
        """Whether this maps each row of a stream of ``rows`` rows to itself."""
        if len(self) != rows:
            return False
        plain = len(self.starts) == 1 and self.starts[0] == 0 and self.steps[0] == 1
        return rows == 0 or bool(plain and self.repeats[0] == 1)

    def origin(self, rows: Int64Array) -> Int64Array:
        """The row that each row stems from, nulls included; int64[n]."""
        piece = np.searchsorted(self.offsets, rows, side="right") - 1
        inside = (rows - self.offsets[piece]) // self.repeats[piece]
        return self.starts[piece] + inside * self.steps[piece]

    def map(self, rows: Int64Array) -> Int64Array:
        """The row that each row is made from, ``NULL_ROW`` for nulls; int64[n]."""
        piece = np.searchsorted(self.offsets, rows, side="right") - 1
        inside, rest = np.divmod(rows - self.offsets[piece], self.repeats[piece])
        origin = self.starts[piece] + inside * self.steps[piece]
        return np.where(self.spaced[piece] & (rest != 0), NULL_ROW, origin)

    def need(self, rows: RowSet) -> RowSet:
        """The rows that these rows are made from, each once."""
        if not len(rows):
            return EMPTY
        low = int(np.searchsorted(self.offsets, rows.first, side="right")) - 1
        high = int(np.searchsorted(self.offsets, rows.last, side="right"))
        if (high - low) * len(rows.starts) > _MANY_PIECES:
            return self._need_listed(rows)
        found: list[RowSet] = []
        for piece in range(low, high):
            start, stop = int(self.offsets[piece]), int(self.offsets[piece + 1])
            for part in rows.ranges():
                inside = _clip(part, start, stop)
                if len(inside):
                    found.append(self._need_of_piece(piece, inside))
        return union(found)

    def _need_listed(self, rows: RowSet) -> RowSet:
        values = np.unique(self.map(rows.array()))
        return RowSet.of_sorted(values[values != NULL_ROW])

    def _need_of_piece(self, piece: int, rows: range) -> RowSet:
        """``rows`` are positions inside the piece."""
        start, step = int(self.starts[piece]), int(self.steps[piece])
        repeat, spaced = int(self.repeats[piece]), bool(self.spaced[piece])
        if repeat == 1 or rows.step % repeat == 0:
            if spaced and rows[0] % repeat:
                return EMPTY
            first = start + rows[0] // repeat * step
            by = rows.step // repeat * step if repeat > 1 else rows.step * step
            return RowSet([first], [by if len(rows) > 1 else 1], [len(rows)])
        if rows.step == 1 or (rows.step <= repeat and not spaced):
            low = -(-rows[0] // repeat) if spaced else rows[0] // repeat
            count = rows[-1] // repeat - low + 1
            if count <= 0:
                return EMPTY
            return RowSet([start + low * step], [step if count > 1 else 1], [count])
        inside = np.arange(rows.start, rows.stop, rows.step, dtype=np.int64)
        if spaced:
            inside = inside[inside % repeat == 0]
        return RowSet.of_sorted(np.unique(start + inside // repeat * step))


def _clip(rows: range, start: int, stop: int) -> range:
    """The rows in ``[start, stop)``, counted from ``start``."""
    skip = max(0, -(-(start - rows.start) // rows.step))
    first = rows.start + skip * rows.step
    return range(first - start, min(rows.stop, stop) - start, rows.step)


class Layout:
    """How rows fall into consecutive groups; an unsliced stream is one group.

    Examples:
        >>> sliced = Layout.uniform(10, 4)
        >>> len(sliced), sliced.rows, sliced.group(2)
        (3, 10, range(8, 10))
        >>> [bound.tolist() for bound in sliced.bounds(np.array([0, 5, 9]))]
        [[0, 4, 8], [4, 8, 10]]
        >>> Layout.of_lengths([3, 0, 2]).group_of(np.array([2, 3])).tolist()
        [0, 2]
    """

    __slots__ = ("offsets", "rows", "size")

    def __init__(self, rows: int, size: int, offsets: Int64Array | None) -> None:
        self.rows = rows
        self.size = size
        self.offsets = offsets

    @staticmethod
    def single(rows: int) -> Layout:
        """One group with all rows."""
        return Layout(rows, 0, None)

    @staticmethod
    def uniform(rows: int, size: int) -> Layout:
        """Groups of ``size`` rows, the last one with the rest."""
        return Layout(rows, size, None)

    @staticmethod
    def of_lengths(lengths: Sequence[int]) -> Layout:
        """Groups of the given lengths, which may be 0."""
        offsets = np.concatenate(([0], np.cumsum(_int64(lengths), dtype=np.int64)))
        return Layout(int(offsets[-1]), 0, offsets)

    def __len__(self) -> int:
        if self.offsets is not None:
            return len(self.offsets) - 1
        return -(-self.rows // self.size) if self.size else 1

    def group(self, index: int) -> range:
        """The rows of one group."""
        if self.offsets is not None:
            return range(int(self.offsets[index]), int(self.offsets[index + 1]))
        if self.size:
            return range(index * self.size, min(self.rows, (index + 1) * self.size))
        return range(self.rows)

    def group_of(self, rows: Int64Array) -> Int64Array:
        """The group of each row; int64[n] to int64[n]."""
        if self.offsets is not None:
            return np.searchsorted(self.offsets, rows, side="right") - 1
        if self.size:
            return rows // self.size
        return np.zeros(len(rows), dtype=np.int64)

    def bounds(self, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
        """First row, and last row + 1, of each row's group; two int64[n]."""
        if self.offsets is not None:
            group = self.group_of(rows)
            return self.offsets[group], self.offsets[group + 1]
        if self.size:
            low = rows // self.size * self.size
            return low, np.minimum(low + self.size, self.rows)
        return np.zeros(len(rows), np.int64), np.full(len(rows), self.rows)

    def lengths(self) -> list[int]:
        """Rows of each group."""
        return [len(self.group(index)) for index in range(len(self))]

    def same_groups(self, other: Layout) -> bool:
        """Whether both have the same groups."""
        if self.rows != other.rows or len(self) != len(other):
            return False
        if self.offsets is None and other.offsets is None:
            return self.size == other.size or len(self) <= 1
        return self.lengths() == other.lengths()
