"""Types that transforms show."""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import pytest
from apache_beam.typehints.decorators import TypeCheckError

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


@pytest.mark.parametrize("given", [Any, int])
def test_types_that_the_program_gives_hold(given: Any) -> None:
    step = Step().with_input_types(given).with_output_types(float)
    made = beam.Pipeline("FnApiRunner") | beam.Create([1]) | step
    assert made.element_type is float


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Step().with_input_types(str), "Input type hint violation at Step"),
        (Step().with_output_types(int), "Output type hint violation at Step"),
    ],
)
def test_wrong_types_that_the_program_gives_are_refused(step: Step, text: str) -> None:
    numbers = beam.Pipeline("FnApiRunner") | beam.Create([1])
    with pytest.raises(TypeCheckError, match=text):
        numbers | step
