"""The rows that each node must make for a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import (
    InputNode,
    OpColumn,
    topological,
)
from beam_scanner.planner.bound import BoundGraph, SourceInfo, bind
from beam_scanner.planner.needs import task_needs
from beam_scanner.rows.row_maps import RowSet
from beam_scanner.rows.sampling import (
    Gather,
    StridedRanges,
)
from tests.support.harness import (
    call,
    outputs_of,
    sampled,
    source,
)


def bound(
    *columns: OpColumn,
    rows: int = 1000,
    every: int | None = None,
    lengths: dict[OpColumn, int] | None = None,
) -> BoundGraph:
    """A bound graph; ``every``: distance of keyframes, None for random access."""
    nodes = topological(outputs_of(*columns))
    known = {id(c.node): n for c, n in (lengths or {}).items()}
    infos = {}
    for node in nodes:
        if isinstance(node, InputNode):
            count = known.get(id(node), rows)
            entries = None if every is None else np.arange(0, max(1, count), every)
            infos[id(node)] = SourceInfo("film", count, entries)
    return bind(nodes, 0, infos)


def needs(column: OpColumn, rows: int, **more: Any) -> RowSet:
    graph = bound(column, rows=rows, **more)
    return task_needs(graph, [(0, graph.outputs[0].rows)])[0]


@pytest.mark.parametrize(
    ("stencil", "wanted"),
    [
        ([-1, 0, 1], [0, 1, 9, 10, 11, 28, 29]),
        ([-3, 0], [0, 7, 10, 26, 29]),
        ([2], [2, 12, 29]),
        ([0], [0, 10, 29]),
    ],
)
def test_a_stencil_needs_its_windows_alone(stencil: Any, wanted: list[int]) -> None:
    node = call(_window, source(), stencil=stencil)
    column = sampled(node.outputs()[0], Gather((0, 10, 29)))
    assert needs(column, 30).array().tolist() == wanted


def _window(config: Any, x: Sequence[Any]) -> Any:
    return x


def test_bounded_state_and_a_stencil() -> None:
    node = call(_window, source(), stencil=[-1, 0, 1], bounded_state=2)
    column = sampled(node.outputs()[0], Gather((5,)))
    assert needs(column, 9).array().tolist() == [2, 3, 4, 5, 6]


def test_a_window_that_may_not_leave_the_stream() -> None:
    node = call(_window, source(), stencil=[-1, 0, 1], stencil_edge="error")
    made = node.outputs()[0]
    inside = sampled(made, StridedRanges(((1, 29),)))
    assert needs(inside, 30).array().tolist() == list(range(30))
    for rows in ((0,), (29,)):
        graph = bound(sampled(made, Gather(rows)), rows=30)
        with pytest.raises(ArgumentError, match=rf"\[-1, 0, 1\].* at row {rows[0]}"):
            task_needs(graph, [(0, 1)])
