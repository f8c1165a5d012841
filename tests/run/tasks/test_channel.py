"""Objects from one process to another, and what ends the wait for them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.run.tasks.channel import Channel, Closed


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    one, other = map(Channel, socket.socketpair())
    yield one, other
    one.close()
    other.close()


VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(values=st.lists(VALUES, max_size=5))
def test_what_is_sent_comes_in_order(values: list[Any]) -> None:
    one, other = map(Channel, socket.socketpair())
    for value in values:
        one.send(value)
    assert [other.receive() for _ in values] == values
    one.close()
    other.close()


@pytest.mark.parametrize("shape", [(480, 640, 3), (0, 4, 3)])
def test_frames_arrive_as_they_were(
    ends: tuple[Channel, Channel], shape: tuple[int, ...]
) -> None:
    one, other = ends
    frame = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    # More than a socket holds: somebody must read meanwhile.
    sender = threading.Thread(target=one.send, args=[("rows", [frame, frame])])
    sender.start()
    kind, (first, second) = other.receive()
    sender.join(10)
    assert kind == "rows"
    for found in (first, second):
        np.testing.assert_array_equal(found, frame)
        assert found.dtype == np.uint8
        # A kernel may write into it.
        assert found.flags.writeable


def test_a_message_that_is_cut_off_is_none(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one._connection.sendall(b"\x01\x00\x00\x00\xff")
    one.close()
    with pytest.raises(Closed):
        other.receive()


def test_who_waits_looks_about_meanwhile(
    ends: tuple[Channel, Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beam_scanner.run.tasks.channel._LOOK_SECONDS", 0.01)
    one, other = ends
    looks = iter([None, None, TimeoutError("too long")])

    def look() -> None:
        error = next(looks)
        if error is not None:
            raise error

    other.look = look
    with pytest.raises(TimeoutError, match="too long"):
        other.receive()
    assert next(looks, "none") == "none"
    # Nothing was lost: what comes later is received whole.
    other.look = None
    one.send("later")
    assert other.receive() == "later"


def test_hanging_up_leaves_what_has_come(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.send("last words")
    one.hang_up()
    assert other.receive() == "last words"
    for end in ends:
        with pytest.raises(Closed):
            end.receive()


def test_what_nobody_reads_cannot_be_sent(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    other.close()
    with pytest.raises(Closed):
        one.send(b"x" * 10_000_000)
