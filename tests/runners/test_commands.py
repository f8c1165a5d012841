"""The commands of the README for each runner, run as they are printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from beam_scanner import NamedStorage, NamedStream
from scripts import runner_services as services
from tests.support.folders import ROOT
from tests.support.targets import make_target, params, require

PAGE = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"`python -m pipeline (--runner=\w+ .*?)`", PAGE)
CLUSTER_PORTS = (8099, 8098, 8081, 6123, 8097)


def command_for(flag: str) -> list[str]:
    (found,) = [text for text in COMMANDS if flag in text]
    return shlex.split(found)


def run(arguments: list[str], film: str, folder: Path) -> None:
    shutil.copy(film, folder / "film.mp4")
    (folder / ".cache").symlink_to(ROOT / ".cache")
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    assert "Traceback" not in done.stderr
    assert NamedStream(NamedStorage(str(folder / "db")), "shots/film.mp4").committed()


def test_every_command_is_run_here() -> None:
    assert len(COMMANDS) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flag", "name"),
    [
        pytest.param(
            "DirectRunner --direct_num", "processes", marks=pytest.mark.processes
        ),
        ("multi_threading", "threads"),
        pytest.param(
            "PrismRunner",
            "prism",
            marks=[pytest.mark.processes, pytest.mark.xdist_group("prism")],
        ),
        pytest.param(
            "FlinkRunner",
            "flink-embedded",
            marks=[
                pytest.mark.processes,
                pytest.mark.slow,
                pytest.mark.xdist_group("flink-embedded"),
            ],
        ),
    ],
)
def test_a_command(flag: str, name: str, film: str, tmp_path: Path) -> None:
    require(name)
    run(command_for(flag), film, tmp_path)


@pytest.mark.parametrize("name", params("flink-cluster"))
def test_the_command_for_a_cluster(
    name: str, film: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    printed = command_for("PortableRunner")
    flags = services.FlinkCluster(tmp_path, CLUSTER_PORTS).flags(2)
    assert printed[: len(flags)] == flags
    started = make_target(name, request).flags(2)
    run([*started, *printed[len(flags) :]], film, tmp_path)
