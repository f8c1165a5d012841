"""A run does what its schedule says, however little room it has."""

from __future__ import annotations

import random

import pytest

from beam_scanner.engine import executor
from beam_scanner.planner.schedule import Schedule
from tests.support.graphs import random_graph
from tests.support.harness import runner, walk
from tests.support.seeds import (
    FIRST_SEED,
    FRAME,
    GRAPHS,
    NamesGraph,
    check,
    intervals,
    seeds,
    shortages,
)
from tests.support.tiers import most_slow


@pytest.mark.parametrize("chunk", most_slow(range(4)))
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
        with NamesGraph(graph, how):
            it = runner(graph, job, True, FRAME)
            values, seconds = it.run_all(io, work)
            check(graph, job, values, seconds, how)


@pytest.mark.parametrize("chunk", most_slow(range(8), 2))
def test_a_run_decodes_what_its_schedule_says(chunk: int) -> None:
    for seed in range(FIRST_SEED + chunk, FIRST_SEED + GRAPHS // 4, 8):
        graph = random_graph(seed)
        draw = random.Random(seed)
        with NamesGraph(graph, "counts"):
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
