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
    # Side inputs, not a Flatten: when a worker dies, Flink 1.19 may never end a step
    # that reads one, and gives up the whole TaskManager after three minutes.
    ended = [
        collection
        | f"All {number}" >> beam.Map(lambda _: (None, None))
        | f"Group {number}" >> beam.GroupByKey()
        | f"Ended {number}" >> beam.Map(lambda _: None)
        for number, collection in enumerate(collections)
    ]
    once = collections[0].pipeline | "Once" >> Constants([None])
    wait = beam.Map(lambda _, *ended: None, *map(beam.pvalue.AsList, ended))
    return once | "Wait" >> wait
