"""The index agrees with FFmpeg's linear decode, and says so when it cannot."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.video.index import NO_PTS, FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.lost_rows import Pictures, rows_of_pictures
from tests.support.packets import packets_of
from tests.support.video_fixtures import make_video


def _same(a: FrameIndex, b: FrameIndex) -> bool:
    return all(
        np.array_equal(getattr(a, field.name), getattr(b, field.name))
        for field in fields(FrameIndex)
        if field.name != "verified"
    )


@settings(max_examples=100, deadline=None)
@given(
    pts=hnp.arrays(np.int64, st.integers(0, 30)),
    keyframes=hnp.arrays(np.int64, st.integers(0, 5)),
    crop=st.none() | st.tuples(st.integers(1, 99), st.integers(1, 99)),
    rate=st.none() | st.fractions(min_value=Fraction(1, 10)),
)
def test_bytes_round_trip(pts, keyframes, crop, rate):
    index = FrameIndex(
        pts=pts,
        time_base=Fraction(1, 90000),
        keyframes=keyframes,
        seek_pts=keyframes - 1,
        seek_dts=np.full_like(keyframes, NO_PTS),
        seek_pos=keyframes * 3,
        gop_bytes=keyframes,
        width=3,
        height=2,
        rotation=90,
        sample_aspect_ratio=Fraction(4, 3),
        codec="h264",
        pix_fmt="yuv420p",
        average_rate=rate,
        stream_index=1,
        duration_seconds=0.1,
        fingerprint="ab",
        crop=crop,
    )
    copy = FrameIndex.from_bytes(index.to_bytes())
    assert _same(index, copy)
    assert copy.to_bytes() == index.to_bytes()
    assert copy.crop == crop


def _long_index(rows: int) -> FrameIndex:
    keyframes = np.arange(0, rows, 250)
    return FrameIndex(
        pts=np.arange(rows) * 1001,
        time_base=Fraction(1, 30000),
        keyframes=keyframes,
        seek_pts=keyframes * 1001,
        seek_dts=keyframes * 1001 - 2002,
        seek_pos=keyframes * 5000,
        gop_bytes=np.full_like(keyframes, 1_250_000),
        width=1920,
        height=1080,
        rotation=0,
        sample_aspect_ratio=Fraction(1),
        codec="h264",
        pix_fmt="yuv420p",
        average_rate=Fraction(30000, 1001),
        stream_index=0,
        duration_seconds=rows * 1001 / 30000,
        fingerprint="0" * 40,
    )


def test_ten_hours_are_small():
    data = _long_index(1_000_000).to_bytes()
    assert len(data) < 20_000
    tracemalloc.start()
    index = FrameIndex.from_bytes(data)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(index) == 1_000_000
    assert held < 9_000_000  # 8 bytes a row and little else


def test_bad_bytes():
    data = _long_index(10).to_bytes()
    with pytest.raises(VideoError, match="not a frame index"):
        FrameIndex.from_bytes(b"")
    newer = data[:8] + (99).to_bytes(2, "little") + data[10:]
    with pytest.raises(VideoError, match="format version 99, expected 3"):
        FrameIndex.from_bytes(newer)
    with pytest.raises(VideoError, match="damaged"):
        FrameIndex.from_bytes(data[:-10])


def test_planners_need_no_ffmpeg():
    code = (
        "import sys, beam_scanner.video.index, beam_scanner.video.encoding;"
        "assert not {'av', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> FrameIndex:
    return index_video(make_video(tmp_path_factory.mktemp("index") / "a.mp4", 40))


@settings(max_examples=50)
@given(rows=st.sets(st.integers(0, 39)))
def test_lost_rows_are_kept_as_stretches(index, rows):
    mask = np.isin(np.arange(40), list(rows))
    lost = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    damaged = FrameIndex.from_bytes(replace(index, lost=lost).to_bytes())
    assert damaged.lost_rows.tolist() == sorted(rows)
    assert damaged.is_lost(np.arange(40)).tolist() == mask.tolist()
    assert (damaged.describe_lost() == "") == (not rows)


def test_what_is_said_of_lost_rows(index):
    lost = np.array([0, 1, 4, 6, 10, 11, 20, 30, 35, 36, 39, 40])
    text = replace(index, lost=lost, damage=("it burnt", "it rained")).describe_lost()
    assert text == (
        "row 0 (at 0.000 s), rows 4 to 5 (0.160 to 0.200 s), row 10 (at 0.400 s), rows "
        "20 to 29 (0.800 to 1.160 s) and 2 more stretches cannot be decoded, 16 of 40 "
        "rows: it burnt"
    )


def test_what_is_no_policy():
    with pytest.raises(ArgumentError, match="must be 'strict' or 'salvage', got None"):
        index_video("a.mp4", damage=None)


@settings(max_examples=200)
@given(data=st.data())
def test_lost_stretches_against_their_definition(data):
    """Groups with reordered pictures; any packet may be a sign or give no frame."""
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    pts, owner, first = [], [], 0
    for group, size in enumerate(sizes):
        rest = data.draw(st.permutations(range(first + 1, first + size)))
        pts += [first, *rest]
        owner += [group] * size
        first += size
    count = len(pts)
    signs = data.draw(st.sets(st.integers(0, count - 1), max_size=3))
    silent = data.draw(st.sets(st.sampled_from(sorted(signs)))) if signs else set()
    packets = packets_of(np.array(pts), np.diff(owner, prepend=-1) > 0)
    shown = sorted((time, n) for n, time in enumerate(pts) if n not in silent)
    numbers = [n for _, n in shown]
    pictures = Pictures([t for t, _ in shown], numbers, numbers)
    pictures.signs = dict.fromkeys(signs, "a sign")
    if not shown:
        return
    rows = rows_of_pictures(packets, pictures)

    begins = [n for n in range(count) if n == 0 or owner[n] != owner[n - 1]]
    begins = [n for n in begins if n not in signs]
    if not begins:
        return
    lost, gone = (
        set(),
        set(pts[: begins[0]]) if signs & set(range(begins[0])) else set(),
    )
    for begin, end in zip(begins, [*begins[1:], count], strict=True):
        bad = [n for n in range(begin, end) if n in signs]
        # A decoder that is one packet late tells of a packet what is true of the last.
        bad += [n for n in range(begin, end) if n in silent]
        if bad:
            since = min(pts[n] for n in range(min(bad), end))
            lost |= {time for time in pts[begin:end] if time >= since}
    assert rows.pts.tolist() == sorted(set(pts) - gone)
    stretches = rows.lost.reshape(-1, 2).tolist()
    found = {int(rows.pts[row]) for a, b in stretches for row in range(a, b)}
    assert found == lost
