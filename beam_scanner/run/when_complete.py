"""Waiting for the end of PCollections."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from beam_scanner.elements.constants import Constants


def when_complete(*collections: Any) -> Any:
    """One element when PCollections are complete, also where they are empty.

    Args:
        *collections: At least one, all of one pipeline.

    Returns:
        A PCollection of one element.
    """
    once = collections[0].pipeline | "Once" >> Constants([None])
    return (
        (once, *collections)
        | beam.Flatten()
        | "All" >> beam.Map(lambda _: (None, None))
        | "Wait" >> beam.GroupByKey()
    )
