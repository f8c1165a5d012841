"""The steps of a pipeline while it is built: who is being applied, who reads what.

A transform's rows are computed by stages that were applied before it, so it gives its
resource hints to those; an error or a failed row names the transform by its full
label; and only branches that some step reads are computed. Beam shows none of this to
transforms.

If Beam changes this: transforms cannot be applied, hints have no effect, or the run
stage computes branches that nobody reads, or leaves out ones that somebody does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apache_beam.pipeline import AppliedPTransform, PipelineVisitor


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

    def visit_transform(self, node: AppliedPTransform) -> None:
        self.read.update(node.inputs)
        self.read.update(side.pvalue for side in node.side_inputs)


def read_pcollections(pipeline: Any) -> set[Any]:
    """PCollections that some step, not only a composite, reads."""
    readers = _Readers()
    pipeline.visit(readers)
    return readers.read
