"""Where a task is can be read by another process, whatever happens to its own."""

from __future__ import annotations

import mmap
import os
import threading

import pytest

from beam_scanner.engine.position import (
    CALL,
    CLOSE,
    LOAD,
    NOTHING,
    OPEN,
    POSITION_BYTES,
    PUBLISH,
    READ,
    SETUP,
    WRITE,
    Position,
)


@pytest.mark.parametrize(
    ("kind", "op", "row", "words"),
    [
        (LOAD, None, None, "while it loaded the graph"),
        (SETUP, "x", None, "while the kernel was set up"),
        (CALL, "x", 7, ""),
        (CLOSE, "x", None, "while the kernel was closed"),
        (OPEN, None, None, "while it opened stream 'x'"),
        (READ, None, None, "while it read rows 7 to 9 of stream 'x'"),
        (WRITE, None, None, "while it wrote rows 7 to 9"),
        (PUBLISH, None, None, "while it published the stream"),
    ],
)
def test_what_is_said_of_each_kind(
    kind: int, op: str | None, row: int | None, words: str
) -> None:
    position = Position()
    position.work.begin(kind, "x", 7, 9)
    now = position.now()
    assert (now.op, now.row) == (op, row)
    assert str(now).startswith(words)
    assert bool(str(now)) == bool(words)


def test_kernels_go_before_reads() -> None:
    position = Position()
    assert position.now().kind == NOTHING
    position.reading.begin(READ, "film", 0, 5)
    assert position.now().name == "film"
    with position.work.doing(CALL, "Track", 3, 3):
        position.work.rows(4, 4)
        assert (position.now().op, position.now().row) == ("Track", 4)
    assert position.now().name == "film"
    position.clear()
    assert position.now().kind == NOTHING


def test_a_block_that_fails_has_ended() -> None:
    position = Position()
    with pytest.raises(ValueError, match="x"), position.work.doing(SETUP, "Track"):
        raise ValueError("x")
    assert position.now().kind == NOTHING


@pytest.mark.parametrize("name", ["é" * 200, "\udc80", ""])
def test_any_name(name: str) -> None:
    position = Position()
    position.work.begin(CALL, name, 1, 1)
    found = position.now().name
    assert found == name or len(found.encode()) <= 113


def test_another_process_reads_it() -> None:
    memory = memoryview(mmap.mmap(-1, POSITION_BYTES))
    child = os.fork()
    if not child:
        Position(memory).work.begin(CALL, "Track", 7, 8)
        os._exit(0)
    os.waitpid(child, 0)
    now = Position(memory).now()
    assert (now.op, now.row, now.last) == ("Track", 7, 8)


def test_a_process_that_a_kernel_forked_ends() -> None:
    position = Position()
    position.leave_if_forked()
    child = os.fork()
    if not child:
        position.leave_if_forked()
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_turns_are_taken_only_where_it_was_asked_for() -> None:
    free, taken = Position(), Position(in_turns=True)
    with free.turn(), free.turn():
        pass
    order: list[str] = []
    with taken.turn():
        thread = threading.Thread(target=lambda: _turn(taken, order))
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def _turn(position: Position, order: list[str]) -> None:
    with position.turn():
        order.append("second")
