"""Threads of Beam's that end with an error, which nothing catches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from beam_scanner.beam_internals.overlapping import overlapping

Listener = Callable[[threading.ExceptHookArgs], bool]
"""Called with each error; returns whether nobody else needs to know of it."""


_listeners: list[Listener] = []


@overlapping
@contextmanager
def _hooked() -> Iterator[None]:
    """Asks the listeners before Python prints a traceback."""
    before = threading.excepthook

    def raised(args: threading.ExceptHookArgs) -> None:
        heard = [listener(args) for listener in list(_listeners)]
        if not any(heard):
            before(args)

    threading.excepthook = raised
    try:
        yield
    finally:
        # The program may have set another meanwhile.
        if threading.excepthook is raised:
            threading.excepthook = before


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """While open, the listener is called for threads that end with an error."""
    with _hooked():
        _listeners.append(listener)
        try:
            yield
        finally:
            _listeners.remove(listener)


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
