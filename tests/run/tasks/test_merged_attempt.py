"""Tasks of several short streams: the same as those of one, and as safe."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.short_runs import LENGTHS, Model, Shorts, alone
from tests.support.small_runs import contents
from tests.support.staged import without_beam
from tests.support.stored_graphs import check_files, check_work

JOBS = range(len(LENGTHS))


@pytest.fixture
def shorts(tmp_path: Path) -> Shorts:
    made = Shorts.make(tmp_path / "db")
    made.model = Model(notes=str(tmp_path / "calls"))
    return made


def sizes(shorts: Shorts) -> list[int]:
    """Rows of each call of the model."""
    return [int(line) for line in Path(shorts.model.notes).read_text().split()]


def test_batches_are_full_and_files_are_the_same(
    shorts: Shorts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_beam(monkeypatch)
    report = shorts.run()
    assert (len(report.committed), report.tasks) == (len(JOBS), 7)
    for job in JOBS:
        shorts.check(job)
    together = sizes(shorts)
    assert sum(together) == sum(LENGTHS)
    with monkeypatch.context() as patch:
        alone(patch)
        other = Shorts.make(tmp_path / "alone")
        other.model = Model(notes=str(tmp_path / "calls alone"))
        other_report = other.run()
    assert sorted(together) == [2, 4, 7, 8, 8]
    assert sorted(sizes(other)) == [1, 2, 2, 3, 4, 4, 5, 8]
    assert report.counters["rows_written"] == other_report.counters["rows_written"]
    assert report.counters["op:Infer:calls"] == len(together)
    for mine, its in zip(shorts.streams(), other.streams(), strict=True):
        assert contents(mine) == contents(its)
        check_files(mine)
    check_work(shorts.storage)
