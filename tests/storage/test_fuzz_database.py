"""Damaged databases; ``scripts/fuzz_database.py`` has many more seeds."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.folders import ROOT

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "scripts" / "fuzz_database.py"


@pytest.mark.parametrize(
    ("version", "first", "seeds"),
    [(2, 1000, 90), (2, 2000, 90), (1, 3000, 60)],
    ids=["now", "now, others", "older release"],
)
def test_damaged_databases(version, first, seeds):
    """In processes of their own, so that a crash or a hang is seen."""
    done = subprocess.run(
        [
            *(sys.executable, str(SCRIPT), f"--first={first}", f"--seeds={seeds}"),
            *(f"--version={version}", "--memory=6144"),
        ],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) seeds, (\d+) noticed, (\d+) readings", done.stdout)
    assert found is not None, done.stdout
    assert int(found[1]) == seeds
    # Most damage is read by somebody; the rest is to what only a run would use.
    assert version == 1 or int(found[2]) > seeds / 2
    assert int(found[3]) > 15 * seeds
