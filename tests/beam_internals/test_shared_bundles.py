"""The workers of Beam's local runner share bundles."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to

from beam_scanner.beam_internals.shared_bundles import SharingRunner, _Bundles

THREADS = PipelineOptions(
    ["--direct_running_mode=multi_threading", "--direct_num_workers=2"]
)


def grouped_numbers(pipeline: beam.Pipeline, count: int) -> Any:
    """Numbers as they come out of a grouping."""
    return (
        pipeline
        | beam.Create(range(count))
        | beam.Map(lambda number: (number, number))
        | beam.GroupByKey()
        | beam.Keys()
    )


class Work(beam.DoFn):
    """Element 0 waits until ``others`` elements are done."""

    def __init__(self, folder: str, others: int) -> None:
        super().__init__()
        self.folder = folder
        self.others = others

    def process(self, number: int) -> Iterator[int]:
        Metrics.counter("test", "elements").inc()
        until = time.monotonic() + 60
        while number == 0 and len(os.listdir(self.folder)) < self.others:
            assert time.monotonic() < until, "the others are behind this one"
            time.sleep(0.01)
        Path(self.folder, str(number)).touch()
        yield number


def test_the_others_do_not_wait_for_a_worker_with_a_slow_element(
    tmp_path: Path,
) -> None:
    """Dealt in halves, half of them would."""
    with beam.Pipeline(SharingRunner(), options=THREADS) as pipeline:
        done = grouped_numbers(pipeline, 100) | beam.ParDo(Work(str(tmp_path), 60))
        assert_that(done, equal_to(range(100)))
    counted = pipeline.result.metrics().query(MetricsFilter().with_name("elements"))
    assert [counter.committed for counter in counted["counters"]] == [100]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_elements(count: int) -> None:
    with beam.Pipeline(SharingRunner(), options=THREADS) as pipeline:
        done = grouped_numbers(pipeline, count)
        assert_that(done, equal_to(range(count)))


def test_an_error_ends_the_pipeline() -> None:
    def work(number: int) -> int:
        if number == 7:
            raise ValueError("told to")
        return number

    pipeline = beam.Pipeline(SharingRunner(), options=THREADS)
    _ = grouped_numbers(pipeline, 100) | beam.Map(work)
    with pytest.raises(RuntimeError, match="told to"):
        pipeline.run()


def test_no_bundle_is_taken_after_an_error() -> None:
    bundles = _Bundles([[b"1"], [b"2"]], 1)
    assert bundles.take() == [b"1"]
    bundles.end()
    assert bundles.take() == []


def test_bundles_get_smaller_and_hold_each_element_once() -> None:
    bundles = _Bundles([[b"%d" % number] for number in range(40)] + [[b""]], 2)
    sizes, found = [], []
    while bundle := bundles.take():
        sizes.append(len(bundle))
        found += bundle
    assert found == [b"%d" % number for number in range(40)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 10
    assert sizes[-1] == 1
