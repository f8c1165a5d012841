"""What writers at work have marked is no garbage; marks of the dead end."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from beam_scanner.storage import LocalStore, ObjectStore, writer_marks
from beam_scanner.storage.writer_marks import (
    WRITERS,
    held,
    is_abandoned,
    is_held,
    mark,
    remove_old_marks,
    unmark,
    writing,
    written_now,
)
from tests.support.programs import run_code
from tests.support.storage_fakes import MemoryStore

DIES = """
import os, sys
from beam_scanner.storage import LocalStore
from beam_scanner.storage.writer_marks import writing
block = writing(LocalStore(sys.argv[1]), "g1")
block.__enter__()
os._exit(0)
"""


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return (
        LocalStore(tmp_path / "db") if request.param == "disk" else MemoryStore("marks")
    )


def test_a_generation_is_written_until_its_block_ends(store: ObjectStore) -> None:
    with writing(store, "g1"):
        assert written_now(store) == {"g1"}
        remove_old_marks(store)
        assert written_now(store) == {"g1"}
    assert written_now(store) == set()
    assert list(store.list(WRITERS)) == []


def test_parts_are_marked_one_by_one(store: ObjectStore) -> None:
    mark(store, "g1", "a")
    mark(store, "g1", "b")
    mark(store, "g2", "a")
    unmark(store, "g1", "a")
    assert written_now(store) == {"g1", "g2"}
    unmark(store, "g1", "b")
    assert written_now(store) == {"g2"}


def test_marks_count_for_a_week(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark(store, "g1", "a")
    monkeypatch.setattr(writer_marks, "_MOST_SECONDS", 0.0)
    assert written_now(store) == set()
    remove_old_marks(store)
    assert list(store.list(WRITERS)) == []


@pytest.mark.parametrize("data", [b"", b"soon", b"\xff"])
def test_damaged_marks_count_for_nothing(store: ObjectStore, data: bytes) -> None:
    store.put(f"{WRITERS}g1/a", data)
    assert written_now(store) == set()


def test_who_died_writes_no_more(tmp_path: Path) -> None:
    run_code(DIES, tmp_path / "db")
    store = LocalStore(tmp_path / "db")
    assert os.listdir(tmp_path / "db" / WRITERS) == ["g1"]
    assert written_now(store) == set()


def test_a_file_is_held_until_its_block_ends(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert not is_held(store, "a")
    assert not is_abandoned(store, "a")
    with held(store, "a"):
        assert is_held(store, "a")
        assert not is_abandoned(store, "a")
    assert not is_held(store, "a")
    assert is_abandoned(store, "a")


def test_who_asks_at_the_same_time_is_no_holder(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with held(store, "a"):
        pass
    with open(tmp_path / "a") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert is_abandoned(store, "a")
        assert not is_held(store, "a")


FORKS = """
import os, sys, time
from beam_scanner.storage import LocalStore
from beam_scanner.storage.writer_marks import held
with held(LocalStore(sys.argv[1]), "a"):
    asked, answer = os.pipe()
    if not os.fork():
        os.close(answer)
        print("forked", flush=True)
        os.read(asked, 1)
        time.sleep(3)
        os._exit(0)
    time.sleep(600)
"""


def test_a_child_does_not_hold_what_its_dead_parent_did(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FORKS, tmp_path], stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        program.stdout.readline()
        store = LocalStore(tmp_path)
        assert is_held(store, "a")
        program.kill()
        program.wait()
        assert is_abandoned(store, "a")
