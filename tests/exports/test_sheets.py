"""Rows of a video in one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, RowError
from beam_scanner.exports.sheets import parse_rows, rows_of_sheet, write_sheet
from beam_scanner.notebook.montages import montage
from beam_scanner.storage import NamedStorage, NamedVideoStream
from beam_scanner.types.image_files import decode_image
from tests.support.video_fixtures import make_video


@pytest.fixture
def film(tmp_path: Path) -> NamedVideoStream:
    path = make_video(tmp_path / "a.mp4", 60)
    return NamedVideoStream(NamedStorage(str(tmp_path / "db")), "a", path=path)


def test_the_rows_that_are_asked_for(film: NamedVideoStream, tmp_path: Path) -> None:
    rows = rows_of_sheet(film, "50,0:20:5,50")
    assert rows == [50, 0, 5, 10, 15, 50]
    path = tmp_path / "a.png"
    write_sheet(film, rows, str(path))
    expected = montage(list(film.load(rows=rows)))
    assert np.array_equal(decode_image(path.read_bytes()), expected)
    assert rows_of_sheet(film, None)[::23] == [0, 59]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("3", [3]),
        (":3", [0, 1, 2]),
        ("8:", [8, 9]),
        ("::4", [0, 4, 8]),
        ("0:99:5, 1", [0, 5, 1]),
        ("5:5", []),
    ],
)
def test_rows_as_text(text: str, rows: list[int]) -> None:
    assert parse_rows(text, 10) == rows


@pytest.mark.parametrize("text", ["", "a", "1-5", "-1", "1:2:0", "1,,2", "1:2:3:4"])
def test_texts_that_are_no_rows(text: str) -> None:
    with pytest.raises(ArgumentError, match="rows are numbers and ranges"):
        parse_rows(text, 10)


def test_what_is_refused(film: NamedVideoStream) -> None:
    with pytest.raises(RowError):
        rows_of_sheet(film, "60")
    for text in ("5:5", ",".join(["1"] * 1001)):
        with pytest.raises(ArgumentError, match="a montage has 1 to 1000 rows"):
            rows_of_sheet(film, text)
