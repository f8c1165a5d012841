"""Which rows the shots of a stream are."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.exports.shot_ranges import read_shots, source_of
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from beam_scanner.types.element_types import NumpyArrayInt32
from tests.support.video_fixtures import make_video


@pytest.fixture
def film(tmp_path: Path) -> NamedVideoStream:
    path = make_video(tmp_path / "a.mp4", 40)
    video = NamedVideoStream(NamedStorage(str(tmp_path / "db")), "a.mp4", path=path)
    video.ingest()
    return video


def saved(film: NamedVideoStream, values: list[Any], ty: Any) -> NamedStream:
    stream = NamedStream(film.storage(), "shots/a.mp4")
    stream.save(values, ty=ty)
    return stream


def test_pairs(film: NamedVideoStream) -> None:
    pairs = [np.array(each, np.int32) for each in ([0, 10], [12, 40])]
    shots = read_shots(saved(film, pairs, NumpyArrayInt32), film)
    assert [(s.first, s.end) for s in shots.ranges] == [(0, 10), (12, 40)]
    assert [s.start_seconds for s in shots.ranges] == pytest.approx([0, 12 / 25])
    assert [s.end_seconds for s in shots.ranges] == pytest.approx([10 / 25, 40 / 25])
    assert shots.rate == Fraction(25)


@pytest.mark.parametrize("found", [[], [7], [7, 20], [0, 7, 40]])
def test_boundaries(film: NamedVideoStream, found: list[int]) -> None:
    values = [found, *[None] * 39]
    shots = read_shots(saved(film, values, list[int] | None), film)
    bounds = sorted({0, *found, 40})
    assert [(s.first, s.end) for s in shots.ranges] == [*itertools.pairwise(bounds)]


@pytest.mark.parametrize(
    ("values", "ty"),
    [
        ([1, 2], int),
        ([[0, 1, 2]], list[int]),
        ([[5, 5]], list[int]),
        ([[0, 20], [10, 40]], list[int]),
        ([[0, 41]], list[int]),
        ([[-1, 4]], list[int]),
        ([["a", "b"]], list[str]),
    ],
)
def test_what_is_no_shot(film: NamedVideoStream, values: list[Any], ty: Any) -> None:
    with pytest.raises(ElementTypeError, match="no shot"):
        read_shots(saved(film, values, ty), film)


def test_the_video_of_shots(film: NamedVideoStream) -> None:
    storage = film.storage()
    assert source_of(NamedStream(storage, "shots/a.mp4"), None).name() == "a.mp4"
    assert source_of(NamedStream(storage, "mine"), "a.mp4").name() == "a.mp4"
    for stream, given in (("mine", None), ("shots/b.mp4", None), ("mine", "mine")):
        with pytest.raises(ArgumentError, match="--video"):
            source_of(NamedStream(storage, stream), given)


def test_a_clock_that_starts_again(tmp_path: Path) -> None:
    single = Path(make_video(tmp_path / "a.ts", 30)).read_bytes()
    twice = tmp_path / "twice.ts"
    twice.write_bytes(single + single)
    video = NamedVideoStream(
        NamedStorage(str(tmp_path / "db")), "twice", path=str(twice)
    )
    video.ingest()
    shots = read_shots(saved(video, [[0, 12], [12, 45], [45, 60]], list[int]), video)
    assert shots.rate == 25
    assert [shots.frames(shot) for shot in shots.ranges] == [
        (0, 12),
        (12, 45),
        (45, 60),
    ]
    assert shots.ranges[-1].end_seconds == pytest.approx(60 / 25)


@pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "60000/1001", "25"])
@pytest.mark.parametrize("rows", [5, 50])
def test_rates_of_files(extension: str, rate: str, rows: int, tmp_path: Path) -> None:
    path = make_video(tmp_path / f"a.{extension}", rows, rate=Fraction(rate))
    video = NamedVideoStream(NamedStorage(str(tmp_path / "db")), "a", path=path)
    video.ingest()
    shots = read_shots(saved(video, [[0, rows]], list[int]), video)
    assert shots.rate == Fraction(rate)
    assert shots.offset == pytest.approx(0, abs=1e-3)
    assert shots.frames(shots.ranges[0]) == (0, rows)


def test_frames_that_are_missing(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "a.mkv",
        50,
        pts=[*range(20), *range(21, 51)],
        time_base=Fraction(1, 25),
    )
    video = NamedVideoStream(NamedStorage(str(tmp_path / "db")), "a", path=path)
    video.ingest()
    shots = read_shots(saved(video, [[0, 20], [20, 50]], list[int]), video)
    assert shots.rate == 25
    # The editor shows the frame before in place of the one that is missing.
    assert [shots.frames(shot) for shot in shots.ranges] == [(0, 21), (21, 51)]
