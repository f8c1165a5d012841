"""Types that transforms show."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from beam_scanner.beam_internals.shown_types import ShowsTypes


class Step(ShowsTypes):
    def row_types(self) -> tuple[Any, Any]:
        return (str,), int

    def expand(self, pcoll: Any) -> Any:
        return pcoll | beam.Map(lambda x: x).with_output_types(float)


def test_types_are_shown_and_not_checked() -> None:
    hints = Step().get_type_hints()
    assert hints.input_types == ((str,), {})
    assert hints.simple_output_type("x") is int
    made = beam.Pipeline("FnApiRunner") | beam.Create([1]) | Step()
    assert made.element_type is float
