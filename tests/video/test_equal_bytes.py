"""Equal frames give equal files, whatever the memory held before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib, sys, tempfile
import numpy as np
from beam_scanner.video.encoder import VideoEncoder
from beam_scanner.video.encoding import Encoding

small = np.random.default_rng(0).integers(0, 256, (8, 25, 3), dtype=np.uint8)
picture = np.kron(small, np.ones((9, 20, 1), np.uint8))
widths = {"h264": [96, 120, 136, 160, 320, 400], "hevc": [34, 48, 96, 160, 400]}
for codec in ["h264", "hevc", "vp9", "raw"]:
    for width in widths.get(codec, [96, 160]):
        path = tempfile.mktemp(suffix=".mp4")
        with VideoEncoder(path, Encoding(codec=codec)) as encoder:
            for row in range(16):
                frame = np.roll(picture, 3 * row, axis=1)[:, :width]
                encoder.write(frame, row / 25)
        with open(path, "rb") as file:
            print(codec, width, hashlib.sha256(file.read()).hexdigest())
"""


def encoded(memory: int) -> list[str]:
    """Digests of files; glibc fills memory that it hands out with ``memory``."""
    env = {**os.environ, "MALLOC_PERTURB_": str(memory)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.slow
def test_encoded_bytes_do_not_depend_on_memory() -> None:
    first = encoded(0)
    assert len(first) == 15
    for memory in (85, 170):
        assert encoded(memory) == first
