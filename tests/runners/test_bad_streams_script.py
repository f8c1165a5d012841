"""A small round of ``benchmarks/bad_streams.py``: every way to be bad, in one run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.folders import ROOT

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "benchmarks" / "bad_streams.py"


@pytest.mark.processes
def test_bad_streams_fail_to_the_row_and_all_others_are_committed() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--streams=50", "--share=0.4", "--timeout=10"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "with 20 bad ones" in done.stdout
    assert "0 mistakes" in done.stdout
