"""Legal oddities; ``scripts/odd_videos.py`` has seeds without end."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

import pytest

from tests.support.folders import ROOT
from tests.support.odd_reading import Outcome, compare
from tests.support.odd_samples import COMMON, Base, encoders
from tests.support.oddities import ODDITIES, try_one, try_seed

SCRIPT = ROOT / "scripts" / "odd_videos.py"
SEEDS = range(120)
SEED = 20
# A sample of the pairs of encoder and container.
PAIRS = 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("odd")


@pytest.mark.slow
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
    assert counts["rows"] > 1500
    assert counts["skipped"] + counts["refused"] < len(SEEDS) // 4


@pytest.mark.slow
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
    assert len(seen) > 8


NALS = ("libx264", "libx265")
KINDS = [
    *(
        (e, m, "no_pictures")
        for e in NALS
        for m in ("mp4", "matroska", "mpegts", "flv")
    ),
    *((e, m, "bad_messages") for e in NALS for m in ("mp4", "matroska", "mpegts")),
    *((e, m, "other_sets") for e in NALS for m in ("mp4", "mov")),
    ("libx265", "mpegts", "other_sets"),
    *((e, "mpegts", "other_sets") for e in ("mpeg2video", "mpeg4")),
    *((e, "mpegts", "sets_once") for e in (*NALS, "mpeg2video")),
    *(
        (e, m, "joined")
        for e in ("libx264", "mpeg2video")
        for m in ("mpegts", "matroska")
    ),
    *(("libvpx", m, "joined") for m in ("matroska", "webm", "ogg")),
    ("mpeg2video", "mpeg", "joined"),
    *((e, "avi", "unknown_sizes") for e in ("mjpeg", "mpeg4", "libx264")),
    *((e, m, "junk_behind") for e in NALS for m in ("mp4", "mov")),
    *((e, "mp4", "empty_sample") for e in (*NALS, "mpeg4", "libvpx-vp9")),
    *((e, "mp4", "edited") for e in (*NALS, "mpeg4")),
    *((e, "mp4", "empty_samples") for e in (*NALS, "mpeg4", "libvpx-vp9")),
    *((e, m, "two_descriptions") for e in (*NALS, "mpeg4") for m in ("mp4", "mov")),
    *((e, "avi", "no_keyframes") for e in ("mpeg4", "h263p", "flv", "wmv2", "msmpeg4")),
    *((e, "nut", "no_keyframes") for e in ("mpeg4", "h263", "wmv2")),
]


@pytest.mark.parametrize(("encoder", "muxer", "oddity"), KINDS)
def test_kinds(encoder, muxer, oddity, folder):
    base = Base.make(folder, encoder, muxer)
    if base is None:
        pytest.skip(f"{encoder} does not go into {muxer}")
    for seed in range(3):
        outcome = Outcome(seed, encoder, muxer, oddity)
        try_one(base, outcome, random.Random(seed), other=False)
        assert not outcome.findings, outcome
        assert outcome.rows, outcome


def test_all_oddities_have_their_turn():
    assert len(ODDITIES) > 20
    assert len(encoders()) > 60


@pytest.mark.slow
def test_script_with_another_build():
    pytest.importorskip("imageio_ffmpeg")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--seeds=4", "--first=7", "--other"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 to 10: 4 ran" in done.stdout
