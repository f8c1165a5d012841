"""What kernels are called with, and in which order."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from beam_scanner.engine.instance import OpError
from beam_scanner.engine.instance_pool import KernelPool
from beam_scanner.graph.nodes import OpColumn, SliceList
from beam_scanner.kernels import Kernel
from beam_scanner.rows.samplers import Gather, Repeat, StridedPartition, StridedRanges
from beam_scanner.types import NULL, NullElement
from tests.support.harness import (
    call,
    run_columns,
    sampled,
    sliced,
    source,
    unsliced,
)


def one(column: OpColumn, source_column: OpColumn, values: Any, **options: Any) -> Any:
    return run_columns([column], {source_column: values}, **options)[0]


class Log(Kernel):
    """Writes down everything that is done to it."""

    events: ClassVar[list[Any]] = []

    def __init__(self, config: Any, name: str = "") -> None:
        super().__init__(config)
        self.events.append("init")

    def setup_with_resources(self) -> None:
        self.events.append("setup")

    def fetch_resources(self) -> None:
        self.events.append("fetch")

    def new_stream(self, tag: Any = None) -> None:
        self.events.append(("new_stream", tag))

    def reset(self) -> None:
        self.events.append("reset")

    def close(self) -> None:
        self.events.append("close")

    def execute(self, x: Any) -> Any:
        self.events.append(x)
        return x


@pytest.fixture
def events(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    Log.events.clear()
    return Log.events


# -- state ---------------------------------------------------------------------------


class Counter(Kernel):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.count = 0

    def reset(self) -> None:
        self.count = 0

    def execute(self, x: Any) -> Any:
        self.count += 1
        return x, self.count - 1


class CounterWithoutReset(Kernel):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.count = 0

    def execute(self, x: Any) -> Any:
        self.count += 1
        return x, self.count - 1


@pytest.mark.parametrize("kernel", [Counter, CounterWithoutReset])
def test_bounded_state_warms_up_before_each_run_of_rows(kernel: type) -> None:
    frames = source()
    node = call(kernel, frames, bounded_state=3)
    column = sampled(node.outputs()[0], Gather((0, 10, 25, 26, 27)))
    wanted = [(0, 0), (10, 3), (25, 3), (26, 4), (27, 5)]
    for work in (1, 2, 100):
        assert one(column, frames, range(30), work_packet=work) == wanted


@pytest.mark.parametrize("kernel", [Counter, CounterWithoutReset])
def test_bounded_state_of_a_call_overrides_the_registered_one(kernel: type) -> None:
    frames = source()
    node = call(kernel, frames, bounded_state=3, set_bounded=1)
    column = sampled(node.outputs()[0], Gather((0, 10, 25, 26, 27)))
    wanted = [(0, 0), (10, 1), (25, 1), (26, 2), (27, 3)]
    assert one(column, frames, range(30)) == wanted


@pytest.mark.parametrize("kernel", [Counter, CounterWithoutReset])
def test_tasks_warm_up_again(kernel: type) -> None:
    frames = source()
    node = call(kernel, frames, bounded_state=3)
    pool = KernelPool("test")
    got = one(node.outputs()[0], frames, range(30), io_packet=10, pool=pool)
    wanted = [*range(10), *range(3, 13), *range(3, 13)]
    assert [count for _, count in got] == wanted


@pytest.mark.parametrize("kernel", [Counter, CounterWithoutReset])
def test_unbounded_state_runs_a_stream_once(kernel: type) -> None:
    frames = source()
    node = call(kernel, frames, unbounded_state=True)
    pool = KernelPool("test")
    for _ in range(2):
        got = one(node.outputs()[0], frames, range(9), io_packet=3, pool=pool)
        assert got == [(row, row) for row in range(9)]
    column = sampled(node.outputs()[0], Gather((7, 2)))
    assert one(column, frames, range(9)) == [(7, 7), (2, 2)]


@pytest.mark.parametrize("kernel", [Counter, CounterWithoutReset])
@pytest.mark.parametrize("io_packet", [1, 7, 1000])
def test_unbounded_state_starts_anew_in_each_slice_group(
    kernel: type, io_packet: int
) -> None:
    frames = source()
    node = call(kernel, sliced(frames, StridedPartition(1, 4)), unbounded_state=True)
    column = unsliced(node.outputs()[0])
    got = one(column, frames, range(10), io_packet=io_packet)
    assert got == [(row, row % 4) for row in range(10)]


def test_reset_then_new_stream_then_rows_and_reset_alone_at_gaps(events: Any) -> None:
    frames = source()
    node = call(Log, frames, bounded_state=1, stream_args={"tag": ("a",)})
    column = sampled(node.outputs()[0], Gather((0, 5)))
    one(column, frames, range(9))
    begin = ["init", "fetch", "setup", "reset", ("new_stream", "a")]
    assert events == [*begin, 0, "reset", 4, 5]


def test_later_tasks_use_the_instance_again(events: Any) -> None:
    frames = source(jobs=2)
    node = call(Log, frames, stream_args={"tag": ("a", "b")})
    pool = KernelPool("test")
    for job in (0, 1):
        one(node.outputs()[0], frames, range(4), job=job, io_packet=2, pool=pool)
    wanted: list[Any] = ["init", "fetch", "setup"]
    for tag, first in [("a", 0), ("a", 2), ("b", 0), ("b", 2)]:
        wanted += ["reset", ("new_stream", tag), first, first + 1]
    assert events == wanted
    pool.close()
    assert events[-1] == "close"


def test_each_slice_group_has_its_own_arguments(events: Any) -> None:
    frames = source()
    tags = SliceList(["a", "b", "c"])
    cut = sliced(frames, StridedPartition(1, 2))
    node = call(Log, cut, stream_args={"tag": (tags,)})
    one(unsliced(node.outputs()[0]), frames, range(5))
    begun = ["a", "b", "c"]
    assert [e[1] for e in events if isinstance(e, tuple)] == begun
    wanted = ["reset", ("new_stream", "a"), 0, 1, "reset", ("new_stream", "b"), 2, 3]
    assert events[3:11] == wanted


def test_a_plain_argument_is_for_every_slice_group(events: Any) -> None:
    frames = source()
    cut = sliced(frames, StridedPartition(1, 2))
    node = call(Log, cut, stream_args={"tag": ("x",)})
    one(unsliced(node.outputs()[0]), frames, range(5))
    assert [e[1] for e in events if isinstance(e, tuple)] == ["x", "x", "x"]


def test_resources_are_fetched_once_for_each_run(events: Any) -> None:
    frames = source()
    node = call(Log, frames)
    for run in ("one", "one", "two"):
        one(node.outputs()[0], frames, range(2), pool=KernelPool(run))
    assert events.count("fetch") == 2
    assert events.count("setup") == 3


def test_a_kernel_whose_task_failed_is_closed_and_not_used_again(events: Any) -> None:
    class Fails(Log):
        def execute(self, x: Any) -> Any:
            if x == "bad":
                raise KeyError("lost")
            return super().execute(x)

    frames = source()
    node = call(Fails, frames)
    pool = KernelPool("test")
    with pytest.raises(OpError):
        one(node.outputs()[0], frames, ["bad"], pool=pool)
    assert events[-1] == "close"
    assert one(node.outputs()[0], frames, ["good"], pool=pool) == ["good"]
    assert events.count("init") == 2


class RefusesToLoad:
    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise ValueError("no such value")


# -- batches and windows -------------------------------------------------------------


def sizes(config: Any, x: Sequence[Any]) -> Sequence[Any]:
    return [list(x)] * len(x)


@pytest.mark.parametrize("work_packet", [1, 3, 5, 100])
def test_batches_do_not_depend_on_the_work_packet(work_packet: int) -> None:
    frames = source()
    node = call(sizes, frames, batch=4)
    got = one(node.outputs()[0], frames, range(10), work_packet=work_packet)
    assert got == [[0, 1, 2, 3]] * 4 + [[4, 5, 6, 7]] * 4 + [[8, 9]] * 2


def test_a_batch_is_of_rows_that_are_needed_and_of_one_slice_group() -> None:
    frames = source()
    node = call(sizes, frames, batch=3)
    column = sampled(node.outputs()[0], Gather((1, 4, 6, 9)))
    assert one(column, frames, range(10)) == [[1, 4, 6]] * 3 + [[9]]
    node = call(sizes, sliced(frames, StridedPartition(1, 4)), batch=3)
    got = one(unsliced(node.outputs()[0]), frames, range(6))
    assert got == [[0, 1, 2]] * 3 + [[3]] + [[4, 5]] * 2


def test_a_batch_of_a_stateful_op_is_of_consecutive_rows() -> None:
    frames = source()
    node = call(sizes, frames, batch=3, bounded_state=1)
    column = sampled(node.outputs()[0], Gather((0, 4, 5, 6)))
    assert one(column, frames, range(9)) == [[0], [3, 4, 5], [3, 4, 5], [6]]


def test_a_call_may_ask_for_another_batch() -> None:
    frames = source()
    node = call(sizes, frames, batch=4, set_batch=1)
    assert one(node.outputs()[0], frames, range(3)) == [[0], [1], [2]]
    node = call(sizes, frames, batch=4, set_batch=9)
    assert one(node.outputs()[0], frames, range(3)) == [[0, 1, 2]] * 3


def windows(config: Any, x: Sequence[Any]) -> Any:
    return list(x)


@pytest.mark.parametrize(
    ("stencil", "wanted"),
    [
        ([-1, 0, 1], [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]),
        ([0, -1], [[0, 0], [1, 0], [2, 1], [3, 2]]),
        ([2], [[2], [3], [3], [3]]),
        ([-9, 9], [[0, 3]] * 4),
        ([0, 0], [[0, 0], [1, 1], [2, 2], [3, 3]]),
    ],
)
def test_windows_are_in_the_order_of_the_stencil(stencil: Any, wanted: Any) -> None:
    frames = source()
    node = call(windows, frames, stencil=[0], set_stencil=tuple(stencil))
    assert one(node.outputs()[0], frames, range(4)) == wanted


def test_windows_are_of_the_sampled_stream_and_of_one_slice_group() -> None:
    frames = source()
    node = call(
        windows, sampled(frames, StridedRanges(((0, 30),), 10)), stencil=[-1, 0, 1]
    )
    got = one(node.outputs()[0], frames, range(30))
    assert got == [[0, 0, 10], [0, 10, 20], [10, 20, 20]]
    node = call(windows, sliced(frames, StridedPartition(1, 2)), stencil=[-1, 0, 1])
    got = one(unsliced(node.outputs()[0]), frames, range(4))
    assert got == [[0, 0, 1], [0, 1, 1], [2, 2, 3], [2, 3, 3]]


def test_batch_and_stencil() -> None:
    def both(config: Any, x: Sequence[Sequence[Any]]) -> Sequence[Any]:
        assert len(x) <= 2
        return [list(window) for window in x]

    frames = source()
    node = call(both, frames, stencil=[0, 1], batch=2)
    assert one(node.outputs()[0], frames, range(3)) == [[0, 1], [1, 2], [2, 2]]


def test_a_whole_stream_op_is_called_once_for_each_slice_group() -> None:
    calls = []

    def whole(config: Any, x: Sequence[Any]) -> Sequence[Any]:
        calls.append(list(x))
        return [sum(x)] * len(x)

    frames = source()
    node = call(whole, frames, whole_stream=True)
    column = sampled(node.outputs()[0], Gather((8, 1)))
    assert one(column, frames, range(9), work_packet=2) == [36, 36]
    assert calls == [list(range(9))]
    calls.clear()
    node = call(whole, sliced(frames, StridedPartition(1, 4)), whole_stream=True)
    one(unsliced(node.outputs()[0]), frames, range(9), work_packet=2, io_packet=4)
    assert calls == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


def test_a_whole_stream_is_held_as_its_values_alone() -> None:
    frames = source()
    peaks: list[int] = []

    class Held(Kernel):
        def execute(self, x: Sequence[Any]) -> Sequence[Any]:
            peaks.append(tracemalloc.get_traced_memory()[0] - before)
            return [None] * len(x)

    rows, size = 5_000, 2_000
    values = [bytes(size) for _ in range(rows)]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        node = call(Held, frames, whole_stream=True)
        assert one(node.outputs()[0], frames, values) == [None] * rows
    finally:
        tracemalloc.stop()
    # Lists of a row each would add some 500 bytes; what was stored, each value again.
    assert peaks[0] < rows * (size + 600)


def test_an_element_that_cannot_be_opened_names_its_row() -> None:
    class Opened(Kernel):
        def execute(self, x: Sequence[Any]) -> Sequence[Any]:
            return x

    frames = source()
    values: list[Any] = [0, NULL, 2, RefusesToLoad(), 4]
    node = call(Opened, frames, batch=5)
    with pytest.raises(OpError, match=r"op Opened, row 3: ValueError: no such value"):
        one(node.outputs()[0], frames, values)


# -- nulls ---------------------------------------------------------------------------


def test_kernels_do_not_see_nulls() -> None:
    frames = source()
    node = call(Counter, sampled(frames, Repeat(2, nulls=True)), unbounded_state=True)
    got = one(node.outputs()[0], frames, range(3))
    assert got == [(0, 0), NULL, (1, 1), NULL, (2, 2), NULL]


def test_a_window_with_a_null_gives_null() -> None:
    frames = source()
    node = call(windows, frames, stencil=[-1, 0], stencil_edge="null")
    assert one(node.outputs()[0], frames, range(3)) == [NULL, [0, 1], [1, 2]]
    node = call(windows, frames, stencil=[-1, 0])
    got = one(node.outputs()[0], frames, [0, NULL, 2, 3])
    assert got == [[0, 0], NULL, NULL, [2, 3]]


def test_kernels_that_take_nulls_are_given_null_elements() -> None:
    def see(config: Any, x: Sequence[Any]) -> Any:
        return [isinstance(value, NullElement) for value in x]

    frames = source()
    node = call(see, frames, stencil=[-1, 0], stencil_edge="null", takes_nulls=True)
    got = one(node.outputs()[0], frames, [0, NULL, 2])
    assert got == [[True, False], [False, True], [True, False]]


def test_batches_hold_the_rows_that_are_not_null() -> None:
    frames = source()
    node = call(sizes, frames, batch=3)
    got = one(node.outputs()[0], frames, [0, NULL, 2, 3, NULL, NULL])
    assert got == [[0, 2], NULL, [0, 2], [3], NULL, NULL]


def test_a_batch_of_nulls_is_no_call() -> None:
    def never(config: Any, x: Sequence[Any]) -> Sequence[Any]:
        raise AssertionError("called")

    frames = source()
    node = call(never, frames, batch=3)
    assert one(node.outputs()[0], frames, [NULL] * 5) == [NULL] * 5
    node = call(never, frames, whole_stream=True)
    assert one(node.outputs()[0], frames, [NULL] * 5) == [NULL] * 5


def test_none_and_empty_bytes_are_not_null() -> None:
    def same(config: Any, x: Any) -> Any:
        return x

    frames = source()
    node = call(same, frames)
    assert one(node.outputs()[0], frames, [None, b"", 0]) == [None, b"", 0]


def test_bounded_state_counts_positions_not_rows_seen() -> None:
    frames = source()
    node = call(Counter, frames, bounded_state=2)
    column = sampled(node.outputs()[0], Gather((4,)))
    assert one(column, frames, [0, 1, NULL, 3, 4]) == [(4, 1)]
