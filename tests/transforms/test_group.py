"""Transforms of a pipeline are one graph, whatever its shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.transforms import (
    Gather,
    Histogram,
    Range,
    ReadFromVideo,
    ShotBoundaries,
    WriteToNamedStream,
)
from tests.support.pipeline_kernels import (
    Add,
    Count,
    Minus,
    Number,
    Rank,
    Unlike,
)
from tests.support.pipeline_runs import FRAMES, Run, stream
from tests.support.small_streams import ROWS, elements, numbers


@pytest.mark.slow
def test_phases(run: Run, films: Path, db: Path) -> None:
    """What comes after a whole stream is planned when that is there."""
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4")
    shots = frames | Histogram() | ShotBoundaries()
    run.keep_written("shots", shots | WriteToNamedStream(str(db), "shots/{stream}"))
    ranks = numbers(run, db) | Rank()
    sums = [ranks, ranks | "Turned" >> Gather(range(ROWS - 1, -1, -1))] | Add()
    ranked = sums | "Rank again" >> Rank()
    run.keep("sums", sums)
    sink = WriteToNamedStream(str(db), "ranked")
    run.keep_written("ranked", ranked | "Write ranks" >> sink)
    run.keep("counts", (ranked | "Count" >> Count()).ret0)
    run.run()
    assert run.commits("shots") == ["shots/a.mp4", "shots/b.mp4"]
    assert run.failures("shots") == {}
    assert list(stream(db, "ranked").load()) == [0] * ROWS
    assert [value for _, value in run.rows("sums")] == [ROWS - 1] * ROWS
    assert [value for _, value in run.rows("counts")] == list(range(1, ROWS + 1))
    assert run.counters["frames_decoded"] == 2 * FRAMES


def test_branches_of_one_source(run: Run, films: Path, db: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/*.mp4")
    early, late = frames | "Early" >> Range(0, 5), frames | "Late" >> Range(60, 65)
    run.keep("unlike", {"right": early, "left": late} | Unlike())
    n, m = early | Number(), late | "Number late" >> Number()
    run.keep("in order", (m, n) | Minus())
    run.keep("sum", [n, m, n] | Add())
    run.keep("one", [n] | "One" >> Add())
    run.keep("alone", n | "Alone" >> Add())
    run.run()
    for name in "unlike", "in order":
        found = run.rows(name)
        assert found == elements("a.mp4", [60] * 5) + elements("b.mp4", [60] * 5), name
    assert run.rows("sum")[:5] == elements("a.mp4", [3 * r + 60 for r in range(5)])
    assert run.rows("one") == run.rows("alone")
    assert run.rows("one")[:5] == elements("a.mp4", list(range(5)))
