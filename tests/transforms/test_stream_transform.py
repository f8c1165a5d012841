"""What all transforms of streams have: arguments that are shown, and hints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.transforms.display import DisplayData

from beam_scanner.transforms import (
    Histogram,
    NumpyStack,
    Op,
    ReadAllFromNamedStream,
    ReadAllFromVideo,
    ReadFromNamedStream,
    ReadFromVideo,
    Resize,
    ShotBoundaries,
    Slice,
    Stride,
    Unslice,
    WriteToNamedStream,
    WriteToNamedVideo,
    partitioner,
)
from beam_scanner.video.encoding import Encoding
from tests.support.job_graph import crossings, environments
from tests.support.pipeline_runs import Run

RAM = "beam:resources:min_ram_bytes:v1"


def test_every_public_transform_shows_its_arguments(tmp_path: Path) -> None:
    db = str(tmp_path)
    shown = {
        ReadFromVideo("*.mp4", format=NumpyStack(rate=25)): ["pattern", "format"],
        ReadAllFromVideo(format=NumpyStack(rate=25)): ["format"],
        ReadFromNamedStream(db, "x/*", int): ["db", "pattern", "type"],
        ReadAllFromNamedStream(db): ["db", "type"],
        Stride(8): ["argument"],
        Slice(partitioner.all(8)): ["argument"],
        Unslice(): [],
        Resize(width=8, height=6): ["name", "arguments"],
        Op("Histogram"): ["name", "arguments"],
        WriteToNamedStream(db, "x", encoding=Encoding("raw")): [
            "db",
            "name",
            "encoding",
        ],
        WriteToNamedVideo(db): ["db", "name"],
    }
    for transform, names in shown.items():
        found = DisplayData.create_from(transform).items
        assert sorted(item.key for item in found) == sorted(names), transform
    assert Stride(8).display_data() == {"argument": "8"}
    assert Resize(width=8, height=6).display_data() == {
        "name": "Resize",
        "arguments": "width=8, height=6",
    }
    assert ReadFromNamedStream(db, "x/*", int).display_data()["type"] == "int"


def hinted(run: Run) -> set[str]:
    found = environments(run.pipeline.to_runner_api())
    return {name for name, (_, hints) in found.items() if hints}


def rows_and_run(run: Run, *phases: str) -> set[str]:
    found = environments(run.pipeline.to_runner_api())
    rows = {name for name in found if name.endswith("/Rows")}
    return rows | {f"{phase}/Run/ParDo(_Run)" for phase in phases}


@pytest.mark.slow
@pytest.mark.parametrize("where", ["source", "first", "last", "sink", "composite"])
def test_hints_reach_the_run_stage_alone(
    where: str, run: Run, films: Path, tmp_path: Path
) -> None:
    def hint(name: str, transform: Any) -> Any:
        return (
            transform.with_resource_hints(min_ram="3GB")
            if name == where
            else (transform)
        )

    class Whole(beam.PTransform):
        def expand(self, frames: Any) -> Any:
            return frames | "Inner" >> Stride(2)

    frames = run.pipeline | hint("source", ReadFromVideo(f"{films}/*.mp4"))
    bins = frames | hint("first", Histogram())
    shots = bins | hint("last", ShotBoundaries())
    few = frames | hint("composite", Whole())
    sink = hint("sink", WriteToNamedStream(str(tmp_path), "shots/{stream}"))
    _ = shots | sink
    _ = few | beam.Map(len)
    wanted = rows_and_run(run, "ReadFromVideo/Phase 0", "ShotBoundaries/Phase 1")
    assert hinted(run) == wanted
    found = environments(run.pipeline.to_runner_api())
    assert {str(found[name][1]) for name in wanted} == {str({RAM: b"3000000000"})}
    # What leaves goes to another environment, and nothing else does.
    apart = [c for c in crossings(run.pipeline.to_runner_api()) if c.has_frames]
    assert {c.reason for c in apart} == {"environment"}
    assert {c.consumer for c in apart} == {"Map(len)"}
