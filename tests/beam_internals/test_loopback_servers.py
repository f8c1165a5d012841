"""Beam's servers listen on this machine alone."""

from __future__ import annotations

import socket

import grpc
import psutil
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import worker_pool_main

from beam_scanner.beam_internals.loopback_servers import listening_here


def test_beam_makes_its_servers_by_the_name_that_is_replaced() -> None:
    """Else they listen on all addresses, and whoever reaches them can run code."""
    own = psutil.Process()
    before = {c.laddr for c in own.net_connections("inet") if c.status == "LISTEN"}
    with listening_here():
        address, server = worker_pool_main.BeamFnExternalWorkerPoolServicer.start()
    try:
        found = {
            c.laddr for c in own.net_connections("inet") if c.status == "LISTEN"
        } - before
        assert found
        assert {each.ip for each in found} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
        host, port = address.split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
    finally:
        server.stop(0).wait()


def test_afterwards_they_are_as_before() -> None:
    with listening_here():
        assert worker_handlers.grpc is not grpc
        assert worker_handlers.grpc.RpcError is grpc.RpcError
    assert worker_handlers.grpc is worker_pool_main.grpc is grpc
