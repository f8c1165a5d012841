"""Attributes of a DoFn that are pickled with the complete pipeline, not before.

Beam pickles a DoFn when its ParDo is made, to see whether it can be, and keeps the copy
as ``ParDo.fn``. A graph that grows while the pipeline is built must not be copied so
early: it is set on Beam's copy, which is pickled again when the pipeline is translated.

If Beam changes this: workers find no such attribute, or the graph as it was when its
first transform was applied.
"""

from __future__ import annotations

from typing import Any

import apache_beam as beam


def par_do(
    function: beam.DoFn,
    *sides: Any,
    make: type[beam.ParDo] = beam.ParDo,
    **attributes: Any,
) -> beam.ParDo:
    """A ParDo whose DoFn has attributes that are pickled with the pipeline.

    Args:
        function: The DoFn.
        *sides: Side inputs.
        make: Its class.
        **attributes: To be set on Beam's copy of it.
    """
    transform = make(function, *sides)
    for name, value in attributes.items():
        setattr(transform.fn, name, value)
    return transform
