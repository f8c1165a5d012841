"""A few rounds of ``scripts/kill_test.py``."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.folders import ROOT

SCRIPT = ROOT / "scripts" / "kill_test.py"


@pytest.mark.slow
@pytest.mark.processes
def test_runs_that_are_killed_are_made_good() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills=3", "--seed=7", "--frames=120"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills: every stream has the bytes" in done.stdout


@pytest.mark.slow
@pytest.mark.processes
def test_writers_that_are_killed_lose_nothing() -> None:
    script = SCRIPT.with_name("kill_writers.py")
    done = subprocess.run(
        [sys.executable, str(script), "--rounds=3", "--scenes", "rm", "gc", "two"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" s\n") == 3
