"""Ops and decoders on GPUs: which stages need one, and whether workers have any."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.beam_internals.applied_steps import parse_hints
from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import InputNode, Node, OpNode
from beam_scanner.kernels.gpus import has_gpu
from beam_scanner.run.shared_graph import SharedGraph
from beam_scanner.runners.dataflow import is_dataflow
from beam_scanner.runners.start import ends_with_us
from beam_scanner.types.element_types import DeviceType

_T = TypeVar("_T")

_ACCELERATOR = ("accelerator", *parse_hints({"accelerator": "type:a;count:1"}))
"""The hint as users write it, and as Beam keeps it."""


def is_on_gpu(node: Node) -> bool:
    """Whether a node is an op that runs on a GPU."""
    return isinstance(node, OpNode) and node.device == DeviceType.GPU


def uses_gpu(node: Node, decoder: str) -> bool:
    """Whether a node, or the decoding of what it reads, runs on a GPU.

    Args:
        node: Of a graph.
        decoder: Where videos are decoded.
    """
    return is_on_gpu(node) or (decoder != "cpu" and _decodes(node))


def _decodes(node: Node) -> bool:
    """Whether frames of a source reach a node with no op between them."""
    return any(
        isinstance(column.node, InputNode)
        or (not isinstance(column.node, OpNode) and _decodes(column.node))
        for column in node.inputs
        if column.type is None
    )


def gpu_phases(graph: SharedGraph, decoder: str) -> set[int]:
    """The phases whose tasks use a GPU.

    Args:
        graph: Of a run.
        decoder: Where videos are decoded.
    """
    phases = set()
    for phase, outputs, _ in graph.families:
        needed = set(outputs)
        for number in reversed(range(len(graph.nodes))):
            if number in needed:
                needed.update(graph.nodes[number][1])
        nodes = [graph.nodes[number] for number in needed]
        if any(is_on_gpu(node) for node, _ in nodes) or (
            decoder != "cpu"
            and any(
                column.type is None and isinstance(graph.nodes[above][0], InputNode)
                for node, inputs in nodes
                for column, above in zip(node.inputs, inputs, strict=True)
            )
        ):
            phases.add(phase)
    return phases


def hints_of_phase(
    hints: Mapping[str, _T], phase: int, gpus: Collection[int]
) -> dict[str, _T]:
    """The resource hints of the stage that runs a phase.

    Where ops or the decoder are said to run on a GPU, only their phases get an
    accelerator.

    Args:
        hints: Of the run.
        phase: The phase.
        gpus: The phases that use a GPU; none if nothing is said to.

    Examples:
        >>> hints = {'accelerator': 'type:nvidia-l4', 'min_ram': '16GB'}
        >>> hints_of_phase(hints, 1, {0}), len(hints_of_phase(hints, 1, ()))
        ({'min_ram': '16GB'}, 2)
    """
    spared = bool(gpus) and phase not in gpus
    return {n: v for n, v in hints.items() if not (spared and n in _ACCELERATOR)}


def check_gpus(
    nodes: Iterable[Node],
    options: PipelineOptions,
    hints: Mapping[str, object],
    decoder: str,
) -> None:
    """Refuses ops and decoders on GPUs where it is known that workers have none.

    Args:
        nodes: Of the graph.
        options: Of the run.
        hints: Resource hints of its run stage.
        decoder: Where videos are decoded.

    Raises:
        ArgumentError: Names an op or the decoder, and what to set.
    """
    user = next((node for node in nodes if uses_gpu(node, decoder)), None)
    if user is None or any(name in hints for name in _ACCELERATOR):
        return
    who, cause = f"op {user.label} is to run", "device=DeviceType.GPU"
    if not is_on_gpu(user):
        who, cause = "videos are to be decoded", f"decoder={decoder!r}"
    if is_dataflow(options):
        raise ArgumentError(
            f"{who} on a GPU, but workers of Dataflow have none unless they are asked "
            "for: add gpu='nvidia-l4' to dataflow.options(), --accelerator, or "
            "with_resource_hints(accelerator=...)"
        )
    if ends_with_us(options) and not has_gpu():
        raise ArgumentError(
            f"{who} on a GPU, but this machine, where the workers of this run are, has "
            f"none: leave out {cause}, or run it where there is one"
        )
