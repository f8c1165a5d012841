"""Files by path or URL, of this machine and of object stores alike."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import ArgumentError, StorageError
from beam_scanner.stores.object_store import ObjectNotFoundError
from beam_scanner.stores.paths import (
    absolute,
    delete_file,
    each,
    hidden_files,
    is_file,
    move_file,
    read_file,
    write_file,
)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("a.srt", "{here}/a.srt"),
        (Path("x/../a.srt"), "{here}/a.srt"),
        ("file:///data/my%20film.srt", "/data/my film.srt"),
        ("file://localhost/a", "/a"),
        ("gs://films/a%20b.srt", "gs://films/a%20b.srt"),
        ("s3://films/a", "s3://films/a"),
    ],
)
def test_paths_that_workers_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any, wanted: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute(path, "path") == wanted.format(here=os.getcwd())


@pytest.mark.parametrize(
    "path",
    [None, 7, "", b"a", "gs://films", "http://x/a", "file://host/a", "gs://films/.."],
)
def test_what_is_no_file_is_refused(path: Any) -> None:
    with pytest.raises(ArgumentError, match=r"captions must be|impossible key"):
        absolute(path, "captions")


def check_files(folder: str) -> None:
    """What holds wherever the folder is."""
    one, two = f"{folder}/in/one", f"{folder}/in/two"
    assert not is_file(one)
    with pytest.raises(ObjectNotFoundError, match="in/one"):
        read_file(one)
    delete_file(one)
    move_file(one, two)
    assert not is_file(two)
    write_file(one, b"first")
    write_file(one, b"second")
    assert is_file(one)
    write_file(two, b"old")
    move_file(one, two)
    assert not is_file(one)
    assert read_file(two) == b"second"
    # As after it was cut short.
    move_file(one, two)
    assert read_file(two) == b"second"
    write_file(f"{folder}/in/.hidden", b"")
    write_file(f"{folder}/in/.deep/file", b"")
    assert [os.path.basename(p) for p in hidden_files(f"{folder}/in")] == [".hidden"]
    delete_file(two)
    assert not is_file(two)


def test_files_of_this_machine(tmp_path: Path) -> None:
    check_files(str(tmp_path))
    # Nothing of ours is left beside them.
    assert sorted(p.name for p in (tmp_path / "in").iterdir()) == [".deep", ".hidden"]


def test_files_of_a_bucket(bucket_url: str) -> None:
    check_files(bucket_url)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot write '.*file/a'"):
        write_file(str(tmp_path / "file" / "a"), b"x")


def test_results_are_in_the_order_of_the_paths() -> None:
    for scheme in ("", "gs://films/"):
        paths = [f"{scheme}{number}" for number in range(20)]
        found = each(lambda path, more: (path, more), paths, range(20))
        assert found == list(zip(paths, range(20), strict=True))


def test_objects_are_asked_for_side_by_side() -> None:
    meeting = threading.Barrier(4, timeout=60)
    assert each(lambda _: meeting.wait() < 4, ["gs://films/a"] * 4) == [True] * 4


def test_the_first_error_is_raised() -> None:
    def fails(path: str) -> None:
        raise ValueError(path)

    with pytest.raises(ValueError, match="gs://films/a"):
        each(fails, ["gs://films/a", "gs://films/b"])
