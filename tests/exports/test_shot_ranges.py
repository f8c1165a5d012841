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
