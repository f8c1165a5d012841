"""Branches of one source decode it once: what is stored and what leaves, and how often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.transforms import (
    Range,
    ReadFromVideo,
    Slice,
    Stride,
    Unslice,
    WriteToNamedStream,
    WriteToNamedVideo,
    partitioner,
)
from tests.support.pipeline_kernels import Number
from tests.support.pipeline_runs import FRAMES, IN_MEMORY, PROCESSES, Run, stream, video
from tests.support.seen_frames import Seen
from tests.support.small_streams import elements


@pytest.mark.parametrize("flags", [IN_MEMORY, PROCESSES], ids=["", "processes"])
@pytest.mark.slow
def test_branches_in_groups_and_without(
    flags: tuple[str, ...], films: Path, db: Path
) -> None:
    """Both of full length, one of them with state in each group, and parts of it."""
    with Run(*flags) as run:
        frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4")
        groups = frames | Slice(partitioner.all(24)) | Seen()
        for name, branch in {
            "seen": groups | Unslice(),
            "number": frames | Number(),
            "end": frames | Range(FRAMES // 2, FRAMES) | "End" >> Number(),
            "few": frames | Stride(12) | "Few" >> Number(),
        }.items():
            sink = WriteToNamedStream(str(db), name)
            run.keep_written(name, branch | f"Write {name}" >> sink)
        small = frames | "Part" >> Range(30, 40)
        run.keep_written("video", small | WriteToNamedVideo(str(db), "video"))
    assert list(stream(db, "seen").load()) == [row % 24 for row in range(FRAMES)]
    assert list(stream(db, "number").load()) == list(range(FRAMES))
    assert list(stream(db, "end").load()) == list(range(FRAMES // 2, FRAMES))
    assert list(stream(db, "few").load()) == list(range(0, FRAMES, 12))
    assert video(db, "video").len() == 10
    assert run.counters["frames_decoded"] == FRAMES


def test_rows_that_leave_in_groups(films: Path, run: Run) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4")
    groups = frames | Slice(partitioner.all(36)) | Seen()
    run.keep("seen", groups)
    run.keep("number", frames | Number())
    run.run()
    seen: list[Any] = run.rows("seen")
    assert [(key.group, key.row, value) for key, value in seen] == [
        (group, row, row) for group in range(2) for row in range(36)
    ]
    assert run.rows("number") == elements("a.mp4", list(range(FRAMES)))
    assert run.counters["frames_decoded"] == FRAMES


def test_an_op_over_the_whole_stream_holds_up_no_other(films: Path, run: Run) -> None:
    """It is one task; the others are cut into many, and decode for themselves."""
    frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4")
    run.keep("seen", frames | Seen())
    run.keep("number", frames | Number())
    run.run()
    assert run.rows("seen") == elements("a.mp4", list(range(FRAMES)))
    assert run.counters["frames_decoded"] == 2 * FRAMES
