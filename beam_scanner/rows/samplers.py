"""Samplers, spacers and partitioners: the registry, and which rows each takes.

A sampler is a frozen value. ``row_map(n, where)`` applies it to a stream of
``n`` rows and raises an ``ArgumentError`` that begins with ``where`` if it cannot be
applied. Ends are exclusive.

``SAMPLERS`` describes each sampler; a description is made by ``sampler`` from a class or a
function that returns such a value::

    @sampler("Head", "heads")
    @dataclass(frozen=True)
    class Head(Sampler):
        ...  # a docstring with Args, as of Stride below

        rows: int

        def row_map(self, rows: int, where: str) -> RowMap:
            return RowMap.identity(min(self.rows, rows))

Everything else follows from the name, the annotated parameters and the docstring:
``sc.streams.Head(column, heads=[3])``, the transform ``Head(3)``, ``--ops 'Head(3)'``
and its help, YAML's ``Head``, and its section in docs/ops.md. ``PARTITIONS`` is the
same for ``sc.partitioner`` and ``Slice``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from beam_scanner.errors import ArgumentError, RowError
from beam_scanner.text.docstrings import Doc, read_doc

if TYPE_CHECKING:
    from beam_scanner.rows.row_maps import Layout, RowMap

Interval = tuple[int, int]
Intervals = Sequence[Interval]
Rows = Sequence[int]
Groups = Sequence[Rows]

_Made = TypeVar("_Made", bound=Callable[..., Any])


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
class Sampling:
    """The description of a sampler or partition.

    Attributes:
        name: What users call it.
        make: Makes the ``Sampler`` or ``Partition`` of one stream. Its
            parameters are annotated ``int``, ``Intervals``, ``Rows`` or ``Groups``.
        per_stream: What ``sc.streams`` calls the list with one value for each stream;
            '' for a sampler without parameters, and for partitions.
    """

    name: str
    make: Callable[..., Any]
    per_stream: str = ""

    @property
    def signature(self) -> inspect.Signature:
        """The parameters of ``make``, their annotations evaluated."""
        return inspect.signature(self.make, eval_str=True)

    @property
    def doc(self) -> Doc:
        """The docstring of ``make``."""
        return read_doc(self.make.__doc__)

    def bind(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The arguments of a call by the names of the parameters, defaults included.

        Raises:
            TypeError: They do not fit.
        """
        return bind(self.name, self.signature, args, kwargs)


def bind(
    name: str, signature: inspect.Signature, args: Sequence[Any], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of a call by the names of the parameters, defaults included.

    Raises:
        TypeError: They do not fit the signature; names what was called.
    """
    takes = f"{name} takes ({', '.join(signature.parameters)})"
    # Said first, as Python does: one that is misspelt is also missing.
    for unknown in kwargs.keys() - signature.parameters.keys():
        raise TypeError(f"got an unexpected keyword argument {unknown!r}; {takes}")
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{error}; {takes}") from None
    bound.apply_defaults()
    return bound.arguments


SAMPLERS: dict[str, Sampling] = {}
PARTITIONS: dict[str, Sampling] = {}


def sampler(name: str, per_stream: str = "") -> Callable[[_Made], _Made]:
    """Registers what makes a sampler; see ``Sampling`` for the arguments."""

    def register(make: _Made) -> _Made:
        SAMPLERS[name] = Sampling(name, make, per_stream)
        return make

    return register


def partition(name: str) -> Callable[[_Made], _Made]:
    """Registers what makes a partition."""

    def register(make: _Made) -> _Made:
        PARTITIONS[name] = Sampling(name, make)
        return make

    return register


def _row_map() -> type[RowMap]:
    # The command names all samplers in its help, which must not wait for NumPy.
    from beam_scanner.rows.row_maps import RowMap

    return RowMap


def _layout() -> type[Layout]:
    from beam_scanner.rows.row_maps import Layout

    return Layout


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


def _check_rows(groups: Groups, rows: int, where: str) -> list[int]:
    """All rows of all groups in one list."""
    listed = [row for group in groups for row in group]
    wrong = next((row for row in listed if not 0 <= row < rows), None)
    if wrong is not None:
        raise RowError(
            f"{where}: row {wrong} is out of range, the stream has {rows} rows"
        )
    return listed


@sampler("All")
@dataclass(frozen=True)
class All(Sampler):
    """All rows, as they are.

    Examples:
        >>> len(All().row_map(5, 'All'))
        5
    """

    def row_map(self, rows: int, where: str) -> RowMap:
        """See ``Sampler.row_map``."""
        return _row_map().identity(rows)


@sampler("Stride", "strides")
@dataclass(frozen=True)
class Stride(Sampler):
    """Rows 0, k, 2k, ... of each stream, or of each slice group.

    Args:
        stride: ``k``, 1 or more.

    Examples:
        >>> len(Stride(8).row_map(720, 'Stride'))
        90
    """

    stride: int

    def row_map(self, rows: int, where: str) -> RowMap:
        """See ``Sampler.row_map``."""
        stride = _positive(self.stride, "stride", where)
        return _row_map()([0], [stride], [-(-rows // stride)])


@dataclass(frozen=True)
class StridedRanges(Sampler):
    """Rows ``start, start + stride, ...`` below ``end`` of each interval in turn.

    Intervals may come in any order, overlap and repeat. An end past the stream is
    clamped; a start past it is an error.

    Examples:
        >>> import numpy as np
        >>> rows = StridedRanges(((5, 8), (0, 4)), 2).row_map(10, 'StridedRanges')
        >>> rows.map(np.arange(len(rows))).tolist()
        [5, 7, 0, 2]
    """

    intervals: Intervals
    stride: int = 1

    def row_map(self, rows: int, where: str) -> RowMap:
        """See ``Sampler.row_map``."""
        stride = _positive(self.stride, "stride", where)
        bounds = [_interval(s, e, rows, where) for s, e in self.intervals]
        return _row_map().strided(bounds, stride)


@sampler("Range", "ranges")
def _range(start: int, end: int) -> Sampler:
    """Rows ``start`` to ``end - 1``; an end past the stream is clamped.

    Args:
        start: The first row.
        end: The row after the last.
    """
    return StridedRanges(((start, end),))


@sampler("Ranges", "intervals")
def _ranges(intervals: Intervals) -> Sampler:
    """The rows of several ranges, one after the other, in any order.

    Args:
        intervals: Pairs ``(start, end)``.
    """
    return StridedRanges(intervals)


@sampler("StridedRange", "ranges")
def _strided_range(start: int, end: int, stride: int) -> Sampler:
    """Rows ``start, start + stride, ...`` below ``end``.

    Args:
        start: The first row.
        end: Where to stop.
        stride: 1 or more.
    """
    return StridedRanges(((start, end),), stride)


@sampler("StridedRanges", "intervals")
def _strided_ranges(intervals: Intervals, stride: int) -> Sampler:
    """The rows of several strided ranges, each counted from its start.

    Args:
        intervals: Pairs ``(start, end)``.
        stride: For all of them.
    """
    return StridedRanges(intervals, stride)


@sampler("Gather", "indices")
@dataclass(frozen=True)
class Gather(Sampler):
    """The given rows, in any order, with duplicates.

    Args:
        rows: Row numbers; one past the end of a stream fails that stream.

    Examples:
        >>> import numpy as np
        >>> rows = Gather((5, 1, 1)).row_map(6, 'Gather')
        >>> rows.map(np.arange(3)).tolist()
        [5, 1, 1]
    """

    rows: Rows

    def row_map(self, rows: int, where: str) -> RowMap:
        """See ``Sampler.row_map``."""
        return _row_map().of_rows(_check_rows([self.rows], rows, where))


@dataclass(frozen=True)
class Repeat(Sampler):
    """Each row ``spacing`` times; or once, then ``spacing - 1`` nulls.

    Examples:
        >>> import numpy as np
        >>> rows = Repeat(3, nulls=True).row_map(2, 'RepeatNull')
        >>> rows.map(np.arange(6)).tolist()
        [0, -1, -1, 1, -1, -1]
    """

    spacing: int
    nulls: bool = False

    def row_map(self, rows: int, where: str) -> RowMap:
        """See ``Sampler.row_map``."""
        spacing = _positive(self.spacing, "spacing", where)
        nulls = self.nulls and spacing > 1
        return _row_map()([0], [1], [rows * spacing], [spacing], [nulls])


@sampler("Repeat", "spacings")
def _repeat(spacing: int) -> Sampler:
    """Each row k times.

    Args:
        spacing: ``k``, 1 or more.
    """
    return Repeat(spacing)


@sampler("RepeatNull", "spacings")
def _repeat_null(spacing: int) -> Sampler:
    """Each row once, then k - 1 nulls.

    Args:
        spacing: ``k``, 1 or more.
    """
    return Repeat(spacing, nulls=True)


@partition("strided")
@dataclass(frozen=True)
class StridedPartition(Partition):
    """Rows 0, k, 2k, ... in groups of ``group_size``; the last may be smaller.

    Args:
        stride: ``k``, 1 or more.
        group_size: Rows of a group.

    Examples:
        >>> import numpy as np
        >>> rows, layout = StridedPartition(2, 3).groups(20, 'Slice')
        >>> layout.lengths(), rows.map(np.arange(9, 10)).tolist()
        ([3, 3, 3, 1], [18])
    """

    stride: int
    group_size: int = 250

    def groups(self, rows: int, where: str) -> tuple[RowMap, Layout]:
        """See ``Partition.groups``."""
        size = _positive(self.group_size, "group_size", where)
        taken = Stride(self.stride).row_map(rows, where)
        return taken, _layout().uniform(len(taken), size)


@partition("all")
def _all_groups(group_size: int = 250) -> Partition:
    """Groups of ``group_size`` consecutive rows; the last may be smaller.

    Args:
        group_size: Rows of a group.
    """
    return StridedPartition(1, group_size)


@dataclass(frozen=True)
class RangesPartition(Partition):
    """One group for each interval; groups may overlap, repeat and be unordered.

    Unlike a sampler's, an interval that ends past the stream is an error.

    Examples:
        >>> import numpy as np
        >>> rows, layout = RangesPartition(((10, 15), (0, 5))).groups(20, 'Slice')
        >>> rows.map(np.arange(4, 7)).tolist(), layout.lengths()
        ([14, 0, 1], [5, 5])
    """

    intervals: Intervals
    stride: int = 1

    def groups(self, rows: int, where: str) -> tuple[RowMap, Layout]:
        """See ``Partition.groups``."""
        stride = _positive(self.stride, "stride", where)
        bounds = [_interval(s, e, rows, where, clamp=False) for s, e in self.intervals]
        lengths = [-(-(end - start) // stride) for start, end in bounds]
        return _row_map().strided(bounds, stride), _layout().of_lengths(lengths)


@partition("range")
def _range_group(start: int, end: int) -> Partition:
    """One group: rows ``start`` to ``end - 1``.

    Args:
        start: The first row.
        end: The row after the last.
    """
    return RangesPartition(((start, end),))


@partition("ranges")
def _range_groups(intervals: Intervals) -> Partition:
    """One group for each ``(start, end)``; groups may overlap, in any order.

    Args:
        intervals: Pairs ``(start, end)``.
    """
    return RangesPartition(intervals)


@partition("strided_range")
def _strided_range_group(start: int, end: int, stride: int) -> Partition:
    """One group: rows ``start, start + stride, ...`` below ``end``.

    Args:
        start: The first row.
        end: Where to stop.
        stride: 1 or more.
    """
    return RangesPartition(((start, end),), stride)


@partition("strided_ranges")
def _strided_range_groups(intervals: Intervals, stride: int) -> Partition:
    """One group for each ``(start, end)``, with every ``stride``-th row of it.

    Args:
        intervals: Pairs ``(start, end)``.
        stride: For all of them.
    """
    return RangesPartition(intervals, stride)


@dataclass(frozen=True)
class GatherPartition(Partition):
    """One group for each list of rows, in any order, with duplicates.

    Examples:
        >>> import numpy as np
        >>> rows, layout = GatherPartition(((3, 1), (0,))).groups(4, 'Slice')
        >>> rows.map(np.arange(3)).tolist(), layout.lengths()
        ([3, 1, 0], [2, 1])
    """

    rows: Groups

    def groups(self, rows: int, where: str) -> tuple[RowMap, Layout]:
        """See ``Partition.groups``."""
        taken = _row_map().of_rows(_check_rows(self.rows, rows, where))
        return taken, _layout().of_lengths([len(group) for group in self.rows])


@partition("gather")
def _gather_groups(groups: Groups) -> Partition:
    """One group for each list of rows, in any order, with duplicates.

    Args:
        groups: Lists of row numbers.
    """
    return GatherPartition(groups)
