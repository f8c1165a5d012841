"""Runs that go on, by number."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from beam_scanner.errors import StorageError
from beam_scanner.run.active_runs import (
    ActiveRun,
    RunWatch,
    active_runs,
    bury_dead,
    end_active,
    find_active,
)
from beam_scanner.run.liveness import Life
from beam_scanner.run.profiler import Profile, profile_ids
from beam_scanner.run.report import Report
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.local_store import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "db", durable=False)


def begun(store: LocalStore, name: str = "a", jobs: int = 2) -> ActiveRun:
    return ActiveRun(name, jobs).numbered(store)


def dead(store: LocalStore, run: ActiveRun) -> bool:
    return RunWatch(store, run, waits=False).is_dead()


def test_a_run_from_its_begin_to_its_end(store: LocalStore) -> None:
    run = begun(store)
    life = Life(store, run.life)
    assert find_active(store, 1) == run
    assert not dead(store, run)
    end_active(store, run, Report(tasks=3), life)
    assert find_active(store, 1) is None
    assert not dead(store, run)
    life.leave()
    assert not dead(store, run)
    assert list(active_runs(store)) == []
    profile = Profile.load(NamedStorage(store), 1)
    assert (profile.tasks, profile.ended["error"]) == (3, None)
    assert [key.split("/")[1] for key in store.list(".work/")] == ["profiles"]


def test_numbers_go_on_after_those_that_have_ended(store: LocalStore) -> None:
    first, second = begun(store), begun(store)
    end_active(store, second, Report())
    assert [run.number for run in (first, second, begun(store))] == [1, 2, 3]


def test_runs_that_begin_at_once_have_numbers_of_their_own(store: LocalStore) -> None:
    found: list[int] = []
    gate = threading.Barrier(8)

    def begin() -> None:
        gate.wait()
        for _ in range(5):
            run = begun(store)
            found.append(run.number)
            if run.number % 2:
                end_active(store, run, Report())

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(found) == 40


class Late(LocalStore):
    """A run takes the number, and ends, between two looks of another."""

    def relaxed(self) -> LocalStore:
        return self

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if key.endswith("active/00000001/run"):
            self.put(".work/profiles/00000001", b"of another run")
        return super().put_if_absent(key, data)


def test_a_number_is_not_given_again_to_who_looked_too_early(tmp_path: Path) -> None:
    store = Late(tmp_path)
    assert begun(store).number == 2
    assert find_active(store, 1) is None


def test_who_has_died_is_told_so_and_buried(store: LocalStore) -> None:
    run, other = begun(store), begun(store, "b")
    living = Life(store, other.life)
    Life(store, run.life).leave()
    assert dead(store, run)
    death = str(RunWatch(store, run, waits=False).death())
    assert run.worker in death
    assert "running it again resumes" in death
    bury_dead(store)
    assert [found.number for found in active_runs(store)] == [2]
    profile = Profile.load(NamedStorage(store), 1)
    assert profile.ended["error"] == ["WorkerError", death]
    living.leave()
    bury_dead(store)
    assert profile_ids(store) == [2, 1]


def test_who_begins_just_now_is_not_dead(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock comes after its number."""
    run = begun(store)
    now = [run.started + 4]
    monkeypatch.setattr(time, "time", lambda: now[0])
    assert not dead(store, run)
    now[0] += 2
    assert dead(store, run)


def test_a_damaged_file_is_of_no_run(store: LocalStore) -> None:
    run = begun(store)
    store.put(".work/active/00000002/run", b"{}")
    store.put(".work/active/notes/run", b"{}")
    assert list(active_runs(store)) == [run]
    with pytest.raises(StorageError, match="00000002"):
        find_active(store, 2)
    assert begun(store).number == 3


def test_a_job_of_a_service_that_cannot_be_asked_goes_on(store: LocalStore) -> None:
    service = {"job": "job-7", "endpoint": ""}
    run = replace(begun(store), service=service, started=0.0)
    run.put(store)
    assert not dead(store, run)
    assert next(iter(active_runs(store))).service == service


@pytest.mark.parametrize(
    ("state", "over"),
    [("RUNNING", False), ("", False), ("FAILED", True), ("CANCELLED", True)],
)
def test_a_job_of_a_service_is_as_dead_as_that_says(
    store: LocalStore, state: str, over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from beam_scanner.beam_internals import job_states

    monkeypatch.setattr(job_states, "job_state", lambda service: state)
    run = replace(begun(store), service={"job": "job-7", "endpoint": "here:1"})
    watch = RunWatch(store, run, waits=True)
    assert watch.is_dead() is over
    if over:
        assert f"job-7 is {state}" in str(watch.death())
