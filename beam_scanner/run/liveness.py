"""Tells whether the process lives that drives a run.

In a folder the process holds a lock, which the operating system lets go of when it
dies. In a bucket it renews a time every ``BEAT_SECONDS``; one that has been silent for
``LOST_SECONDS`` counts as dead.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import BinaryIO

from beam_scanner.errors import StorageError
from beam_scanner.storage.writer_marks import is_abandoned, keep_locked, locked_file
from beam_scanner.stores.object_store import ObjectStore

BEAT_SECONDS = 10.0
LOST_SECONDS = 60.0


class Life:
    """Shows that this process lives, until it is left.

    Args:
        store: The database.
        key: Where to show it.
        lock: The locked file, from the process that has shown it so far.
    """

    def __init__(
        self, store: ObjectStore, key: str, lock: BinaryIO | None = None
    ) -> None:
        self._store = store.relaxed()
        self._key = key
        self._over = threading.Event()
        self._lock = lock or locked_file(self._store, key)
        self._thread: threading.Thread | None = None
        if self._lock is None:
            self._beat()
            self._thread = threading.Thread(
                target=self._go_on, name="heartbeat", daemon=True
            )
            self._thread.start()

    @property
    def lock(self) -> int | None:
        """Descriptor of the lock, for the process that goes on; None in a bucket."""
        return None if self._lock is None else self._lock.fileno()

    def hush(self) -> None:
        """Changes the database no more; what it shows stands for a while."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def leave(self) -> None:
        """Ends it here; another process may go on."""
        self.hush()
        if self._lock is not None:
            self._lock.close()

    def _go_on(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            # The next one may get through.
            with suppress(StorageError):
                self._beat()

    def _beat(self) -> None:
        self._store.put(self._key, str(time.time()).encode())


def adopted(store: ObjectStore, key: str, lock: int | None) -> Life:
    """Goes on with what another process has begun to show.

    Args:
        store: The database.
        key: Where it is shown.
        lock: The descriptor that this process was given.
    """
    if lock is None:
        return Life(store, key)
    os.set_inheritable(lock, False)
    return Life(store, key, keep_locked(os.fdopen(lock, "wb")))


class LifeWatch:
    """Watches whether a process lives.

    Args:
        store: The database.
        key: Where it shows it.
        waits: Whether there is time to watch: then clocks of two machines need not
            agree, since only changes count.
    """

    def __init__(self, store: ObjectStore, key: str, waits: bool) -> None:
        self._store = store
        self._key = key
        self._waits = waits
        self._seen = b""
        self._since = 0.0

    def is_dead(self) -> bool:
        """Looks at it; False also where it cannot be told yet."""
        if self._store.local_path(self._key) is not None:
            gone = not self._store.exists(self._key)
            return gone or is_abandoned(self._store, self._key)
        return self.silent_seconds() > LOST_SECONDS

    def silent_seconds(self) -> float:
        """How long nothing has been heard of it, in a bucket; infinite if it is gone."""
        data = self._store.try_read(self._key)
        if data is None:
            return float("inf")
        now = time.monotonic()
        if data != self._seen:
            known = self._waits or bool(self._seen)
            self._since = now if known else now - max(0.0, time.time() - float(data))
            self._seen = data
        return now - self._since
