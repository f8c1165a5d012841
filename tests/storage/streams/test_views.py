"""What notebooks show of stored streams."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import protobufs, types
from beam_scanner.errors import ArgumentError, RowError
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from beam_scanner.types import NULL, FrameType
from beam_scanner.video.frame_list import FrameList
from tests.support.video_fixtures import frame_number, make_video, numbered_frames

HOSTILE = "<script>alert('x')</script>"
SECONDS = np.arange(60) / 25
BOX = protobufs.BoundingBox(x1=0.25, y1=0.25, x2=0.5, y2=0.5, score=0.5)


@pytest.fixture
def film(storage: NamedStorage, tmp_path: Path) -> NamedVideoStream:
    path = make_video(tmp_path / "film.mp4", frames=60, gop=6)
    return NamedVideoStream(storage, "film", path=path)


@pytest.fixture
def save(storage: NamedStorage) -> Callable[..., NamedStream]:
    def save(name: str, values: list[Any], ty: Any, **options: Any) -> NamedStream:
        stream = NamedStream(storage, name)
        stream.save(values, ty, **options)
        return stream

    return save


def test_a_video_that_is_not_indexed_yet(film: NamedVideoStream) -> None:
    page = film._repr_html_()
    assert page.count("<img") == 8
    assert "6 · 0.240 s" in page
    assert "film.mp4" in page
    # Looking stores nothing.
    assert not film.committed()


def test_frames_of_a_graph(storage: NamedStorage) -> None:
    stream = NamedVideoStream(storage, HOSTILE)
    assert "not committed" in stream._repr_html_()
    stream.save([*numbered_frames(5), NULL], FrameType)
    page = stream._repr_html_()
    assert "<script>" not in page
    assert page.count("<img") == 5
    assert ">null<" in page
    stream.save([], FrameType)
    assert "<img" not in stream._repr_html_()


def test_values(save: Callable[..., NamedStream]) -> None:
    numbers = save("numbers", list(range(60)), float, seconds=SECONDS)
    page = numbers._repr_html_()
    for said in ("<svg", ">60<", ">float<", "0.000 to 2.360 s", "55 more"):
        assert said in page
    words = save("words", [HOSTILE, NULL], str)._repr_html_()
    assert "<svg" not in words
    assert "&lt;script&gt;" in words
    boxes = save("boxes", [[BOX], [], [BOX, BOX]], types.BboxList)._repr_html_()
    assert "number of things" in boxes
    assert "2 rows" in boxes  # no times are known


def test_values_on_the_frames_that_they_are_of(
    save: Callable[..., NamedStream], film: NamedVideoStream
) -> None:
    boxes = save("boxes", [[BOX]] * 60, types.BboxList, seconds=SECONDS)
    page = boxes.show(on=film).html()
    assert page.count("<rect") == 8
    assert page.count("<img") == 8
    numbers = save("numbers", list(range(60)), float, seconds=SECONDS)
    assert numbers.show(on=film).html().count("<image") == 8
    assert numbers.show(rows=[1, 3], on=film).html().count("<img") == 2
    one = boxes.show(rows=[7], on=film).html()
    assert one.count("<rect") == 1
    assert "7 · 0.280 s" in one
    flow = NamedVideoStream(film.storage(), "flow")
    flow.save([np.full((48, 64, 2), 5, np.float32)] * 60, FrameType)
    assert "stroke='#ff0'" in flow.show(rows=[3], on=film).html()


def test_times_say_which_frame_a_value_is_of(
    save: Callable[..., NamedStream], film: NamedVideoStream, monkeypatch: Any
) -> None:
    from beam_scanner.storage.streams import views

    seen: list[int] = []

    def noted(shots: Any) -> str:
        seen.extend(frame_number(shot.frame) for shot in shots)
        return ""

    monkeypatch.setattr(views, "strip", noted)
    sampled = save("sampled", [[BOX]] * 6, types.BboxList, seconds=SECONDS[::10])
    sampled.show(on=film).html()
    assert seen == [0, 10, 20, 30, 40, 50]
    unknown = save("unknown", [[BOX]] * 6, types.BboxList)
    assert "times are not known" in unknown.show(on=film)._repr_html_()


def test_rows_of_frames(film: NamedVideoStream) -> None:
    page = film.show(rows=[20, 7, 7]).html()
    assert page.index("20 · 0.800 s") < page.index("7 · 0.280 s")
    assert page.count("<img") == 3
    assert repr(film.show()) == "<film>"


def test_what_is_refused(
    save: Callable[..., NamedStream], film: NamedVideoStream
) -> None:
    numbers = save("numbers", [1.0] * 60, float)
    with pytest.raises(ArgumentError, match="must be a stream of frames"):
        film.show(on=numbers)
    with pytest.raises(ArgumentError, match="at most 24 rows, got 60"):
        film.show(rows=range(60))
    with pytest.raises(RowError):
        film.show(rows=[60])


def test_frames_as_a_list(film: NamedVideoStream) -> None:
    some = film.frames([9, 3])
    assert isinstance(some, FrameList)
    assert [frame_number(frame) for frame in some] == [9, 3]
    assert some.seconds.tolist() == [0.36, 0.12]
    assert len(film.frames()) == 60


def test_a_stream_that_cannot_be_read_says_so(
    film: NamedVideoStream, tmp_path: Path
) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no video")
    assert "cannot be shown" in film._repr_html_()
    (tmp_path / "film.mp4").unlink()
    assert "film" in film._repr_html_()
