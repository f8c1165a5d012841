"""The process that has a model which several processes of a machine share.

Beam proxies each method of such a model, so that whatever a handler asks the model for
has to be pickled. Here whole batches travel, and the handler is where its model is.

It is started by the first who needs it, and ends when nobody has been connected to it
for a while, or when a batch whose sender has gone does not end.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from beam_scanner.errors import KernelError
from beam_scanner.kernels.at_element import at_element
from beam_scanner.kernels.inference.loaded_models import SharedModel, loaded
from beam_scanner.kernels.inference.model_kinds import ModelKind
from beam_scanner.kernels.inference.model_messages import (
    FIT,
    MessageError,
    receive,
    send,
    sendable,
)
from beam_scanner.kernels.inference.predictions import finished, predictions_of
from beam_scanner.stores.private_folder import private_folder

IDLE_SECONDS = 10.0
"""How long it waits for others when the last one has gone."""

_STUCK_SECONDS = 10.0
"""How long a batch may take when its sender has gone."""

_LOOK_SECONDS = 0.5


def main(name: str, ready: int, lock: int) -> None:
    """Loads the model that standard input has, and serves it.

    Args:
        name: Of the socket in the private folder of this user, and of its lock.
        ready: Where to write that it is loaded, or the error.
        lock: The lock, open. Whoever has started this process may die: it stays locked
            until others can connect, so that they start no second process.
    """
    # Interrupts are for the program, which ends those that are connected.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer = Connection(ready, readable=False)
    try:
        kind, model, listener = _start(name)
    except BaseException as error:
        send(answer, sendable(error))
        return
    os.close(lock)
    with suppress(OSError):
        send(answer, model.loading.pop())
    answer.close()
    _Server(name, listener, model, kind).serve()


def _start(name: str) -> tuple[ModelKind, SharedModel, socket.socket]:
    from beam_scanner.kernels.module_values import check_values
    from beam_scanner.kernels.pickling import loads_graph

    source = loads_graph(sys.stdin.buffer.read())
    check_values()
    source.kind.set_environment()
    model = loaded(source.load)
    listener = socket.socket(socket.AF_UNIX)
    with private_folder() as folder:
        folder.remove(name)
        listener.bind(folder.short_path(name))
    listener.listen(64)
    listener.settimeout(_LOOK_SECONDS)
    return source.kind, model, listener


class _Server:
    def __init__(
        self, name: str, listener: socket.socket, model: SharedModel, kind: ModelKind
    ) -> None:
        self._name = name
        self._listener = listener
        self._model = model.model
        self._kind = kind
        with private_folder() as folder:
            self._socket = folder.identity(name)
        self._lock = threading.Lock()
        self._users = 0
        self._left = time.monotonic()

    def serve(self) -> None:
        """Takes connections until there are none for a while."""
        while True:
            try:
                accepted, _ = self._listener.accept()
            except TimeoutError:
                if self._is_idle() and self._may_end():
                    return
                continue
            accepted.setblocking(True)
            with self._lock:
                self._users += 1
            connection = Connection(accepted.detach())
            threading.Thread(target=self._work, args=[connection], daemon=True).start()

    def _is_idle(self) -> bool:
        with self._lock:
            since = time.monotonic() - self._left
            return not self._users and since > IDLE_SECONDS

    def _may_end(self) -> bool:
        """Removes the socket, unless somebody is about to connect."""
        with private_folder() as folder, folder.file(f"{self._name}.lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            self._listener.setblocking(False)
            with suppress(BlockingIOError):
                accepted, _ = self._listener.accept()
                # It finds a connection that has ended, and starts another process.
                accepted.close()
            if folder.identity(self._name) == self._socket:
                folder.remove(self._name)
            return True

    def _work(self, connection: Connection) -> None:
        try:
            while True:
                self._reply(connection, self._answer(connection))
        except (EOFError, OSError):
            pass
        finally:
            connection.close()
            with self._lock:
                self._users -= 1
                self._left = time.monotonic()

    def _reply(self, connection: Connection, answer: tuple[str, Any]) -> None:
        try:
            send(connection, answer)
        except MessageError as error:
            text = (
                f"{self._kind.name} gave a result that its process cannot send: {error}; "
                f"have its last with_postprocess_fn give {FIT}"
            )
            send(connection, ("failed", KernelError(text)))
        except MemoryError as error:
            send(connection, ("failed", sendable(error)))

    def _answer(self, connection: Connection) -> tuple[str, Any]:
        try:
            examples, arguments = receive(connection)
        except MessageError as error:
            text = (
                f"the process that has the model of {self._kind.name} cannot take the "
                f"batch: {error}; have preprocess give {FIT}"
            )
            return "failed", KernelError(text)
        done = threading.Event()
        watch = threading.Thread(target=_watch, args=[connection, done], daemon=True)
        watch.start()
        try:
            return "done", self._predicted(examples, arguments)
        except BaseException as error:
            return "failed", sendable(error)
        finally:
            done.set()
            watch.join()

    def _predicted(self, examples: list[Any], arguments: Any) -> list[Any]:
        """One plain value a row: what a handler gives may be known to it alone."""
        result = self._model.predict(examples, arguments)
        found = []
        predictions = predictions_of(result, len(examples), self._kind.name)
        for index, prediction in enumerate(predictions):
            with at_element(index):
                found.append(finished(prediction, self._kind.after))
        return found


def _watch(connection: Connection, done: threading.Event) -> None:
    """Ends the process where a batch does not end whose sender has gone."""
    gone = 0.0
    while not done.wait(_LOOK_SECONDS):
        if not gone and _has_gone(connection):
            gone = time.monotonic()
        if gone and time.monotonic() - gone > _STUCK_SECONDS:
            os._exit(1)


def _has_gone(connection: Connection) -> bool:
    try:
        other = socket.socket(fileno=os.dup(connection.fileno()))
        with other:
            return other.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
