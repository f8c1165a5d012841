"""What writers at work have marked is no garbage; marks of the dead end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from beam_scanner.storage import LocalStore, ObjectStore, writer_marks
from beam_scanner.storage.writer_marks import (
    WRITERS,
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
