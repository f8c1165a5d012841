"""What samplers, slices, ops and sinks of a pipeline give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam

from beam_scanner.transforms import (
    FrameKey,
    Montage,
    Range,
    ReadFromNamedStream,
    ReadFromVideo,
    Streams,
    Stride,
    WriteToNamedVideo,
)
from tests.support.pipeline_kernels import (
    Number,
    Rank,
)
from tests.support.pipeline_runs import Run, video
from tests.support.small_streams import elements, numbers


class Brightest(beam.PTransform):
    """A composite of a user's own."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def expand(self, frames: Any) -> Any:
        return frames | Stride(self.step) | Number() | Rank()


def test_users_composites_and_labels(run: Run, films: Path, db: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4")
    again = Stride(30)
    run.keep("first", frames | Brightest(20))
    run.keep("second", frames | "Slower" >> Brightest(40) | "And slower" >> Stride(2))
    run.keep("third", frames | "Third" >> again | "Number it" >> Number())
    run.keep("fourth", frames | "Fourth" >> again | "Number too" >> Number())
    run.run()
    assert run.rows("first") == elements("a.mp4", [0, 1, 2, 3])
    assert run.rows("second") == elements("a.mp4", [0])
    assert run.rows("third") == run.rows("fourth") == elements("a.mp4", [0, 30, 60])


def test_streams_as_ordinary_collections(run: Run, db: Path) -> None:
    x = numbers(run, db) | Range(0, 3)
    y = numbers2(run, db)
    run.keep("both", (x, y) | beam.Flatten())
    one = run.pipeline | beam.Create(["one"])
    listed = one | beam.Map(
        lambda _, rows: sorted(row for _, row in rows), beam.pvalue.AsList(x)
    )
    run.keep("listed", listed)
    looked = y | "Look up" >> beam.Map(
        lambda kv, by: (kv[0], by[replace(kv[0], stream="x/a")]), beam.pvalue.AsDict(x)
    )
    run.keep("looked", looked)
    run.run()
    assert run.rows("both") == elements("x/a", [0, 1, 2]) + elements("x/b", [100, 101])
    assert run.rows("listed") == [[0, 1, 2]]
    assert run.rows("looked") == elements("x/b", [0, 1])


def numbers2(run: Run, db: Path) -> Streams:
    x = run.pipeline | "Other" >> ReadFromNamedStream(str(db), "x/b", type=int)
    return x | "Few" >> Range(0, 2)


def test_a_montage_leaves(run: Run, films: Path, tmp_path: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4") | Range(0, 4)
    montage = frames | Montage(num_frames=3, target_width=8, frames_per_row=2)
    run.keep("shapes", montage | beam.MapTuple(_shape))
    sink = WriteToNamedVideo(str(tmp_path), "montage")
    run.keep_written("montage", montage | sink)
    run.run()
    shapes = [value for _, value in run.rows("shapes")]
    assert [shape is None for shape in shapes] == [True, True, False, True]
    assert run.failures("montage") == {}
    assert list(video(tmp_path, "montage").load())[2].shape == shapes[2]


def _shape(key: FrameKey, frame: Any) -> Any:
    return key, None if frame is None else frame.shape
