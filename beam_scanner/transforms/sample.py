"""Transforms that take, repeat or group the rows of streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from beam_scanner.elements.hints import unread
from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import Node, OpColumn, SliceList, SliceNode
from beam_scanner.graph.samplers import StreamsGenerator, TaskPartitioner
from beam_scanner.rows.sampling import Partition
from beam_scanner.transforms.group import Branch, Streams
from beam_scanner.transforms.stream_transform import GraphTransform

partitioner = TaskPartitioner()
"""Ways to cut a stream for :class:`Slice`."""

_graph = StreamsGenerator()

_MANY = 1 << 40
"""More rows than any stream has: an argument that fails with so many always does."""


def _joined(name: str, *values: Any) -> Any:
    """One argument of several; a SliceList where one of them is."""
    lengths = {len(value) for value in values if isinstance(value, SliceList)}
    if len(lengths) > 1:
        raise ArgumentError(
            f"the SliceLists of {name} have different lengths: {sorted(lengths)}"
        )
    if not lengths:
        return values
    (groups,) = lengths
    each = [v if isinstance(v, SliceList) else [v] * groups for v in values]
    return SliceList(zip(*each, strict=True))


class _Sample(GraphTransform):
    """Takes rows of every stream alike.

    Inside slices an argument may be a ``SliceList``, with one value a group.
    """

    _shown = ("argument",)

    def __init__(self, argument: Any) -> None:
        super().__init__()
        self._argument = argument
        # A wrong argument is an error here, where it is given, not when it is applied.
        self._check()

    def _check(self) -> None:
        column = OpColumn(Node())
        if isinstance(self._argument, SliceList):
            column = _graph.Slice(column, [partitioner.all()])
        node = self._column(column).node
        if isinstance(node, SliceNode):
            node.partitions[0].groups(_MANY, "Slice")
        else:
            (samplers,) = node.samplers
            for each in samplers if isinstance(samplers, SliceList) else [samplers]:
                each.row_map(_MANY, node.op)

    def _column(self, column: Any) -> Any:
        method = getattr(_graph, type(self).__name__)
        return method(column, [self._argument])

    @unread
    def expand(self, pcoll: Any) -> Streams | Branch:
        """Adds the rows to the graph."""
        before = self.streams(pcoll)
        return self.extended(before, self._column(before.column))


class Stride(_Sample):
    """Rows 0, k, 2k, ... of each stream, or of each slice group.

    Args:
        stride: ``k``, 1 or more.

    Raises:
        ArgumentError: It is not.

    Example:
        >>> Stride(8).label
        'Stride'
    """

    def __init__(self, stride: int | SliceList) -> None:
        super().__init__(stride)


class Range(_Sample):
    """Rows ``start`` to ``end - 1``; an end past the stream is clamped.

    Args:
        start: The first row.
        end: The row after the last.
    """

    def __init__(self, start: int | SliceList, end: int | SliceList) -> None:
        super().__init__(_joined("Range", start, end))


class Ranges(_Sample):
    """The rows of several ranges, one after the other, in any order.

    Args:
        intervals: Pairs ``(start, end)``.
    """

    def __init__(self, intervals: Sequence[tuple[int, int]] | SliceList) -> None:
        super().__init__(intervals)


class StridedRange(_Sample):
    """Rows ``start, start + stride, ...`` below ``end``.

    Args:
        start: The first row.
        end: Where to stop.
        stride: 1 or more.
    """

    def __init__(
        self,
        start: int | SliceList,
        end: int | SliceList,
        stride: int | SliceList,
    ) -> None:
        super().__init__(_joined("StridedRange", start, end, stride))


class StridedRanges(_Sample):
    """The rows of several strided ranges, each counted from its start.

    Args:
        intervals: Pairs ``(start, end)``.
        stride: For all of them.
    """

    def __init__(
        self,
        intervals: Sequence[tuple[int, int]] | SliceList,
        stride: int | SliceList,
    ) -> None:
        super().__init__(_joined("StridedRanges", intervals, stride))


class Gather(_Sample):
    """The given rows, in any order, with duplicates.

    Args:
        rows: Row numbers; one past the end of a stream fails that stream.
    """

    def __init__(self, rows: Sequence[int] | SliceList) -> None:
        super().__init__(rows)


class Repeat(_Sample):
    """Each row k times.

    Args:
        spacing: ``k``.
    """

    def __init__(self, spacing: int | SliceList) -> None:
        super().__init__(spacing)


class RepeatNull(_Sample):
    """Each row once, then k - 1 nulls.

    Args:
        spacing: ``k``.
    """

    def __init__(self, spacing: int | SliceList) -> None:
        super().__init__(spacing)


class Slice(_Sample):
    """Cuts each stream into groups, which transforms up to Unslice see by themselves.

    Outside, elements have the key (stream, group) of their group, and rows are
    counted in it.

    Args:
        partition: What a method of ``partitioner`` returns.

    Example:
        >>> Slice(partitioner.all(250)).label
        'Slice'
    """

    def __init__(self, partition: Partition) -> None:
        super().__init__(partition)


class Unslice(GraphTransform):
    """Joins the groups of a slice, in order, into one stream."""

    @unread
    def expand(self, pcoll: Any) -> Streams | Branch:
        """Adds the end of the slice to the graph."""
        before = self.streams(pcoll)
        return self.extended(before, _graph.Unslice(before.column))
