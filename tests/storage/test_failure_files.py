"""Failures as Parquet, in every kind of store."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import Failure, StorageError
from beam_scanner.storage import NamedStorage, NamedStream, gc, list_streams
from beam_scanner.storage.failure_files import (
    COLUMNS,
    failure_files,
    read_failures,
    write_failures,
)
from beam_scanner.stores.local_store import LocalStore
from beam_scanner.stores.open import open_store

FULL = Failure(
    "a/ü.mp4",
    "ValueError: two\nlines \x1b[0m",
    3,
    "Boom",
    "Traceback ...",
    "exception",
    "ValueError",
    2,
    20,
    29,
    3,
    "host:4711",
    1.25e9,
    1.25e9 + 0.5,
)
FAILURES = [
    FULL,
    Failure("b", "no such file", kind="input", exception="VideoError"),
    Failure("c", "MemoryError", exception="MemoryError"),
]


def check(store: Any) -> None:
    assert failure_files(store) == []
    assert write_failures(store, "none", iter(()), 0.0) == ""
    assert failure_files(store) == []
    write_failures(store, "one", FAILURES, 1.5e9)
    place = write_failures(store, "two", iter(FAILURES * 1500), 1.4e9)
    files = failure_files(store)
    assert [file.run for file in files] == ["two", "one"]
    assert files[0].time == "20140513T165320.000000Z"
    assert place.endswith("failures/20140513T165320.000000Z-two.parquet")
    assert list(read_failures(store, files[1].key)) == FAILURES
    assert list(read_failures(store, files[0].key)) == FAILURES * 1500
    # Once more: a bundle that was executed again.
    write_failures(store, "two", FAILURES[:1], 1.4e9)
    assert list(read_failures(store, files[0].key)) == FAILURES[:1]


def test_local(tmp_path: Path) -> None:
    check(LocalStore(tmp_path))


def test_bucket(bucket_url: str) -> None:
    check(open_store(bucket_url))
    assert list(list_streams(NamedStorage(bucket_url))) == []


def test_columns(tmp_path: Path) -> None:
    place = write_failures(LocalStore(tmp_path), "one", FAILURES, 1.5e9)
    table = pq.read_table(place)
    assert table.schema.equals(COLUMNS)
    assert table.column_names == [
        "stream",
        "task",
        "first_row",
        "last_row",
        "row",
        "op",
        "kind",
        "exception",
        "message",
        "traceback",
        "attempts",
        "worker",
        "started",
        "ended",
    ]
    full, short, bare = table.to_pylist()
    assert (bare["exception"], bare["message"]) == ("MemoryError", "MemoryError")
    assert full["message"] == "two\nlines \x1b[0m"
    assert full["started"] == datetime.datetime(
        2009, 8, 11, 14, 13, 20, tzinfo=datetime.UTC
    )
    assert {name for name, value in short.items() if value is not None} == {
        "stream",
        "kind",
        "exception",
        "message",
        "attempts",
    }


TEXT = st.text(st.characters(codec=None, categories=None))


@given(TEXT, TEXT, st.none() | TEXT, TEXT, TEXT)
def test_any_text_is_kept(
    tmp_path_factory: pytest.TempPathFactory,
    stream: str,
    reason: str,
    op: str | None,
    details: str,
    worker: str,
) -> None:
    store = LocalStore(tmp_path_factory.mktemp("db"))
    failure = Failure(stream, reason, None, op, details, worker=worker)
    write_failures(store, "one", [failure], 0.0)
    (found,) = read_failures(store, failure_files(store)[0].key)
    if all(text.isascii() for text in (stream, reason, op or "", details, worker)):
        assert found == failure


def test_other_files_are_passed_by(tmp_path: Path) -> None:
    storage = NamedStorage(str(tmp_path))
    stream = NamedStream(storage, "failures/20140513T165320Z-two.parquet")
    stream.save([b"1"])
    (tmp_path / "failures" / "notes.txt").write_text("mine")
    write_failures(storage.raw_store(), "one", FAILURES, 1.5e9)
    assert [file.run for file in failure_files(storage.raw_store())] == ["one"]
    gc(storage)
    assert list(stream.load()) == [b"1"]
    stream.delete()
    assert len(list((tmp_path / "failures").glob("*.parquet"))) == 1
    assert (tmp_path / "failures" / "notes.txt").exists()


def test_damage_is_told(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    place = Path(write_failures(store, "one", FAILURES, 1.5e9))
    place.write_bytes(place.read_bytes()[:-20])
    with pytest.raises(StorageError, match="is not a file of failures"):
        list(read_failures(store, failure_files(store)[0].key))
