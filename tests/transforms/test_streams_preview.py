"""Some rows of a pipeline's streams, without running the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from beam_scanner import NamedStorage, NamedStream
from beam_scanner.errors import ArgumentError, RowError, StreamNotFoundError
from beam_scanner.transforms import (
    Brightness,
    Histogram,
    ReadAllFromVideo,
    ReadFromNamedStream,
    ReadFromVideo,
    Stride,
    WriteToNamedStream,
)
from tests.support.pipeline_kernels import Add, Number
from tests.support.video_fixtures import frame_number, make_video


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    make_video(folder / "a.mp4", frames=60, gop=6)
    make_video(folder / "b.mp4", frames=20, first_number=100)
    return folder


@pytest.fixture
def pipeline() -> Any:
    return beam.Pipeline("FnApiRunner")


@pytest.mark.slow
def test_rows_of_the_first_video_that_is_found(
    pipeline: Any, films: Path, tmp_path: Path
) -> None:
    frames = pipeline | ReadFromVideo(f"{films}/*.mp4") | Stride(10)
    numbers = frames | Number()
    numbers | WriteToNamedStream(str(tmp_path / "db"), "numbers/{stream}")
    found = numbers.preview()
    assert found.values == [0, 10, 20, 30, 40, 50]
    assert found.title == "PipelineNumber of a.mp4"
    assert found.seconds[1] == 0.4
    assert "6 of 6 rows" in found._repr_html_()
    other = frames.preview([1], source=str(films / "b.mp4"))
    assert [frame_number(frame) for frame in other] == [110]
    # Nothing is stored, and the pipeline can go on.
    assert not (tmp_path / "db").exists()
    assert sorted(path.name for path in films.iterdir()) == ["a.mp4", "b.mp4"]
    pipeline.run().wait_until_finish()
    stored = NamedStream(NamedStorage(tmp_path / "db"), "numbers/b.mp4")
    assert list(stored.load()) == [100, 110]


@pytest.mark.slow
def test_streams_of_a_database_and_joins(
    pipeline: Any, films: Path, tmp_path: Path
) -> None:
    for name in ("a", "z"):
        stored = NamedStream(NamedStorage(tmp_path / "db"), f"x/{name}")
        stored.save(range(60), int)
    x = pipeline | ReadFromNamedStream(str(tmp_path / "db"), "x/*", int, name=_last)
    assert x.preview([7]).values == [7]
    frames = pipeline | ReadFromVideo(f"{films}/*.mp4", name=_stem)
    assert ([frames | Number(), x, x] | Add()).preview([5]).values == [15]


def _stem(path: str) -> str:
    return Path(path).stem


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def test_what_only_the_pipeline_knows(pipeline: Any, films: Path) -> None:
    frames = pipeline | beam.Create([f"{films}/a.mp4"]) | ReadAllFromVideo()
    with pytest.raises(ArgumentError, match=r"preview\(source='films/a.mp4'\)"):
        frames.preview()
    found = frames.preview([3], source=str(films / "a.mp4"))
    assert frame_number(found[0]) == 3


def test_what_is_refused(pipeline: Any, films: Path) -> None:
    bright = pipeline | ReadFromVideo(f"{films}/*.mp4") | Brightness()
    with pytest.raises(RowError):
        bright.preview([60])
    nothing = pipeline | "No" >> ReadFromVideo(
        f"{films}/*.avi", empty_match_treatment="ALLOW"
    )
    with pytest.raises(StreamNotFoundError, match="no stream to look at"):
        nothing.preview()


def test_what_a_notebook_shows(pipeline: Any, films: Path) -> None:
    page = (pipeline | ReadFromVideo(f"{films}/*.mp4") | Histogram())._repr_html_()
    for said in ("Streams: Histogram", "ReadFromVideo", "preview()"):
        assert said in page
