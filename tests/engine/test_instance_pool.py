"""Kernel instances are kept between tasks, one for each task at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from beam_scanner.engine.instance_pool import KernelPool, forget_fetched
from beam_scanner.graph.nodes import OpNode
from beam_scanner.kernels import Kernel, read_spec

RUN = "instance-pool-test"
EVENTS: list[str] = []


class Noted(Kernel):
    """Notes what becomes of it."""

    def __init__(self, config: Any, fails: str = "") -> None:
        self.fails = fails
        self._note("made")

    def _note(self, what: str) -> None:
        EVENTS.append(what)
        if what == self.fails:
            raise ValueError(what)

    def close(self) -> None:
        self._note("closed")

    def execute(self, x: bytes) -> bytes:
        return x


class Fetching(Noted):
    def fetch_resources(self) -> None:
        self._note("fetched")

    def setup_with_resources(self) -> None:
        self._note("set up")


@pytest.fixture(autouse=True)
def pool() -> Iterator[KernelPool]:
    EVENTS.clear()
    pool = KernelPool(RUN)
    yield pool
    pool.close()
    forget_fetched(RUN)


def node(kernel: Any = Noted, **args: Any) -> OpNode:
    return OpNode(read_spec(kernel), (), init_args=args)


def test_an_instance_is_used_again(pool: KernelPool) -> None:
    nodes = {4: node()}
    with pool.borrow(nodes) as first:
        instance = first[4]
    with pool.borrow(nodes) as again:
        assert again[4] is instance
    assert EVENTS == ["made"]
    pool.close()
    assert EVENTS == ["made", "closed"]
    with pool.borrow(nodes) as other:
        assert other[4] is not instance


def test_tasks_at_one_time_have_instances_of_their_own(pool: KernelPool) -> None:
    nodes = {0: node()}
    with pool.borrow(nodes) as one, pool.borrow(nodes) as two:
        assert one[0] is not two[0]
        # One that is in use is not closed.
        pool.close()
        assert EVENTS == ["made", "made"]


def test_graphs_and_nodes_do_not_share_them(pool: KernelPool) -> None:
    one = node()
    with pool.borrow({0: one, 1: one}) as both:
        found = {id(both[0]), id(both[1])}
    with pool.borrow({0: one}, graph=1) as other:
        found.add(id(other[0]))
    assert len(found) == 3


def test_an_instance_whose_task_failed_is_closed(pool: KernelPool) -> None:
    nodes = {0: node()}
    with pytest.raises(ZeroDivisionError), pool.borrow(nodes):
        raise ZeroDivisionError
    assert EVENTS == ["made", "closed"]
    with pool.borrow(nodes):
        assert EVENTS == ["made", "closed", "made"]


def test_what_fails_to_close_does_not_hide_why(
    pool: KernelPool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    nodes = {0: node(fails="closed")}
    with pytest.raises(ZeroDivisionError), pool.borrow(nodes):
        raise ZeroDivisionError
    assert "closing op Noted failed" in caplog.text


def test_resources_are_fetched_once_for_run_op_and_machine(pool: KernelPool) -> None:
    nodes = {0: node(Fetching)}
    with pool.borrow(nodes), pool.borrow(nodes):
        assert EVENTS == ["made", "fetched", "set up", "made", "set up"]
    # As another process of this machine.
    with KernelPool(RUN).borrow(nodes):
        assert EVENTS[5:] == ["made", "set up"]
    forget_fetched("another")
    forget_fetched(RUN)
    with KernelPool(RUN).borrow(nodes):
        assert EVENTS[7:] == ["made", "fetched", "set up"]


@pytest.mark.parametrize("step", ["fetched", "set up"])
def test_who_cannot_be_set_up_is_closed_and_tried_again(
    pool: KernelPool, step: str
) -> None:
    with (
        pytest.raises(Exception, match=step),
        pool.borrow({0: node(Fetching, fails=step)}),
    ):
        raise AssertionError
    assert EVENTS[-1] == "closed"
    EVENTS.clear()
    with pool.borrow({0: node(Fetching)}):
        assert ("fetched" in EVENTS) == (step == "fetched")
