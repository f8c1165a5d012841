"""Transforms of a pipeline are joined: what is decoded, and what crosses stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from beam_scanner import Client, NamedStream, NamedVideoStream
from beam_scanner.elements.coders import Frame
from beam_scanner.transforms import (
    FrameKey,
    Gather,
    Histogram,
    ReadFromVideo,
    Resize,
    ShotBoundaries,
    Slice,
    Stride,
    WriteToNamedStream,
    WriteToNamedVideo,
    partitioner,
)
from tests.support.job_graph import crossings
from tests.support.pipeline_kernels import Number, Unlike
from tests.support.pipeline_runs import FRAMES, Run, stream, video
from tests.support.video_fixtures import frame_number


def forecast(db: Path, film: Path, *build: Callable[[Any, Any], Any]) -> int:
    """How many frames the planner says that a client would decode."""
    with Client(db_path=str(db)) as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=str(film))])
        outputs = []
        for number, each in enumerate(build):
            column = each(sc, frames)
            kind = NamedVideoStream if column.type is None else NamedStream
            outputs.append(sc.io.Output(column, [kind(sc, f"out{number}")]))
        return int(sc.explain(outputs).frames_decoded)


def test_sampling_reaches_the_decoder(films: Path, tmp_path: Path) -> None:
    with Run() as run:
        small = (
            run.pipeline
            | ReadFromVideo(f"{films}/a.mp4")
            | Resize(width=32, height=24)
            | Stride(8)
        )
        run.keep_written("small", small | WriteToNamedVideo(str(tmp_path), "small"))
    assert run.commits("small") == ["small"]
    found = [frame_number(frame) for frame in video(tmp_path, "small").load()]
    assert found == list(range(0, FRAMES, 8))
    assert run.counters["frames_needed"] == len(found)
    assert run.counters["frames_decoded"] < FRAMES
    assert run.counters["op:Resize:rows"] == len(found)
    assert run.counters["frames_decoded"] == forecast(
        tmp_path / "client",
        films / "a.mp4",
        lambda sc, frames: sc.streams.Stride(
            sc.ops.Resize(frame=frames, width=[32], height=[24]), [8]
        ),
    )


def test_branches_of_a_source_decode_it_once(films: Path, tmp_path: Path) -> None:
    with Run() as run:
        frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4")
        few = frames | Gather([3, 40])
        every = frames | Histogram()
        written = every | WriteToNamedStream(str(tmp_path), "histograms")
        run.keep_written("histograms", written)
        # Leaves, and is made with what is stored.
        run.keep("few", few | beam.MapTuple(lambda k, v: (k.row, frame_number(v))))
        run.keep("means", frames | beam.MapTuple(lambda k, v: (k.row, v.mean())))
        # Nobody reads this one.
        _ = frames | "Not read" >> Resize(width=2, height=2)
    assert run.rows("few") == [(0, 3), (1, 40)]
    assert len(run.rows("means")) == FRAMES
    assert stream(tmp_path, "histograms").len() == FRAMES
    assert run.counters["frames_decoded"] == FRAMES
    assert run.counters["frames_needed"] == FRAMES
    assert "op:Resize:rows" not in run.counters


def test_nothing_is_decoded_for_nobody(films: Path, tmp_path: Path) -> None:
    with Run(f"--scanner_db={tmp_path}") as run:
        frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4")
        _ = frames | Resize(width=2, height=2) | Slice(partitioner.all(7))
        run.keep("failures", frames.failures)
    assert run.rows("failures") == []
    assert run.counters.get("frames_decoded", 0) == 0


def build_everything(pipeline: Any, films: Path, db: Path) -> None:
    frames = pipeline | ReadFromVideo(f"{films}/*.mp4")
    small = frames | Stride(8) | Resize(width=32, height=24)
    _ = small | WriteToNamedVideo(str(db), "small/{stream}")
    shots = frames | Histogram() | ShotBoundaries()
    _ = shots | WriteToNamedStream(str(db), "shots/{stream}")
    _ = frames | beam.MapTuple(lambda key, frame: frame.mean())
    groups = frames | Slice(partitioner.all(10)) | "Halve" >> Stride(2)
    _ = groups | "Rows of slices" >> beam.Map(len)
    other = pipeline | "Again" >> ReadFromVideo(f"{films}/*.mp4")
    _ = {"left": frames, "right": other} | Unlike() | "Leave" >> beam.Map(len)


@pytest.mark.slow
def test_frames_never_cross_a_stage(films: Path, tmp_path: Path) -> None:
    run = Run()
    build_everything(run.pipeline, films, tmp_path)
    found = sorted(
        ((each.producer, each.reason, each.types))
        for each in crossings(run.pipeline.to_runner_api())
    )
    name = (str, str)
    # What a task's intervals and a manifest's id are made of is no type of Beam's.
    task = (int, Any, Any)
    outcome = (Any, Any)
    reify = "Spread tasks/ReshufflePerKey/Map(reify_metadata_custom_window)"
    wanted: list[tuple[str, Any]] = [("Again/Match/Match/ParDo(_Match)", name)]
    wanted += [("ReadFromVideo/Match/Match/ParDo(_Match)", name)]
    for source in ("ReadFromVideo", "Again", "PipelineUnlike"):
        joined = (f"{source}/By name/CoGroupByKeyImpl/Flatten", (str, *name))
        wanted.append(joined)
        # Records of jobs, some of which are planned together.
        wanted.append((f"{source}/Bind/ParDo(Bind)", (Any, Any)))
    for phase in (
        "ReadFromVideo/Phase 0",
        "ShotBoundaries/Phase 1",
        "Again/Phase 0",
        "PipelineUnlike/Phase 0",
    ):
        wanted.append((f"{phase}/{reify}", task))
        wanted.append((f"{phase}/Run/ParDo(_Run)", outcome))
        # What failed, gathered to be kept.
        group, number = phase.split("/Phase ")
        wanted.append((f"{group}/Keep failures {number}/No key", (Any, Any)))
    reasons: list[tuple[str, str, Any]] = [
        (label, "group", types) for label, types in wanted
    ]
    # That the last phase has ended.
    reasons.append(("ShotBoundaries/End 1/All 0", "group", (Any, Any)))
    reasons.append(("ShotBoundaries/End 1/Ended 0", "side input", (Any,)))
    assert found == sorted(reasons)


def test_rows_that_are_grouped_have_a_coder_of_their_own(
    films: Path, tmp_path: Path
) -> None:
    """Whoever takes frames to another stage is seen to do so."""
    run = Run()
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4") | Stride(40)
    _ = frames | beam.GroupByKey()
    numbers = run.pipeline | "Again" >> ReadFromVideo(f"{films}/*.mp4") | Number()
    _ = numbers | "Group numbers" >> beam.GroupByKey()
    found = [
        each.types
        for each in crossings(run.pipeline.to_runner_api())
        if "Group" in each.consumer.split("/")[0]
    ]
    assert sorted(found, key=str) == sorted(
        [(FrameKey, Frame), (FrameKey, int)], key=str
    )
