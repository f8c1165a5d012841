"""Object stores that are servers of their own, for whoever asks for one."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from object_servers import SERVERS


@pytest.fixture(scope="session")
def _servers():
    """Makes each server when it is first asked for."""
    with ExitStack() as stack:
        started = {}

        def get(scheme):
            if scheme not in started:
                started[scheme] = SERVERS[scheme](stack)
            return started[scheme]

        yield get


@pytest.fixture(params=["gs", "s3"])
def object_server(request, _servers, monkeypatch):
    """A server, and the environment that leads to it; once for each service."""
    server = _servers(request.param)
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def bucket_url(object_server):
    """The URL of a new, empty bucket."""
    return object_server.make_bucket()
