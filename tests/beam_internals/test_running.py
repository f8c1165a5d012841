"""What beam_internals.running relies on."""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from beam_scanner.beam_internals.running import (
    has_run,
    is_run_as_it_is,
    without_label,
)


class _Looks(FnApiRunner):
    """Notes whether the pipeline that it is given is run as it is."""

    found: list[bool]

    def run_pipeline(self, pipeline: Any, options: Any) -> Any:
        self.found.append(is_run_as_it_is(pipeline))
        other = beam.Pipeline()
        self.found.append(is_run_as_it_is(other))
        return super().run_pipeline(pipeline, options)


class InteractiveRunner(_Looks):
    """Has the name of Beam's own."""


@pytest.mark.parametrize("kind", [_Looks, InteractiveRunner])
def test_only_a_pipeline_in_run_is_run_as_it_is(kind: Any) -> None:
    runner = kind()
    runner.found = []
    with beam.Pipeline(runner) as pipeline:
        _ = pipeline | beam.Create([1])
        assert not is_run_as_it_is(pipeline)
        assert not has_run(pipeline)
    assert has_run(pipeline)
    assert not is_run_as_it_is(pipeline)
    assert runner.found == [kind is _Looks, False]


def test_a_label_is_told_from_its_transform() -> None:
    transform = beam.Keys()
    assert without_label("label" >> transform) == (transform, "label")
    assert without_label(transform) == (transform, None)
