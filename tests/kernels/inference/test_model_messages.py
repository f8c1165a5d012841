"""Batches and predictions between processes."""

from __future__ import annotations

import threading
from multiprocessing import Pipe
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import KernelError
from beam_scanner.kernels.at_element import at_element, element_of
from beam_scanner.kernels.inference.model_messages import (
    MessageError,
    receive,
    send,
    sendable,
)


def test_arrays_come_as_they_are() -> None:
    one, other = Pipe()
    frames = [np.full((200, 300, 3), n, np.uint8) for n in range(5)]
    sent: dict[str, Any] = {"frames": frames, "name": "a"}
    thread = threading.Thread(target=send, args=[one, sent])
    thread.start()
    found = receive(other)
    thread.join()
    assert found["name"] == "a"
    assert all(
        np.array_equal(a, b) for a, b in zip(frames, found["frames"], strict=True)
    )
    assert found["frames"][0].flags.writeable


def test_errors_come_with_their_traceback() -> None:
    class Local(Exception):
        """Which other processes cannot load."""

    for error, kind in ((KeyError("a"), KeyError), (Local("why"), KernelError)):
        try:
            raise error
        except Exception as caught:
            found = sendable(caught)
        assert type(found) is kind
        notes = "".join(getattr(found, "__notes__", [])) + str(found)
        assert "test_errors_come_with" in notes
        assert type(error).__name__ in notes


def test_errors_keep_their_element() -> None:
    class Local(Exception):
        """Which other processes cannot load."""

    for error in (KeyError("a"), Local("why")):
        with pytest.raises(type(error)) as caught, at_element(5):
            raise error
        assert element_of(sendable(caught.value)) == 5


class Opens(Exception):
    """Cannot be loaded."""

    def __reduce__(self) -> Any:
        return open, ("/no/such/file",)


@pytest.mark.parametrize("what", [(n for n in [1]), threading.Lock(), lambda: None])
def test_what_cannot_be_sent(what: Any) -> None:
    one, other = Pipe()
    with pytest.raises(MessageError, match=r"cannot be pickled .*Error: "):
        send(one, [b"first", what])
    # Nothing of it is on the way.
    send(one, "next")
    assert receive(other) == "next"


def test_what_cannot_be_received() -> None:
    one, other = Pipe()
    send(one, [np.arange(5), Opens()])
    send(one, "next")
    with pytest.raises(MessageError, match=r"cannot be loaded .*FileNotFoundError: "):
        receive(other)
    assert receive(other) == "next"
