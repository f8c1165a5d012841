"""Attempts at a task: which one counts, and what each leaves."""

from __future__ import annotations

from typing import Any

import pytest

from beam_scanner.engine.position import Position
from beam_scanner.engine.trace import TaskTrace
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.launch import execute
from beam_scanner.run.tasks import attempt
from beam_scanner.run.tasks.rows_so_far import RowsSoFar
from beam_scanner.runners.local.local_run import pipeline_options
from tests.support.harness import drained
from tests.support.small_runs import (
    BLOBS,
    JOBS,
    TASKS_A_JOB,
    Setting,
    SteppedRun,
    manifests,
    segments,
)
from tests.support.staged import Killed, is_kill, without_beam
from tests.support.stored_graphs import check_files, check_work


def test_the_loser_of_two_attempts_leaves_no_segment(setting: Setting) -> None:
    run, twin = SteppedRun(setting, "one"), SteppedRun(setting, "two")
    stream = setting.output("scaled", 0)
    assert run.do(0) == "done"
    # Of a type, and of pickles: its values are Any.
    winner = {*segments(stream)}
    assert len(winner) == 2
    # Just after the twin has looked whether the task is done.
    task = twin.tasks[0]
    wanted = attempt.Try(task, done=False, alone=False, given={})
    state, found = twin.context.job(0), TaskTrace()
    so_far = RowsSoFar(twin.context, "0", task, found)
    drained(
        attempt._attempt(twin.context, state, wanted, Position(), found, so_far),
    )
    assert len(segments(stream)) == 4
    for number in range(1, len(run.tasks)):
        assert run.do(number) == "done"
    assert run.commit()
    assert len(winner & {*segments(stream)}) == 1
    assert len(segments(stream)) == BLOBS
    check_files(stream)
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
