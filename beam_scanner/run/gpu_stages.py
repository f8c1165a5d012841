"""Ops on GPUs: which stages need one, and whether the runner's workers have any."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.beam_internals.applied_steps import parse_hints
from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import Node, OpNode
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


def gpu_phases(graph: SharedGraph) -> set[int]:
    """The phases whose tasks run an op on a GPU."""
    phases = set()
    for phase, outputs, _ in graph.families:
        needed = set(outputs)
        for number in reversed(range(len(graph.nodes))):
            if number in needed:
                needed.update(graph.nodes[number][1])
        if any(is_on_gpu(graph.nodes[number][0]) for number in needed):
            phases.add(phase)
    return phases


def hints_of_phase(
    hints: Mapping[str, _T], phase: int, gpus: Collection[int]
) -> dict[str, _T]:
    """The resource hints of the stage that runs a phase.

    Where ops say that they run on a GPU, only their phases get an accelerator.

    Args:
        hints: Of the run.
        phase: The phase.
        gpus: The phases with ops on a GPU; none if no op says so.

    Examples:
        >>> hints = {'accelerator': 'type:nvidia-l4', 'min_ram': '16GB'}
        >>> hints_of_phase(hints, 1, {0}), len(hints_of_phase(hints, 1, ()))
        ({'min_ram': '16GB'}, 2)
    """
    spared = bool(gpus) and phase not in gpus
    return {n: v for n, v in hints.items() if not (spared and n in _ACCELERATOR)}


def check_gpus(
    nodes: Iterable[Node], options: PipelineOptions, hints: Mapping[str, object]
) -> None:
    """Refuses ops on GPUs where it is known that workers have none.

    Args:
        nodes: Of the graph.
        options: Of the run.
        hints: Resource hints of its run stage.

    Raises:
        ArgumentError: Names an op, and what to set.
    """
    op = next((node.label for node in nodes if is_on_gpu(node)), None)
    if op is None or any(name in hints for name in _ACCELERATOR):
        return
    if is_dataflow(options):
        raise ArgumentError(
            f"op {op} is to run on a GPU, but workers of Dataflow have none unless they "
            "are asked for: add gpu='nvidia-l4' to dataflow.options(), --accelerator, or "
            "with_resource_hints(accelerator=...)"
        )
    if ends_with_us(options) and not has_gpu():
        raise ArgumentError(
            f"op {op} is to run on a GPU, but this machine, where the workers of this "
            "run are, has none: leave out device=DeviceType.GPU, or run it where there "
            "is one"
        )
