"""Runs by number: started here, followed and cancelled from anywhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from beam_scanner import CacheMode, Client, NamedStream
from beam_scanner.errors import ArgumentError, JobCancelled, JobFailure, WorkerError
from beam_scanner.run import launch, numbered_runs
from beam_scanner.run.active_runs import find_active
from beam_scanner.run.profiler import profile_ids
from beam_scanner.run.run_files import CANCELLED, RunFiles
from beam_scanner.run.run_holder import Handover, start_holder
from tests.support.client_helpers import open_client
from tests.support.slow_runs import FAIL, GO, PACKET, ROWS, TASKS, start

_SECONDS = 120


@pytest.fixture
def sc(tmp_path: Path) -> Client:
    return open_client(tmp_path / "db")


def soon(what: Callable[[], Any]) -> Any:
    """What is true before long."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("it has not happened")


def left(sc: Client) -> list[str]:
    """What runs have left, but for profiles and logs."""
    keys = sc.named_storage.store().list(".work/")
    return [key for key in keys if key.split("/")[1] not in ("profiles", "logs")]


def value(sc: Client, name: str) -> list[int]:
    return list(NamedStream(sc, name).load())


@pytest.mark.slow
def test_a_detached_run_and_its_failures(sc: Client, tmp_path: Path) -> None:
    job = start(sc, tmp_path, detach=True)
    assert sc.get_active_jobs() == [job] == [1]
    with pytest.raises(ArgumentError, match="run 1 has not ended"):
        sc.get_profile(job)
    (tmp_path / FAIL).touch()
    (tmp_path / GO).touch()
    # Another client, as another process has one.
    waiting = open_client(tmp_path / "db").wait_on_job_gen(job)
    finished: list[bool] = []
    with pytest.raises(JobFailure) as found:
        finished.extend(status.finished for status in waiting)
    assert finished[-1]
    assert [(f.stream, f.op, f.row) for f in found.value.failures] == [
        ("out a", "SlowRunsDouble", PACKET),
        ("out b", "SlowRunsDouble", PACKET),
    ]
    assert "told to fail at row 3" in found.value.failures[0].traceback
    assert found.value.tally.file
    assert sc.get_active_jobs() == []
    # The same run again does what is left, and is waited for.
    (tmp_path / FAIL).unlink()
    assert start(sc, tmp_path) == 2
    assert sc.report(2).reused >= 1
    assert value(sc, "out b") == [2 * row for row in range(ROWS)]
    assert left(sc) == []


@pytest.mark.slow
def test_a_run_of_this_process_is_cancelled(sc: Client, tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            start(sc, tmp_path)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    other = open_client(tmp_path / "db")
    statuses = soon(other.get_active_jobs) and other.wait_on_job_gen(1)
    assert soon(lambda: next(statuses).tasks_done) == 1
    canceller = threading.Thread(target=other.cancel, args=[1])
    canceller.start()
    store = sc.named_storage.store()
    active = find_active(store, 1)
    assert active is not None
    assert soon(lambda: RunFiles(store, active.run).stopped_at()) == CANCELLED
    # Its process looks for that once a second.
    time.sleep(1.5)
    # The kernel of this process cannot be killed: it ends its row.
    (tmp_path / GO).touch()
    canceller.join()
    thread.join()
    (error,) = errors
    assert isinstance(error, JobCancelled)
    assert {failure.kind for failure in error.failures} == {"skipped"}
    assert "not run: the run was cancelled" in str(error)
    with pytest.raises(JobCancelled):
        other.wait_on_job(1)
    assert not NamedStream(sc, "out b").committed()
    assert start(sc, tmp_path) == 2
    report = sc.report(2)
    assert report.reused >= 1
    assert report.tasks < TASKS
    assert value(sc, "out a") == value(sc, "out b")
    assert left(sc) == []


def test_what_is_refused_has_no_number(sc: Client, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="nothing listens"):
        start(
            Client(
                db_path=sc.db_path,
                options=["--runner=PortableRunner", "--job_endpoint=localhost:9"],
            ),
            tmp_path,
            detach=True,
        )
    assert left(sc) == []
    assert profile_ids(sc.named_storage.store()) == []


def test_what_ends_a_run_is_told(
    sc: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: Any, **how: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(launch, "run_pipeline", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(sc, tmp_path)
    with pytest.raises(WorkerError, match="run 1 was ended by KeyboardInterrupt"):
        sc.wait_on_job(1)


def test_nothing_to_do_has_no_number(sc: Client, tmp_path: Path) -> None:
    (tmp_path / GO).touch()
    assert start(sc, tmp_path) == 1
    with pytest.raises(AssertionError):
        start(sc, tmp_path, cache_mode=CacheMode.Ignore, detach=True)
    assert profile_ids(sc.named_storage.store()) == [1]


@pytest.mark.slow
def test_a_run_that_has_ended_before_its_process_is_noted_leaves_nothing(
    sc: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starts(handover: Handover, *given: Any) -> int:
        process = start_holder(handover, *given)
        (tmp_path / GO).touch()
        sc.wait_on_job(handover.active.number)
        soon(lambda: not find_active(sc.named_storage.store(), 1))
        return process

    monkeypatch.setattr(numbered_runs, "start_holder", starts)
    assert start(sc, tmp_path, detach=True) == 1
    assert left(sc) == []


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the local runner taken for one that goes on without this process."""
    monkeypatch.setattr(numbered_runs, "ends_with_us", lambda options: False)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("fails", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_job_that_is_submitted_ends_itself(
    sc: Client, tmp_path: Path, fails: bool
) -> None:
    (tmp_path / GO).touch()
    if fails:
        (tmp_path / FAIL).touch()
    job = start(sc, tmp_path, detach=True)
    if fails:
        with pytest.raises(JobFailure, match="2 of 2 streams failed"):
            sc.wait_on_job(job)
    else:
        sc.wait_on_job(job)
        assert value(sc, "out a") == [2 * row for row in range(ROWS)]
        assert sc.get_profile(job).tasks == TASKS
    assert sc.get_active_jobs() == []
    kinds = {key.split("/")[1] for key in left(sc)}
    assert kinds == ({"jobs"} if fails else set())
    (tmp_path / FAIL).unlink(missing_ok=True)
    if fails:
        start(sc, tmp_path)
        assert left(sc) == []


@pytest.mark.usefixtures("elsewhere")
def test_a_job_that_cannot_be_submitted_leaves_nothing(
    sc: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any, **how: Any) -> None:
        raise WorkerError("no answer")

    monkeypatch.setattr(launch, "run_pipeline", broken)
    with pytest.raises(WorkerError, match="no answer"):
        start(sc, tmp_path, detach=True)
    with pytest.raises(WorkerError, match="no answer"):
        sc.wait_on_job(1)
    assert {key.split("/")[1] for key in left(sc)} == {"jobs"}
