"""Optional packages that ops need, looked for before any worker starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.graph.nodes import Node, OpNode
from beam_scanner.graph.validate import try_kernel
from beam_scanner.kernels.inference.model_source import ModelSource
from beam_scanner.models.libraries import Package
from beam_scanner.runners.start import ends_with_us


def check_packages(nodes: Iterable[Node], options: PipelineOptions) -> None:
    """Refuses ops whose packages are not installed, where workers have what we have.

    Args:
        nodes: Of the graph.
        options: Of the run. Workers of other machines may have other packages.

    Raises:
        MissingDependencyError: Names the op, the package and the command that installs
            it.
    """
    if not ends_with_us(options):
        return
    for node in nodes:
        if isinstance(node, OpNode):
            for package in _needs(node):
                if not package.is_there():
                    raise package.missing(f"op {node.label}")
            try_kernel(node)


def _needs(node: OpNode) -> Iterator[Package]:
    """Packages of a kernel, its model, and what comes before and after that."""
    for value in (node.spec.kernel, *node.init_args.values()):
        owner: Any = value.given if isinstance(value, ModelSource) else value
        owner = getattr(owner, "__self__", owner)
        needs = getattr(owner, "needs", ())
        if isinstance(needs, tuple):
            yield from (each for each in needs if isinstance(each, Package))
