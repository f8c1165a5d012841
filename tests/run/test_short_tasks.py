"""Which jobs of a run may share a task."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.run.job import Job
from beam_scanner.run.short_tasks import ShortTasks
from beam_scanner.storage.streams.python import PythonStream
from tests.support.short_runs import LENGTHS, TOGETHER, Shorts


@pytest.fixture
def shorts(tmp_path: Path) -> Shorts:
    return Shorts.make(tmp_path / "db")


def together(jobs: list[Job]) -> list[tuple[int, ...]]:
    short: ShortTasks[int] = ShortTasks(0)
    for number, job in enumerate(jobs):
        short.add(job, 0, job.cuts(0, 0), number)
    return list(short.together())


def test_streams_that_follow_one_another_share_a_task(shorts: Shorts) -> None:
    assert together(shorts.prepare().jobs) == [tuple(group) for group in TOGETHER]


def test_streams_of_the_users_own_share_none(
    shorts: Shorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [PythonStream(shorts.numbers(job) or [0]) for job in range(len(LENGTHS))]
    monkeypatch.setattr(shorts, "inputs", lambda: own)
    assert together(shorts.prepare().jobs) == []
