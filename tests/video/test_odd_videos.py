"""Legal oddities; ``scripts/odd_videos.py`` has seeds without end."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from oddities import COMMON, ODDITIES, Base, Outcome, compare, encoders, try_seed

SCRIPT = Path(__file__).parents[2] / "scripts" / "odd_videos.py"
SEEDS = range(200)
SEED = 20
# A sample of the pairs of encoder and container.
PAIRS = 150


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("odd")


def test_odd_videos(folder):
    counts = Counter()
    for seed in SEEDS:
        outcome = try_seed(seed, folder, common=True)
        assert not outcome.findings, outcome
        counts.update(
            rows=outcome.rows,
            skipped=bool(outcome.skipped),
            refused=bool(outcome.refused),
        )
    assert counts["rows"] > 3000
    assert counts["skipped"] + counts["refused"] < len(SEEDS) // 4


def test_encoders_in_containers(folder):
    rng, seen = random.Random(SEED), set()
    pairs = [(encoder, muxer) for encoder in encoders() for muxer in COMMON]
    for encoder, muxer in rng.sample(pairs, PAIRS):
        base = Base.make(folder, encoder, muxer)
        if base is None:
            continue
        outcome = Outcome(SEED, encoder, muxer, "plain")
        compare(base.path, outcome, rng, other=False)
        assert not outcome.findings, outcome
        if outcome.rows:
            seen.add(base.codec)
    assert len(seen) > 10


def test_all_oddities_have_their_turn():
    assert len(ODDITIES) > 20
    assert len(encoders()) > 60


def test_script_with_another_build():
    pytest.importorskip("imageio_ffmpeg")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--seeds=4", "--first=7", "--other"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 to 10: 4 ran" in done.stdout
