"""While a graph runs, nobody on another machine can connect to this one."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any

import grpc  # type: ignore[import-untyped]
import psutil
import pytest
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import worker_pool_main

from beam_scanner import Client, NamedStream, PerfParams, register_python_op
from beam_scanner.runners.loopback import listening_here
from tests.support.targets import make_target


def listening(process: int) -> set[tuple[str, int]]:
    """Where a process and those that it has started listen."""
    first = psutil.Process(process)
    found = set()
    for each in (first, *first.children(recursive=True)):
        for connection in each.net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                found.add((connection.laddr.ip, connection.laddr.port))
    return found


def is_open(address: str) -> bool:
    """Whether an address is one of those that other machines reach."""
    ip = ipaddress.ip_address(address)
    return not (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


@register_python_op(name="SeesListening")
def sees_listening(config: Any, x: Any) -> Any:
    """The addresses of the driver, and of all that it has started."""
    return sorted(listening(x))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.processes, pytest.mark.xdist_group(name)])
        for name in ("memory", "threads", "processes")
    ],
)
def test_runs_on_this_machine(name, tmp_path, request):
    before = listening(os.getpid())
    flags = make_target(name, request).flags(2)
    with Client(db_path=str(tmp_path / "db"), options=flags) as sc:
        given, seen = NamedStream(sc, "in"), NamedStream(sc, "seen")
        given.save([os.getpid()] * 4, Any)
        told = sc.ops.SeesListening(x=sc.io.Input([given]))
        sc.run(sc.io.Output(told, [seen]), PerfParams.manual(1, 2))
        found = {tuple(each) for row in seen.load() for each in row} - before
    assert bool(found) == (name != "memory"), "Beam starts servers in another way now"
    assert [each for each in sorted(found) if is_open(each[0])] == []


def test_the_workers_of_other_runners():
    before = listening(os.getpid())
    with listening_here():
        address, server = worker_pool_main.BeamFnExternalWorkerPoolServicer.start()
    try:
        found = listening(os.getpid()) - before
        assert found
        assert not any(is_open(ip) for ip, _ in found)
        host, port = address.split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
    finally:
        server.stop(0).wait()


def test_other_pipelines_are_left_alone():
    with listening_here(), listening_here():
        pass
    assert worker_handlers.grpc is grpc
    assert worker_pool_main.grpc is grpc
