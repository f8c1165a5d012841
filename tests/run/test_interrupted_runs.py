"""Runs that are stopped anywhere, and the runs that go on from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import StreamExistsError
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.run_files import remove_garbage, tokens_of_runs
from beam_scanner.stores.local_store import LocalStore
from tests.support.small_runs import JOBS, TASKS_A_JOB, Setting, contents, manifests
from tests.support.staged import Steps, Turns, without_beam
from tests.support.stored_graphs import check_files, check_work
from tests.support.tiers import most_slow

TASKS = JOBS * TASKS_A_JOB
OLD = 7
"""What the streams held before were made with."""


@pytest.fixture(autouse=True)
def staged(monkeypatch: pytest.MonkeyPatch) -> None:
    without_beam(monkeypatch)
    # Flushing to the disk would take most of the time here.
    plain = LocalStore.__init__

    def quick(self: LocalStore, root: Any, durable: bool = False) -> None:
        plain(self, root, durable)

    monkeypatch.setattr(LocalStore, "__init__", quick)


@pytest.fixture
def wanted(tmp_path: Path) -> dict[str, list[bytes]]:
    """What an undisturbed run stores."""
    setting = Setting.make(tmp_path / "undisturbed")
    report = setting.run()
    assert (report.tasks, report.reused) == (TASKS, 0)
    setting.check_values()
    check_all(setting)
    return bytes_of(setting)


def bytes_of(setting: Setting) -> dict[str, list[bytes]]:
    return {stream.name(): contents(stream) for stream in setting.streams()}


def check_all(setting: Setting, folders: bool = True) -> None:
    check_work(setting.storage, folders)
    for stream in setting.streams():
        check_files(stream)


def fresh(path: Path, mode: CacheMode) -> tuple[Setting, dict[str, list[bytes]]]:
    """A setting for a run of that mode, and what its streams hold before."""
    setting = Setting.make(path)
    if mode is CacheMode.Error:
        return setting, {}
    setting.run(by=OLD)
    return setting, bytes_of(setting)


def kill_points(path: Path, steps: Steps, mode: CacheMode) -> range:
    setting, _ = fresh(path / "count", mode)
    prepared = setting.prepare(mode)
    steps.count = 0
    setting.run(mode)
    assert prepared.tasks == TASKS
    return range(steps.count)


@pytest.mark.parametrize(
    ("mode", "after", "every"),
    [
        pytest.param(CacheMode.Error, False, 1, marks=pytest.mark.slow),
        (CacheMode.Ignore, True, 4),
        (CacheMode.Overwrite, False, 5),
    ],
)
def test_a_run_killed_at_any_change_goes_on_where_it_was(
    mode: CacheMode,
    after: bool,
    every: int,
    wanted: dict[str, list[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = Steps(monkeypatch)
    seen: set[int] = set()
    for point in kill_points(tmp_path, steps, mode)[::every]:
        setting, before = fresh(tmp_path / f"{point}", mode)
        assert steps.kill(point, after, lambda s=setting: s.run(mode))  # type: ignore[misc]
        for stream in setting.streams():
            if stream.committed():
                assert contents(stream) in (
                    before.get(stream.name()),
                    wanted[stream.name()],
                )
            else:
                assert stream.name() not in before
        seen.add(rerun(setting, mode, wanted))
    assert len(seen) >= TASKS / every


def rerun(setting: Setting, mode: CacheMode, wanted: dict[str, list[bytes]]) -> int:
    """Runs again; gives how many tasks were done before."""
    done = manifests(setting.storage)
    there = bytes_of(setting) if all(s.committed() for s in setting.streams()) else {}
    tokens = list(setting.storage.store().list(".work/jobs/"))
    begun = [key for key in tokens if key.endswith("/begun")]
    removing = there == wanted and len(begun) < JOBS
    known = tokens_of_runs(setting.storage.store())
    if removing and mode is CacheMode.Error and not known:
        # It was over: this is another run.
        with pytest.raises(StreamExistsError):
            setting.run(mode)
        assert setting.run(CacheMode.Ignore).tasks == 0
    else:
        report = setting.run(mode)
        assert not report.failures
        assert len(report.committed) + len(report.cached) == JOBS
        again = TASKS_A_JOB * len(report.committed)
        assert report.tasks + report.reused == again
        if removing and known:
            assert report.tasks == 0
        if not removing:
            over = TASKS_A_JOB * len(report.cached)
            assert report.reused == len(done) - over
    assert bytes_of(setting) == wanted
    setting.check_values()
    remove_garbage(setting.storage.store())
    # A process that was killed leaves its temporary files to ``gc``.
    setting.storage.store().clear_scratch(-1)
    check_all(setting, folders=False)
    return len(done)


@pytest.mark.parametrize("seed", most_slow(range(20), 4))
def test_two_drivers_of_one_graph_end_well(
    seed: int,
    wanted: dict[str, list[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mode = CacheMode.Overwrite if seed % 2 else CacheMode.Ignore
    setting, _ = fresh(tmp_path / "db", mode)
    with monkeypatch.context() as patch:
        turns = Turns(patch, seed)
        results = turns.run(*(lambda: setting.run(mode) for _ in range(2)))
    for result in results:
        if isinstance(result, BaseException):
            raise result
        assert not result.failures, result.failures[0].traceback
        assert len(result.committed) + len(result.cached) == JOBS
    assert bytes_of(setting) == wanted
    setting.check_values()
    remove_garbage(setting.storage.store())
    check_all(setting, folders=False)
