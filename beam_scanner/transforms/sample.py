"""Transforms that take, repeat or group the rows of streams.

There is one for each entry of ``SAMPLERS``, with its parameters and documentation; and
``Slice`` and ``Unslice``.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from beam_scanner.elements.hints import unread
from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import Node, OpColumn, SliceList, or_slice_list
from beam_scanner.graph.sampler_methods import StreamsGenerator, TaskPartitioner
from beam_scanner.graph.validate import check_possible
from beam_scanner.rows.samplers import Partition, Sampling
from beam_scanner.transforms.group import Branch, Streams
from beam_scanner.transforms.stream_transform import GraphTransform

partitioner = TaskPartitioner()
"""Ways to cut a stream for ``Slice``."""

_graph = StreamsGenerator()


class Sample(GraphTransform):
    """Takes rows of every stream alike.

    Inside slices an argument may be a ``SliceList``, with one value a group.

    Args:
        *argument: What ``sc.streams`` takes for one stream, if it takes anything.
    """

    _shown = ("argument",)
    _op = ""  # the method of sc.streams

    def __init__(self, *argument: Any) -> None:
        super().__init__()
        self._argument = argument[0] if argument else None
        self._values = [[value] for value in argument]
        # A wrong argument is an error here, where it is given, not when it is applied.
        column = OpColumn(Node())
        if isinstance(self._argument, SliceList):
            column = _graph.Slice(column, [partitioner.all()])
        check_possible(self._column(column).node)

    def _column(self, column: Any) -> Any:
        return getattr(_graph, self._op)(column, *self._values)

    @unread
    def expand(self, pcoll: Any) -> Streams | Branch:
        """Adds the rows to the graph."""
        before = self.streams(pcoll)
        return self.extended(before, self._column(before.column))


@cache
def sampler_transform(sampling: Sampling) -> type[Sample]:
    """The transform of a sampler: ``Stride(8)`` and so on.

    Examples:
        >>> from beam_scanner.rows.samplers import SAMPLERS
        >>> sampler_transform(SAMPLERS['Stride'])(8).label
        'Stride'
    """

    def __init__(self: Sample, *args: Any, **kwargs: Any) -> None:
        values = list(sampling.bind(*args, **kwargs).values())
        if len(values) > 1:
            values = [_joined(sampling.name, *values)]
        Sample.__init__(self, *values)

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    given = [
        parameter.replace(annotation=or_slice_list(parameter.annotation))
        for parameter in sampling.signature.parameters.values()
    ]
    __init__.__signature__ = inspect.Signature([own, *given])  # type: ignore[attr-defined]
    members = {
        "_op": sampling.name,
        "__init__": __init__,
        "__doc__": str(sampling.doc),
        "__module__": "beam_scanner.transforms",
    }
    return type(sampling.name, (Sample,), members)


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


class Slice(Sample):
    """Cuts each stream into groups, which transforms up to Unslice see by themselves.

    Outside, elements have the key (stream, group) of their group, and rows are
    counted in it.

    Args:
        partition: What a method of ``partitioner`` returns.

    Examples:
        >>> Slice(partitioner.all(250)).label
        'Slice'
    """

    _op = "Slice"

    def __init__(self, partition: Partition) -> None:
        super().__init__(partition)


class Unslice(GraphTransform):
    """Joins the groups of a slice, in order, into one stream."""

    def __init__(self) -> None:
        super().__init__()

    @unread
    def expand(self, pcoll: Any) -> Streams | Branch:
        """Adds the end of the slice to the graph."""
        before = self.streams(pcoll)
        return self.extended(before, _graph.Unslice(before.column))
