"""Names of runners, however they are written."""

from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.runners.runner_names import runner_name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("FlinkRunner", "flink"),
        ("flink", "flink"),
        ("PRISM", "prism"),
        ("apache_beam.runners.dataflow.DataflowRunner", "dataflow"),
        ("Runner", "runner"),
        ("custom.Thing", "thing"),
    ],
)
def test_any_way_to_write_it(given: str, name: str) -> None:
    assert runner_name(PipelineOptions([f"--runner={given}"])) == name


def test_the_default_has_no_name() -> None:
    assert runner_name(PipelineOptions([])) is None
