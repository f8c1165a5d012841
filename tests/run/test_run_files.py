"""Files of a run, which end with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import Failure, StorageError
from beam_scanner.run import run_files, run_tokens
from beam_scanner.run.job import JobRecord
from beam_scanner.run.run_files import (
    RunFiles,
    end_interrupted,
    live_runs,
    noted_tokens,
    remove_abandoned,
    remove_garbage,
)
from beam_scanner.run.run_settings import RunSettings
from beam_scanner.run.run_tokens import RunTokens
from beam_scanner.run.shared_graph import SharedGraph
from beam_scanner.storage import NamedStorage
from beam_scanner.stores.local_store import LocalStore
from tests.support.programs import run_code
from tests.support.storage_fakes import MemoryStore


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


def record(name: str) -> JobRecord:
    return JobRecord(name, [], f"f-{name}", ("g",), token="t", mark=name)


def written(store: LocalStore, jobs: int = 2) -> tuple[RunFiles, str]:
    files = RunFiles(store, "run")
    settings = RunSettings(SharedGraph((), ()), work_packet=4, io_packet=8)
    return files, files.write(settings, [record(str(n)) for n in range(jobs)])


def test_workers_read_what_the_driver_wrote(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    files, digest = written(store, run_files.JOBS_A_FILE + 1)
    found = files.settings(digest)
    assert (found.work_packet, found.io_packet) == (4, 8)
    assert len(found.digests) == 2
    assert files.jobs(1, found.digests) == [record(str(run_files.JOBS_A_FILE))]
    assert len(files.jobs(0, found.digests)) == run_files.JOBS_A_FILE


@pytest.mark.parametrize("file", ["graph", "jobs-000000"])
def test_what_another_run_has_written_is_refused(tmp_path: Path, file: str) -> None:
    """It may be whole, and unpickling it would run its code all the same."""
    mine, theirs = LocalStore(tmp_path / "mine"), LocalStore(tmp_path / "theirs")
    files, digest = written(mine)
    digests = files.settings(digest).digests
    written(theirs, jobs=1)
    key = f".work/runs/run/{file}"
    mine.put(key, theirs.read(key))
    read = {
        "graph": lambda: files.settings(digest),
        "jobs-000000": lambda: files.jobs(0, digests),
    }
    with pytest.raises(StorageError, match="is not what this run wrote"):
        read[file]()


def test_files_that_are_damaged_are_named(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    files, _ = written(store)
    store.put(".work/runs/run/graph", b"no graph")
    with pytest.raises(StorageError, match="runs/run/graph"):
        files.settings()


def test_the_first_failure_of_a_job_is_the_one_that_is_kept(tmp_path: Path) -> None:
    files = RunFiles(LocalStore(tmp_path), "run")
    assert files.failed("0") is None
    files.mark_failed("0", Failure("a", "first"))
    files.mark_failed("0", Failure("a", "second"))
    files.mark_failed("1", Failure("b", "other"))
    found = files.failed("0")
    assert found is not None
    assert found.reason == "first"
    assert (files.failed_jobs(), files.marked) == (2, 2)
    files.forget_failed("0")
    assert files.failed("0") is None
    assert files.failed_jobs() == 1


def test_a_run_is_stopped_once_and_may_begin_again(tmp_path: Path) -> None:
    files = RunFiles(LocalStore(tmp_path), "run")
    assert files.stopped_at() is None
    files.stop(3)
    files.stop(5)
    assert files.stopped_at() == 3
    files.forget_stop()
    assert files.stopped_at() is None


def test_results_are_those_of_each_job_and_phase(tmp_path: Path) -> None:
    files = RunFiles(LocalStore(tmp_path), "run")
    files.put_result(0, 0, [])
    files.put_result(0, 1, [Failure("a", "why", row=3)])
    files.put_result(7, 0, [])
    found = files.results()
    assert sorted(found) == [(0, 0), (0, 1), (7, 0)]
    assert [(f.stream, f.row) for f in found[0, 1].failures] == [("a", 3)]


def test_a_run_whose_driver_lives_is_left_alone(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    NamedStorage(str(tmp_path)).store(create=True)
    files, digest = written(store)
    with files.held():
        assert live_runs(store) == ["run"]
        remove_abandoned(store)
        remove_garbage(store)
        assert files.settings(digest).work_packet == 4
    assert live_runs(store) == []


def test_nothing_is_left_of_a_run_that_is_removed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    files, _ = written(store)
    other = RunFiles(store, "other")
    for run in (files, other):
        run.put_result(0, 0, [])
        marks, folder = run.attempts_of("0-0-0")
        marks.put(f"{folder}a", b"a mark")
    files.remove()
    assert {key.split("/")[2] for key in store.list(".work/runs/")} == {"other"}
    assert list(store.list(other.attempts_of("0-0-0")[1])) == [f"{folder}a"]
    assert not list(store.list(other.attempts_of("0-0-1")[1]))


DIES = """
import os, sys
from beam_scanner.run.run_files import RunFiles
from beam_scanner.run.run_tokens import note_tokens
from beam_scanner.stores.local_store import LocalStore
from tests.support.programs import run_code
from tests.support.storage_fakes import MemoryStore
store = LocalStore(sys.argv[1])
run = RunFiles(store, "dead")
run.held().__enter__()
note_tokens(store, "dead", ["t", "u"])
run.put_result(0, 0, [])
os._exit(0)
"""


def left_of(store: LocalStore, run: str) -> list[str]:
    folder = f".work/runs/{run}/"
    return [key.removeprefix(folder) for key in store.list(folder)]


def test_tokens_outlive_a_run_that_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_code(DIES, tmp_path)
    store = LocalStore(tmp_path)
    assert left_of(store, "dead") == ["driver", "results/0-0", "tokens"]
    for remove in (remove_abandoned, remove_garbage, remove_garbage):
        remove(store)
        assert left_of(store, "dead") == ["tokens"]
        assert noted_tokens(store).interrupted == {"t", "u"}
    monkeypatch.setattr(run_tokens, "MOST_SECONDS", 0.0)
    remove_garbage(store)
    assert left_of(store, "dead") == []


def test_the_next_run_goes_on_with_some_jobs_of_one_that_died(tmp_path: Path) -> None:
    run_code(DIES, tmp_path)
    store = LocalStore(tmp_path)
    written(store)
    end_interrupted(store, ["t"], "run")
    assert left_of(store, "dead") == ["tokens"]
    assert left_of(store, "run") == ["graph", "jobs-000000", "tokens"]
    assert noted_tokens(store).interrupted == {"t", "u"}
    RunFiles(store, "run").remove()
    assert noted_tokens(store).interrupted == {"u"}
    end_interrupted(store, ["u"])
    assert left_of(store, "dead") == []


def test_tokens_of_a_run_at_work_are_its_own(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    files, _ = written(store)
    with files.held():
        assert noted_tokens(store) == RunTokens(live=frozenset("t"))
        end_interrupted(store, ["t"], "another")
        remove_garbage(store)
        assert noted_tokens(store).live == {"t"}
    assert noted_tokens(store).interrupted == {"t"}


def test_a_run_that_begins_while_garbage_is_looked_for_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    store.put(".work/runs/stray/results/0-0", b"")
    monkeypatch.setattr(run_tokens, "MOST_SECONDS", 0.0)
    plain = run_files.old_tokens  # type: ignore[attr-defined]

    def late(store: LocalStore) -> list[str]:
        written(store)
        return list(plain(store))

    monkeypatch.setattr(run_files, "old_tokens", late)
    remove_garbage(store)
    assert left_of(store, "run") == ["graph", "jobs-000000", "tokens"]
    assert left_of(store, "stray") == []


def test_rows_so_far_are_looked_for_in_folders_alone(tmp_path: Path) -> None:
    """In buckets nobody notes them, and each look has its price."""

    class Listed(MemoryStore):
        def list(self, prefix: str = "", skip: Any = None) -> Iterator[str]:
            folders.append(prefix.split("/")[-2])
            yield from super().list(prefix, skip)

        def relaxed(self) -> Listed:
            return self

    folders: list[str] = []
    far = RunFiles(Listed("rows so far"), "run")
    near = RunFiles(LocalStore(str(tmp_path)), "run")
    for files in (far, near):
        store, folder = files.attempts_of("0-0-1")
        store.put(f"{folder}attempt", b"")
        files.note_rows("0-0-2", 7)
    assert far.at_work() == {"0-0-1": 0}
    assert folders == ["attempts"]
    assert near.at_work() == {"0-0-1": 0, "0-0-2": 7}
