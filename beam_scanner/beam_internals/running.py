"""What is being done with a pipeline, and how a transform is given its label.

Rows that no step reads are left out of a pipeline that is run as it is, and of no
other. A graph applies transforms itself, ``'label' >> transform`` among them.

If Beam changes this: rows that nobody reads are computed, or ``'label' >> Stride(8)``
cannot be applied inside a VideoGraph.
"""

from __future__ import annotations

import sys
from typing import Any

from apache_beam.pipeline import Pipeline
from apache_beam.transforms.ptransform import _NamedPTransform

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


def has_run(pipeline: Any) -> bool:
    """Whether a pipeline was run when its ``with`` block ended."""
    return hasattr(pipeline, "result")


def without_label(transform: Any) -> tuple[Any, str | None]:
    """What ``'label' >> transform`` was made of; the label is None if there was none."""
    if isinstance(transform, _NamedPTransform):
        return transform.transform, transform.label
    return transform, None
