"""Reports: the parts that a run of every kind shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.errors import Failure, JobCancelled, JobFailure
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.report import Report, begin_report, conclude, keep_failures
from beam_scanner.stores.local_store import LocalStore
from tests.support.small_runs import JOBS, Setting, SteppedRun


def test_errors_are_of_the_kind_of_their_end() -> None:
    failures = [Failure("a", "why")]
    for cancelled, kind in ((False, JobFailure), (True, JobCancelled)):
        error = Report(failures=failures, kept=1, cancelled=cancelled).error("db")
        assert type(error) is kind
        assert "gc --unfinished db" in str(error)


def test_a_report_begins_with_what_is_there(tmp_path: Path) -> None:
    setting = Setting.make(tmp_path / "db")
    setting.run()
    prepared = setting.prepare(CacheMode.Ignore)
    _, report = begin_report(prepared, setting.storage)
    assert len(report.cached) == JOBS
    assert not report.committed


@pytest.mark.parametrize("cancels", [False, True])
def test_jobs_that_have_not_ended_have_failed(tmp_path: Path, cancels: bool) -> None:
    setting = Setting.make(tmp_path / "db")
    run = SteppedRun(setting, "run")
    run.do(0)
    if cancels:
        run.files.cancel()
    prepared, report = setting.prepare(CacheMode.Overwrite), Report()
    for job in prepared.jobs:
        job.begin()
    assert conclude(prepared.jobs, 2, run.files, report) == []
    assert len(report.failures) == JOBS
    assert (report.tasks, report.kept) == (1, 1)
    assert report.cancelled is cancels


def test_no_failures_leave_no_file(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert keep_failures(store, []) == ""
    assert keep_failures(store, [Failure("a", "why")]).endswith(".parquet")
