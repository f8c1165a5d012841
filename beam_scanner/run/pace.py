"""How often a database is looked at while something goes on in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from beam_scanner.errors import StorageError
from beam_scanner.stores.object_store import ObjectStore

DRAW_SECONDS = 0.5
"""How often a progress line is drawn."""

_NEAR_SECONDS, _FAR_SECONDS = 0.5, 5.0
"""Least time between looks: into a folder, and into a bucket, where each has its price."""

_SHARE = 5
"""Looks take no more than one part of so many of the time."""


class Pace:
    """When to look next: seldom in a bucket, more seldom where a look takes long.

    Args:
        store: The database.

    Attributes:
        seconds: From the end of a look to the next one.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._least = _NEAR_SECONDS if store.is_local else _FAR_SECONDS
        self.seconds = self._least
        self._due = 0.0

    def is_due(self) -> bool:
        """Whether it is time for a look; so it is for the first one."""
        return time.monotonic() >= self._due

    @contextmanager
    def look(self) -> Iterator[None]:
        """Measures one."""
        began = time.monotonic()
        yield
        now = time.monotonic()
        self.seconds = max(self._least, (_SHARE - 1) * (now - began))
        self._due = now + self.seconds


@contextmanager
def repeated(action: Callable[[], None], name: str) -> Iterator[None]:
    """Does something again and again in a thread, while it is open.

    Args:
        action: What to do, each ``DRAW_SECONDS``; not at once. A database that cannot be
            read then is looked at the next time.
        name: Of the thread.
    """
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(DRAW_SECONDS):
            with suppress(StorageError):
                action()

    thread = threading.Thread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
