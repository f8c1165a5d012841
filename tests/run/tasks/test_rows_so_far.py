"""What is noted of tasks that take long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from beam_scanner.engine.trace import TaskTrace
from beam_scanner.run.tasks import rows_so_far
from beam_scanner.run.tasks.rows_so_far import RowsSoFar
from tests.support.small_runs import Setting, SteppedRun


@pytest.fixture
def run(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> SteppedRun:
    monkeypatch.setattr(rows_so_far, "NOTE_SECONDS", 0.0)
    made = SteppedRun(setting, "one")
    made.context.settings = replace(made.context.settings, numbered=True)
    return made


def test_rows_are_noted_until_the_task_ends(run: SteppedRun) -> None:
    found, task, files = TaskTrace(), run.tasks[0], run.context.files
    name = f"3-{task.family}-{task.task}"
    with RowsSoFar(run.context, "3", task, found) as so_far:
        assert name not in files.at_work()
        so_far.note()
        assert files.at_work()[name] == 0
        found.counters["rows_written"] += 5
        so_far.note()
        assert files.at_work()[name] == 5
    assert name not in files.at_work()


@pytest.mark.parametrize("why", ["short", "far", "unnumbered"])
def test_nothing_is_noted(
    run: SteppedRun, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "short":
        monkeypatch.setattr(rows_so_far, "NOTE_SECONDS", 1000.0)
    elif why == "far":
        run.context.is_local = False
    else:
        run.context.settings = replace(run.context.settings, numbered=False)
    with RowsSoFar(run.context, "3", run.tasks[0], TaskTrace()) as so_far:
        so_far.note()
        assert run.context.files.at_work() == {}
