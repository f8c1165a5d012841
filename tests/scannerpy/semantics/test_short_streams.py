"""Clips share the batches of a model, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.types import FrameType
from tests.support.client_helpers import open_client
from tests.support.models import Means, note, noted
from tests.support.short_runs import alone
from tests.support.small_runs import contents
from tests.support.video_fixtures import frame_number, make_video

ROWS = (5, 9, 1, 7, 12, 3)
SIZES = ((64, 48), (64, 48), (96, 64), (64, 48), (48, 64), (64, 48))


class Brighter:
    """Changes frames; notes each call."""

    def __init__(self, calls: Path) -> None:
        self.calls = str(calls)

    def load(self) -> None: ...

    def __call__(self, batch: Any) -> Any:
        note(self.calls)
        return np.minimum(batch, 245) + 10


def as_frame(value: Any) -> FrameType:
    return value


def number_of(value: Any) -> int:
    return frame_number(value)


def clips(folder: Path) -> list[str]:
    """Videos of different sizes and lengths, each with its own numbers."""
    return [
        make_video(folder / f"{n}.mp4", rows, gop=4, size=size, first_number=100 * n)
        for n, (rows, size) in enumerate(zip(ROWS, SIZES, strict=True))
    ]


def run(sc: Client, videos: Sequence[str], calls: Path) -> list[Any]:
    """Video and numbers of every other frame of each clip."""
    names = [f"clip {n}" for n in range(len(videos))]
    inputs = [
        NamedVideoStream(sc, n, path=p) for n, p in zip(names, videos, strict=True)
    ]
    some = sc.streams.Stride(sc.io.Input(inputs), [2] * len(names))
    bright: Any = sc.ops.Infer(
        frame=some, model_handler=Brighter(calls), batch=10, postprocess=as_frame
    )
    told = sc.ops.Infer(
        frame=bright, model_handler=lambda batch: batch, batch=9, postprocess=number_of
    )
    made = [NamedVideoStream(sc, f"bright {name}") for name in names]
    lists = [NamedStream(sc, f"numbers {name}") for name in names]
    outputs = [sc.io.Output(bright, made), sc.io.Output(told, lists)]
    sc.run(outputs, PerfParams.manual(3, 300), show_progress=False)
    return [*made, *lists]


def test_videos_are_the_same_as_those_made_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = clips(tmp_path)
    made = []
    for name in ("together", "alone"):
        if name == "alone":
            alone(monkeypatch)
        (tmp_path / f"calls {name}").mkdir()
        sc = open_client(tmp_path / name)
        made.append(run(sc, videos, tmp_path / f"calls {name}"))
    for one, other in zip(*made, strict=True):
        assert contents(one) == contents(other)
    for n, rows in enumerate(ROWS):
        want = list(range(100 * n, 100 * n + rows, 2))
        assert list(made[0][len(ROWS) + n].load()) == want
        assert made[0][n].len() == len(want)
    # A batch is of one size: those of clips that follow one another are one call.
    assert len(noted(tmp_path / "calls alone")) == 6
    assert len(noted(tmp_path / "calls together")) == 5


def test_a_run_counts_what_its_plan_says(sc: Client, tmp_path: Path) -> None:
    videos = [make_video(tmp_path / f"{n}.mp4", 10, gop=4) for n in range(7)]
    inputs = [NamedVideoStream(sc, f"{n}", path=path) for n, path in enumerate(videos)]
    column = sc.ops.Infer(frame=sc.io.Input(inputs), model_handler=Means, batch=64)
    output = sc.io.Output(column, [NamedStream(sc, f"means {n}") for n in range(7)])
    plan = sc.explain(output)
    assert (plan.tasks, plan.runs, plan.frames_decoded) == (7, 2, 70)
    report = sc.report(sc.run(output, PerfParams.estimate(), show_progress=False))
    assert report.counters["frames_decoded"] == report.counters["frames_needed"] == 70
    assert report.counters["op:Infer:calls"] == 2
    assert report.counters["op:Infer:rows"] == report.counters["rows_written"] == 70
    assert report.tasks == 7
