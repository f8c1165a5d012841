"""Random graphs against the oracle.

``BEAM_SCANNER_GRAPHS`` sets how many are tried, ``BEAM_SCANNER_SEED`` the first."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from beam_scanner.engine import executor
from beam_scanner.engine.instance_pool import KernelPool
from beam_scanner.planner import schedule as schedule_module
from tests.support.graphs import random_graph
from tests.support.harness import runner
from tests.support.oracle import evaluate
from tests.support.seeds import CHUNKS, FRAME, NamesGraph, check, seeds
from tests.support.tiers import most_slow


@pytest.mark.parametrize("chunk", most_slow(range(CHUNKS), 4))
def test_every_row_is_what_the_oracle_says(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffers: list[Any] = []
    plain = executor.Work  # type: ignore[attr-defined]

    class Watched(plain):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            buffers.append(self.buffers)

    monkeypatch.setattr(executor, "Work", Watched)
    for seed in seeds(chunk):
        graph = random_graph(seed)
        draw = random.Random(seed)
        pool = KernelPool("test")
        for _ in range(2):
            io, work = draw.choice([3, 10, 25, 1000]), draw.choice([1, 4, 7, 100])
            decoded = draw.random() < 0.6
            how = f"io packet {io}, work packet {work}, decoded {decoded}"
            for job in range(graph.jobs):
                with NamesGraph(graph, how):
                    it = runner(graph, job, decoded, pool=pool)
                    values, seconds = it.run_all(io, work)
                    check(graph, job, values, seconds, how)
                    assert not any(any(kept) for kept in buffers)
                    buffers.clear()


def test_the_oracle_sees_what_a_graph_does() -> None:
    """Guards against a generator that makes only trivial graphs."""
    labels: set[str] = set()
    rows = nulls = sliced = 0
    for seed in range(200):
        graph = random_graph(seed)
        labels |= {node.label.rstrip("0123456789") for node in graph.nodes}
        sliced += any(node.label == "Slice" for node in graph.nodes)
        for values in evaluate(graph.outputs, 0, graph.streams[0]):
            rows += len(values)
            nulls += sum(not isinstance(v, (tuple, bytes, np.ndarray)) for v in values)
    assert labels >= {"Input", "Output", "Sample", "Slice", "Unslice", "Arrange", "op"}
    assert rows > 1000
    assert 0 < nulls < rows / 2
    assert sliced > 30


assert schedule_module.REORDER_BYTES > 1000 * FRAME
