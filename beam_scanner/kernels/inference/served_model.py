"""A model in a process of its own, which several processes of a machine share."""

from __future__ import annotations

import fcntl
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

from beam_scanner.errors import KernelError
from beam_scanner.kernels.inference.loaded_models import Loading
from beam_scanner.kernels.inference.model_messages import (
    FIT,
    MessageError,
    receive,
    send,
)
from beam_scanner.kernels.inference.model_source import ModelSource
from beam_scanner.stores.private_folder import private_folder

_GONE = (EOFError, ConnectionError)

_TRIES = 3

_PAUSE_SECONDS = 0.3
"""For a process that has died to be known as dead."""


class ServedModel:
    """The copies of a model on this machine; started if they are not there.

    Args:
        source: Of the model.
        tag: Of the model.

    Attributes:
        loading: What loading has cost, of the copies that were loaded now.
    """

    def __init__(self, source: ModelSource, tag: str) -> None:
        self.loading: list[Loading] = []
        self._source = source
        self._copies = [f"{tag}-{number}" for number in range(source.kind.copies)]
        self._free: list[queue.LifoQueue[Connection]] = [
            queue.LifoQueue() for _ in self._copies
        ]
        self._turns = count(os.getpid())
        self._lock = threading.Lock()
        # As long as somebody is connected, none of them ends.
        for copy in range(len(self._copies)):
            self._free[copy].put(self._connect(copy))

    def predict(self, examples: list[Any], arguments: Any) -> Any:
        """What the next copy says of a batch.

        Raises:
            KernelError: Its process has ended at each try.
        """
        with self._lock:
            copy = next(self._turns) % len(self._copies)
        for _ in range(_TRIES):
            try:
                connection = self._free[copy].get_nowait()
            except queue.Empty:
                connection = self._connect(copy)
            try:
                kind, value = self._ask(connection, (examples, arguments))
            except _GONE:
                # Another batch may have been to blame.
                connection.close()
                self._forget(copy)
                time.sleep(_PAUSE_SECONDS)
                continue
            except MessageError as error:
                kind, value = "failed", error
            except BaseException:
                connection.close()
                raise
            self._free[copy].put(connection)
            if kind == "failed":
                raise value
            return value
        raise KernelError(
            f"the process that has the model of {self._source.kind.name} has ended at "
            "each try of a batch; perhaps memory ran out"
        )

    def _ask(self, connection: Connection, message: Any) -> Any:
        name = self._source.kind.name
        try:
            send(connection, message)
        except MessageError as error:
            raise MessageError(
                f"a batch cannot be sent to the process that has the model of {name}: "
                f"{error}; have preprocess give {FIT}"
            ) from error
        try:
            return receive(connection)
        except MessageError as error:
            raise MessageError(
                f"what {name} gave in its process cannot be used in this one: {error}; "
                f"have its last with_postprocess_fn give {FIT}"
            ) from error

    def _forget(self, copy: int) -> None:
        """Closes connections to a process that has gone."""
        with suppress(queue.Empty):
            while True:
                self._free[copy].get_nowait().close()

    def _connect(self, copy: int) -> Connection:
        name = self._copies[copy]
        with private_folder() as folder, folder.file(f"{name}.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for _ in range(2):
                with suppress(FileNotFoundError, ConnectionRefusedError):
                    return _connected(folder.short_path(name))
                folder.remove(name)
                self.loading.append(self._start(name, lock.fileno()))
        raise KernelError(
            f"the process that has the model of {self._source.kind.name} cannot be "
            "reached"
        )

    def _start(self, name: str, lock: int) -> Loading:
        """Starts the process, and waits until it has loaded the model."""
        from beam_scanner.kernels.pickling import dumps_graph

        ours, theirs = os.pipe()
        # A session of its own: it outlives the process that has started it.
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "beam_scanner.kernels.inference.model_server",
                name,
                str(theirs),
                str(lock),
            ],
            stdin=subprocess.PIPE,
            pass_fds=[theirs, lock],
            start_new_session=True,
        )
        os.close(theirs)
        # It is nobody's child to wait for when it ends.
        threading.Thread(target=process.wait, daemon=True).start()
        with Connection(ours, writable=False) as answer:
            try:
                assert process.stdin is not None
                with process.stdin:
                    process.stdin.write(dumps_graph(self._source))
                found = receive(answer)
            except (EOFError, OSError) as error:
                raise KernelError(
                    "the process that was to load the model of "
                    f"{self._source.kind.name} has ended; perhaps memory ran out"
                ) from error
        if isinstance(found, BaseException):
            raise found
        return found  # type: ignore[no-any-return]


def _connected(path: str) -> Connection:
    made = socket.socket(socket.AF_UNIX)
    try:
        made.connect(path)
    except BaseException:
        made.close()
        raise
    return Connection(made.detach())
