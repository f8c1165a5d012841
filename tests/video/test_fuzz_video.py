"""Damaged videos; ``scripts/fuzz_video.py`` has many more seeds."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tests.support.folders import ROOT
from tests.support.video_fuzzing import DAMAGES, FUZZED, fuzz

SCRIPT = ROOT / "scripts" / "fuzz_video.py"
SEEDS = range(7000, 7100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzzed")


@pytest.mark.slow
def test_rows_of_damaged_videos(folder):
    counts = Counter()
    for seed in SEEDS:
        outcome = fuzz(seed, folder)
        assert not outcome.findings, outcome
        counts.update(
            given=outcome.given, errors=outcome.errors, refused=bool(outcome.refused)
        )
    assert counts["given"] > 8000
    assert counts["errors"] > 500
    assert 10 < counts["refused"] < 80


def test_all_kinds_and_damages_have_their_turn(folder):
    kinds = {kind.name for kind in FUZZED}
    assert len(kinds) == len(FUZZED) > 40
    assert {"h264_open", "hevc_layers", "vp9", "av1", "mpeg2_ts", "ffv1"} <= kinds
    assert len(DAMAGES) == 14


@pytest.mark.slow
def test_script():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--seeds=8", "--first=3", "--kinds=mpeg4,vp9"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seeds 3 to 10: 8 seeds" in done.stdout
    assert "0 with findings" in done.stdout
