"""Manifests: which attempt counts, what is done again, what is kept for later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.engine.position import Position
from beam_scanner.errors import Failure
from beam_scanner.run import launch, run_files
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.options import Limits
from beam_scanner.run.plan_and_commit import plan_jobs
from beam_scanner.run.run_files import RunFiles, remove_garbage
from beam_scanner.run.tasks import attempt_marks
from beam_scanner.run.tasks.attempt import Try, make_attempt
from beam_scanner.run.tasks.attempt_marks import Attempts
from beam_scanner.run.tasks.stage_elements import TaskId
from beam_scanner.run.tasks.try_task import try_tasks
from beam_scanner.run.worker_run import Run
from tests.support.harness import drained
from tests.support.short_runs import Shorts
from tests.support.small_runs import (
    BLOBS,
    FAIL,
    JOBS,
    ROWS,
    TASKS_A_JOB,
    Setting,
    SteppedRun,
    contents,
    manifests,
    segments,
)
from tests.support.staged import without_beam
from tests.support.stored_graphs import check_files, check_work


def test_a_task_whose_segments_are_gone_is_done_again(setting: Setting) -> None:
    run = SteppedRun(setting, "one")
    stream = setting.output("scaled", 0)
    for number in range(BLOBS - 1):
        assert run.do(number) == "done"
    # Each task has those of a type, and of pickles: its values are Any.
    for segment in segments(stream)[2:4]:
        segment.unlink()
    # The last task to run must not publish, and not fail either.
    assert run.do(BLOBS - 1) == "done"
    assert not stream.committed()
    again = SteppedRun(setting, "two")
    for number in range(BLOBS):
        assert again.do(number) == "done"
    assert again.commit()
    made = [again.job_files.manifest(0, n) or {} for n in range(BLOBS)]
    assert [m["run"] for m in made] == ["one", "two", *["one"] * (BLOBS - 2)]
    assert list(stream.load()) == [2 * value for value in setting.values[0]]
    check_files(stream)


def test_a_damaged_manifest_is_no_manifest(setting: Setting) -> None:
    run = SteppedRun(setting, "one")
    assert run.do(0) == "done"
    (key,) = manifests(setting.storage)
    run.store.put(key, b"")
    for number in range(BLOBS):
        assert run.do(number) == "done"
    assert run.commit()
    assert (run.job_files.manifest(0, 0) or {})["run"] == "one"
    assert list(setting.output("scaled", 0).load())


def test_a_job_whose_work_is_removed_fails(setting: Setting) -> None:
    run = SteppedRun(setting, "one")
    assert run.do(0) == "done"
    run.job_files.remove()
    for number in range(1, BLOBS):
        assert run.do(number) == "skipped"
    assert not run.commit()
    assert not setting.output("scaled", 0).committed()


def test_a_job_that_begins_while_garbage_is_looked_for_is_none(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, runs = run_files.begun_keys, []  # type: ignore[attr-defined]

    def late(*where: Any) -> Any:
        found = list(plain(*where))
        if not runs:
            runs.append(SteppedRun(setting, "one"))
            assert runs[0].do(0) == "done"
        return iter(found)

    monkeypatch.setattr(run_files, "begun_keys", late)
    remove_garbage(setting.storage.store())
    (run,) = runs
    for number in range(1, BLOBS):
        assert run.do(number) == "done"
    assert run.commit()
    assert setting.output("scaled", 0).committed()


def test_a_stream_is_committed_with_its_last_task(setting: Setting) -> None:
    run = SteppedRun(setting, "one")
    stream = setting.output("scaled", 0)
    order = [*range(1, BLOBS), 0]
    for number in order[:-1]:
        assert run.do(number) == "done"
        assert not stream.committed()
    assert run.do(order[-1]) == "done"
    # All other tasks of the run are still to come.
    assert stream.committed()
    assert not setting.output("scaled", 1).committed()
    assert list(stream.load()) == [2 * value for value in setting.values[0]]


def test_a_failed_job_keeps_what_it_has_done(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting.values[1][-1] = -5
    setting.input(1).save(setting.values[1], Any)
    monkeypatch.setenv(FAIL, "1")
    report = setting.run()
    assert report.committed == ["scaled/0"]
    (failure,) = report.failures
    assert (failure.stream, failure.row, failure.op) == (
        "scaled/1",
        ROWS - 1,
        "SmallScale",
    )
    assert "told to fail" in failure.traceback
    assert not setting.output("scaled", 1).committed()
    kept = manifests(setting.storage)
    assert len(kept) == BLOBS - 1
    check_files(setting.output("scaled", 0))
    monkeypatch.delenv(FAIL)
    again = setting.run(CacheMode.Ignore)
    assert (again.reused, again.tasks) == (len(kept), TASKS_A_JOB - len(kept))
    assert again.cached == ["scaled/0"]
    setting.check_values()
    check_work(setting.storage)


def test_another_graph_does_not_use_it(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_beam(monkeypatch)
    setting.values[1][-1] = -5
    setting.input(1).save(setting.values[1], Any)
    monkeypatch.setenv(FAIL, "1")
    assert setting.run().failures
    kept = manifests(setting.storage)
    assert kept
    monkeypatch.delenv(FAIL)
    report = setting.run(CacheMode.Overwrite, by=3)
    assert (report.reused, report.tasks) == (0, JOBS * TASKS_A_JOB)
    setting.check_values(by=3)
    # What the first graph has done is still there for it.
    assert manifests(setting.storage) == kept
    again = setting.run(CacheMode.Overwrite)
    assert again.reused == len(kept)
    setting.check_values()
    check_work(setting.storage)


@pytest.mark.parametrize("mode", [CacheMode.Ignore, CacheMode.Overwrite])
def test_a_failed_run_leaves_the_old_streams(
    mode: CacheMode, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_beam(monkeypatch)
    setting.values[1][-1] = -5
    setting.input(1).save(setting.values[1], Any)
    setting.run(by=3)
    old = {s.name(): contents(s) for s in setting.streams()}
    monkeypatch.setenv(FAIL, "1")
    report = setting.run(mode)
    assert [failure.stream for failure in report.failures] == ["scaled/1"]
    for stream in setting.streams():
        kept = contents(stream) == old[stream.name()]
        assert kept == stream.name().endswith("1")


def test_empty_streams_are_committed(setting: Setting) -> None:
    for job in range(JOBS):
        setting.values[job] = []
        setting.input(job).save([], Any)
    report = setting.run()
    assert not report.failures
    assert report.tasks == 0
    setting.check_values()
    check_work(setting.storage)
    for stream in setting.streams():
        assert stream.len() == 0
        check_files(stream)


def shared_task(shorts: Shorts) -> tuple[Run, tuple[TaskId, ...]]:
    """A run of short streams, and the first tasks that it runs as one."""
    prepared = shorts.prepare()
    files = RunFiles(shorts.storage.store(), "run")
    settings = launch._settings(prepared, Limits(attempts=2), None)
    run = launch.write_run(prepared, files, settings).open()
    planned = plan_jobs(run, range(len(prepared.jobs)), 0)
    tasks = [item for _, item in planned if isinstance(item[0], TaskId)]
    return run, next(item for item in tasks if len(item) > 1)


class Noted:
    """An ``Attempt`` that notes which jobs were tried, and may fail."""

    def __init__(self, fails: int = 0) -> None:
        self.jobs: list[list[int]] = []
        self.fails = fails

    def __call__(self, run: Run, wanted: Try, mark: Any) -> Any:
        self.jobs.append([task.job for task in (wanted.task, *wanted.others)])
        with mark:
            if len(self.jobs) <= self.fails:
                raise OSError("no process could be started")
            return (yield from make_attempt(run, wanted, Position()))


def test_tasks_that_are_one_are_tried_once_and_then_published(tmp_path: Path) -> None:
    run, tasks = shared_task(Shorts.make(tmp_path / "db"))
    noted = Noted()
    outcomes, counters = drained(try_tasks(run, tasks, noted))
    ends = [(job, kind, value[:2]) for job, (kind, value) in outcomes]
    assert ends == [(0, "done", (0, 1)), (1, "done", (0, 1))]
    assert noted.jobs == [[0, 1], [0], [1]]
    assert counters["op:Infer:calls"] == 1


def test_whatever_fails_together_is_tried_alone(tmp_path: Path) -> None:
    run, tasks = shared_task(Shorts.make(tmp_path / "db"))
    noted = Noted(fails=2)
    outcomes, _ = drained(try_tasks(run, tasks, noted))
    assert [outcome[0] for _, outcome in outcomes] == ["done", "done"]
    assert noted.jobs == [[0, 1], [0], [0], [1]]


def test_streams_at_which_a_worker_has_died_are_tried_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, tasks = shared_task(Shorts.make(tmp_path / "db"))
    with monkeypatch.context() as patch:
        # As of a worker that is not there any more.
        patch.setattr(attempt_marks, "_born", lambda process: "")
        marks = Attempts(run.files, "0-merged", "doubled/0", tasks[0])
        mark = marks.marked(alone=False)
        mark.__enter__()
    noted = Noted()
    outcomes, _ = drained(try_tasks(run, tasks, noted))
    assert [outcome[0] for _, outcome in outcomes] == ["done", "done"]
    assert noted.jobs == [[0], [1]]
    assert marks.lost() == []


def test_a_job_that_has_ended_is_in_no_attempt(tmp_path: Path) -> None:
    shorts = Shorts.make(tmp_path / "db")
    run, _ = shared_task(shorts)
    planned = plan_jobs(run, range(8), 0)
    (group,) = [item for _, item in planned if len(item) == 3]
    run.files.mark_failed("4", Failure("doubled/4", "it has failed elsewhere"))
    noted = Noted()
    outcomes, _ = drained(try_tasks(run, group, noted))
    assert [outcome[0] for _, outcome in outcomes] == ["done", "skipped", "done"]
    assert noted.jobs[0] == [3, 5]
    run, tasks = shared_task(Shorts.make(tmp_path / "other"))
    run.files.mark_failed("1", Failure("doubled/1", "it has failed elsewhere"))
    noted = Noted()
    drained(try_tasks(run, tasks, noted))
    assert noted.jobs == [[0]]
