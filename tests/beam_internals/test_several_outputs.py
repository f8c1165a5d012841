"""Outputs of several types pass where Beam checks types while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.typehints.decorators import TypeCheckError

from beam_scanner.beam_internals.several_outputs import SeveralOutputs
from tests.support.small_runs import IN_MEMORY


def _process(number: int) -> Iterator[Any]:
    yield (number, number)
    yield beam.pvalue.TaggedOutput("texts", str(number))


class Plain(beam.DoFn):
    def process(self, number: Any) -> Any:
        return _process(number)


class Several(SeveralOutputs):
    def process(self, number: Any) -> Any:
        return _process(number)


def _run(function: beam.DoFn) -> None:
    options = PipelineOptions([*IN_MEMORY, "--performance_runtime_type_check"])
    with beam.Pipeline(options=options) as pipeline:
        both = (
            pipeline
            | beam.Create([1, 2])
            | beam.ParDo(function).with_outputs("texts", main="pairs")
        )
        # Declares that it takes pairs.
        grouped = both.pairs | beam.GroupByKey() | beam.Keys()
        assert_that(grouped, equal_to([1, 2]), "Pairs")
        assert_that(both.texts, equal_to(["1", "2"]), "Texts")


def test_each_output_has_a_type_of_its_own() -> None:
    _run(Several())


def test_what_beam_does_without() -> None:
    """If this fails, Beam tells outputs apart, and the module can go."""
    with pytest.raises(TypeCheckError, match="violat"):
        _run(Plain())
