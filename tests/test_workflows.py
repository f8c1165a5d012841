"""The workflows of GitHub Actions, as actionlint reads them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from tests.support.folders import ROOT

ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7"
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


def test_actionlint_finds_nothing() -> None:
    if shutil.which("go") is None:
        assert os.environ.get("REQUIRE_RUNNERS") != "1", "actionlint needs Go"
        pytest.skip("actionlint needs Go")
    done = subprocess.run(
        ["go", "run", ACTIONLINT, *map(str, WORKFLOWS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_call_targets_that_exist() -> None:
    assert len(WORKFLOWS) >= 2
    makefile = (ROOT / "Makefile").read_text()
    for workflow in WORKFLOWS:
        for target in re.findall(r"make ([a-z-]+)", workflow.read_text()):
            assert re.search(rf"^{target}:", makefile, re.M), target
