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

import pytest

from beam_scanner.kernels.inference import model_server
from beam_scanner.kernels.inference.loaded_models import SharedModel
from beam_scanner.kernels.inference.model_kinds import model_kind
from beam_scanner.kernels.inference.model_messages import receive, send
from beam_scanner.stores.private_folder import private_folder


def respond(batch: Any) -> Any:
    if batch == ["fail"]:
        raise LookupError("no such row")
    return (each * 2 for each in batch)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, threading.Thread]]:
    """The name of a server that is running, and its thread."""
    monkeypatch.setattr(model_server, "IDLE_SECONDS", 0.5)
    monkeypatch.setattr(model_server, "_LOOK_SECONDS", 0.1)
    name = uuid.uuid4().hex
    listener = socket.socket(socket.AF_UNIX)
    with private_folder() as folder:
        listener.bind(folder.short_path(name))
    listener.listen(4)
    listener.settimeout(0.1)
    model = SharedModel(model_kind(respond).load())
    server = model_server._Server(name, listener, model)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield name, thread
    thread.join(20)
    listener.close()
    with private_folder() as folder:
        folder.remove(f"{name}.lock")


def connected(name: str) -> Connection:
    with private_folder() as folder:
        made = socket.socket(socket.AF_UNIX)
        made.connect(folder.short_path(name))
    return Connection(made.detach())


def test_it_answers_until_all_have_gone(served: tuple[str, threading.Thread]) -> None:
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
        time.sleep(1.0)
        assert thread.is_alive()
    thread.join(20)
    assert not thread.is_alive()
    with private_folder() as folder:
        assert not folder.has(name)


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
