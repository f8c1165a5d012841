"""Servers of Beam's in this process that listen on this machine alone.

Beam's runner and its LOOPBACK workers listen on all addresses, without asking who is
there; whoever reaches one of their ports can run code. They are always called at
``localhost``, so that is enough.

If Beam changes this: its servers listen on all addresses again, without a sign of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import worker_pool_main

from beam_scanner.beam_internals.overlapping import overlapping

_MODULES: tuple[Any, ...] = (worker_handlers, worker_pool_main)
_EVERYWHERE, _HERE = "[::]:", "localhost:"


class _LocalGrpc:
    """The module ``grpc`` as Beam sees it, but for the addresses of servers."""

    def __getattr__(self, name: str) -> Any:
        return getattr(grpc, name)

    def server(self, *args: Any, **kwargs: Any) -> Any:
        server = grpc.server(*args, **kwargs)
        listen = server.add_insecure_port

        def listen_here(address: str) -> int:
            if address.startswith(_EVERYWHERE):
                address = _HERE + address.removeprefix(_EVERYWHERE)
            port: int = listen(address)
            return port

        server.add_insecure_port = listen_here
        return server


@overlapping
@contextmanager
def listening_here() -> Iterator[None]:
    """While open, servers that Beam starts in this process listen at ``localhost``."""
    for module in _MODULES:
        module.grpc = _LocalGrpc()
    try:
        yield
    finally:
        for module in _MODULES:
            module.grpc = grpc
