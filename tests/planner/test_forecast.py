"""What a job would do is what it then does."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from beam_scanner.graph.nodes import (
    OutputNode,
)
from beam_scanner.planner.cut_tasks import TaskCuts
from beam_scanner.planner.forecast import forecast
from tests.support.fake_reader import FakeReader
from tests.support.graphs import FakeStream, random_graph
from tests.support.harness import (
    Runner,
    call,
    runner,
    source,
)
from tests.support.tiers import most_slow

GRAPHS = int(os.environ.get("BEAM_SCANNER_GRAPHS", "1600"))


FIRST_SEED = int(os.environ.get("BEAM_SCANNER_SEED", "0"))


def _window(config: Any, x: Sequence[Any]) -> Any:
    return x


@pytest.mark.parametrize("chunk", most_slow(range(4)))
def test_a_forecast_is_what_a_run_counts(chunk: int) -> None:
    for seed in range(FIRST_SEED + chunk, FIRST_SEED + GRAPHS // 6, 4):
        graph = random_graph(seed)
        draw = random.Random(seed)
        it = runner(graph, draw.randrange(graph.jobs), True)
        cuts, work_packet = it.cuts(draw.choice([4, 20, 1000])), draw.choice([1, 5, 50])
        predicted = forecast(it.graph, cuts, work_packet)
        got = [[0, 0] for _ in predicted]
        again = 0
        for task in range(len(cuts)):
            _, readers, trace = it.run(cuts.intervals(task), work_packet)
            again += trace.counters["frames_again"]
            for node, reader in readers.items():
                got[node][0] += reader.frames_decoded
                got[node][1] += reader.seeks
        for (frames, seeks), wanted in zip(got, predicted, strict=True):
            if wanted.decode is not None:
                assert wanted.decode.decoded == frames, graph.describe()
                assert wanted.decode.seeks == seeks, graph.describe()
                again -= wanted.decode.again
        assert again == 0


@pytest.mark.parametrize("stencil", [[-30, 30], [30, 0, -30], range(-9, 10), [-1, 0]])
@pytest.mark.parametrize("frame_bytes", [1, 25 << 20])
def test_a_forecast_knows_how_much_is_kept(stencil: Any, frame_bytes: int) -> None:
    frames = source()
    node = call(_window, frames, stencil=stencil)
    outputs = [OutputNode(node.outputs()[0], (FakeStream("out"),))]  # type: ignore[arg-type]
    entries = list(range(0, 200, 12))
    reader = FakeReader(range(200), "any", entries, frame_bytes)
    it = Runner(outputs, 0, {id(frames.node): lambda: reader})
    it.run([(0, 200)], 10)
    count = forecast(it.graph, TaskCuts(np.array([[0], [200]]), ""), 10)[0].decode
    assert count is not None
    assert (count.decoded, count.seeks) == (reader.frames_decoded, reader.seeks)
    fits = frame_bytes == 1 or 30 not in stencil
    assert (count.again == 0) == fits
