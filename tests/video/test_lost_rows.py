"""Why a video cannot be had, or some of its rows, in words that name them."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import beam_scanner.video
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.index import NO_PTS, FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.lost_rows import Pictures, counted_rows
from tests.support.corpus import linear_decode
from tests.support.packets import packets_of
from tests.support.video_fixtures import frame_number, make_video, numbered_frame

# --- files in which nothing can be read -----------------------------------------------


# --- files of which a part is there ---------------------------------------------------


@pytest.mark.parametrize("codec", ["h264", "hevc", "mpeg2video"])
def test_recordings_that_begin_anywhere(tmp_path, codec):
    """What comes before the first keyframe is no row, and no reason to fail."""
    path = make_video(tmp_path / "a.ts", 60, codec=codec, size=(160, 120))
    expected = linear_decode(path)
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[len(data) // 188 * 3 // 10 * 188 :])
    with beam_scanner.video.open(path) as video:
        first = frame_number(video[0])
        assert first in range(12, 37)
        assert len(video) == 60 - first
        for row in (len(video) - 1, 3, 0):
            assert np.array_equal(video[row], expected[first + row])


def test_no_keyframe_at_all(tmp_path):
    whole = make_video(tmp_path / "whole.mkv", codec="mpeg4", gop=1000)
    path = tmp_path / "a.mkv"
    with av.open(whole) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in [p for p in source.demux(video=0) if p.size][1:]:
            packet.stream = stream
            target.mux(packet)
    expected = linear_decode(str(path))
    for damage in ("strict", "salvage"):
        with beam_scanner.video.open(path, damage=damage) as video:
            assert len(video) == len(expected) > 20
            assert video.keyframes.tolist() == [0]
            assert len(video.lost) == 0
            for row in (len(video) - 1, 3, 0, 9):
                assert np.array_equal(video[row], expected[row])


# --- what an index says of it ---------------------------------------------------------


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> FrameIndex:
    return index_video(make_video(tmp_path_factory.mktemp("index") / "a.mp4", 40))


@settings(max_examples=200)
@given(data=st.data())
def test_counted_rows_against_their_definition(data):
    """Stretches without times; any packet of one with a sign may give no frame."""
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=6))
    head = data.draw(st.integers(0, 2))
    begins = np.cumsum([head, *sizes]).tolist()
    count = begins[-1]
    clean = np.isin(np.arange(count), begins[:-1])
    packets = packets_of(np.full(count, NO_PTS), clean)
    shown, given, late = [], [], 0
    for begin, size in zip(begins, sizes, strict=False):
        for number in data.draw(st.permutations(range(begin, begin + size))):
            late = max(late, min(number + data.draw(st.integers(0, 3)), count - 1))
            shown.append(number)
            given.append(late)
    signs = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=3))
    bounds = [(a, b) for a, b in pairwise([0, *begins]) if signs & set(range(a, b))]
    near = [n for a, b in bounds for n in range(a, b)]
    silent = data.draw(st.sets(st.sampled_from(near)))
    kept = [i for i, number in enumerate(shown) if number not in silent]
    pictures = Pictures(
        [None] * len(kept), [shown[i] for i in kept], [given[i] for i in kept]
    )
    pictures.signs = dict.fromkeys(signs, "a sign")
    rows = counted_rows(packets, pictures)

    signs |= {n - 1 for n in signs if n and n - 1 not in pictures.packets}
    hurt = [{n for n in signs if a <= n < b} for a, b in pairwise(begins)]
    if all(hurt):
        assert rows is None
        return
    lost, entries = set(), [0]
    for begin, end, bad in zip(begins, begins[1:], hurt, strict=False):
        if bad:
            frames = zip(pictures.packets, pictures.given, strict=True)
            first = min(bad | (silent & set(range(begin, end))))
            good = sum(begin <= n < end and out < first for n, out in frames)
            lost |= set(range(begin - head + good, end - head))
            entries += [end - head] if end < count else []
    assert (len(rows.pts), rows.timed) == (count - head, False)
    assert rows.pts.tolist() == [NO_PTS] * len(rows.pts)
    stretches = rows.lost.reshape(-1, 2).tolist()
    assert {row for a, b in stretches for row in range(a, b)} == lost
    assert rows.start_rows.tolist() == entries
    assert (rows.starts - head).tolist() == entries


@pytest.mark.parametrize("extension", ["h264", "hevc"])
@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("hurt", [(1,), (0, 3), (2, 3, 5), (5,)])
def test_streams_without_times(extension, bframes, hurt, tmp_path):
    path = tmp_path / f"a.{extension}"
    make_video(path, 60, codec=extension, gop=10, bframes=bframes)
    whole = index_video(path)
    assert (len(whole), whole.timed, whole.seekable) == (60, False, False)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux() if p.size]
    data = bytearray(path.read_bytes())
    for group in hurt:
        packet = packets[10 * group + 4]
        # What follows the start code and the header of a NAL unit.
        start, stop = packet.pos + 6, packet.pos + packet.size
        data[start:stop] = b"\xff" * (stop - start)
    path.write_bytes(data)
    index = index_video(path, damage="salvage")
    assert len(index) == 60
    lost = set(index.lost_rows.tolist())
    assert {row // 10 for row in lost} <= set(hurt)
    assert all(any(row // 10 == group for row in lost) for group in hurt)
    good = [row for row in range(60) if row not in lost]
    rng = random.Random(7)
    with VideoDecoder(path, index) as decoder:
        assert [frame_number(f) for f in decoder.read(good)] == good
    for row in rng.sample(good, 12):
        with VideoDecoder(path, index) as decoder:
            assert [frame_number(f) for f in decoder.read([row])] == [row]
    with VideoDecoder(path, index) as decoder:
        few = sorted(rng.sample(good, 9))
        assert [frame_number(f) for f in decoder.read(few)] == few


def _with_sets_once(data: bytes) -> bytes:
    """Raw H.264 whose parameter sets come only before its first picture."""
    first, *rest = data.split(b"\0\0\1")
    seen, kept = False, []
    for nal in rest:
        kind = nal[0] & 0x1F
        if kind not in (7, 8) or not seen:
            kept.append(nal)
        seen = seen or kind == 5
    return b"\0\0\1".join([first, *kept])


def test_starts_whose_parameter_sets_came_before_them(tmp_path):
    parts = []
    for offset in (0, 8):
        path = make_video(
            tmp_path / f"{offset}.h264",
            30,
            gop=10,
            bframes=0,
            options={"x264-params": f"chroma-qp-offset={offset}", "crf": "40"},
            first_number=30 * bool(offset),
            picture=lambda number, size: (
                numbered_frame(number, size) * [1.0, 0.2, 0.6] + [0, 40, 9]
            ).astype(np.uint8),
        )
        parts.append(_with_sets_once(Path(path).read_bytes()))
    whole = tmp_path / "whole.h264"
    whole.write_bytes(b"".join(parts))
    expected = linear_decode(str(whole))
    assert len(expected) == 60
    with av.open(str(whole)) as container:
        hurt = [p for p in container.demux() if p.size][34]
    data = bytearray(whole.read_bytes())
    data[hurt.pos + 6 : hurt.pos + hurt.size] = b"\xff" * (hurt.size - 6)
    path = tmp_path / "hurt.h264"
    path.write_bytes(data)
    index = index_video(path, damage="salvage")
    good = [row for row in range(len(index)) if not index.is_lost(row)]
    # A decoder that begins behind the damage has the first part's parameter sets.
    assert good == list(range(34))
    with VideoDecoder(path, index) as decoder:
        for row, frame in zip(good, decoder.read(good), strict=True):
            assert np.array_equal(frame, expected[row]), row
