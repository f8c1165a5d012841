"""Names of exported files stay in their folder, and replace nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError, StorageError
from beam_scanner.exports.file_names import FileNames, make_room


@pytest.mark.parametrize(
    "pattern",
    [
        "x",
        "{row}",
        "{stream.__class__}",
        "{stream",
        "{}",
        "{0}",
        "{number:q}",
        "{stem[0]}",
    ],
)
def test_other_fields(pattern: str) -> None:
    with pytest.raises(ArgumentError, match="file name"):
        FileNames("out", pattern)


@given(st.text(st.characters(exclude_characters="/"), min_size=1, max_size=20))
@example(".")
@example(".mp4")
def test_files_lie_in_their_folder(part: str) -> None:
    for stream in (part, f"a/{part}/b"):
        path = FileNames("/out/put", "{stream}/{number}").path(stream, ".png", 3)
        assert path.startswith("/out/put/")
        assert not {"", ".", ".."} & set(path.split("/")[1:])
        assert path.endswith("3.png")


def test_names_that_would_leave_it() -> None:
    for stream in ("..", "/a", "../a"):
        with pytest.raises(ArgumentError, match="leave"):
            FileNames("/out", "{stream}").path(stream, ".csv")


def test_room(tmp_path: Path) -> None:
    paths = [str(tmp_path / "a" / "b.csv"), str(tmp_path / "c.csv")]
    make_room(paths)
    assert (tmp_path / "a").is_dir()
    with pytest.raises(StorageError, match=r"two files .*; \{number\} in it tells"):
        make_room([paths[0], paths[0]])
    (tmp_path / "c.csv").touch()
    with pytest.raises(StorageError, match="exists"):
        make_room(paths)
    with pytest.raises(
        StorageError, match=r"cannot make folder .*/c.csv' is no folder"
    ):
        make_room([str(tmp_path / "c.csv" / "d.csv")])
    with pytest.raises(
        StorageError, match=r"cannot make folder .*/c.csv' is no folder"
    ):
        make_room([str(tmp_path / "c.csv" / "e" / "d.csv")])


def test_a_file_where_another_needs_a_folder(tmp_path: Path) -> None:
    for below in ("a.csv/b.csv", "a.csv/c/d.csv"):
        for names in (["a.csv", below], [below, "a.csv"]):
            with pytest.raises(StorageError, match="a file and the folder of another"):
                make_room([str(tmp_path / name) for name in names])
    assert not list(tmp_path.iterdir())
    make_room([str(tmp_path / name) for name in ("a.csv", "a/b.csv", "a.csv.d/c.csv")])
