"""Sound that is taken over: heard at the time at which the source has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from beam_scanner.errors import VideoError
from beam_scanner.video.indexing import index_video
from beam_scanner.video.soundtrack import Sound, add_sound, has_sound
from tests.support.sounds import film_with_sound, heard
from tests.support.video_fixtures import make_video

Film = Callable[..., Path]
RATE = 48000


@pytest.fixture
def film(tmp_path: Path) -> Film:
    def make(codec: str, suffix: str, **options: Any) -> Path:
        return film_with_sound(tmp_path / f"film{suffix}", codec, RATE, **options)

    return make


def difference(path: Path, source: Path, start: float, late: int) -> float:
    """Of what is heard in a file for 1.9 s, from what the source has from a time on.

    Args:
        path: The file.
        source: The source.
        start: Seconds.
        late: Samples by which either may be late, where times are rounded.
    """
    whole, found = heard(source, RATE), heard(path, RATE)
    count, begin = round(1.9 * RATE) - 2 * late, round(start * RATE) + late
    assert len(found) >= count + 2 * late
    expected = whole[begin : begin + count]
    shifted = (found[at : at + count] for at in range(2 * late + 1))
    return float(min(np.abs(each - expected).max() for each in shifted))


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("aac", ".mp4"),
        ("flac", ".mkv"),
        *(
            pytest.param(codec, suffix, marks=pytest.mark.slow)
            for codec, suffix in (
                ("flac", ".mp4"),
                ("libopus", ".mp4"),
                ("libopus", ".mkv"),
                ("libmp3lame", ".mp4"),
                ("alac", ".mov"),
            )
        ),
    ],
)
@pytest.mark.parametrize("first", [0, 30])
def test_sound_is_heard_when_the_source_has_it(
    film: Film, tmp_path: Path, codec: str, suffix: str, first: int
) -> None:
    source = film(codec, suffix)
    pictures = make_video(tmp_path / "pictures.mp4", frames=50)
    before = index_video(pictures)
    out = tmp_path / "out.mp4"
    add_sound(pictures, str(out), Sound(str(source), first / 25, first / 25 + 2))
    # Decoders begin elsewhere than in the source; lossy ones differ a little there.
    most = 1e-6 if codec in ("flac", "alac") else 0.02
    late = RATE // 2000 if suffix == ".mkv" else 0
    assert difference(out, source, first / 25, late) <= most
    after = index_video(str(out))
    assert np.array_equal(after.seconds(range(50)), before.seconds(range(50)))
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        lasts = container.streams.audio[0].duration
        base = container.streams.audio[0].time_base
        assert lasts is not None
        assert base is not None
        assert 1.95 < lasts * base < 2.1


def test_what_cannot_be_taken_over(film: Film, tmp_path: Path) -> None:
    pictures, out = make_video(tmp_path / "p.mp4", frames=50), str(tmp_path / "out.mp4")
    with pytest.raises(VideoError, match=r"p\.mp4' has no sound"):
        add_sound(pictures, out, Sound(pictures, 0, 2))
    source = str(film("aac", ".mp4"))
    with pytest.raises(VideoError, match=r"no sound from 100\.000 to 102\.000 s"):
        add_sound(pictures, out, Sound(source, 100, 102))
    other = str(film("tta", ".mkv"))
    with pytest.raises(VideoError, match=r"film\.mkv' \(tta\) cannot be copied into"):
        add_sound(pictures, out, Sound(other, 0, 2))


def test_whether_there_is_sound(film: Film, tmp_path: Path) -> None:
    assert has_sound(str(film("aac", ".mp4")))
    assert not has_sound(make_video(tmp_path / "silent.mp4", 3))
