"""Clips have the frames of their rows, bit for bit where they are copied."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.video import clips
from beam_scanner.video.clips import cut_clips
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.encoder import VideoEncoder
from beam_scanner.video.encoding import Encoding
from beam_scanner.video.indexing import index_video
from beam_scanner.video.soundtrack import Sound
from tests.support.corpus import REAL, SHARED, linear_decode
from tests.support.damaged_videos import hurt
from tests.support.odd_changes import MUXING, PACKETS
from tests.support.odd_samples import Base
from tests.support.oddities import write_odd
from tests.support.sounds import film_with_sound, heard
from tests.support.video_fixtures import frame_number, make_video, numbered_frame

ROWS = 48


def film(folder: Path, codec: str) -> str:
    path = str(folder / f"{codec}.mp4")
    with VideoEncoder(path, Encoding(codec, keyframe_distance=12)) as encoder:
        for row in range(ROWS):
            encoder.write(numbered_frame(row, (64, 48)), row / 25)
    return path


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1", "lossless"])
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(bounds=st.sets(st.integers(0, ROWS), min_size=2, max_size=6))
def test_clips(codec: str, bounds: set[int], tmp_path: Path) -> None:
    path = film(tmp_path, codec)
    index, frames = index_video(path), linear_decode(path)
    edges = sorted(bounds)
    ranges = list(itertools.pairwise(edges))
    paths = [str(tmp_path / f"{number}.mp4") for number in range(len(ranges))]
    copied = list(cut_clips(path, index, ranges, paths))
    keys = {*index.keyframes.tolist(), ROWS}
    for own, (first, end), is_copy in zip(paths, ranges, copied, strict=True):
        found = linear_decode(own)
        assert is_copy or not {first, end} <= keys
        assert len(found) == end - first
        assert [frame_number(f) for f in found] == list(range(first, end))
        if is_copy:
            assert np.array_equal(found, frames[first:end])


@pytest.mark.parametrize("name", REAL)
@pytest.mark.slow
def test_real_films(name: str, tmp_path: Path) -> None:
    path = str(SHARED / name)
    index = index_video(path)
    edges = sorted({0, *index.keyframes[1:3].tolist(), min(len(index), 90)})
    ranges = list(itertools.pairwise(edges))
    paths = [str(tmp_path / f"{number}.mp4") for number in range(len(ranges))]
    frames = linear_decode(path)
    made = cut_clips(path, index, ranges, paths)
    for own, (first, end), is_copy in zip(paths, ranges, made, strict=True):
        found = linear_decode(own)
        assert len(found) == end - first
        if is_copy:
            assert np.array_equal(found, frames[first:end])
        else:
            error = np.abs(
                np.int16(np.stack(found)) - np.int16(np.stack(frames[first:end]))
            )
            assert error.mean() < 4


@pytest.mark.parametrize("ranges", [[(0, 0)], [(0, 9), (5, 12)], [(40, 49)], [(-1, 3)]])
def test_wrong_ranges(ranges: list[tuple[int, int]], tmp_path: Path) -> None:
    path = film(tmp_path, "h264")
    with pytest.raises(ArgumentError, match="a clip must have"):
        list(cut_clips(path, index_video(path), ranges, ["x.mp4"] * len(ranges)))


@pytest.mark.parametrize("codec", ["aac", "flac"])
def test_sound(codec: str, tmp_path: Path) -> None:
    rate = 48000
    path = str(film_with_sound(tmp_path / "film.mp4", codec, rate))
    index = index_video(path)
    ranges = [(0, 20), (31, 60)]
    paths = [str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")]
    assert len(list(cut_clips(path, index, ranges, paths))) == 2
    whole = heard(path, rate)
    for own, (first, end) in zip(paths, ranges, strict=True):
        assert len(index_video(own)) == end - first
        begin = round(index.seconds([first])[0] * rate)
        count = round((index.seconds([end])[0] - index.seconds([first])[0]) * rate)
        found = heard(own, rate)
        assert len(found) >= count
        # Lossy codecs need a packet or two to settle.
        calm = slice(4096, count)
        difference = np.abs(found[calm] - whole[begin : begin + count][calm])
        assert difference.max() < (0.05 if codec == "aac" else 1e-6)
    assert not list(tmp_path.glob("*pictures*"))


def test_sound_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(film_with_sound(tmp_path / "film.mp4", "aac"))

    def refuse(pictures: str, path: str, sound: Sound) -> None:
        raise VideoError("no sound in that time")

    monkeypatch.setattr(clips, "add_sound", refuse)
    made = str(tmp_path / "a.mp4")
    with pytest.warns(UserWarning, match="silent: no sound in that time"):
        list(cut_clips(path, index_video(path), [(7, 9)], [made]))
    assert [frame_number(frame) for frame in linear_decode(made)] == [7, 8]


def test_rows_that_are_lost(tmp_path: Path) -> None:
    path = film(tmp_path, "h264")
    hurt(path, range(14, 16))
    index = index_video(path, damage="salvage")
    row = int(index.lost[0])
    made = [str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")]
    with pytest.raises(VideoError, match=f"row {row} of the clip of rows 12 to 24"):
        list(cut_clips(path, index, [(0, 12), (12, 24)], made))
    assert not Path(made[0]).exists()
    assert list(cut_clips(path, index, [(0, 12), (24, 48)], made)) == [True, True]


def test_an_interrupted_clip_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(film_with_sound(tmp_path / "film.mp4", "aac"))
    before = set(tmp_path.iterdir())

    def interrupt(pictures: str, path: str, sound: Sound) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(clips, "add_sound", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(cut_clips(path, index_video(path), [(0, 9)], [str(tmp_path / "a.mp4")]))
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("rate", ["24000/1001", "60000/1001", "12"])
def test_clips_are_as_long_as_their_rows(rate: str, tmp_path: Path) -> None:
    path = make_video(tmp_path / "film.mp4", 40, rate=Fraction(rate))
    index = index_video(path)
    bounds = [0, 1, 5, 12, 13, 39, 40]
    paths = [str(tmp_path / f"{number}.mp4") for number in range(len(bounds) - 1)]
    ranges = list(itertools.pairwise(bounds))
    copied = list(cut_clips(path, index, ranges, paths))
    assert {True, False} == set(copied)
    lengths = [index_video(each).duration_seconds for each in paths]
    expected = [(end - first) / Fraction(rate) for first, end in ranges]
    assert lengths == pytest.approx([float(each) for each in expected], abs=2e-4)


def test_a_frame_that_is_long(tmp_path: Path) -> None:
    times = [0, 1, 2, 7, 8, 9]
    path = make_video(tmp_path / "film.mp4", 6, pts=times, time_base=Fraction(1, 25))
    made = [str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")]
    list(cut_clips(path, index_video(path), [(0, 3), (3, 6)], made))
    lengths = [index_video(each).duration_seconds for each in made]
    assert lengths == pytest.approx([7 / 25, 3 / 25], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("muxer", ["mp4", "matroska"])
@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_clips_of_odd_videos(encoder: str, muxer: str, tmp_path: Path) -> None:
    """Clips that begin with keyframes, which may have been copied."""
    base = Base.make(tmp_path, encoder, muxer)
    assert base is not None
    tried = 0
    for oddity in sorted({*PACKETS, *MUXING}):
        path = tmp_path / f"{oddity}.{muxer}"
        if not write_odd(path, base, oddity, random.Random(20)):
            continue
        try:
            index = index_video(path)
        except VideoError:
            continue
        edges = [*index.keyframes.tolist(), len(index)]
        ranges = list(itertools.pairwise(edges))
        with VideoDecoder(path, index) as decoder:
            rows = [frame_number(f) for f in decoder.read(range(len(index)))]
        own = [str(tmp_path / f"{oddity} {first}.mp4") for first, _ in ranges]
        list(cut_clips(str(path), index, ranges, own))
        clips = [[frame_number(f) for f in linear_decode(clip)] for clip in own]
        assert clips == [rows[first:end] for first, end in ranges], oddity
        tried += 1
    assert tried > 8
