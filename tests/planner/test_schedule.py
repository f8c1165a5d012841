"""Schedules read each row once where there is room, and stay sound where there is little."""

from __future__ import annotations

import random

import pytest

from beam_scanner.planner.schedule import Schedule
from tests.support.graphs import random_graph
from tests.support.harness import runner, walk
from tests.support.seeds import FRAME, NamesGraph, intervals, seeds, shortages
from tests.support.tiers import most_slow


@pytest.mark.parametrize("chunk", most_slow(range(8), 2))
def test_a_schedule_reads_each_row_once_where_there_is_room(chunk: int) -> None:
    for seed in seeds(chunk):
        graph = random_graph(seed)
        draw = random.Random(seed)
        job = draw.randrange(graph.jobs)
        with NamesGraph(graph, "with room"):
            it = runner(graph, job, True, FRAME)
            made = Schedule(it.graph, intervals(it, draw), draw.choice([1, 4, 30]))
            found = walk(made)
            for node, count in made.counts().items():
                rows = found.rows_read.get(node, [])
                assert sorted(rows) == made.needs[node].array().tolist()
                assert count.again == 0
                assert count.needed == len(rows)
                assert count.decoded >= count.needed


@pytest.mark.parametrize("chunk", most_slow(range(8), 2))
def test_a_schedule_with_little_room_stays_sound(chunk: int) -> None:
    for seed in seeds(chunk):
        graph = random_graph(seed)
        draw = random.Random(seed)
        with NamesGraph(graph, "little room"):
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
