"""Errors of a check before a pipeline is translated."""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import pytest

from beam_scanner.beam_internals.before_translation import CheckedBeforeTranslation
from beam_scanner.errors import ArgumentError


class Step(CheckedBeforeTranslation):
    def __init__(self, problem: str) -> None:
        super().__init__()
        self.problem = problem

    def check(self) -> None:
        if self.problem:
            raise ArgumentError(self.problem)

    def expand(self, pcoll: Any) -> Any:
        return pcoll | beam.Map(str)


@pytest.mark.parametrize("runner", ["FnApiRunner", "PortableRunner"])
def test_an_error_comes_out_as_it_is(runner: str) -> None:
    pipeline = beam.Pipeline(runner)
    _ = pipeline | beam.Impulse() | Step("no database")
    with pytest.raises(ArgumentError, match=r"^no database$"):
        pipeline.run()
    with pytest.raises(ArgumentError, match=r"^no database$"):
        pipeline.to_runner_api()


def test_without_one_the_pipeline_runs() -> None:
    with beam.Pipeline("FnApiRunner") as pipeline:
        _ = pipeline | beam.Impulse() | Step("")
