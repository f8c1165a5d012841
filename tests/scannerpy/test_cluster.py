"""There is no master and there are no workers."""

from __future__ import annotations

import pytest

from beam_scanner import Client
from beam_scanner.errors import ArgumentError
from beam_scanner.scannerpy import client, cluster


def test_starting_them_says_what_to_use() -> None:
    for start in (cluster.start_master, lambda: cluster.start_worker("host:5001")):
        with pytest.raises(ArgumentError, match=r"Client\(options="):
            start()
    assert client.start_master is cluster.start_master
    with pytest.raises(ArgumentError, match="no master"):
        Client(master="host:5001")
