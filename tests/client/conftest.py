"""Videos and clients of the tests of the client."""

from __future__ import annotations

import pytest
from client_helpers import open_client
from video_fixtures import make_video


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
