"""The steps of a pipeline while it is built and run: labels, hints, who reads what.

A transform's rows are computed by stages that were applied before it, so it gives its
resource hints to those; an error or a failed row names the transform by its full
label. Rows that no step reads are left out of a pipeline that is run as it is, and of
no other. A graph applies transforms itself, ``'label' >> transform`` among them. Beam
shows none of this to transforms.

If Beam changes this: transforms cannot be applied; hints such as ``min_ram='16GB'`` are
refused, not merged or without effect; or the run stage computes branches that nobody
reads, or leaves out ones that somebody does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from apache_beam.pipeline import AppliedPTransform, Pipeline, PipelineVisitor
from apache_beam.transforms import resources, util
from apache_beam.transforms.fully_qualified_named_transform import (
    FullyQualifiedNamedTransform,
)
from apache_beam.transforms.ptransform import (
    _ChainedPTransform,
    _NamedPTransform,
    _PTransformFnPTransform,
)


def current_label(pipeline: Any) -> str:
    """Full label of the transform whose ``expand`` is running."""
    label: str = pipeline._current_transform().full_label
    return label


def current_hints(pipeline: Any) -> dict[str, bytes]:
    """Resource hints of that transform, with those of the composites around it."""
    return dict(pipeline._current_transform().resource_hints)


def steps_that_make(outputs: Any) -> list[AppliedPTransform]:
    """The steps that make a PCollection, or the several outputs of a ParDo."""
    # Several outputs come from a composite of Beam's own.
    return list(outputs.producer.parts) or [outputs.producer]


def set_hints(steps: Iterable[AppliedPTransform], hints: Mapping[str, bytes]) -> None:
    """Gives steps that are in the pipeline already resource hints in place of theirs."""
    for step in steps:
        step.resource_hints = dict(hints)


def label_of_maker(pcollection: Any) -> str:
    """Full label of the transform that gave a PCollection; '' if there is none."""
    maker = pcollection.producer
    return "" if maker is None else str(maker.full_label)


class _Readers(PipelineVisitor):  # type: ignore[misc]
    def __init__(self) -> None:
        self.read: set[Any] = set()
        self.steps: dict[Any, list[AppliedPTransform]] = {}

    def visit_transform(self, node: AppliedPTransform) -> None:
        self.read.update(node.inputs)
        self.read.update(side.pvalue for side in node.side_inputs)
        for given in node.inputs:
            self.steps.setdefault(given, []).append(node)


def read_pcollections(pipeline: Any) -> set[Any]:
    """PCollections that some step, not only a composite, reads."""
    readers = _Readers()
    pipeline.visit(readers)
    return readers.read


def readers_of(pipeline: Any) -> dict[Any, list[AppliedPTransform]]:
    """The steps, not only composites, that take each PCollection as their main input."""
    readers = _Readers()
    pipeline.visit(readers)
    return readers.steps


def hints_of(step: AppliedPTransform) -> dict[str, bytes]:
    """Resource hints of a step, with those of the composites around it."""
    return dict(step.resource_hints)


def hints_as_given(hints: Mapping[str, bytes]) -> str:
    """Parsed hints as they are written in a pipeline; '' if there are none.

    Examples:
        >>> hints_as_given(parse_hints({'min_ram': '2GB'}))
        ".with_resource_hints(min_ram='2000000000')"
    """
    given = []
    for urn, value in sorted(hints.items()):
        name = urn.split(":")[2].removesuffix("_bytes")
        given.append(f"{name}={value.decode(errors='replace')!r}")
    return f".with_resource_hints({', '.join(given)})" if given else ""


_READS_ALL = "InteractiveRunner"
"""A runner that stores PCollections that no step of a pipeline reads."""


def is_run_as_it_is(pipeline: Any) -> bool:
    """Whether a pipeline is being run, and only its own steps read its PCollections.

    Otherwise it is translated for a tool, which may run part of it and read any of its
    PCollections. Beam calls a pipeline's steps in both cases alike, so this looks for
    ``Pipeline.run`` among the callers.
    """
    frame: Any = sys._getframe()
    while frame is not None:
        is_run = frame.f_code is Pipeline.run.__code__
        if is_run and frame.f_locals.get("self") is pipeline:
            return type(pipeline.runner).__name__ != _READS_ALL
        frame = frame.f_back
    return False


def runner_of(pipeline: Any) -> str:
    """Name of the runner that a pipeline was given, as ``--runner`` has it.

    Examples:
        >>> runner_of(Pipeline('FnApiRunner'))
        'FnApiRunner'
    """
    runner = pipeline.runner
    # Interactive Beam has another one run its pipelines.
    runner = getattr(runner, "_underlying_runner", runner)
    names = [kind.__name__ for kind in type(runner).__mro__]
    return _OF_DIRECT.get(names[0]) or next(
        filter(_KNOWN.__contains__, names), names[0]
    )


_OF_DIRECT = dict.fromkeys(
    ("DirectRunner", "SwitchingDirectRunner", "BundleBasedDirectRunner"), "DirectRunner"
)
_KNOWN = ("DataflowRunner", "FlinkRunner", "FnApiRunner", "PrismRunner", "SparkRunner")
"""Runners that others are derived from, for tests or with a server of their own."""


def has_run(pipeline: Any) -> bool:
    """Whether a pipeline was run when its ``with`` block ended."""
    return hasattr(pipeline, "result")


def without_label(transform: Any) -> tuple[Any, str | None]:
    """What ``'label' >> transform`` was made of; the label is None if there was none."""
    if isinstance(transform, _NamedPTransform):
        return transform.transform, transform.label
    return transform, None


_COMPOSING = (
    _ChainedPTransform,
    FullyQualifiedNamedTransform,
    # Older versions of Beam, such as 2.66, have no Tee.
    *([util.Tee] if hasattr(util, "Tee") else []),
)


def applies_others(transform: Any) -> bool:
    """Whether a transform of Beam's only applies others that the user gave it.

    So it takes what those take: ``A() | B()``, a function with ``beam.ptransform_fn``,
    and a few more.

    Examples:
        >>> import apache_beam as beam
        >>> applies_others(beam.Keys() | beam.Map(print)), applies_others(beam.Keys())
        (True, False)
    """
    if isinstance(transform, _PTransformFnPTransform):
        return not str(transform._fn.__module__).startswith("apache_beam.")
    return isinstance(transform, _COMPOSING)


def parse_hints(hints: Mapping[str, Any]) -> dict[str, bytes]:
    """Hints as users write them, by Beam's names (URNs).

    Raises:
        ValueError: A name or a value is unknown to Beam.

    Examples:
        >>> parse_hints({'min_ram': '1MB'})
        {'beam:resources:min_ram_bytes:v1': b'1000000'}
    """
    return dict(resources.parse_resource_hints(dict(hints)))


def merge_hints(
    outer: Mapping[str, bytes], inner: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Parsed hints of a transform together with those of a composite around it.

    Examples:
        >>> merge_hints(parse_hints({'min_ram': '2MB'}), parse_hints({'min_ram': 1}))
        {'beam:resources:min_ram_bytes:v1': b'2000000'}
    """
    return dict(resources.merge_resource_hints(dict(outer), dict(inner)))
