"""Following runs, by what stands in the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import (
    ArgumentError,
    Failure,
    JobCancelled,
    JobFailure,
    StorageError,
    Tally,
    WorkerError,
)
from beam_scanner.run import profiler
from beam_scanner.run.active_runs import ActiveRun, end_active
from beam_scanner.run.follow import JobStatus, cancel, follow, going_on, status_of
from beam_scanner.run.job_files import JobFiles
from beam_scanner.run.liveness import Life
from beam_scanner.run.report import Report
from beam_scanner.run.run_files import CANCELLED, JobTasks, RunFiles
from beam_scanner.storage.failure_files import write_failures
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.object_store import ObjectStore


@pytest.fixture
def storage(tmp_path: Path) -> NamedStorage:
    made = NamedStorage(str(tmp_path / "db"))
    made.store(create=True)
    return made


class Driven:
    """A run that a test drives."""

    def __init__(self, storage: NamedStorage, raises: bool = True) -> None:
        self.store: ObjectStore = storage.store()
        self.active = ActiveRun("run", 2, raises).numbered(self.store)
        self.life = Life(self.store, self.active.life)
        self.files = RunFiles(self.store, "run")
        self.jobs = [JobFiles(self.store, name) for name in "ab"]
        tokens = [job.begin() for job in self.jobs]
        self.files.write_tasks(
            [
                JobTasks(name, token, [[2, 2], [3]])
                for name, token in zip("ab", tokens, strict=True)
            ]
        )

    def do(self, job: int, family: int, task: int) -> None:
        manifest = {"run": "run", "outputs": [], "trace": {}}
        assert self.jobs[job].put_manifest(family, task, manifest)

    def end(self, report: Report, error: BaseException | None = None) -> None:
        end_active(self.store, self.active, report, self.life, error)
        self.life.leave()


@pytest.fixture
def driven(storage: NamedStorage) -> Iterator[Driven]:
    made = Driven(storage)
    yield made
    made.life.leave()


def test_tasks_and_jobs_are_counted(storage: NamedStorage, driven: Driven) -> None:
    assert [run.number for run in going_on(storage)] == [1]
    statuses = follow(storage, 1)
    found = next(statuses)
    assert (found.finished, found.tasks_done, found.total_tasks) == (False, 0, 6)
    assert found.result.success
    assert (found.jobs_done, found.jobs_failed, found.total_jobs) == (0, 0, 2)
    for family, task in ((0, 0), (0, 1), (1, 0)):
        driven.do(0, family, task)
    driven.files.mark_failed("1", Failure("b", "why"))
    found = next(statuses)
    assert (found["tasks_done"], found["jobs_done"], found["jobs_failed"]) == (3, 1, 1)
    # What is done stays done where a job has been tidied up.
    driven.jobs[0].remove()
    assert next(statuses).tasks_done == 3
    driven.end(Report(committed=["a"], tasks=3, total_tasks=6))
    found = next(statuses)
    assert found.finished
    assert (found.tasks_done, found.total_tasks, found.jobs_done) == (3, 6, 1)
    assert list(statuses) == []
    assert going_on(storage) == []
    assert [status.finished for status in follow(storage, 1)] == [True]


def test_progress_of_a_run_is_known_at_once(
    storage: NamedStorage, driven: Driven
) -> None:
    driven.do(1, 0, 1)
    assert status_of(driven.store, driven.active).tasks_done == 1


FAILURES = [Failure(f"s{n}", "KeyError: 3", row=n, op="Track") for n in range(3)]


def ended(storage: NamedStorage, report: Report, raises: bool = True) -> None:
    Driven(storage, raises).end(report)


@pytest.mark.parametrize("cancelled", [False, True])
def test_failures_are_raised_as_run_raises_them(
    storage: NamedStorage, cancelled: bool
) -> None:
    report = Report(["a"], ["b", "c"], list(FAILURES), kept=2, cancelled=cancelled)
    ended(storage, report)
    with pytest.raises(JobFailure) as found:
        list(follow(storage, 1))
    mine = report.error(storage.db_path)
    assert (
        type(found.value) is type(mine) is (JobCancelled if cancelled else JobFailure)
    )
    assert found.value.failures == FAILURES
    assert found.value.tally == Tally(1, 2)
    assert str(found.value) == str(mine)
    assert "2 finished tasks" in str(mine)


def test_more_failures_than_a_profile_keeps(
    storage: NamedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiler, "MOST_FAILURES", 1)
    store = storage.store()
    row = Failure("s0", "KeyError: 9", row=1, kind="row")
    file = write_failures(store, "run", [*FAILURES, row], 1.0)
    ended(storage, Report(failures=list(FAILURES), failure_file=file))
    with pytest.raises(JobFailure) as found:
        list(follow(storage, 1))
    assert found.value.failures == FAILURES
    store.delete(next(iter(store.list("failures/"))))
    with pytest.raises(JobFailure) as found:
        list(follow(storage, 1))
    assert found.value.failures == FAILURES[:1]


def test_who_wanted_no_exception_gets_none(storage: NamedStorage) -> None:
    ended(storage, Report(failures=list(FAILURES)), raises=False)
    (status,) = follow(storage, 1)
    assert status.jobs_failed == 3
    assert status.result == {"success": True, "msg": ""}


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (WorkerError("the pipeline failed"), WorkerError, "^the pipeline failed$"),
        (StorageError("disk full"), StorageError, "^disk full$"),
        (KeyboardInterrupt(), WorkerError, "run 1 was ended by KeyboardInterrupt"),
        (ZeroDivisionError("by zero"), WorkerError, "ZeroDivisionError: by zero"),
    ],
)
def test_what_has_ended_a_run_before_its_time(
    storage: NamedStorage, driven: Driven, error: Any, kind: type, text: str
) -> None:
    driven.end(Report(), error)
    statuses = follow(storage, 1)
    result = next(statuses).result
    with pytest.raises(kind, match=text) as found:
        next(statuses)
    assert (result.success, result.msg) == (False, str(found.value))


def test_the_dead_are_not_awaited(storage: NamedStorage, driven: Driven) -> None:
    statuses = follow(storage, 1)
    assert not next(statuses).finished
    driven.life.leave()
    with pytest.raises(WorkerError, match=r"run 1 has died: its process .* was killed"):
        list(statuses)
    with pytest.raises(WorkerError, match="run 1 has died"):
        cancel(storage, 1)
    assert going_on(storage) == []


@pytest.mark.parametrize("ask", [lambda s, n: list(follow(s, n)), cancel])
def test_runs_that_never_were(storage: NamedStorage, ask: Any) -> None:
    for number in (7, "7", np.int64(7), -7, 7.0, (7,), True, "seven"):
        with pytest.raises(ArgumentError, match=r"Job name .* does not exist"):
            ask(storage, number)
    with pytest.raises(ArgumentError, match="run returns None where it had nothing"):
        ask(storage, None)


def test_what_has_ended_cannot_be_cancelled(storage: NamedStorage) -> None:
    ended(storage, Report())
    with pytest.raises(ArgumentError, match="run 1 has ended: there is nothing"):
        cancel(storage, 1)


def test_cancelling_waits_for_the_end(storage: NamedStorage, driven: Driven) -> None:
    thread = threading.Thread(target=cancel, args=[storage, 1])
    thread.start()
    while driven.files.stopped_at() != CANCELLED:
        time.sleep(0.01)
    assert thread.is_alive()
    driven.end(Report(cancelled=True))
    thread.join()
    assert going_on(storage) == []


def test_a_profile_comes_with_the_end(storage: NamedStorage, driven: Driven) -> None:
    with pytest.raises(ArgumentError, match="run 1 has not ended"):
        profiler.Profile.load(storage, 1)


def test_a_status_has_keys_and_attributes() -> None:
    with pytest.raises(AttributeError, match="has no 'speed'; it has finished"):
        _ = JobStatus(finished=True).speed
