"""Runners, started once for all tests of a pytest worker."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from beam_scanner.runners.portable import loopback_workers
from scripts import runner_services as services
from tests.support.targets import Target, make_target, params, require
from tests.support.video_fixtures import make_video


@pytest.fixture(scope="session")
def flink_embedded(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[services.FlinkEmbedded]:
    require("flink-embedded")
    with services.FlinkEmbedded(tmp_path_factory.mktemp("flink-embedded")) as started:
        yield started


@pytest.fixture(scope="session")
def started_flink_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[services.FlinkCluster]:
    require("flink-cluster")
    with services.FlinkCluster(tmp_path_factory.mktemp("flink-cluster")) as started:
        yield started


@pytest.fixture
def flink_cluster(
    started_flink_cluster: services.FlinkCluster,
) -> services.FlinkCluster:
    """All of it, whatever a test before has ended."""
    started_flink_cluster.mend()
    return started_flink_cluster


@pytest.fixture(params=params())
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """Each runner in turn."""
    made = make_target(request.param, request)
    # Workers in threads raise when their runner hangs up, and Beam waits for none of
    # them: it would be the failure of whichever test is at work then.
    with loopback_workers():
        yield made


@pytest.fixture
def runner_flags(target: Target) -> list[str]:
    """Beam's flags of each runner in turn, for two tasks at a time."""
    return target.flags(2)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    """96 numbered frames, a keyframe every 12."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_video(path, frames=96, gop=12)


@pytest.fixture(scope="module")
def listener() -> Iterator[str]:
    """An address where somebody listens."""
    with socket.create_server(("localhost", 0)) as server:
        yield f"localhost:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """An address where nothing listens."""
    # Kept, so that nobody else gets it.
    with socket.socket() as one:
        one.bind(("localhost", 0))
        yield f"localhost:{one.getsockname()[1]}"
