"""Graphs in which a thousand ops and samplers follow one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner import CacheMode, Client, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.kernels import register_python_op
from beam_scanner.types import FrameType
from tests.support.video_fixtures import make_video

DEPTH = 1_000


@register_python_op(name="DeepFirst")
def _first(config: Any, frame: FrameType) -> int:
    return 0


@register_python_op(name="DeepNext")
def _next(config: Any, x: int) -> int:
    return x + 1


@register_python_op(name="DeepInOrder", unbounded_state=True)
class _InOrder:
    def __init__(self, config: Any) -> None:
        self.config = config

    def reset(self) -> None:
        self.rows = 0

    def execute(self, x: int) -> int:
        self.rows += 1
        return x + self.rows


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ops", "samplers", "both"])
def test_a_client_runs_a_graph_of_a_thousand_steps(tmp_path: Path, kind: str) -> None:
    video = make_video(tmp_path / "film.mp4", frames=4, gop=2)
    sc = Client(db_path=str(tmp_path / "db"))
    made = sc.ops.DeepFirst(
        frame=sc.io.Input([NamedVideoStream(sc, "film", path=str(video))])
    )
    ops = 0
    for number in range(DEPTH):
        if kind == "ops" or (kind == "both" and number % 2):
            made = sc.ops.DeepNext(x=made)
            ops += 1
        else:
            made = sc.streams.Stride(made, [1])
    made = sc.ops.DeepInOrder(x=made)
    output = NamedStream(sc, "made")
    outputs = sc.io.Output(made, [output])
    mode = CacheMode.Ignore
    sc.run(outputs, PerfParams.estimate(), mode, show_progress=False)
    assert list(output.load()) == [ops + 1, ops + 2, ops + 3, ops + 4]
