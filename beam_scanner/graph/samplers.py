"""``sc.streams`` and ``sc.partitioner``: which rows of a stream go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    OpNotFoundError,
    did_you_mean,
)
from beam_scanner.graph.nodes import (
    OpColumn,
    SampleNode,
    SliceList,
    SliceNode,
    UnsliceNode,
)
from beam_scanner.graph.validate import facts, made
from beam_scanner.kernels.register import registry
from beam_scanner.rows.sampling import (
    All,
    Gather,
    GatherPartition,
    Interval,
    Partition,
    RangesPartition,
    Repeat,
    Sampler,
    Stride,
    StridedPartition,
    StridedRanges,
)

_S = TypeVar("_S")


def column_of(value: Any, op: str, what: str, hint: str = "") -> OpColumn:
    """The value, if it is a column.

    Args:
        value: What was given.
        op: Takes it, for errors.
        what: Which of the op's inputs, for errors.
        hint: What else may have been meant, for errors.

    Raises:
        ElementTypeError: It is something else.
    """
    if isinstance(value, OpColumn):
        return value
    if isinstance(value, (tuple, list)) and any(isinstance(v, OpColumn) for v in value):
        hint = "; pick one of its columns"
    raise ElementTypeError(
        f"{what} of {op} must be a column, as sc.io.Input and ops return, got "
        f"{type(value).__name__}{hint}"
    )


def whole_number(value: Any, what: str) -> int:
    """The value as an int.

    Raises:
        ArgumentError: It is not a whole number.
    """
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise ArgumentError(f"{what} must be a whole number, got {value!r}")
    try:
        return int(value.__index__())
    except TypeError:
        raise ArgumentError(f"{what} must be a whole number, got {value!r}") from None


def _numbers(value: Any, what: str, names: Sequence[str]) -> list[int]:
    """Whole numbers from a tuple, a dict with these names, or a lone number."""
    if isinstance(value, Mapping):
        if set(value) != set(names):
            raise ArgumentError(
                f"{what} must be a dict with {', '.join(map(repr, names))}, got "
                f"{value!r}"
            )
        value = [value[name] for name in names]
    elif len(names) == 1 and hasattr(value, "__index__"):
        value = [value]
    if not _is_list(value) or len(value) != len(names):
        shown = f"({', '.join(names)})"
        if len(names) == 1:
            shown = f"a {names[0]}, a whole number"
        raise ArgumentError(f"{what} must be {shown}, got {value!r}")
    return [
        whole_number(number, f"{name} of {what}")
        for name, number in zip(names, value, strict=True)
    ]


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, range)) or (
        isinstance(value, np.ndarray) and value.ndim > 0
    )


def _intervals(value: Any, what: str) -> tuple[Interval, ...]:
    if not _is_list(value) or not all(_is_list(pair) for pair in value):
        raise ArgumentError(
            f"{what} must be a list of (start, end) pairs, got {value!r}"
        )
    pairs = [_numbers(tuple(pair), what, ("start", "end")) for pair in value]
    return tuple((start, end) for start, end in pairs)


def _rows(value: Any, what: str) -> tuple[int, ...]:
    if not _is_list(value):
        raise ArgumentError(f"{what} must be a list of row numbers, got {value!r}")
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.ndim == 1:
        return tuple(value.tolist())
    return tuple(whole_number(row, f"a row of {what}") for row in value)


def _only(value: Any, name: str, what: str) -> Any:
    """The value, or what stands under ``name`` if it is a dict."""
    if not isinstance(value, Mapping):
        return value
    if set(value) != {name}:
        raise ArgumentError(f"{what} must be a dict with {name!r}, got {value!r}")
    return value[name]


def _stride(value: Any, what: str) -> Sampler:
    return Stride(*_numbers(value, what, ("stride",)))


def _range(value: Any, what: str) -> Sampler:
    start, end = _numbers(value, what, ("start", "end"))
    return StridedRanges(((start, end),))


def _ranges(value: Any, what: str) -> Sampler:
    return StridedRanges(_intervals(_only(value, "intervals", what), what))


def _strided_range(value: Any, what: str) -> Sampler:
    start, end, stride = _numbers(value, what, ("start", "end", "stride"))
    return StridedRanges(((start, end),), stride)


def _strided_ranges(value: Any, what: str) -> Sampler:
    if isinstance(value, Mapping) and set(value) == {"intervals", "stride"}:
        value = (value["intervals"], value["stride"])
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ArgumentError(f"{what} must be (intervals, stride), got {value!r}")
    stride = whole_number(value[1], f"stride of {what}")
    return StridedRanges(_intervals(value[0], what), stride)


def _gather(value: Any, what: str) -> Sampler:
    return Gather(_rows(_only(value, "rows", what), what))


def _repeat(value: Any, what: str) -> Sampler:
    return Repeat(_numbers(value, what, ("spacing",))[0])


def _repeat_null(value: Any, what: str) -> Sampler:
    return Repeat(_numbers(value, what, ("spacing",))[0], nulls=True)


def _partition(value: Any, what: str) -> Partition:
    value = _only(value, "partitioner", what)
    if not isinstance(value, Partition):
        raise ArgumentError(
            f"{what} must come from sc.partitioner, such as sc.partitioner.all(50), "
            f"got {value!r}"
        )
    return value


def per_stream(
    op: str, name: str, values: Any, parse: Callable[[Any, str], _S]
) -> tuple[_S | SliceList, ...]:
    """Reads a list with one value for each stream.

    Args:
        op: For errors.
        name: Of the argument, for errors.
        values: The list; a value may be a ``SliceList`` of values.
        parse: Reads one value; its second argument names it in errors.

    Raises:
        ArgumentError: It is no list, or empty, or a value cannot be read.
    """
    if not isinstance(values, (list, tuple)) or isinstance(values, SliceList):
        raise ArgumentError(
            f"The argument `{name}` to op `{op}` is a stream config argument and must "
            f"be a list with one value for each stream, got {values!r}"
        )
    if not values:
        raise ArgumentError(f"The argument `{name}` to op `{op}` is an empty list")
    found: list[_S | SliceList] = []
    for stream, value in enumerate(values):
        what = f"{name}[{stream}] of {op}"
        if isinstance(value, SliceList):
            parsed = [parse(v, f"{what}, slice {i}") for i, v in enumerate(value)]
            found.append(SliceList(parsed))
        else:
            found.append(parse(value, what))
    return tuple(found)


def _hint(generator: object, name: str) -> str:
    names = [known for known in dir(type(generator)) if not known.startswith("_")]
    return did_you_mean(name, names) or f"; there are {', '.join(names)}"


class StreamsGenerator:
    """Ops that take, repeat or group the rows of a stream: ``sc.streams``.

    Every argument is a list with one value for each stream of the run. A value is
    a number or tuple, or a dict of the numbers' names; inside a slice it may be a
    ``SliceList`` with one value for each slice group.

    Args:
        sc: The client, if there is one.

    Example:
        >>> from beam_scanner.graph.nodes import Node
        >>> streams, column = StreamsGenerator(), OpColumn(Node())
        >>> streams.Stride(column, [8, {'stride': 4}]).node.samplers
        (Stride(stride=8), Stride(stride=4))
    """

    def __init__(self, sc: Any = None) -> None:
        self._sc = sc

    def __getattr__(self, name: str) -> Any:
        hint = _hint(self, name)
        if name in registry().names():
            hint = f"; it is sc.ops.{name}"
        raise OpNotFoundError(f"Stream operation {name} does not exist{hint}")

    def _sample(
        self,
        op: str,
        input: Any,
        name: str,
        values: Any,
        parse: Callable[[Any, str], Sampler],
    ) -> OpColumn:
        column = column_of(input, op, "input")
        return self._node(op, column, per_stream(op, name, values, parse))

    def _node(
        self, op: str, column: OpColumn, samplers: tuple[Sampler | SliceList, ...]
    ) -> OpColumn:
        node = made(SampleNode(column, op, samplers), self._sc)
        return OpColumn(node, 0, column.type)

    def All(self, input: OpColumn) -> OpColumn:
        """All rows, as they are."""
        column = column_of(input, "All", "input")
        return self._node("All", column, (All(),) * (facts(column.node).jobs or 1))

    def Stride(self, input: OpColumn, strides: Sequence[Any]) -> OpColumn:
        """Rows 0, k, 2k, ...

        Args:
            input: The column.
            strides: For each stream ``k`` or ``{'stride': k}``.
        """
        return self._sample("Stride", input, "strides", strides, _stride)

    def Range(self, input: OpColumn, ranges: Sequence[Any]) -> OpColumn:
        """Rows ``start`` to ``end - 1``; an end past the stream is clamped.

        Args:
            input: The column.
            ranges: For each stream ``(start, end)``, or a dict of these.
        """
        return self._sample("Range", input, "ranges", ranges, _range)

    def Ranges(self, input: OpColumn, intervals: Sequence[Any]) -> OpColumn:
        """The rows of several ranges, one after the other, in any order.

        Args:
            input: The column.
            intervals: For each stream a list of ``(start, end)``.
        """
        return self._sample("Ranges", input, "intervals", intervals, _ranges)

    def StridedRange(self, input: OpColumn, ranges: Sequence[Any]) -> OpColumn:
        """Rows ``start, start + stride, ...`` below ``end``.

        Args:
            input: The column.
            ranges: For each stream ``(start, end, stride)``, or a dict of these.
        """
        return self._sample("StridedRange", input, "ranges", ranges, _strided_range)

    def StridedRanges(
        self, input: OpColumn, intervals: Sequence[Any], stride: Any = None
    ) -> OpColumn:
        """The rows of several strided ranges, each counted from its start.

        Args:
            input: The column.
            intervals: One list of ``(start, end)`` for all streams; or a list with
                such a list for each stream; or, without ``stride``, for each
                stream ``(intervals, stride)`` or a dict of these.
            stride: For all streams, or a list with one for each.
        """
        op = "StridedRanges"
        column = column_of(input, op, "input")
        if stride is None:
            return self._sample(op, column, "intervals", intervals, _strided_ranges)
        if not isinstance(intervals, (list, tuple)):
            raise ArgumentError(f"intervals of {op} must be a list, got {intervals!r}")
        jobs = facts(column.node).jobs or 1
        if all(_is_pair(item) for item in intervals):
            intervals = [intervals] * jobs
        strides = stride if isinstance(stride, (list, tuple)) else [stride] * jobs
        if len(strides) != len(intervals):
            raise ArgumentError(
                f"{op} has intervals for {len(intervals)} streams and strides for "
                f"{len(strides)}"
            )
        joined = [
            SliceList((one, by) for one in item)
            if isinstance(item, SliceList)
            else (item, by)
            for item, by in zip(intervals, strides, strict=True)
        ]
        return self._sample(op, column, "intervals", joined, _strided_ranges)

    def Gather(self, input: OpColumn, indices: Sequence[Any]) -> OpColumn:
        """The given rows, in any order, with duplicates.

        Args:
            input: The column.
            indices: For each stream a list of row numbers, or ``{'rows': list}``.
        """
        return self._sample("Gather", input, "indices", indices, _gather)

    def Repeat(self, input: OpColumn, spacings: Sequence[Any]) -> OpColumn:
        """Each row k times.

        Args:
            input: The column.
            spacings: For each stream ``k`` or ``{'spacing': k}``.
        """
        return self._sample("Repeat", input, "spacings", spacings, _repeat)

    def RepeatNull(self, input: OpColumn, spacings: Sequence[Any]) -> OpColumn:
        """Each row once, then k - 1 nulls.

        Args:
            input: The column.
            spacings: For each stream ``k`` or ``{'spacing': k}``.
        """
        return self._sample("RepeatNull", input, "spacings", spacings, _repeat_null)

    def Slice(self, input: OpColumn, partitions: Sequence[Any]) -> OpColumn:
        """Cuts each stream into groups, which ops up to Unslice see by themselves.

        Args:
            input: The column.
            partitions: For each stream what a method of ``sc.partitioner`` returns.
        """
        column = column_of(input, "Slice", "input")
        found = per_stream("Slice", "partitions", partitions, _partition)
        for stream, partition in enumerate(found):
            if isinstance(partition, SliceList):
                raise ArgumentError(f"partitions[{stream}] of Slice is a SliceList")
        kept = tuple(p for p in found if isinstance(p, Partition))
        node = made(SliceNode(column, kept), self._sc)
        return OpColumn(node, 0, column.type)

    def Unslice(self, input: OpColumn) -> OpColumn:
        """Joins the groups of a slice, in order, into one stream."""
        column = column_of(input, "Unslice", "input")
        node = made(UnsliceNode(column), self._sc)
        return OpColumn(node, 0, column.type)


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and not isinstance(value, SliceList)
        and len(value) == 2
        and not any(isinstance(part, (list, tuple, np.ndarray)) for part in value)
    )


class TaskPartitioner:
    """Ways to cut a stream for ``sc.streams.Slice``: ``sc.partitioner``.

    Args:
        sc: The client; not used.

    Example:
        >>> TaskPartitioner().strided(2, group_size=3)
        StridedPartition(stride=2, group_size=3)
    """

    def __init__(self, sc: Any = None) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        raise OpNotFoundError(f"Partitioner {name} does not exist{_hint(self, name)}")

    def all(self, group_size: int = 250) -> Partition:
        """Groups of ``group_size`` consecutive rows; the last may be smaller."""
        return self.strided(1, group_size)

    def strided(self, stride: int, group_size: int = 250) -> Partition:
        """Rows 0, k, 2k, ... in groups of ``group_size``; the last may be smaller."""
        return StridedPartition(
            whole_number(stride, "stride of partitioner.strided"),
            whole_number(group_size, "group_size of a partitioner"),
        )

    def range(self, start: int, end: int) -> Partition:
        """One group: rows ``start`` to ``end - 1``."""
        return self.strided_ranges([(start, end)], 1)

    def ranges(self, intervals: Sequence[Interval]) -> Partition:
        """One group for each ``(start, end)``; groups may overlap, in any order."""
        return self.strided_ranges(intervals, 1)

    def strided_range(self, start: int, end: int, stride: int) -> Partition:
        """One group: rows ``start, start + stride, ...`` below ``end``."""
        return self.strided_ranges([(start, end)], stride)

    def strided_ranges(self, intervals: Sequence[Interval], stride: int) -> Partition:
        """One group for each ``(start, end)``, with every ``stride``-th row of it."""
        return RangesPartition(
            _intervals(intervals, "intervals of a partitioner"),
            whole_number(stride, "stride of a partitioner"),
        )

    def gather(self, groups: Sequence[Sequence[int]]) -> Partition:
        """One group for each list of rows, in any order, with duplicates."""
        if not _is_list(groups):
            raise ArgumentError(
                f"groups of partitioner.gather must be a list of lists, got {groups!r}"
            )
        rows = [_rows(group, "a group of partitioner.gather") for group in groups]
        return GatherPartition(tuple(rows))
