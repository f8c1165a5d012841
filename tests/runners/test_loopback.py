"""While a graph runs, nobody on another machine can connect to this one."""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from typing import Any

import psutil
import pytest

from beam_scanner import Client, NamedStream, PerfParams, register_python_op
from tests.support.targets import make_target


def listening(process: int) -> set[tuple[str, int]]:
    """Where a process and those that it has started listen."""
    first = psutil.Process(process)
    found = set()
    for each in (first, *first.children(recursive=True)):
        # A process of an earlier test may end meanwhile.
        with suppress(psutil.NoSuchProcess):
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
