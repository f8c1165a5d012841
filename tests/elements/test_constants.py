"""Elements that are known when the pipeline is built."""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import pytest
from apache_beam import typehints
from apache_beam.testing.util import assert_that, equal_to

from beam_scanner.elements.constants import Constants
from tests.support.pipeline_shape import faults


@pytest.mark.parametrize(
    "elements", [[], [None], ["a"], [1, "b", None], list(range(9))]
)
def test_the_given_elements(elements: list[Any]) -> None:
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        made = pipeline | Constants(elements)
        assert_that(made, equal_to(elements))


@pytest.mark.parametrize("elements", [[], ["a"], ["a", "b"]])
def test_every_step_does_something(elements: list[str]) -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    made = pipeline | Constants(elements)
    assert made.element_type == (str if elements else typehints.Any)
    assert faults(pipeline.to_runner_api()) == []
