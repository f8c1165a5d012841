"""Exported films are heard, where their files are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import VideoError
from beam_scanner.exports.films import write_film
from beam_scanner.storage import NamedStorage, NamedVideoStream
from beam_scanner.video.soundtrack import has_sound
from tests.support.corpus import linear_decode
from tests.support.sounds import film_with_sound, heard
from tests.support.video_fixtures import frame_number, make_video


def ingested(folder: Path, path: str, copy: bool = False) -> NamedVideoStream:
    storage = NamedStorage(str(folder / "db"))
    NamedVideoStream(storage, "film", path=path).ingest(copy=copy)
    return NamedVideoStream(storage, "film")


@pytest.mark.parametrize("copy", [False, True], ids=["in place", "copied"])
def test_sound_comes_along(copy: bool, tmp_path: Path) -> None:
    path = str(film_with_sound(tmp_path / "film.mp4", "aac", 48000))
    made = str(tmp_path / "made.mp4")
    write_film(ingested(tmp_path, path, copy), made)
    assert [frame_number(f) for f in linear_decode(made)] == list(range(100))
    found, whole = heard(made, 48000), heard(path, 48000)
    calm = slice(4096, 180_000)
    assert np.abs(found[calm] - whole[calm]).max() < 0.05


def test_films_without_sound(tmp_path: Path) -> None:
    video = ingested(tmp_path, make_video(tmp_path / "film.mp4", 9))
    write_film(video, str(tmp_path / "made.mp4"))
    assert not has_sound(str(tmp_path / "made.mp4"))


def test_sound_that_an_mp4_cannot_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(film_with_sound(tmp_path / "film.mp4", "aac", 48000))
    video, made = ingested(tmp_path, path), str(tmp_path / "made.mp4")
    save = NamedVideoStream.save_mp4

    def refuse(self: NamedVideoStream, name: str, sound: bool | None = None) -> str:
        if sound:
            raise VideoError("no such sound")
        return save(self, name)

    monkeypatch.setattr(NamedVideoStream, "save_mp4", refuse)
    with pytest.warns(UserWarning, match="is silent: no such sound"):
        write_film(video, made)
    assert len(linear_decode(made)) == 100
    assert not has_sound(made)
