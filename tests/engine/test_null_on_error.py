"""Rows whose kernel raises and may: they are null, and nothing else changes."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.engine.instance import OpError
from beam_scanner.graph.nodes import OpColumn
from beam_scanner.kernels import Kernel
from beam_scanner.rows.samplers import Gather
from beam_scanner.types import FrameType
from tests.support.fake_reader import FakeReader
from tests.support.harness import Runner, call, outputs_of, sampled, source
from tests.support.oracle import is_null

ROWS = 30


class Refused(BaseException):
    """No Exception: what panics and cancellations are."""


class Remembers(Kernel):
    """Gives the rows that it has seen, of the last ``bounded_state`` and its own."""

    def __init__(self, config: Any, bad: Sequence[int], memory: int) -> None:
        super().__init__(config)
        self.bad, self.memory = set(bad), memory
        self.seen: list[int] = []

    def reset(self) -> None:
        self.seen = []

    def _one(self, row: int) -> Any:
        self.seen.append(row)
        if row in self.bad:
            self.seen.append(-1)
            raise Refused(f"row {row}")
        return [seen for seen in self.seen if seen < 0 or seen >= row - self.memory]


class ByRow(Remembers):
    def execute(self, value: Any) -> Any:
        return self._one(value)


class ByBatch(Remembers):
    def execute(self, value: Sequence[Any]) -> Sequence[Any]:
        return [self._one(each) for each in value]


class CannotReset(ByRow):
    """Forgets only by being made anew."""

    reset = Kernel.reset


def run(
    column: OpColumn, source_column: OpColumn, values: Sequence[Any], io: int, work: int
) -> tuple[list[Any], set[int]]:
    kind = "frame" if source_column.type is None else "any"
    readers = {id(source_column.node): lambda: FakeReader(values, kind)}
    it = Runner(outputs_of(column), 0, readers)
    made, failed = [], set()
    cuts = it.cuts(io)
    for task in range(len(cuts)):
        (sink,), _, trace = it.run(cuts.intervals(task), work)
        made += sink.values
        failed |= {row for rows in trace.failed for row in rows.rows}
    return made, failed


@settings(max_examples=300, deadline=None)
@given(
    kernel=st.sampled_from([ByRow, ByBatch, CannotReset]),
    bad=st.sets(st.integers(0, ROWS - 1)),
    memory=st.integers(0, 6),
    batch=st.integers(2, 9),
    wanted=st.none() | st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=20),
    io=st.integers(1, 40),
    work=st.integers(1, 40),
)
def test_a_failing_row_counts_as_not_seen(
    kernel: Any,
    bad: set[int],
    memory: int,
    batch: int,
    wanted: list[int] | None,
    io: int,
    work: int,
) -> None:
    """Whatever the tasks, work packets and batches."""
    rows = source()
    options = {"batch": batch} if kernel is ByBatch else {}
    node = call(
        kernel,
        rows,
        bounded_state=memory,
        init_args={"bad": sorted(bad), "memory": memory},
        **options,
    )
    (column,) = replace(node, on_error="null").outputs()
    taken = list(range(ROWS))
    if wanted is not None:
        taken = wanted
        column = sampled(column, Gather(tuple(wanted)))
    made, failed = run(column, rows, list(range(ROWS)), io, work)
    computed = {r for t in taken for r in range(max(0, t - memory), t + 1)}
    for row, value in zip(taken, made, strict=True):
        if row in bad:
            assert is_null(value)
        else:
            seen = [r for r in range(max(0, row - memory), row + 1) if r not in bad]
            assert value == seen, row
    assert failed == bad & computed


class Scribbles(Kernel):
    """Writes into its input, then raises where that began with a bad value."""

    def __init__(self, config: Any, bad: Sequence[int]) -> None:
        super().__init__(config)
        self.bad = bad

    def execute(self, frame: Sequence[FrameType]) -> Sequence[Any]:
        first = [int(each[0, 0, 0]) for each in frame]
        for each in frame:
            each += 100
        if set(first) & set(self.bad):
            raise ValueError(first)
        return [int(each[0, 0, 0]) for each in frame]


@pytest.mark.parametrize("bounded", [None, 3])
def test_a_batch_that_wrote_into_its_inputs_is_run_again_with_the_first(
    bounded: int | None,
) -> None:
    frames = source("frame")
    state = {} if bounded is None else {"bounded_state": bounded}
    node = call(Scribbles, frames, batch=4, init_args={"bad": [5, 6]}, **state)
    (column,) = replace(node, on_error="null").outputs()
    values = [np.full((1, 1, 1), n, np.uint8) for n in range(10)]
    made, failed = run(column, frames, values, 100, 100)
    assert failed == {5, 6}
    assert [None if is_null(value) else value for value in made] == [
        None if n in (5, 6) else n + 100 for n in range(10)
    ]


def wrong_type(config: Any, value: Any) -> int:
    return "no number" if value == 3 else value  # type: ignore[return-value]


def too_few(config: Any, value: Sequence[Any]) -> Sequence[int]:
    return [each for each in value if each != 3]


def cannot_be_stored(config: Any, value: Any) -> Any:
    return (each for each in [value]) if value == 3 else value


@pytest.mark.parametrize("kernel", [wrong_type, too_few, cannot_be_stored])
def test_a_wrong_return_is_the_row_s_failure(kernel: Any) -> None:
    values = source()
    node = call(kernel, values, **({"batch": 4} if kernel is too_few else {}))
    (column,) = replace(node, on_error="null").outputs()
    made, failed = run(column, values, list(range(6)), 100, 100)
    assert failed == {3}
    assert [None if is_null(v) else v for v in made] == [0, 1, 2, None, 4, 5]
    (failing,) = node.outputs()
    with pytest.raises(OpError, match=r"row [03]: "):
        run(failing, values, list(range(6)), 100, 100)


class Fades(ByRow):
    """Raises at a row only when it sees it for the second time."""

    def __init__(self, config: Any, bad: Sequence[int], memory: int) -> None:
        super().__init__(config, bad, memory)
        self.times: dict[int, int] = {}

    def _one(self, row: int) -> Any:
        self.times[row] = self.times.get(row, 0) + 1
        if row in (4, 5) and self.times[row] > 1:
            raise Refused(f"row {row} again")
        return super()._one(row)


def test_a_row_that_raises_when_it_warms_up_counts_as_not_seen() -> None:
    rows = source()
    node = call(Fades, rows, bounded_state=4, init_args={"bad": [6], "memory": 4})
    (column,) = replace(node, on_error="null").outputs()
    made, failed = run(column, rows, list(range(10)), 100, 100)
    assert made[7] == [3, 7]
    assert failed == {6}


class Fails(Kernel):
    def reset(self) -> None:
        raise ValueError("reset")

    def execute(self, value: Any) -> Any:
        return value


def test_what_is_no_row_s_fault_fails_the_stream() -> None:
    rows = source()
    (column,) = replace(call(Fails, rows), on_error="null").outputs()
    with pytest.raises(OpError, match="reset"):
        run(column, rows, [1], 10, 10)


def interrupted(config: Any, value: Any) -> Any:
    if value == 2:
        signal.raise_signal(signal.SIGINT)
        for _ in range(1000):
            pass
    return value


def pretends(config: Any, value: Any) -> Any:
    if value == 2:
        raise KeyboardInterrupt
    return value


def test_an_interrupt_of_the_user_is_no_row_s_failure() -> None:
    rows = source()
    # What a shell runs in the background ignores interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _interrupts(rows)
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupts(rows: Any) -> None:
    (column,) = replace(call(interrupted, rows), on_error="null").outputs()
    with pytest.raises(KeyboardInterrupt):
        run(column, rows, list(range(4)), 10, 10)
    (column,) = replace(call(pretends, rows), on_error="null").outputs()
    assert run(column, rows, list(range(4)), 10, 10)[1] == {2}
