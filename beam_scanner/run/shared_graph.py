"""The graph of a run: what all its jobs share, and the per-job values.

A run may have a million jobs. What they share (nodes, kernels) is kept once, as a
graph without jobs; the values of each job (streams, sampler arguments) are a short
list. Both together give the graph of one job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from beam_scanner.planner.phases import Family, split_phases
from beam_scanner.run.slots import InternalSlot


def value_of(node: Node, job: int) -> Any:
    """What a node holds for one job alone; None if nothing."""
    if isinstance(node, (InputNode, OutputNode)):
        return node.streams[job]
    if isinstance(node, SampleNode):
        return node.samplers[job]
    if isinstance(node, SliceNode):
        return node.partitions[job]
    if isinstance(node, OpNode):
        return {name: values[job] for name, values in node.stream_args.items()}
    return None


def values_of(nodes: Sequence[Node], job: int) -> list[Any]:
    """What all nodes hold for one job alone."""
    return [value_of(node, job) for node in nodes]


def in_phases(outputs: Sequence[OutputNode], trusted: bool = True) -> list[Family]:
    """Cuts a graph into families, with slots for the streams between phases.

    Args:
        outputs: Of the graph; a pipeline may have none yet.
        trusted: Whether what the streams between phases hold may be unpickled.
    """
    jobs = len(outputs[0].streams) if outputs else 0
    return split_phases(
        outputs, lambda column, number: (InternalSlot(number, trusted),) * jobs
    )


@dataclass(frozen=True)
class SharedGraph:
    """What all jobs of a run share.

    Attributes:
        nodes: In topological order, without the values of any job.
        families: For each family its phase, which nodes are its outputs, and their
            numbers among the outputs of the run.
    """

    nodes: tuple[Node, ...]
    families: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]

    @staticmethod
    def of(families: Sequence[Family]) -> tuple[SharedGraph, list[Node]]:
        """Takes families apart.

        Returns:
            The shared part, and the nodes whose :func:`values_of` a job has.
        """
        outputs = [output for family in families for output in family.outputs]
        nodes = topological(outputs)
        number = {id(node): index for index, node in enumerate(nodes)}
        shared = SharedGraph(
            tuple(_rebuilt(nodes, [() for _ in nodes])),
            tuple(
                (
                    family.phase,
                    tuple(number[id(output)] for output in family.outputs),
                    family.numbers,
                )
                for family in families
            ),
        )
        return shared, nodes

    @property
    def phases(self) -> int:
        """How many phases there are."""
        return 1 + max((phase for phase, _, _ in self.families), default=0)

    def job(self, values: Sequence[Any]) -> list[Family]:
        """The families of one job; their nodes have one value each, at index 0."""
        nodes = _rebuilt(self.nodes, [(value,) for value in values])
        families = []
        for phase, indexes, numbers in self.families:
            outputs = [nodes[index] for index in indexes]
            found = [node for node in outputs if isinstance(node, OutputNode)]
            families.append(Family(phase, tuple(found), numbers))
        return families


def _rebuilt(nodes: Sequence[Node], values: Sequence[tuple[Any, ...]]) -> list[Node]:
    """The same graph, whose nodes hold the values of other jobs."""
    # Nodes are immutable and refer to those before them: new values mean new nodes.
    made: dict[int, Node] = {}
    rebuilt = []
    for node, of_jobs in zip(nodes, values, strict=True):
        columns = [replace(c, node=made[id(c.node)]) for c in node.inputs]
        made[id(node)] = _with_values(node, columns, of_jobs)
        rebuilt.append(made[id(node)])
    return rebuilt


def _with_values(
    node: Node, columns: Sequence[OpColumn], values: tuple[Any, ...]
) -> Node:
    """The node over other columns, with the values of these jobs only."""
    if isinstance(node, InputNode):
        return replace(node, streams=values)
    if isinstance(node, OutputNode):
        return replace(node, input=columns[0], streams=values)
    if isinstance(node, SampleNode):
        return replace(node, input=columns[0], samplers=values)
    if isinstance(node, SliceNode):
        return replace(node, input=columns[0], partitions=values)
    if isinstance(node, UnsliceNode):
        return replace(node, input=columns[0])
    assert isinstance(node, OpNode)
    stream_args = {
        name: tuple(of_job[name] for of_job in values) for name in node.stream_args
    }
    return replace(node, columns=tuple(columns), stream_args=stream_args)
