"""Random graphs against the oracle.

``BEAM_SCANNER_GRAPHS`` sets how many are tried, ``BEAM_SCANNER_SEED`` the first.
"""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
import pytest

from beam_scanner.engine import executor
from beam_scanner.engine.instance_pool import KernelPool
from beam_scanner.planner import schedule as schedule_module
from beam_scanner.planner.schedule import Schedule
from tests.support.graphs import RandomGraph, random_graph
from tests.support.harness import Runner, runner, walk
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


class _Failed:
    """Names the graph in whatever goes wrong inside."""

    def __init__(self, graph: RandomGraph, how: str) -> None:
        self.graph, self.how = graph, how

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None and not isinstance(error, pytest.fail.Exception):
            error.add_note(f"{self.how}\n{self.graph.describe()}")


@pytest.mark.parametrize("chunk", range(CHUNKS))
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
                with _Failed(graph, how):
                    it = runner(graph, job, decoded, pool=pool)
                    values, seconds = it.run_all(io, work)
                    check(graph, job, values, seconds, how)
                    assert not any(any(kept) for kept in buffers)
                    buffers.clear()


def shortages(draw: random.Random) -> int:
    return draw.choice([1, FRAME, 3 * FRAME, 10 * FRAME])


@pytest.mark.parametrize("chunk", range(4))
def test_little_room_changes_no_row(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in seeds(chunk):
        draw = random.Random(seed)
        room = shortages(draw)
        monkeypatch.setattr(
            executor,
            "Schedule",
            lambda *args, room=room: Schedule(*args, reorder_bytes=room),  # type: ignore[misc]
        )
        graph = random_graph(seed)
        job = draw.randrange(graph.jobs)
        io, work = draw.choice([5, 1000]), draw.choice([1, 4, 7])
        how = f"room {room}, io packet {io}, work packet {work}"
        with _Failed(graph, how):
            it = runner(graph, job, True, FRAME)
            values, seconds = it.run_all(io, work)
            check(graph, job, values, seconds, how)


def intervals(it: Runner, draw: random.Random) -> list[tuple[int, int]]:
    return [
        tuple(sorted(draw.randint(0, output.rows) for _ in range(2)))  # type: ignore[misc]
        for output in it.graph.outputs
    ]


@pytest.mark.parametrize("chunk", range(8))
def test_a_schedule_reads_each_row_once_where_there_is_room(chunk: int) -> None:
    for seed in seeds(chunk):
        graph = random_graph(seed)
        draw = random.Random(seed)
        job = draw.randrange(graph.jobs)
        with _Failed(graph, "with room"):
            it = runner(graph, job, True, FRAME)
            made = Schedule(it.graph, intervals(it, draw), draw.choice([1, 4, 30]))
            found = walk(made)
            for node, count in made.counts().items():
                rows = found.rows_read.get(node, [])
                assert sorted(rows) == made.needs[node].array().tolist()
                assert count.again == 0
                assert count.needed == len(rows)
                assert count.decoded >= count.needed


@pytest.mark.parametrize("chunk", range(8))
def test_a_schedule_with_little_room_stays_sound(chunk: int) -> None:
    for seed in seeds(chunk):
        graph = random_graph(seed)
        draw = random.Random(seed)
        with _Failed(graph, "little room"):
            it = runner(graph, draw.randrange(graph.jobs), True, FRAME)
            made = Schedule(
                it.graph,
                intervals(it, draw),
                draw.choice([1, 4, 30]),
                reorder_bytes=shortages(draw),
            )
            found = walk(made)
            for node in made.counts():
                rows = set(found.rows_read.get(node, []))
                assert rows == set(made.needs[node].array().tolist())


@pytest.mark.parametrize("chunk", range(8))
def test_a_run_decodes_what_its_schedule_says(chunk: int) -> None:
    for seed in range(FIRST_SEED + chunk, FIRST_SEED + GRAPHS // 4, 8):
        graph = random_graph(seed)
        draw = random.Random(seed)
        with _Failed(graph, "counts"):
            it = runner(graph, draw.randrange(graph.jobs), True)
            parts, work = intervals(it, draw), draw.choice([1, 4, 30])
            made = Schedule(it.graph, parts, work)
            walk(made)
            _, readers, trace = it.run(parts, work)
            counts = made.counts()
            for node, reader in readers.items():
                assert reader.frames_decoded == counts[node].decoded
                assert reader.seeks == counts[node].seeks
            total = sum(count.decoded for count in counts.values())
            assert trace.counters["frames_decoded"] == total
            needed = sum(count.needed for count in counts.values())
            assert trace.counters["frames_needed"] == needed


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
