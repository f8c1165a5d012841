"""What comes late, in parts, is put together with what came before."""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import window

from beam_scanner.run.job import JobRecord
from beam_scanner.run.late_elements import (
    WHOLE,
    by_job,
    in_one,
    with_earlier,
    with_number,
)
from beam_scanner.run.tasks.stage_elements import TaskId
from tests.support.late_bundles import late_stream

FLAGS = ["--runner=BundleBasedDirectRunner", "--streaming"]


def _windows(lateness: int) -> beam.WindowInto:
    return beam.WindowInto(window.FixedWindows(5), allowed_lateness=lateness)


def _sorted(grouped: tuple[str, Any]) -> tuple[str, Any]:
    name, found = grouped
    return name, sorted(found)


def test_paths_come_with_the_earlier_ones_of_their_name() -> None:
    late = late_stream([("a", "x")], [("b", "y")], [("a", "x")], [("a", "z")])
    with beam.Pipeline(options=PipelineOptions(FLAGS)) as pipeline:
        grouped = pipeline | late | _windows(100) | beam.GroupByKey()
        found = with_earlier(grouped) | "Sorted" >> beam.Map(_sorted)
        wanted = [("a", ["x"]), ("b", ["y"]), ("a", ["x"]), ("a", ["x", "z"])]
        assert_that(found, equal_to(wanted))


def test_sources_come_together() -> None:
    late = late_stream([("a", 0)], [("a", 1)], [("b", 1)], [("b", 0)])
    with beam.Pipeline(options=PipelineOptions(FLAGS)) as pipeline:
        pairs = pipeline | late | _windows(100)
        sources = tuple(
            pairs
            | f"Of {n}" >> beam.Filter(lambda pair, n=n: pair[1] == n)
            | f"Path {n}" >> beam.MapTuple(lambda name, n: (name, f"{n}/{name}"))
            for n in range(2)
        )
        found = with_earlier(sources | beam.CoGroupByKey(), 2)
        wanted = [
            ("a", [["0/a"], []]),
            ("a", [["0/a"], ["1/a"]]),
            ("b", [[], ["1/b"]]),
            ("b", [["0/b"], ["1/b"]]),
        ]
        assert_that(found, equal_to(wanted))


def test_where_nothing_may_be_late_no_step_is_added() -> None:
    pipeline = beam.Pipeline(options=PipelineOptions(FLAGS))
    grouped = pipeline | beam.Create([("a", "x")]) | _windows(0) | beam.GroupByKey()
    assert with_earlier(grouped) is grouped


def _job(name: str) -> Any:
    return tuple(JobRecord(name, (), "", (), token="t", mark=name))


def _task(job: Any, number: int) -> TaskId:
    return TaskId(job, 0, number, 2, ())


def test_the_number_of_outcomes() -> None:
    a, b, c = map(_job, "abc")
    planned = [
        (a, (_task(a, 0), _task(b, 0))),
        (a, (_task(a, 1),)),
        (c, ("cached", None)),
    ]
    told = list(with_number(planned))
    assert told[:3] == planned
    assert told[3:] == [(a, ("planned", 2)), (b, ("planned", 1)), (c, ("planned", 1))]


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 0, 2], [1, 2, 0]])
def test_a_job_is_given_once_when_all_its_outcomes_are_there(order: list[int]) -> None:
    a, b = _job("a"), _job("b")
    parts = [(a, ("planned", 2)), (a, ("done", (0, 2))), (a, ("failed", {"row": 1}))]
    in_time = [(b, ("planned", 1)), (b, ("cached", None))]
    late = late_stream(in_time, *([parts[each]] for each in order))
    with beam.Pipeline(options=PipelineOptions(FLAGS)) as pipeline:
        found = by_job(pipeline | late | _windows(100))
        names = found | beam.Map(lambda job: (job[0][0], sorted(k for k, _ in job[1])))
        assert_that(names, equal_to([("b", ["cached"]), ("a", ["done", "failed"])]))


def test_late_jobs_stay_together() -> None:
    a, b = _job("a"), _job("b")
    tasks = [_task(a, 0), _task(b, 0), _task(a, 1)]
    planned = [(a, tuple(tasks[:2])), (a, ("done", (1, 0))), (a, (tasks[2],))]
    assert list(in_one(planned)) == [
        (a, (WHOLE, [(tasks[0],), ("done", (1, 0)), (tasks[2],)])),
        (b, (WHOLE, [(tasks[1],)])),
    ]
    with beam.Pipeline(options=PipelineOptions(FLAGS)) as pipeline:
        late = late_stream([], [(b, (WHOLE, [["done", (0, 1)]]))])
        found = by_job(pipeline | late | _windows(100))
        assert_that(found, equal_to([(b, [("done", (0, 1))])]))
