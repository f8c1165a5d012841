"""Fixtures of several rooms, and what holds for all tests."""

from __future__ import annotations

import functools
from contextlib import ExitStack

import pytest
from hypothesis import settings

from beam_scanner.kernels import pickling
from tests.support.client_helpers import open_client
from tests.support.object_servers import SERVERS
from tests.support.video_fixtures import make_video

# On a busy machine the time of one example says nothing.
settings.register_profile("no_deadline", deadline=None)
# For --hypothesis-profile=nightly.
settings.register_profile("nightly", deadline=None, max_examples=500)
settings.load_profile("no_deadline")


@pytest.fixture(autouse=True, scope="session")
def workers_without_tests():
    """Kernels of tests travel by value, wherever pytest is started.

    Workers that start in the root of the repository would import ``tests``, and all
    that a test module imports; users' workers have no folder of the program.
    """
    find = pickling._found_by_workers

    @functools.wraps(find)
    def found(names, folder, path):
        return {**find(names, folder, path), "tests": []}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pickling, "_found_by_workers", found)
        yield


@pytest.fixture(scope="session")
def test_video(tmp_path_factory):
    """720 numbered frames, H.264, a keyframe every 24."""
    path = tmp_path_factory.mktemp("videos") / "test1.mp4"
    return make_video(path, frames=720, gop=24)


@pytest.fixture(scope="session")
def small_video(tmp_path_factory):
    """60 numbered frames, from number 1000 on, a keyframe every 12."""
    path = tmp_path_factory.mktemp("videos") / "test2.mp4"
    return make_video(path, frames=60, gop=12, first_number=1000)


@pytest.fixture
def sc(tmp_path):
    """A client with an empty database of its own."""
    with open_client(tmp_path / "db") as client:
        client.named_storage.store(create=True)
        yield client


@pytest.fixture(scope="session")
def _servers():
    """Makes each object store, a server of its own, when it is first asked for."""
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
