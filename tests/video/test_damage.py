"""Why a video cannot be had, or some of its rows, in words that name them."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import beam_scanner.video
from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.types import NullElement
from beam_scanner.video.damage import Packets, Pictures, counted_rows, rows_of_pictures
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.diagnosis import diagnose
from beam_scanner.video.index import NO_PTS, FrameIndex
from beam_scanner.video.indexing import index_video
from tests.support.corpus import linear_decode
from tests.support.video_fixtures import frame_number, make_video, numbered_frame

KEY = "00112233445566778899aabbccddeeff"


def refused(path, **how) -> str:
    with pytest.raises(VideoError) as caught:
        index_video(path, **how)
    message = str(caught.value)
    assert repr(str(path))[1:-1] in message
    return message


# --- files in which nothing can be read -----------------------------------------------

NO_VIDEOS = {
    "text": (b"Dear diary, today\n" * 99, "it is text"),
    "page": (b"<!DOCTYPE html><html>404</html>", "it is a web page"),
    "zip": (b"PK\3\4" + bytes(range(256)) * 9, "it is a zip archive"),
    "zeros": (bytes(9999), "zeros, as files do that were never completely written"),
    "noise": (bytes(range(7, 256)) * 99, "it does not begin as a video file does"),
    "empty": (b"", "is empty (0 bytes)"),
}


@pytest.mark.parametrize("damage", ["strict", "salvage"])
@pytest.mark.parametrize("extension", ["mp4", "txt"])
@pytest.mark.parametrize("kind", NO_VIDEOS)
def test_what_is_no_video(tmp_path, kind, extension, damage):
    content, reason = NO_VIDEOS[kind]
    path = tmp_path / f"a.{extension}"
    path.write_bytes(content)
    assert reason in refused(path, damage=damage)


def test_the_head_of_an_mp4_is_gone(tmp_path):
    path = Path(make_video(tmp_path / "a.mp4"))
    path.write_bytes(path.read_bytes()[1000:])
    assert "it does not begin as a video file does" in refused(path)


def test_a_recording_that_was_never_ended(tmp_path):
    path = Path(make_video(tmp_path / "a.mp4"))
    data = path.read_bytes()
    at = data.index(b"moov") - 4
    assert "its index (the moov box) is missing" in diagnose(io.BytesIO(data[:at]))
    path.write_bytes(data[:at])
    assert "its index (the moov box) is missing" in refused(path)


@pytest.mark.parametrize("damage", ["strict", "salvage"])
@pytest.mark.parametrize("scheme", ["cenc-aes-ctr"])
def test_encrypted_mp4(tmp_path, scheme, damage):
    options = {
        "encryption_scheme": scheme,
        "encryption_key": KEY,
        "encryption_kid": KEY,
    }
    path = make_video(tmp_path / "a.mp4", container_options=options)
    message = refused(path, damage=damage)
    assert (
        "is encrypted (30 of 30 packets): it cannot be decoded without its" in message
    )


def test_encrypted_transport_stream(tmp_path):
    path = Path(make_video(tmp_path / "a.ts", frames=60, size=(160, 120)))
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(5).bytes(188)
    for start in range(0, len(data), 188):
        if int.from_bytes(data[start + 1 : start + 3], "big") & 0x1FFF >= 0x100:
            data[start + 3] |= 0x80
            data[start + 12 : start + 188] = noise[12:]
    path.write_bytes(data)
    assert "encrypted (a scrambled transport stream)" in refused(path)


# --- files of which a part is there ---------------------------------------------------


@pytest.mark.parametrize("extension", ["mp4", "mkv", "avi", "ts"])
def test_cut_tails(tmp_path, extension):
    options = {"movflags": "faststart"} if extension == "mp4" else {}
    path = make_video(
        tmp_path / f"a.{extension}",
        60,
        bframes=0,
        codec="mpeg4",
        container_options=options,
        size=(160, 120),
    )
    expected = linear_decode(path)
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[: len(data) * 6 // 10])
    if extension != "ts":  # whose length is nowhere
        assert "is cut short: " in refused(path)
    with beam_scanner.video.open(path, damage="salvage") as video:
        assert 25 < len(video) < 45
        good = np.flatnonzero(~video.index.is_lost(np.arange(len(video))))
        assert len(good) > 20
        for row in good.tolist():
            assert np.array_equal(video[row], expected[row])
        if extension != "ts":
            assert "it is cut short: " in video.index.damage[-1]


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


def overwrite(path: str, packets: list[int]) -> None:
    with av.open(path) as container:
        found = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(Path(path).read_bytes())
    for number in packets:
        pos, size = found[number]
        data[pos + 4 : pos + size] = b"\xff" * (size - 4)
    Path(path).write_bytes(data)


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1", "mpeg4", "ffv1"])
def test_rows_and_times_are_named(tmp_path, codec):
    path = make_video(
        tmp_path / "a.mkv",
        50,
        codec,
        gop=10,
        bframes=0,
        size=(160, 120),
    )
    expected = linear_decode(path)
    overwrite(path, [23, 40])
    message = refused(path, verify=True)
    assert "rows 23 to 29 (0.920 to 1.160 s)" in message
    assert "cannot be decoded, " in message
    assert "damage='salvage' takes the other rows, and nulls for these" in message
    with beam_scanner.video.open(path, damage="salvage") as video:
        assert len(video) == 50
        lost = set(video.lost.tolist())
        assert lost >= {*range(23, 30), 40}
        assert lost <= {*range(23, 30), *range(39, 50)}
        for row, frame in enumerate(video):
            if row in lost:
                assert isinstance(frame, NullElement)
            else:
                assert np.array_equal(frame, expected[row])
        assert f"{len(lost)} lost)" in repr(video)
        rows = [45, 22, 24, 3, 24]
        nulls = [isinstance(frame, NullElement) for frame in video.read(rows)]
        assert nulls == [row in lost for row in rows]


def test_strict_names_a_row_when_it_is_read(tmp_path):
    path = make_video(
        *(tmp_path / "a.mp4", 30), gop=10, bframes=0, codec="mpeg4", size=(160, 120)
    )
    overwrite(path, [15])
    with beam_scanner.video.open(path) as video:
        assert len(video) == 30
        assert frame_number(video[14]) == 14
        with pytest.raises(VideoError, match=r"row 15 \(at 0\.600 s\) cannot be"):
            video[15]
        with pytest.raises(VideoError, match=r"row 19 \(at 0\.760 s\) cannot be"):
            video[19]
        assert frame_number(video[20]) == 20


# --- what an index says of it ---------------------------------------------------------


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
    packets = _packets(np.array(pts), np.diff(owner, prepend=-1) > 0)
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


@settings(max_examples=200)
@given(data=st.data())
def test_counted_rows_against_their_definition(data):
    """Stretches without times; any packet may be a sign or give no frame."""
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=6))
    head = data.draw(st.integers(0, 2))
    begins = np.cumsum([head, *sizes]).tolist()
    count = begins[-1]
    clean = np.isin(np.arange(count), begins[:-1])
    packets = _packets(np.full(count, NO_PTS), clean)
    shown, given, late = [], [], 0
    for begin, size in zip(begins, sizes, strict=False):
        for number in data.draw(st.permutations(range(begin, begin + size))):
            late = max(late, min(number + data.draw(st.integers(0, 3)), count - 1))
            shown.append(number)
            given.append(late)
    signs = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=3))
    silent = data.draw(st.sets(st.sampled_from(sorted(signs))))
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
            good = sum(begin <= n < end and out < min(bad) for n, out in frames)
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


def _packets(pts: np.ndarray, clean: np.ndarray) -> Packets:
    return Packets(
        codec="h264",
        pts=pts.astype(np.int64),
        dts=np.arange(len(pts)),
        pos=np.arange(len(pts)),
        size=np.ones(len(pts), np.int64),
        shown=np.ones(len(pts), bool),
        clean=clean,
        pictures=np.ones(len(pts), np.int64),
        marked=np.zeros(len(pts), bool),
        signs={},
        last_duration=1,
        open_gop=False,
        begins_open=False,
    )
