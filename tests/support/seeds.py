"""Seeds of random graphs, shared between chunks."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from tests.support.graphs import RandomGraph
from tests.support.harness import Runner
from tests.support.oracle import evaluate, evaluate_times, same

GRAPHS = int(os.environ.get("BEAM_SCANNER_GRAPHS", "1600"))
FIRST_SEED = int(os.environ.get("BEAM_SCANNER_SEED", "0"))
CHUNKS = 16
FRAME = 1000
"""Bytes that a fake frame claims to have."""


def seeds(chunk: int) -> range:
    return range(FIRST_SEED + chunk, FIRST_SEED + GRAPHS, CHUNKS)


def check(graph: RandomGraph, job: int, values: Any, seconds: Any, how: str) -> None:
    wanted = evaluate(graph.outputs, job, graph.streams[job])
    clocks: dict[int, list[float]] = {
        node: [row * 0.25 + 1 for row in range(len(stream))]
        for node, stream in graph.streams[job].items()
    }
    times = evaluate_times(graph.outputs, job, clocks)
    for number, (got, want) in enumerate(zip(values, wanted, strict=True)):
        where = f"{how}, job {job}, output {number}"
        assert len(got) == len(want), f"{where}\n{graph.describe()}"
        for row, (left, right) in enumerate(zip(got, want, strict=True)):
            if not same(left, right):
                pytest.fail(
                    f"{where}, row {row}:\n  got  {left!r}\n  want {right!r}\n"
                    f"{graph.describe()}"
                )
        assert seconds[number] == times[number], f"{where}\n{graph.describe()}"


class NamesGraph:
    """Names the graph in whatever goes wrong inside."""

    def __init__(self, graph: RandomGraph, how: str) -> None:
        self.graph, self.how = graph, how

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None and not isinstance(error, pytest.fail.Exception):
            error.add_note(f"{self.how}\n{self.graph.describe()}")


def shortages(draw: random.Random) -> int:
    return draw.choice([1, FRAME, 3 * FRAME, 10 * FRAME])


def intervals(it: Runner, draw: random.Random) -> list[tuple[int, int]]:
    return [
        tuple(sorted(draw.randint(0, output.rows) for _ in range(2)))  # type: ignore[misc]
        for output in it.graph.outputs
    ]
