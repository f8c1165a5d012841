"""Pipelines in each form that job services get them in: also streaming, and as built."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.runners.portable import run
from beam_scanner.transforms import (
    Histogram,
    ReadFromVideo,
    ShotBoundaries,
    Stride,
    VideoGraph,
    WriteToNamedStream,
    WriteToNamedVideo,
)
from tests.support.pipeline_runs import stream, video
from tests.support.targets import Target, params
from tests.support.video_fixtures import frame_number, make_video

FORMS = {
    "batch": [],
    "streaming": ["--streaming"],
    "as built": ["--experiments=pre_optimize=none"],
}
FRAMES = 48


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two, and a file that is none."""
    folder = tmp_path_factory.mktemp("films")
    for name in "ab":
        make_video(folder / f"{name}.mp4", frames=FRAMES, gop=12)
    (folder / "c.mp4").write_text("This is no video.")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("target", params("prism", "flink-embedded"), indirect=True)
def test_sinks_tell_what_they_have(
    target: Target, form: str, films: Path, tmp_path: Path
) -> None:
    db = str(tmp_path / "db")

    def build(pipeline: Any) -> None:
        frames = pipeline | ReadFromVideo(f"{films}/*.mp4")
        some = frames | Stride(8)
        histograms = frames | Histogram()
        shots = histograms | ShotBoundaries()
        sinks = {
            "small": some | WriteToNamedVideo(db, "small/{stream}"),
            "rgb": histograms | WriteToNamedStream(db, "rgb/{stream}"),
            "shots": shots | "Shots" >> WriteToNamedStream(db, "shots/{stream}"),
            "one": pipeline | VideoGraph(_one(films, db)),
            "back": (
                some
                | beam.MapTuple(lambda key, frame: (key, frame.copy()))
                | "Back" >> WriteToNamedVideo(db, "back/{stream}")
            ),
        }
        for name, written in sinks.items():
            _keep(tmp_path / f"{name} commits", written.commits, lambda c: c.stream)
            _keep(tmp_path / f"{name} failures", written.failures, lambda f: f.stream)
        _keep(tmp_path / "rows", some, lambda kv: f"{kv[0].stream} {kv[0].row}")

    run(PipelineOptions([*target.flags(2), *FORMS[form]]), build)
    for name in ("small", "rgb", "shots", "back"):
        both = [f"{name}/a.mp4", f"{name}/b.mp4"]
        assert _kept(tmp_path / f"{name} commits") == both, name
        failed = [] if name == "back" else ["c.mp4"]
        assert _kept(tmp_path / f"{name} failures") == failed, name
    assert _kept(tmp_path / "one commits") == ["one"]
    assert _kept(tmp_path / "one failures") == []
    assert len(_kept(tmp_path / "rows")) == 2 * FRAMES // 8
    for name in ("small/a.mp4", "back/b.mp4"):
        found = [frame_number(frame) for frame in video(db, name).load()]
        assert found == list(range(0, FRAMES, 8)), name
    assert stream(db, "shots/a.mp4").len() == stream(db, "rgb/a.mp4").len() == FRAMES


def _one(films: Path, db: str) -> Any:
    def build(p: Any) -> Any:
        frames = p | ReadFromVideo(f"{films}/a.mp4") | Stride(9)
        return frames | WriteToNamedVideo(db, "one")

    return build


def _keep(folder: Path, elements: Any, text: Callable[[Any], str]) -> None:
    folder.mkdir()
    # Not WriteToText: as a streaming job, Flink 1.19 fails with it alone.
    _ = elements | f"Keep {folder.name}" >> beam.Map(_put, str(folder), text)


def _put(element: Any, folder: str, text: Callable[[Any], str]) -> None:
    (Path(folder) / uuid.uuid4().hex).write_text(text(element))


def _kept(folder: Path) -> list[str]:
    return sorted(file.read_text() for file in folder.iterdir())
