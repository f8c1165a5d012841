"""The stages of a run on Beam: what they count, log and tell."""

from __future__ import annotations

import logging
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from beam_scanner.errors import Failure
from beam_scanner.run.pipeline_stages import (
    FAILURES,
    RunGraph,
    report_failures,
    sink_tag,
)
from tests.support.small_runs import FAIL, JOBS, Setting, SteppedRun

IN_MEMORY = ["--runner=FnApiRunner", "--direct_running_mode=in_memory"]


def test_a_failure_is_logged_as_loud_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "beam_scanner")
    given = [
        Failure("a", "broken", ended=7.0),
        Failure("b", "not run", kind="skipped"),
    ]
    told = list(report_failures(given))
    assert [t.tag for t in told] == [FAILURES, FAILURES]
    assert told[0].value == given[0]
    # When it ended is known from now on.
    assert told[1].value.ended is not None
    assert [r.levelno for r in caplog.records] == [logging.ERROR, logging.INFO]
    assert "stream 'a': broken" in caplog.text


def test_each_sink_has_a_tag_of_its_own() -> None:
    tags = {sink_tag(number) for number in range(20)}
    assert len(tags) == 20
    assert FAILURES not in tags


@pytest.mark.slow
@pytest.mark.parametrize("fails", [False, True])
def test_jobs_go_through_all_phases_unless_they_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    setting = Setting.make(tmp_path / "db")
    if fails:
        setting.values[1][5] = -5
        setting.input(1).save(setting.values[1], int)
        setting.input(0).save(setting.values[0], int)
        monkeypatch.setenv(FAIL, "raise")
    run = SteppedRun(setting, "run")
    with beam.Pipeline(argv=IN_MEMORY) as pipeline:
        graph = RunGraph(run.source, 2)
        ended = pipeline | beam.Create(range(JOBS)) | graph
        assert_that(ended, equal_to([[0]] if fails else [[0], [1]]))
    assert len(graph.failed) == 4
    results = run.files.results()
    if not fails:
        setting.check_values()
        assert sorted(results) == [(0, 0), (0, 1), (1, 0), (1, 1)]
        return
    assert sorted(results) == [(0, 0), (0, 1), (1, 0)]
    (failure,) = results[1, 0].failures
    assert (failure.stream, failure.row) == ("scaled/1", 5)
    assert [s.committed() for s in setting.streams()] == [True, True, False, False]
