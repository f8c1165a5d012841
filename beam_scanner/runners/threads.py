"""Threads of Beam's that end by an error, which nothing catches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

READERS = ("beam_control_read", "read_grpc_client_inputs")
"""Threads that read connections; they raise when the other end has gone."""

Listener = Callable[[threading.ExceptHookArgs], bool]
"""Is told of each; returns whether nobody else need be."""


class _Hook:
    """Asks the listeners before Python prints a traceback, while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._before: Callable[[threading.ExceptHookArgs], Any] = threading.excepthook

    @contextmanager
    def heard_by(self, listener: Listener) -> Iterator[None]:
        with self._lock:
            if not self._listeners:
                self._before = threading.excepthook
                threading.excepthook = self._raised
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)
                if not self._listeners:
                    threading.excepthook = self._before

    def _raised(self, args: threading.ExceptHookArgs) -> None:
        heard = [listener(args) for listener in list(self._listeners)]
        if not any(heard):
            self._before(args)


_hook = _Hook()
heard_by = _hook.heard_by
"""While open, the listener is told of threads that end by an error."""


def join_new(
    before: set[threading.Thread], names: tuple[str, ...], most: float
) -> None:
    """Waits for threads to end.

    Args:
        before: Threads that were there already.
        names: How the names of those to wait for begin.
        most: Seconds to wait, for all of them together.
    """
    until = time.monotonic() + most
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith(names):
            thread.join(max(0.0, until - time.monotonic()))
