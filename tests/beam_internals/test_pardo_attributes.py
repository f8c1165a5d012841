"""A DoFn's attributes are pickled when the pipeline is complete."""

from __future__ import annotations

import copyreg
from typing import Any

import apache_beam as beam
from apache_beam.testing.util import assert_that, equal_to

from beam_scanner.beam_internals.pardo_attributes import par_do

pickled: list[str] = []


class Growing:
    """Remembers when it was pickled."""

    def __init__(self) -> None:
        self.state = "begun"

    def __reduce__(self) -> Any:
        pickled.append(self.state)
        return copyreg.__newobj__, (Growing,), {"state": self.state}  # type: ignore[attr-defined]


class _Tell(beam.DoFn):
    source: Growing

    def process(self, element: Any, side: Any = None) -> Any:
        yield element, self.source.state, side


def test_attributes_are_pickled_as_they_are_in_the_end() -> None:
    """Else a graph runs as it was when its first transform was applied."""
    source = Growing()
    pickled.clear()
    with beam.Pipeline("FnApiRunner") as pipeline:
        side = beam.pvalue.AsSingleton(pipeline | "Side" >> beam.Create(["s"]))
        rows = pipeline | beam.Create([1]) | par_do(_Tell(), side, source=source)
        assert pickled == []
        source.state = "complete"
        assert_that(rows, equal_to([(1, "complete", "s")]))
    assert set(pickled) == {"complete"}
