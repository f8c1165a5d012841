"""Our own flags among Beam's."""

from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import PipelineOptions, WorkerOptions

from beam_scanner.run.options import ScannerOptions

FLAGS = [
    "--runner=DataflowRunner",
    "--machine_type=n1-standard-4",
    "--accelerator=type:nvidia-l4;count:2;install-nvidia-driver",
    "--min_ram=16GB",
    "--scanner_db=gs://bucket/db",
]


def test_they_are_seen_through_any_view() -> None:
    options = PipelineOptions(FLAGS)
    own = options.view_as(ScannerOptions)
    assert own.accelerator == "type:nvidia-l4;count:2;install-nvidia-driver"
    assert own.min_ram == "16GB"
    assert own.scanner_db == "gs://bucket/db"
    assert own.view_as(WorkerOptions).machine_type == "n1-standard-4"


def test_they_are_given_as_keywords_and_survive_the_way_to_workers() -> None:
    options = ScannerOptions(flags=[], min_ram="8GB", scanner_db="db")
    again = PipelineOptions.from_dictionary(options.get_all_options(drop_default=True))
    assert again.view_as(ScannerOptions).min_ram == "8GB"
    assert again.view_as(ScannerOptions).scanner_db == "db"


@pytest.mark.parametrize("name", ["accelerator", "min_ram", "scanner_db"])
def test_none_is_the_default(name: str) -> None:
    assert getattr(ScannerOptions([]), name) is None
