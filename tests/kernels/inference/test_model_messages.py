"""Batches and predictions between processes."""

from __future__ import annotations

import threading
from multiprocessing import Pipe
from typing import Any

import numpy as np

from beam_scanner.errors import KernelError
from beam_scanner.kernels.inference.model_messages import receive, send, sendable


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
