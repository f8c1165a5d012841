"""The graph of a run: what all its jobs share, and the per-job values.

A run may have a million jobs. What they share (nodes, kernels) is kept once, as a
graph without jobs; the values of each job (streams, sampler arguments) are a short
list. Both together give the graph of one job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from beam_scanner.graph.nodes import (
    InputNode,
    Node,
    OpColumn,
    OpNode,
    OutputNode,
    SampleNode,
    SliceList,
    SliceNode,
    topological,
)
from beam_scanner.planner.phases import Family, split_phases
from beam_scanner.run.stream_slots import InternalSlot

_PER_JOB = {
    InputNode: "streams",
    OutputNode: "streams",
    SampleNode: "samplers",
    SliceNode: "partitions",
}
"""The field of a node that has a value for each job; ops have ``stream_args``."""


def value_of(node: Node, job: int) -> Any:
    """What a node holds for one job alone; None if nothing."""
    if isinstance(node, OpNode):
        return {name: values[job] for name, values in node.stream_args.items()}
    name = _PER_JOB.get(type(node))
    return None if name is None else getattr(node, name)[job]


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
        outputs, lambda column, number: internal_slots(column, number, trusted) * jobs
    )


def internal_slots(
    column: OpColumn, number: int, trusted: bool = True
) -> tuple[InternalSlot, ...]:
    """The slot, of one job, of a stream between phases."""
    return (InternalSlot(number, trusted),)


_NO_NODE = Node()
"""Stands in columns of a shared graph for the node, which is known by its number."""


@dataclass(frozen=True)
class SharedGraph:
    """What all jobs of a run share.

    Nodes are listed rather than nested in one another, so that a long path takes no
    deep stack to pickle.

    Attributes:
        nodes: In topological order, without the values of any job. Each comes with
            the numbers of the nodes that it reads; its columns have only the rest.
        families: For each family its phase, which nodes are its outputs, and their
            numbers among the outputs of the run.
    """

    nodes: tuple[tuple[Node, tuple[int, ...]], ...]
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
            tuple(
                (
                    _with_values(
                        node, [replace(c, node=_NO_NODE) for c in node.inputs], ()
                    ),
                    tuple(number[id(column.node)] for column in node.inputs),
                )
                for node in nodes
            ),
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
        nodes: list[Node] = []
        for (node, inputs), value in zip(self.nodes, values, strict=True):
            columns = [
                replace(column, node=nodes[number])
                for column, number in zip(node.inputs, inputs, strict=True)
            ]
            nodes.append(_with_values(node, columns, (value,)))
        families = []
        for phase, indexes, numbers in self.families:
            outputs = [nodes[index] for index in indexes]
            found = [node for node in outputs if isinstance(node, OutputNode)]
            families.append(Family(phase, tuple(found), numbers))
        return families

    def without_kernels(
        self, values: Sequence[Any], phase: int | None = None
    ) -> tuple[SharedGraph, tuple[Any, ...]]:
        """The graph and the values of one job, without what only kernels need.

        Kernels and their arguments may be gigabytes, such as the weights of models.
        Planning and committing need only the shape of a graph.

        Args:
            values: What :func:`values_of` returned.
            phase: A phase whose kernels stay, because it is to be executed.
        """
        executed = {
            number
            for at, indexes, _ in self.families
            if at == phase
            for number in indexes
        }
        for number in reversed(range(len(self.nodes))):
            if number in executed:
                executed.update(self.nodes[number][1])
        nodes, kept = [], []
        for number, ((node, inputs), value) in enumerate(
            zip(self.nodes, values, strict=True)
        ):
            if number not in executed and isinstance(node, OpNode):
                node, value = _without_kernel(node, value)
            nodes.append((node, inputs))
            kept.append(value)
        return replace(self, nodes=tuple(nodes)), tuple(kept)


def _without_kernel(
    node: OpNode, values: Mapping[str, Any]
) -> tuple[OpNode, dict[str, Any]]:
    spec = replace(node.spec, kernel=None, init_params=(), stream_params=())
    # The lengths of lists for slices are checked against the number of groups.
    lengths = {
        name: SliceList([None] * len(value)) if isinstance(value, SliceList) else None
        for name, value in values.items()
    }
    return replace(node, spec=spec, init_args={}), lengths


def _with_values(
    node: Node, columns: Sequence[OpColumn], values: tuple[Any, ...]
) -> Node:
    """The node over other columns, with the values of these jobs only."""
    changes: dict[str, Any] = {"input": columns[0]} if columns else {}
    if isinstance(node, OpNode):
        stream_args = {
            name: tuple(of_job[name] for of_job in values) for name in node.stream_args
        }
        changes = {"columns": tuple(columns), "stream_args": stream_args}
    elif type(node) in _PER_JOB:
        changes[_PER_JOB[type(node)]] = values
    return replace(node, **changes)
