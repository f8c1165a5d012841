"""Plan and commit, for one job: what each tells of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import Failure
from beam_scanner.run.plan_and_commit import commit_job, plan_job
from beam_scanner.run.tasks.stage_elements import TaskId
from tests.support.small_runs import PACKET, ROWS, Setting, SteppedRun


@pytest.fixture
def run(tmp_path: Path) -> SteppedRun:
    return SteppedRun(Setting.make(tmp_path / "db"), "run")


def failed(row: int | None, reason: str) -> tuple[str, Any]:
    return "failed", Failure("scaled/0", reason, row=row)._asdict()


def test_a_plan_has_every_row_once(run: SteppedRun) -> None:
    assert run.outcomes == []
    assert {(t.job, t.family, t.tasks) for t in run.tasks} == {(0, 0, len(run.tasks))}
    rows = [row for t in run.tasks for row in range(*t.intervals[0])]
    assert rows == list(range(ROWS))
    assert {len(range(*t.intervals[0])) for t in run.tasks[:-1]} == {PACKET}


def test_the_next_phase_is_planned_when_it_comes(run: SteppedRun) -> None:
    (task,) = plan_job(run.context, 0, 1)
    assert isinstance(task, TaskId)
    assert (task.family, task.intervals[0]) == (1, (0, ROWS))


def test_a_job_whose_outputs_are_there_has_no_task(run: SteppedRun) -> None:
    job = run.context.job(0)
    job.record = job.record._replace(token="")
    assert list(plan_job(run.context, 0, 0)) == [("cached", None)]
    assert commit_job(run.context, 0, [("cached", None)]) == []


def test_what_cannot_be_planned_fails_the_job_for_all_workers(
    run: SteppedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = run.context.job(0)

    def cuts(family: int, packet: int) -> Any:
        raise OSError("the disk is gone")

    monkeypatch.setattr(job, "cuts", cuts)
    (outcome,) = plan_job(run.context, 0, 0)
    assert not isinstance(outcome, TaskId)
    kind, failure = outcome
    assert (kind, failure["kind"], failure["stream"]) == ("failed", "input", "scaled/0")
    assert "the disk is gone" in failure["reason"]
    known = run.files.failed(job.record.mark)
    assert known is not None
    assert "the disk is gone" in known.reason


def test_of_several_failures_the_one_with_the_first_row_is_told(
    run: SteppedRun,
) -> None:
    outcomes = [failed(None, "a"), failed(9, "b"), failed(3, "c"), failed(7, "d")]
    (told,) = commit_job(run.context, 0, outcomes)
    assert (told.row, told.reason) == (3, "c")


def test_a_failure_that_its_worker_took_along_is_found_in_storage(
    run: SteppedRun,
) -> None:
    skipped = [("skipped", (0, len(run.tasks)))]
    (unknown,) = commit_job(run.context, 0, skipped)
    assert unknown.reason == (
        "some of its tasks were not run, and none says why: run it again"
    )
    run.files.mark_failed(run.context.job(0).record.mark, Failure("scaled/0", "why"))
    (known,) = commit_job(run.context, 0, skipped)
    assert known.reason == "why"


def test_a_task_that_left_no_manifest_is_a_failure(run: SteppedRun) -> None:
    for number in range(len(run.tasks) - 1):
        assert run.do(number) == "done"
    (told,) = commit_job(run.context, 0, run.outcomes)
    assert f"1 of {len(run.tasks)} tasks left no manifest" in told.reason
    # With the last one the same commit goes well, as often as it is made.
    assert run.do(len(run.tasks) - 1) == "done"
    assert commit_job(run.context, 0, run.outcomes) == []
    assert commit_job(run.context, 0, run.outcomes) == []
