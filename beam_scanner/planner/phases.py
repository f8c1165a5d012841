"""Where a graph is cut, so that an in-order op does not hold up the others.

An op that needs a whole stream in order is one task. Its inputs, unless they are
frames, are made before by parallel tasks and kept in an internal stream; ops that follow
run after it, in parallel again. The cuts give *phases*,
which run one after the other, and in each phase *families* of outputs, whose tasks
are cut alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from beam_scanner.graph.nodes import (
    InputNode,
    Node,
    OpColumn,
    OpNode,
    OutputNode,
    SampleNode,
    SliceNode,
    UnsliceNode,
    topological,
)

if TYPE_CHECKING:
    from beam_scanner.storage.streams.backend import StoredStream

INTERNAL = -1

InternalStreams = Callable[[OpColumn, int], "tuple[StoredStream, ...]"]
"""Makes the streams, one a job, that keep a column; given the column and how many
columns were kept before it."""


@dataclass(frozen=True)
class Family:
    """Outputs that are made by the same tasks.

    Attributes:
        phase: When its tasks run; those of lower phases are done before.
        outputs: What they write.
        numbers: For each output its number among the outputs of the run;
            ``INTERNAL`` for one that only feeds later phases.
    """

    phase: int
    outputs: tuple[OutputNode, ...]
    numbers: tuple[int, ...]

    def numbered(self) -> Iterator[tuple[OutputNode, int]]:
        """Each output with its number."""
        return zip(self.outputs, self.numbers, strict=True)


@dataclass(frozen=True)
class _Part:
    """A column of the rewritten graph and what it takes to make it."""

    column: OpColumn
    phase: int = 0
    works: bool = False
    sliced: bool = False
    in_order: frozenset[int] = frozenset()
    whole: bool = False


def split_phases(
    outputs: Sequence[OutputNode], internal: InternalStreams
) -> list[Family]:
    """Cuts a graph into families.

    Args:
        outputs: The outputs of one run.
        internal: Gives the streams that keep columns for later phases.

    Returns:
        The families, by phase.
    """
    splitter = Splitter(internal)
    for number, output in enumerate(outputs):
        splitter.write(splitter.rewrite(output.input), output.streams, number)
    return splitter.families()


class Splitter:
    """Rewrites a graph column by column, so that it falls into phases.

    Args:
        internal: See :func:`split_phases`.
    """

    def __init__(self, internal: InternalStreams) -> None:
        self._internal = internal
        self._nodes: dict[int, tuple[Node, _Part]] = {}
        self._kept: dict[tuple[int, int], _Part] = {}
        self._outputs: list[tuple[_Part, OutputNode, int]] = []

    def write(
        self, part: _Part, streams: tuple[StoredStream, ...], number: int
    ) -> None:
        """Adds an output of a rewritten column."""
        self._outputs.append((part, OutputNode(part.column, streams), number))

    def families(self) -> list[Family]:
        """The outputs so far, by phase."""
        grouped: dict[tuple[int, Any], list[tuple[OutputNode, int]]] = {}
        together = self._shares()
        for part, output, number in self._outputs:
            kind = part.in_order if part.whole else together.get(id(output))
            key = (part.phase, part.in_order if kind is None else kind)
            grouped.setdefault(key, []).append((output, number))
        return [
            Family(
                phase,
                tuple(output for output, _ in members),
                tuple(number for _, number in members),
            )
            for (phase, _), members in sorted(
                grouped.items(), key=lambda item: item[0][0]
            )
        ]

    def _shares(self) -> dict[int, str]:
        """By ``id`` of an output with the outputs that read the same frames: a name.

        Where ops need slice groups in order, tasks may still be cut at frames for all of
        them; an op that needs a whole stream in order would hold up the others.
        """
        parallel = [each for each in self._outputs if not each[0].whole]
        if len({(part.phase, part.in_order) for part, _, _ in parallel}) < 2:
            return {}
        name: dict[tuple[int, int], int] = {}
        found: dict[int, tuple[int, int]] = {}
        for part, output, _ in parallel:
            frames = [(part.phase, source) for source in _frame_sources(output)]
            known = {name[source] for source in frames if source in name}
            first = min(known, default=len(name))
            name = {s: first if n in known else n for s, n in name.items()}
            name.update(dict.fromkeys(frames, first))
            if frames:
                found[id(output)] = frames[0]
        return {output: f"frames {name[source]}" for output, source in found.items()}

    def rewrite(self, column: OpColumn) -> _Part:
        """The column over the new graph."""
        for node in topological([column.node], self._nodes):
            self._nodes[id(node)] = (node, self._rewrite_node(node))
        part = self._nodes[id(column.node)][1]
        return replace(part, column=replace(column, node=part.column.node))

    def _rewrite_node(self, node: Node) -> _Part:
        if isinstance(node, OpNode):
            return self._rewrite_op(node)
        if isinstance(node, (SampleNode, SliceNode, UnsliceNode)):
            part = self.rewrite(node.input)
            sliced = isinstance(node, SliceNode) or (
                part.sliced and not isinstance(node, UnsliceNode)
            )
            new = replace(node, input=part.column)
            return replace(part, column=OpColumn(new), sliced=sliced)
        assert isinstance(node, InputNode)
        return _Part(OpColumn(node))

    def _rewrite_op(self, node: OpNode) -> _Part:
        parts = [self.rewrite(column) for column in node.columns]
        in_order = node.spec.unbounded_state or node.spec.whole_stream
        sliced = parts[0].sliced
        # Frames are never kept between phases, so what follows frames of an in-order op
        # runs in that op's task anyway; and slice groups are parallel as they are.
        held = any(part.in_order and part.column.type is None for part in parts)
        if not sliced and not held:
            parts = [self._cut(part, in_order) for part in parts]
        new = replace(node, columns=tuple(part.column for part in parts))
        upstream = frozenset[int]().union(*(part.in_order for part in parts))
        whole = any(part.whole for part in parts) or (in_order and not sliced)
        return _Part(
            OpColumn(new),
            max(part.phase for part in parts),
            works=True,
            sliced=sliced,
            in_order=upstream | {id(new)} if in_order else upstream,
            whole=whole,
        )

    def _cut(self, part: _Part, in_order: bool) -> _Part:
        """Keeps a column of blobs that is better made by tasks of its own."""
        # Straight from a source there is nothing to make first.
        if part.column.type is None or not (part.in_order or (in_order and part.works)):
            return part
        key = (id(part.column.node), part.column.index)
        if key not in self._kept:
            streams = self._internal(part.column, len(self._kept))
            self.write(part, streams, INTERNAL)
            source = OpColumn(InputNode(streams), 0, part.column.type)
            self._kept[key] = _Part(source, part.phase + 1)
        return self._kept[key]


def _frame_sources(output: OutputNode) -> list[int]:
    """The inputs of an output that are frames, by ``id``, in topological order."""
    read = {
        id(column.node): None
        for node in topological([output])
        for column in node.inputs
        if isinstance(column.node, InputNode) and column.type is None
    }
    return list(read)
