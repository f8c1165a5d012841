"""Files that could not be written leave nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.errors import StorageError
from beam_scanner.exports.whole_files import whole_file


def test_nothing_is_half_written(tmp_path: Path) -> None:
    def write_half() -> None:
        with whole_file(str(tmp_path / "a.csv")) as part:
            Path(part).write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "a.csv")
    with pytest.raises(StorageError, match=r"a\.csv"), whole_file(path):
        raise OSError(28, "No space left on device")


def test_files_of_like_names_stay(tmp_path: Path) -> None:
    mine = tmp_path / "a.part.csv"
    mine.write_text("mine")
    with whole_file(str(tmp_path / "a.csv")) as part:
        Path(part).write_text("new")
    assert mine.read_text() == "mine"
    longest = tmp_path / ("a" * 251 + ".csv")
    with whole_file(str(longest)) as part:
        Path(part).write_text("new")
    assert longest.read_text() == "new"
