"""Stores in buckets, and what stands before their servers."""

import pytest

from beam_scanner.storage import (
    open_store,
)


@pytest.fixture
def store(bucket_url):
    return open_store(f"{bucket_url}/db")


@pytest.fixture
def forwarder(object_server):
    """What stands before the server, as it was when the test began."""
    forwarder = object_server.forwarder
    forwarder.reset()
    yield forwarder
    forwarder.lose_answers, forwarder.refuse = 0, b""
    forwarder.replace = (b"", b"")
