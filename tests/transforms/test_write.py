"""Sinks of a pipeline, and nulls that come to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam

from beam_scanner.transforms import (
    FrameKey,
    Op,
    Range,
    ReadFromNamedStream,
    ReadFromVideo,
    Slice,
    Stride,
    Unslice,
    WriteToNamedVideo,
    partitioner,
)
from beam_scanner.types import NULL
from tests.support.pipeline_kernels import (
    Add,
    Number,
    Window,
)
from tests.support.pipeline_runs import FRAMES, Run, save, video
from tests.support.small_streams import ROWS, elements, numbers
from tests.support.video_fixtures import frame_number


def test_sinks_of_any_length_in_any_order(run: Run, films: Path, db: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4")
    slow = frames | Stride(24) | WriteToNamedVideo(str(db), "slow")
    run.keep_written("slow", slow)
    run.keep("leaves", frames | Number())
    groups = frames | Slice(partitioner.all(30))
    part = groups | "First of group" >> Range(0, 1) | Unslice()
    everything = frames | "Write all" >> WriteToNamedVideo(str(db), "all")
    run.keep_written("all", everything)
    run.keep_written("part", part | "Write part" >> WriteToNamedVideo(str(db), "part"))
    run.run()
    for name, rows in (
        ("slow", range(0, FRAMES, 24)),
        ("all", range(FRAMES)),
        ("part", range(0, FRAMES, 30)),
    ):
        assert [frame_number(f) for f in video(db, name).load()] == list(rows)
        ((_, path, length, fingerprint),) = run.rows(f"{name} commits")
        assert (path, length) == (f"{db}/{name}", len(rows))
        assert fingerprint
        assert run.failures(name) == {}
    assert run.rows("leaves") == elements("a.mp4", list(range(FRAMES)))


def test_nulls_that_are_stored(run: Run, db: Path) -> None:
    save(db, "holes", [1, NULL, 3], int)
    x = numbers(run, db, "holes")
    maybe = x | "Some" >> Range(0, 9).with_output_types(tuple[FrameKey, int | None])
    run.keep("rows", maybe)
    run.keep("window", maybe | Window(stencil=[0, 1]))
    run.keep("sum", maybe | Add())
    # What is grouped is encoded.
    run.keep("grouped", maybe | beam.GroupByKey())
    run.run()
    assert run.rows("rows") == elements("holes", [1, None, 3])
    assert run.rows("window") == elements("holes", [None, None, [3, 3]])
    assert run.rows("sum") == elements("holes", [1, None, 3])
    assert run.rows("grouped") == elements("holes", [[1], [None], [3]])


def test_nulls_that_nobody_has_declared_fail_their_stream(run: Run, db: Path) -> None:
    save(db, "x/c", [1, NULL, 3], int)
    run.keep("rows", numbers(run, db, "x/?"))
    x = run.pipeline | "Again" >> ReadFromNamedStream(str(db), "x/?", int)
    run.keep("failures", x.failures)
    dropped = x | "Even" >> Op(_even)
    run.keep("even", dropped)
    run.run()
    assert [key.stream for key, _ in run.rows("rows")].count("x/a") == ROWS
    found = {f.stream: f.reason for f in run.rows("failures")}
    assert set(found) == {"x/a", "x/b", "x/c"}
    assert (
        "row 1 of Even is null, which its type does not allow: add "
        ".with_output_types(tuple[FrameKey, int | None])"
    ) in found["x/a"]


def _even(config: Any, x: int) -> int:
    return NULL if x % 2 else x  # type: ignore[return-value]
