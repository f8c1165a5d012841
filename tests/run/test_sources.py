"""Inputs where a pipeline finds them: their names, their indexes and their types."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ElementTypeError, StreamNotFoundError
from beam_scanner.run.sources import (
    SOURCES,
    SourceVideo,
    check_input,
    stream_at,
    stream_names,
    video_at,
)
from beam_scanner.run.stream_slots import SourceSlot
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.types import FrameType, get_type_info
from tests.support.video_fixtures import make_video


def slot(kind: Any = None, make: Any = video_at) -> SourceSlot:
    info = None if kind is None else get_type_info(kind)
    return SourceSlot(0, make, info, "ReadFromNamedStream")


def save(folder: Path, name: str, values: list[Any], kind: Any) -> NamedStream:
    stream = NamedStream(NamedStorage(str(folder)), name)
    stream.save(values, kind)
    return stream


def test_one_file_has_one_index_whatever_pipelines_call_it(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", frames=8)
    db = str(tmp_path / "db")
    one, two = (video_at(db, name, str(film)) for name in ("one", "two"))
    assert (one.name(), two.name()) == ("one", "two")
    check_input(slot(), one)
    assert two.committed()
    assert two.len() == 8
    # No sink can have such a name.
    assert list(NamedStorage(db).store().list(f"{SOURCES}/"))
    assert not SourceVideo(db, "one", str(tmp_path / "other.mp4")).committed()


def test_a_video_that_has_changed_is_indexed_again(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    make_video(film, frames=8)
    video = video_at(str(tmp_path / "db"), "film", str(film))
    check_input(slot(), video)
    assert video.len() == 8
    shutil.move(make_video(tmp_path / "longer.mp4", frames=13), film)
    again = video_at(str(tmp_path / "db"), "film", str(film))
    check_input(slot(), again)
    assert again.len() == 13


def test_a_stream_that_is_not_there_is_named(tmp_path: Path) -> None:
    NamedStorage(str(tmp_path)).store(create=True)
    missing = stream_at(str(tmp_path), False, True, "", "shown", "some/where")
    with pytest.raises(StreamNotFoundError, match="'some/where' does not exist"):
        check_input(slot(int), missing)


@pytest.mark.parametrize(
    ("values", "stored", "wanted", "error"),
    [
        ([1], int, int, ""),
        # Whatever is stored may be read as bytes.
        ([1], int, bytes, ""),
        ([b"a"], bytes, bytes, ""),
        (
            [1],
            int,
            float,
            "holds int, but ReadFromNamedStream reads float; give it type",
        ),
        ([1], int, None, "holds int, but ReadFromNamedStream reads frames"),
    ],
)
def test_types_are_checked(
    tmp_path: Path, values: list[Any], stored: Any, wanted: Any, error: str
) -> None:
    stream = save(tmp_path, "a", values, stored)
    if not error:
        check_input(slot(wanted), stream)
        return
    with pytest.raises(ElementTypeError, match=error):
        check_input(slot(wanted), stream)


def test_frames_are_not_values(tmp_path: Path) -> None:
    frames = [np.zeros((16, 16, 3), np.uint8)]
    stream = NamedVideoStream(NamedStorage(str(tmp_path)), "film")
    stream.save(frames, FrameType)
    check_input(slot(), stream)
    with pytest.raises(ElementTypeError, match=r"holds frames, but .* reads int"):
        check_input(slot(int), stream)


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("video", [True, False])
def test_streams_of_a_database_are_as_it_is_trusted(
    tmp_path: Path, video: bool, trusted: bool
) -> None:
    found = stream_at(str(tmp_path), video, trusted, "", "shown", "x/a")
    assert isinstance(found, NamedVideoStream) is video
    assert found.storage().trusted is trusted
    assert found.name() == "x/a"


def test_names_that_match_are_sorted_and_committed(tmp_path: Path) -> None:
    for name in ("x/b", "x/a", "y/a"):
        save(tmp_path, name, [1], int)
    assert stream_names(str(tmp_path), "x/*") == ["x/a", "x/b"]
    assert stream_names(str(tmp_path), "**/a") == ["x/a", "y/a"]
    assert stream_names(str(tmp_path), "z/*") == []
