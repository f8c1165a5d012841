"""Manifests: which attempt counts, what is done again, what is kept for later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.engine.position import Position
from beam_scanner.errors import Failure
from beam_scanner.run import launch, run_files
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.job_files import JobFiles, unfinished_tokens
from beam_scanner.run.launch import execute
from beam_scanner.run.options import Limits
from beam_scanner.run.plan_and_commit import commit_job, plan_job
from beam_scanner.run.prepare import Prepared
from beam_scanner.run.run_files import RunFiles, remove_garbage
from beam_scanner.run.tasks import attempt
from beam_scanner.run.tasks.stage_elements import TaskId
from beam_scanner.run.tasks.try_task import try_task
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.storage.streams.named import NamedStream
from beam_scanner.stores.local_store import LocalStore
from tests.support.harness import drained
from tests.support.small_runs import (
    FAIL,
    JOBS,
    PACKET,
    ROWS,
    TASKS_A_JOB,
    Setting,
    contents,
    manifests,
)
from tests.support.staged import Killed, is_kill, without_beam
from tests.support.stored_graphs import check_files, check_work

BLOBS = -(-ROWS // PACKET)
"""Tasks of the first phase of a job."""


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting.make(tmp_path / "db")


class Run:
    """One run, whose stages a test carries out as it likes."""

    def __init__(self, setting: Setting, name: str, job: int = 0) -> None:
        prepared: Prepared = setting.prepare(CacheMode.Overwrite)
        self.store = setting.storage.store()
        self.files = RunFiles(self.store, name)
        self.job_files = prepared.jobs[job].files
        settings = launch._settings(prepared, Limits(), None)
        self.context = launch.write_run(prepared, self.files, settings).open()
        self.job = job
        planned = list(plan_job(self.context, job, 0))
        self.tasks = [item for item in planned if isinstance(item, TaskId)]
        self.outcomes = [item for item in planned if not isinstance(item, TaskId)]

    def do(self, task: int) -> str:
        outcome, _ = drained(try_task(self.context, self.tasks[task]))
        self.outcomes.append(outcome)
        return outcome[0]

    def commit(self) -> bool:
        return not commit_job(self.context, self.job, self.outcomes)


def segments(stream: NamedStream) -> list[Path]:
    folder = Path(stream.storage().db_path) / stream.name()
    return sorted(folder.glob("*.segments/*"))


def test_only_one_of_several_puts_wins(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first, second = JobFiles(store, "f"), JobFiles(store, "f")
    assert first.begin() == second.begin()
    assert first.put_manifest(0, 3, {"run": "a"})
    assert not second.put_manifest(0, 3, {"run": "b"})
    assert second.manifest(0, 3) == {"run": "a"}
    assert list(first.manifests()) == [(0, 3)]
    assert second.put_manifest(0, 3, {"run": "b"}, replace=True)
    assert first.manifest(0, 3) == {"run": "b"}
    assert list(unfinished_tokens(store)) == [first.token()]


def test_a_token_forgets_what_an_earlier_one_left(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first = JobFiles(store, "f")
    first.begin()
    first.put_manifest(0, 0, {"run": "a"})
    store.delete(".work/jobs/f/begun")
    assert first.is_over()
    second = JobFiles(store, "f")
    second.begin()
    assert not second.is_over()
    assert second.manifest(0, 0) is None
    assert list(second.manifests()) == []
    second.remove()
    assert not list(store.list(".work"))


def test_what_is_written_for_a_run_that_is_over_is_garbage(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    over, goes_on = RunFiles(store, "over"), RunFiles(store, "goes-on")
    store.put(".work/runs/goes-on/graph", b"")
    for run in (over, goes_on):
        run.mark_failed("0", Failure("a", "why"))
        run.put_result(0, 0, [])
    remove_garbage(store)
    kept = sorted(store.list(".work/runs/"))
    assert {key.split("/")[2] for key in kept} == {"goes-on"}
    assert len(kept) == 3


def test_the_loser_of_two_attempts_leaves_no_segment(setting: Setting) -> None:
    run, twin = Run(setting, "one"), Run(setting, "two")
    stream = setting.output("scaled", 0)
    assert run.do(0) == "done"
    (winner,) = segments(stream)
    # Just after the twin has looked whether the task is done.
    task = twin.tasks[0]
    wanted = attempt.Try(task, done=False, alone=False, given={})
    state = twin.context.job(0)
    drained(attempt._attempt(twin.context, state, wanted, Position()))
    assert len(segments(stream)) == 2
    for number in range(1, len(run.tasks)):
        assert run.do(number) == "done"
    assert run.commit()
    assert winner in segments(stream)
    assert len(segments(stream)) == BLOBS
    check_files(stream)
    assert list(stream.load()) == [2 * value for value in setting.values[0]]


def test_a_task_whose_segments_are_gone_is_done_again(setting: Setting) -> None:
    run = Run(setting, "one")
    stream = setting.output("scaled", 0)
    for number in range(BLOBS - 1):
        assert run.do(number) == "done"
    segments(stream)[1].unlink()
    # The last task to run must not publish, and not fail either.
    assert run.do(BLOBS - 1) == "done"
    assert not stream.committed()
    again = Run(setting, "two")
    for number in range(BLOBS):
        assert again.do(number) == "done"
    assert again.commit()
    made = [again.job_files.manifest(0, n) or {} for n in range(BLOBS)]
    assert [m["run"] for m in made] == ["one", "two", *["one"] * (BLOBS - 2)]
    assert list(stream.load()) == [2 * value for value in setting.values[0]]
    check_files(stream)


def test_a_damaged_manifest_is_no_manifest(setting: Setting) -> None:
    run = Run(setting, "one")
    assert run.do(0) == "done"
    (key,) = manifests(setting.storage)
    run.store.put(key, b"")
    for number in range(BLOBS):
        assert run.do(number) == "done"
    assert run.commit()
    assert (run.job_files.manifest(0, 0) or {})["run"] == "one"
    assert list(setting.output("scaled", 0).load())


def test_a_job_whose_work_is_removed_fails(setting: Setting) -> None:
    run = Run(setting, "one")
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
            runs.append(Run(setting, "one"))
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
    run = Run(setting, "one")
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


def test_a_failing_task_is_tried_again(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([True, False])
    real = attempt._task

    def flaky(*args: Any) -> Any:
        if next(failures, False):
            raise OSError("the network is down")
        return real(*args)

    without_beam(monkeypatch)
    monkeypatch.setattr(attempt, "_task", flaky)
    report = setting.run()
    assert not report.failures
    assert report.tasks == JOBS * TASKS_A_JOB
    setting.check_values()
    check_work(setting.storage)
    for stream in setting.streams():
        check_files(stream)


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


def test_a_killed_run_on_beam_goes_on(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))
    real = attempt._attempt

    def dies(*args: Any) -> Any:
        if next(calls) == 3:
            raise Killed
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(attempt, "_attempt", dies)
        patch.setattr(attempt, "is_interrupt", is_kill)
        prepared = setting.prepare(CacheMode.Error)
        options = pipeline_options(["--direct_running_mode=in_memory"])
        # Beam wraps it.
        with pytest.raises(RuntimeError, match="Killed"):
            execute(prepared, setting.storage, options, False)
    assert len(manifests(setting.storage)) == 3
    report = setting.run()
    assert (report.reused, report.tasks) == (3, JOBS * TASKS_A_JOB - 3)
    setting.check_values()
    check_work(setting.storage)
