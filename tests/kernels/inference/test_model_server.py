"""The process that serves a model: when it ends, and what it tells."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pytest
from apache_beam.ml.inference.base import PredictionResult

from beam_scanner.errors import KernelError
from beam_scanner.kernels.inference import model_server
from beam_scanner.kernels.inference.loaded_models import SharedModel
from beam_scanner.kernels.inference.model_kinds import model_kind
from beam_scanner.kernels.inference.model_messages import receive, send
from beam_scanner.stores.private_folder import private_folder


def respond(batch: Any) -> Any:
    if batch == ["fail"]:
        raise LookupError("no such row")
    if batch == ["lock"]:
        return [threading.Lock()]
    if batch == ["two"]:
        return [1, 2]
    if batch == ["columns"]:
        return {"a": np.arange(1), "b": (PredictionResult(None, 3),)}
    return (each * 2 for each in batch)


class Opens:
    """Cannot be loaded."""

    def __reduce__(self) -> Any:
        return open, ("/no/such/file",)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, threading.Thread]]:
    """The name of a server that is running, and its thread; ``hurry`` lets it end."""
    monkeypatch.setattr(model_server, "IDLE_SECONDS", 600.0)
    monkeypatch.setattr(model_server, "_LOOK_SECONDS", 0.1)
    name = uuid.uuid4().hex
    listener = socket.socket(socket.AF_UNIX)
    with private_folder() as folder:
        listener.bind(folder.short_path(name))
    listener.listen(4)
    listener.settimeout(0.1)
    kind = model_kind(respond)
    server = model_server._Server(name, listener, SharedModel(kind.load()), kind)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield name, thread
    hurry(monkeypatch)
    thread.join(60)
    listener.close()
    with private_folder() as folder:
        folder.remove(f"{name}.lock")


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on it waits for nobody: all that a test needs of it has been done."""
    monkeypatch.setattr(model_server, "IDLE_SECONDS", 0.5)


def connected(name: str) -> Connection:
    with private_folder() as folder:
        made = socket.socket(socket.AF_UNIX)
        made.connect(folder.short_path(name))
    return Connection(made.detach())


def test_it_answers_until_all_have_gone(
    served: tuple[str, threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, thread = served
    with connected(name) as one, connected(name) as two:
        send(one, ([1, 2], None))
        send(two, (["a"], None))
        assert receive(one) == ("done", [2, 4])
        assert receive(two) == ("done", ["aa"])
        send(one, (["fail"], None))
        kind, error = receive(one)
        assert kind == "failed"
        assert type(error) is LookupError
        hurry(monkeypatch)
        time.sleep(1.0)
        assert thread.is_alive()
    thread.join(60)
    assert not thread.is_alive()
    with private_folder() as folder:
        assert not folder.has(name)


def test_what_does_not_travel_is_told(served: tuple[str, threading.Thread]) -> None:
    """And the connection goes on."""
    name, _ = served
    with connected(name) as one:
        for batch, told in [
            (["lock"], "respond gave a result that its process cannot send: .*lock"),
            ([Opens()], "model of respond cannot take the batch: .*FileNotFoundError"),
            (["two"], "respond gave 2 predictions for 1 row"),
        ]:
            send(one, (batch, None))
            kind, error = receive(one)
            assert kind == "failed"
            with pytest.raises(KernelError, match=told):
                raise error
        send(one, (["columns"], None))
        assert receive(one) == ("done", [{"a": 0, "b": 3}])


def test_it_removes_no_socket_of_another(
    served: tuple[str, threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, thread = served
    with private_folder() as folder, socket.socket(socket.AF_UNIX) as other:
        folder.remove(name)
        other.bind(folder.short_path(name))
    hurry(monkeypatch)
    thread.join(60)
    assert not thread.is_alive()
    with private_folder() as folder:
        assert folder.has(name)
        folder.remove(name)


def test_it_knows_that_a_sender_has_gone() -> None:
    one, other = socket.socketpair()
    connection = Connection(one.detach())
    assert not model_server._has_gone(connection)
    other.send(b"x")
    assert not model_server._has_gone(connection)
    other.close()
    with socket.socket(fileno=os.dup(connection.fileno())) as rest:
        assert rest.recv(1) == b"x"
    assert model_server._has_gone(connection)
    connection.close()
