"""Which short streams share a task: a rule of their lengths and their order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.graph.nodes import InputNode, topological
from beam_scanner.planner.bound import BoundGraph, SourceInfo, bind
from beam_scanner.planner.cut_tasks import cut_tasks
from beam_scanner.planner.merge_tasks import (
    FULL,
    MOST_DECODED,
    ShortTask,
    jobs_at_once,
    merge_tasks,
    short_task,
)
from beam_scanner.rows.samplers import Stride
from beam_scanner.types import FrameType
from tests.support.harness import call, outputs_of, sampled, source


def same(config: Any, value: Sequence[FrameType]) -> Sequence[FrameType]:
    return value


def plain(config: Any, value: FrameType) -> FrameType:
    return value


def models(rows: int, *batches: int, stride: int = 1, across: bool = True) -> Any:
    """The bound graph of one stream and ops with batches."""
    start = source("frame")
    columns = []
    for batch in batches:
        kernel = same if batch > 1 else plain
        node = call(kernel, sampled(start, Stride(stride)), batch=batch)
        object.__setattr__(node.spec, "across_groups", across)
        columns += node.outputs()
    nodes = topological(outputs_of(*columns))
    keyframes = np.arange(0, max(1, rows), 12)
    sources = {
        id(node): SourceInfo("film", rows, keyframes)
        for node in nodes
        if isinstance(node, InputNode)
    }
    return bind(nodes, 0, sources)


def short(graph: BoundGraph, io_packet: int = 0) -> ShortTask | None:
    return short_task(graph, cut_tasks(graph, io_packet))


def test_a_short_stream_says_what_it_brings() -> None:
    assert short(models(20, 64, 8, stride=5)) == ShortTask(
        (4, 4), (64, 8), 4, 15, (True,)
    )


@pytest.mark.parametrize(
    "graph",
    [
        models(64, 64),
        models(70, 64),
        models(0, 64),
        models(20, 64, 16),
        models(20, 64, across=False),
        models(20, 1),
    ],
    ids=["full", "longer", "empty", "full for one", "by groups", "row by row"],
)
def test_who_shares_no_task(graph: BoundGraph) -> None:
    assert short(graph) is None


def test_a_stream_of_several_tasks_shares_none() -> None:
    assert short(models(20, 64), io_packet=8) is None


def test_ops_with_state_share_no_task() -> None:
    start = source("frame")
    node = call(same, start, batch=64, bounded_state=1)
    object.__setattr__(node.spec, "across_groups", True)
    nodes = topological(outputs_of(*node.outputs()))
    info = {id(start.node): SourceInfo("film", 9)}
    assert short(bind(nodes, 0, info)) is None


def test_how_many_jobs_are_planned_together() -> None:
    def nodes(*batches: int, across: bool = True) -> Any:
        outputs = [n.node for n in models(9, *batches, across=across).outputs]
        return topological(outputs)

    assert jobs_at_once(nodes(4)) == 64
    assert jobs_at_once(nodes(100, 4)) == 200
    assert jobs_at_once(nodes(100, across=False)) == 1
    assert jobs_at_once(nodes(1)) == 1


def task(
    rows: int, batch: int = 64, decoded: int | None = None, kind: bool = True
) -> ShortTask:
    return ShortTask((rows,), (batch,), rows, decoded or rows, (kind,))


@pytest.mark.parametrize(
    ("rows", "batch", "together"),
    [(10, 64, 6), (1, 64, 64), (32, 64, 2), (40, 64, 3), (60, 64, 1), (9, 10, 1)],
)
def test_equal_streams(rows: int, batch: int, together: int) -> None:
    found = merge_tasks([task(rows, batch)] * 200)
    assert {len(group) for group in found[: 190 // together]} == {together}


def test_streams_that_are_read_in_another_way_are_not_mixed() -> None:
    mixed = [task(3), task(3), task(3, kind=False), task(3, kind=False), task(3)]
    assert merge_tasks(mixed) == [range(2), range(2, 4), range(4, 5)]


def test_what_is_decoded_is_bounded() -> None:
    found = merge_tasks([task(4, decoded=MOST_DECODED // 2)] * 5)
    assert [len(group) for group in found] == [2, 2, 1]
    found = merge_tasks([task(4, decoded=2 * MOST_DECODED)] * 3)
    assert [len(group) for group in found] == [1, 1, 1]


def filled(tasks: list[ShortTask]) -> float:
    """How full the batches of one task of these are."""
    room = rows = 0
    for number, batch in enumerate(tasks[0].batches):
        total = sum(one.rows[number] for one in tasks)
        calls = len(range(0, total, batch))
        rows, room = rows + total, room + calls * batch
    return rows / room


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            lambda a, b, decoded, kind: ShortTask(
                (a, b), (16, 9), max(a, b), max(a, b) + decoded, (kind,)
            ),
            st.integers(1, 15),
            st.integers(1, 8),
            st.sampled_from([0, 0, 20, MOST_DECODED // 3, MOST_DECODED]),
            st.sampled_from([True, True, True, False]),
        ),
        max_size=30,
    ),
    st.sampled_from([0, 0, 20, 50]),
)
def test_each_group_is_the_best_of_those_that_begin_there(
    tasks: list[ShortTask], io_packet: int
) -> None:
    found = merge_tasks(tasks, io_packet)
    assert [number for group in found for number in group] == list(range(len(tasks)))
    assert all(a.stop == b.start for a, b in pairwise(found))
    for group in found:
        kept = tasks[group.start : group.stop]
        assert len({one.kinds for one in kept}) == 1
        if len(kept) > 1:
            assert sum(one.decoded for one in kept) <= MOST_DECODED
            assert not io_packet or sum(one.outputs for one in kept) <= io_packet
        others = [
            tasks[group.start : group.start + count] for count in range(1, len(kept))
        ]
        # Fewer streams would fill less.
        assert all(filled(other) < filled(kept) for other in others)
        # And it goes on until batches are full, if that is allowed.
        more = tasks[group.start : group.stop + 1]
        allowed = (
            len(more) > len(kept)
            and len({one.kinds for one in more}) == 1
            and sum(one.decoded for one in more) <= MOST_DECODED
            and (not io_packet or sum(one.outputs for one in more) <= io_packet)
        )
        if allowed and filled(more) > filled(kept):
            pytest.fail("one more would fill more")
        assert filled(kept) >= FULL or not allowed or filled(more) <= filled(kept)
