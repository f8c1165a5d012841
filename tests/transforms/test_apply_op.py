"""Kernels of every kind as transforms, with one output or several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.transforms import (
    FrameKey,
    Gather,
    Op,
    Range,
    ReadFromVideo,
    Repeat,
    Slice,
    Stride,
    WriteToNamedVideo,
    partitioner,
)
from beam_scanner.types import NULL
from tests.support.pipeline_kernels import (
    Batch,
    Count,
    Halves,
    Rank,
    Recent,
    Window,
)
from tests.support.pipeline_runs import FRAMES, Run, video
from tests.support.small_streams import elements, numbers


def test_kernels_of_every_kind(run: Run, db: Path) -> None:
    x = numbers(run, db) | Range(0, 9)
    groups = x | Slice(partitioner.all(6))
    run.keep("window", x | Window())
    run.keep("wide", x | "Wide" >> Window(stencil=[-2, 5], stencil_edge="null"))
    run.keep("window in groups", groups | "Near" >> Window())
    run.keep("batch", x | Batch(batch=3))
    run.keep("recent", x | Stride(3) | Recent())
    run.keep("recent in groups", groups | "Recent" >> Recent())
    run.keep("rank", x | Gather([7, 2, 4]) | Rank())
    run.keep("count", (x | Count()).ret0)
    run.run()
    values = {
        name: [value for _, value in run.rows(name)]
        for name in ("window", "wide", "batch", "recent", "rank", "count")
    }
    assert values["window"] == [[max(r - 1, 0), r, min(r + 1, 8)] for r in range(9)]
    inside = [[r - 2, r + 5] if 2 <= r < 4 else None for r in range(9)]
    assert values["wide"] == inside
    assert [value for _, value in values["batch"]] == list(range(9))
    assert {size for size, _ in values["batch"]} <= {1, 2, 3}
    assert values["recent"] == [[0], [0, 3], [0, 3, 6]]
    assert values["rank"] == [2, 0, 1]
    assert values["count"] == list(range(1, 10))
    assert run.rows("window in groups")[5:7] == [
        (FrameKey("x/a", 0, 5), [4, 5, 5]),
        (FrameKey("x/a", 1, 0), [6, 6, 7]),
    ]
    assert [v for _, v in run.rows("recent in groups")][5:8] == [
        [3, 4, 5],
        [6],
        [6, 7],
    ]


@pytest.mark.slow
def test_several_outputs(run: Run, films: Path, db: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4") | Stride(9)
    halves = frames | Halves()
    assert halves._fields == ("ret0", "ret1")
    halves.ret1 | WriteToNamedVideo(str(db), "halves/{stream}")
    run.keep("number", halves.ret0)
    run.run()
    assert run.rows("number") == [
        *elements("a.mp4", list(range(0, FRAMES, 9))),
        *elements("b.mp4", list(range(100, 100 + FRAMES, 9))),
    ]
    shapes = {frame.shape for frame in video(db, "halves/b.mp4").load()}
    assert shapes == {(24, 64, 3)}


def _evens(config: Any, x: int) -> tuple[int, int, bytes]:
    return (NULL, x, NULL) if x % 2 else (x, x, b"")  # type: ignore[return-value]


def test_nulls_of_one_of_several_outputs(run: Run, db: Path) -> None:
    evens = Op(_evens).with_output_types(
        ret0=tuple[FrameKey, int | None], ret2=tuple[FrameKey, bytes | None]
    )
    x = numbers(run, db) | Range(0, 3) | evens
    run.keep("ret0", x.ret0)
    run.keep("ret1", x.ret1)
    run.keep("ret2", x.ret2 | Repeat(1))
    run.run()
    assert run.rows("ret0") == elements("x/a", [0, None, 2])
    assert run.rows("ret1") == elements("x/a", [0, 1, 2])
    assert run.rows("ret2") == elements("x/a", [b"", None, b""])
    assert x.ret1.element_type.tuple_types == (FrameKey, int)
