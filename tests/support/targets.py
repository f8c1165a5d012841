"""The runners that tests run graphs on, and how many tasks each works on at a time.

``runner_flags`` (a fixture, see ``conftest.py``) gives a test Beam's flags of every
runner in turn. Where one is missing its tests are skipped; with ``REQUIRE_RUNNERS=1``
they fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from scripts import runner_services as services

IN_MEMORY = ["--runner=FnApiRunner", "--direct_running_mode=in_memory"]


@dataclass(frozen=True)
class Target:
    """A runner.

    Attributes:
        name: As tables have it.
        flags: Beam's flags for a number of tasks at a time.
        processes: Whether its workers are processes, not threads of the driver.
        most: How many tasks at a time it can work on.
    """

    name: str
    flags: Callable[[int], list[str]]
    processes: bool
    most: int


def _direct(mode: str) -> Callable[[int], list[str]]:
    return lambda parallelism: [
        "--runner=FnApiRunner",
        f"--direct_running_mode={mode}",
        f"--direct_num_workers={parallelism}",
    ]


def _prism(parallelism: int) -> list[str]:
    # It splits work into as many bundles as it likes, eight at a time.
    return ["--runner=PrismRunner", f"--prism_location={services.PRISM}"]


def _memory(parallelism: int) -> list[str]:
    return IN_MEMORY


TARGETS = ("memory", "threads", "processes", "prism", "flink-embedded", "flink-cluster")
_FETCHED = {
    "prism": "prism",
    "flink-embedded": "flink",
    "flink-cluster": "flink",
    "sql": "sql",
}


def params(*names: str) -> list[Any]:
    """Parameters for ``target`` and ``runner_flags``: all runners, or some of them.

    All tests of a runner run in one of pytest's workers, which starts it once. Flink
    takes long to start and to answer, so its tests are slow ones.
    """
    return [
        pytest.param(
            name,
            id=name,
            marks=[
                pytest.mark.processes,
                pytest.mark.xdist_group(name),
                *([pytest.mark.slow] if name.startswith("flink") else []),
            ],
        )
        for name in names or TARGETS
    ]


def require(name: str) -> None:
    """Skips the test, or fails it, where a runner is missing."""
    fetched = _FETCHED.get(name)
    why = services.missing(fetched) if fetched else None
    if why is not None:
        if os.environ.get("REQUIRE_RUNNERS") == "1":
            pytest.fail(f"REQUIRE_RUNNERS=1, but {why}")
        pytest.skip(why)


def make_target(name: str, request: pytest.FixtureRequest) -> Target:
    """A runner, started if it must be."""
    require(name)
    if name == "flink-embedded":
        embedded = request.getfixturevalue("flink_embedded")
        return Target(name, embedded.flags, processes=False, most=4)
    if name == "flink-cluster":
        cluster = request.getfixturevalue("flink_cluster")
        return Target(name, cluster.flags, processes=True, most=4)
    return {
        "memory": Target(name, _memory, processes=False, most=1),
        "threads": Target(name, _direct("multi_threading"), processes=False, most=4),
        "processes": Target(name, _direct("multi_processing"), processes=True, most=4),
        "prism": Target(name, _prism, processes=False, most=8),
    }[name]
