"""Frames that are decoded ahead: the same as those of a linear decode, in any order."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import random
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import beam_scanner.video
from beam_scanner import NamedVideoStorage, NamedVideoStream, NullElement
from beam_scanner.data import Frames
from beam_scanner.data.shared_memory import whole_pages
from beam_scanner.errors import (
    ArgumentError,
    RowError,
    StreamNotFoundError,
    VideoError,
)
from beam_scanner.rows.gops import ascending_cost
from beam_scanner.storage import StoredStream
from beam_scanner.storage.streams.formats import (
    FormatIndex,
    FormatReader,
    FormatStream,
    NumpyStack,
    VideoFormat,
)
from beam_scanner.types import FrameType
from tests.support.corpus import SHARED, linear_decode
from tests.support.damaged_videos import hurt
from tests.support.decoding import check, processes, taken, wait_for_end
from tests.support.tiers import most_slow
from tests.support.video_fixtures import frame_number, make_video

FRAMES = 60
LARGE: dict[str, Any] = {"gop": 10, "bframes": 0, "size": (160, 120)}
"""For videos whose packets are large enough to be damaged."""
KINDS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "one-keyframe.mp4": {"gop": 1000},
    "variable.mkv": {
        "pts": np.cumsum([1, 5, 2] * 20).tolist(),
        "time_base": Fraction(1, 50),
    },
    "intra.avi": {"codec": "mjpeg"},
    "raw.h264": {},
    "vp9.webm": {"codec": "vp9"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("frames")


@pytest.fixture(scope="module")
def path(folder):
    return make_video(folder / "a.mp4", FRAMES)


@pytest.fixture(scope="module")
def expected(path):
    return linear_decode(path)


@pytest.fixture(scope="module")
def films(folder):
    """Three videos, of which the last has another size."""
    options: list[dict[str, Any]] = [
        {"frames": 40},
        {"frames": 25, "gop": 5, "first_number": 100},
    ]
    paths = [make_video(folder / f"{n}.mp4", **o) for n, o in enumerate(options)]
    return [*paths, make_video(folder / "2.mp4", 30, size=(96, 80), first_number=200)]


@pytest.mark.parametrize("kind", most_slow(KINDS, fast=2))
@settings(max_examples=15)
@given(
    rows=st.lists(st.integers(0, FRAMES - 1), max_size=80),
    chunk=st.integers(1, 20),
    room=st.integers(0, 60),
)
def test_any_rows_in_any_order(folder, kind, rows, chunk, room):
    path = folder / kind
    if not path.exists():
        make_video(path, FRAMES, **KINDS[kind])
        np.save(f"{path}.npy", np.stack(linear_decode(path)))
    frames = np.load(f"{path}.npy", mmap_mode="r")
    ahead = whole_pages(chunk * frames[0].nbytes) + room * frames[0].nbytes
    with Frames(path, rows, chunk, ahead, workers=0) as reading:
        chunks = taken(reading)
    check(chunks, rows, frames)
    sizes = [len(found) for found, _ in chunks]
    assert sizes == [min(chunk, len(rows) - at) for at in range(0, len(rows), chunk)]


@pytest.mark.parametrize("seed", [*most_slow(range(8), fast=2)])
def test_processes_give_the_same(path, expected, seed):
    draw = random.Random(seed)
    rows = [draw.randrange(FRAMES) for _ in range(200)]
    chunk, ahead = draw.randint(1, 30), draw.randint(1, 3) * 30 * 12288
    workers = draw.randint(1, 3)
    print(f"seed {seed}: {chunk=}, {ahead=}, {workers=}")
    with Frames(path, rows, chunk, ahead, workers) as frames:
        check(taken(frames), rows, expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "file",
    sorted(
        [*SHARED.glob("*.m[pk][4v]"), *(SHARED.parent / "faults" / "videos").glob("*")]
    ),
    ids=lambda file: file.name,
)
def test_odd_and_real_videos(file):
    try:
        video = beam_scanner.video.open(file, damage="salvage")
    except VideoError:
        pytest.skip("no video")
    draw = random.Random(file.name)
    good = [row for row in range(min(len(video), 300)) if row not in video.lost]
    rows = draw.choices(good, k=60)
    frames = dict(zip(rows, video.frames_at(rows), strict=True))
    with Frames(video, rows, chunk=8, workers=2) as reading:
        check(taken(reading), rows, frames)


def test_all_rows_of_all_videos(films):
    one = linear_decode(films[0])
    with Frames(films[0], chunk=7, workers=0) as frames:
        check(taken(frames), range(40), one)
    with Frames(films, chunk=32, workers=0) as frames:
        chunks = taken(frames)
    assert [len(pairs) for pairs, _ in chunks] == [32, 32, 1, 30]
    assert [pixels.shape[1:] for _, pixels in chunks] == [(48, 64, 3)] * 3 + [
        (80, 96, 3)
    ]
    numbers = [frame_number(frame) for _, pixels in chunks for frame in pixels]
    assert numbers == [*range(40), *range(100, 125), *range(200, 230)]


def test_pairs_of_several_videos(films):
    draw = random.Random(5)
    lengths = (40, 25, 30)
    pairs = [(n, draw.randrange(lengths[n])) for n in draw.choices(range(3), k=150)]
    with Frames(films, pairs, 8, "400kB", 2) as frames:
        chunks = taken(frames)
    found = [tuple(pair) for some, _ in chunks for pair in some]
    assert found == pairs
    starts = (0, 100, 200)
    for some, pixels in chunks:
        assert len({pair[0] == 2 for pair in some}) == 1, "one shape a chunk"
        for (video, row), frame in zip(some, pixels, strict=True):
            assert frame_number(frame) == starts[video] + row


def test_streams_give_what_load_gives(tmp_path, path):
    storage = NamedVideoStorage(tmp_path)
    film = NamedVideoStream(storage, "film", path=path)
    film.ingest()
    copied = NamedVideoStream(storage, "copied", path=path)
    copied.ingest(copy=True)
    not_ingested = NamedVideoStream(storage, "new", path=path)
    made = NamedVideoStream(storage, "made")
    made.save(list(film.load()), FrameType)
    exact = NamedVideoStream(storage, "exact")
    sizes = [(5, 7, 1)] * 12 + [(8, 9, 1)] * 8
    arrays = [np.full(size, i / 3, np.float32) for i, size in enumerate(sizes)]
    exact.save(arrays, FrameType)
    np.save(
        tmp_path / "stack.npy", np.arange(20 * 6 * 4, dtype=np.uint8).reshape(20, 6, 4)
    )
    stack = FormatStream("stack", str(tmp_path / "stack.npy"), NumpyStack())
    rows = [17, 3, 3, 12, 11, 19, 0]
    streams = [film, copied, not_ingested, made, exact, stack]
    for workers in (0, 1):
        pairs = [(n, row) for n in range(len(streams)) for row in rows]
        with Frames(streams, pairs, 16, workers=workers) as frames:
            chunks = taken(frames)
        got = [frame for _, pixels in chunks for frame in pixels]
        wanted = [each for stream in streams for each in stream.load(rows=rows)]
        for left, right in zip(got, wanted, strict=True):
            assert left.dtype == right.dtype
            assert np.array_equal(left, right)
    assert not NamedVideoStream(storage, "new").committed()


@dataclass(frozen=True)
class Squares(VideoFormat):
    """A format that no worker can import."""

    def index(self, path: str) -> FormatIndex:
        return FormatIndex(9)

    def open(self, path: str) -> FormatReader:
        class Reader(FormatReader):
            def read(self, rows):
                return [np.full((row + 1, 4, 3), row, np.uint8) for row in rows]

        return Reader()


def test_formats_of_the_user(path):
    # The first frame is taken for the size of all, and others are larger.
    stream = FormatStream("squares", path, Squares())
    with Frames(stream, [0, 0], workers=1) as frames:
        assert [pixels.shape for _, pixels in frames] == [(2, 1, 4, 3)]
    with (
        Frames(stream, [0, 1], chunk=1, workers=0) as frames,
        pytest.raises(VideoError, match=r"'squares', row 1: its frame of shape \(2, 4"),
    ):
        taken(frames)


class Broken(StoredStream):
    """Frames that fail in the user's code."""

    def name(self):
        return "broken"

    def type(self):
        return FrameType

    def len(self):
        return 10

    def committed(self):
        return True

    def load_bytes(self, rows=None):
        for row in rows or range(10):
            if row == 7:
                raise LookupError("nothing on shelf 7")
            yield np.full((2, 2, 3), row, np.uint8)


def test_what_users_raise_names_the_stream_and_the_row():
    with Frames(Broken(), [3, 6, 7, 8], chunk=2, workers=0) as frames:
        assert next(frames)[1][:, 0, 0, 0].tolist() == [3, 6]
        with pytest.raises(
            RowError, match=r"'broken', row 7: LookupError.*7"
        ) as raised:
            next(frames)
    assert "load_bytes" in raised.value.__notes__[0]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_row_that_cannot_be_decoded_is_named(folder, expected, workers):
    path = make_video(folder / f"hurt{workers}.mp4", 40, **LARGE)
    with beam_scanner.video.open(path) as video:
        good = list(video)
    hurt(path, range(22, 23))
    reader = beam_scanner.video.open(path)
    rows = [*range(35, 30, -1), *range(15, 30)]
    with Frames(reader, rows, chunk=4, workers=workers) as frames:
        for begin in (0, 4, 8):
            found, pixels = next(frames)
            assert found.tolist() == rows[begin : begin + 4]
            assert all(map(np.array_equal, pixels, (good[row] for row in found)))
        for _ in range(2):
            with pytest.raises(VideoError, match=r"hurt\d.mp4', row 22: .*be decoded"):
                next(frames)
        assert frames.state_dict()["rows"] == 12


def test_lost_rows_are_refused_at_once(folder):
    path = make_video(folder / "lost.mp4", 40, **LARGE)
    hurt(path, range(22, 23))
    with beam_scanner.video.open(path, damage="salvage") as video:
        assert isinstance(video[25], NullElement)
        with pytest.raises(VideoError, match=r"lost.mp4', row 25: it is lost"):
            Frames(video, [3, 25])
        good = [row for row in range(40) if row not in video.lost]
        with Frames(video, good, workers=0) as frames:
            found = [frame_number(frame) for _, pixels in frames for frame in pixels]
    assert found == good


@pytest.mark.parametrize(
    ("videos", "options", "error", "message"),
    [
        ("a", {"rows": [60]}, RowError, "row 60 is outside .*a.mp4.* of 60 rows"),
        ("a", {"rows": [-1]}, RowError, "row -1 is outside"),
        ("list", {"rows": [(1, 0)]}, RowError, "there is no video 1: 1 are given"),
        ("list", {"rows": [3]}, ArgumentError, "rows: expected pairs"),
        ("a", {"rows": [(0, 3)]}, ArgumentError, "rows: expected row numbers"),
        ("a", {"chunk": 0}, ArgumentError, "chunk must be 1 or more, got 0"),
        ("a", {"chunk": 2.5}, ArgumentError, "chunk must be a whole number"),
        ("a", {"workers": -1}, ArgumentError, "workers must be 0 or more"),
        (
            "a",
            {"ahead": "much"},
            ArgumentError,
            "expected bytes, as '256MB', got 'much'",
        ),
        (
            "a",
            {"ahead": "90kB"},
            ArgumentError,
            "64 frames of .* takes 589.8 kB, more ",
        ),
        ("none", {}, VideoError, "does not exist"),
        ("number", {}, ArgumentError, "must be the path of a file, got 7"),
        ("uncommitted", {}, StreamNotFoundError, "nothing"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    path, tmp_path, videos, options, error, message
):
    given = {
        "a": path,
        "list": [path],
        "none": "/nowhere/a.mp4",
        "number": [7],
        "uncommitted": NamedVideoStream(NamedVideoStorage(tmp_path), "nothing"),
    }
    with pytest.raises(error, match=message):
        Frames(given[videos], **options)


def test_an_endless_sampler(path, expected):
    draw = random.Random(3)
    rows = iter(lambda: draw.randrange(FRAMES), None)
    with Frames(path, rows, 16, "500kB", workers=1) as frames:
        chunks = [(r.tolist(), p) for r, p in itertools.islice(frames, 40)]
    draw = random.Random(3)
    check(chunks, [draw.randrange(FRAMES) for _ in range(640)], expected)


def test_a_wrong_row_of_a_sampler_has_its_turn(path):
    frames = Frames(path, iter([5, 6, 7, 99, 8]), chunk=3, workers=0)
    assert next(frames)[0].tolist() == [5, 6, 7]
    for _ in range(2):
        with pytest.raises(RowError, match="row 99 is outside"):
            next(frames)


@pytest.mark.parametrize("workers", [0, 1])
def test_it_goes_on_from_each_place(path, expected, workers):
    draw = random.Random(9)
    rows = [draw.randrange(FRAMES) for _ in range(50)]
    options = {"chunk": 7, "ahead": "300kB", "workers": workers}
    states, chunks = [], []
    with Frames(path, rows, **options) as frames:
        states.append(frames.state_dict())
        for found, pixels in frames:
            states.append(json.loads(json.dumps(frames.state_dict())))
            chunks.append((found.tolist(), pixels))
    for number, state in enumerate(states):
        again = Frames(path, np.array(rows), **options)
        again.load_state_dict(state)
        rest = taken(again)
        assert [r for r, _ in rest] == [r for r, _ in chunks[number:]]
        check(rest, rows[7 * number :], expected)
    # Also one that has begun, and with what can be iterated over again.
    again = Frames(path, dict.fromkeys(range(FRAMES)), 7, workers=workers)
    first = taken(again)
    again.load_state_dict(Frames(path, dict.fromkeys(range(FRAMES))).state_dict())
    assert [r for r, _ in taken(again)] == [r for r, _ in first]


def test_states_of_others_are_refused(path, films):
    frames = Frames(path, range(30), chunk=10, workers=0)
    next(frames)
    state = frames.state_dict()
    with pytest.raises(ArgumentError, match="of other rows"):
        Frames(path, range(1, 31)).load_state_dict(state)
    with pytest.raises(ArgumentError, match="of other rows"):
        Frames(path, range(5)).load_state_dict(state)
    with pytest.raises(ArgumentError, match="of other videos"):
        Frames(films[0], range(30)).load_state_dict(state)
    with pytest.raises(ArgumentError, match="no state"):
        frames.load_state_dict({})
    with pytest.raises(ArgumentError, match="version"):
        frames.load_state_dict({**state, "version": 2})
    once = Frames(path, iter(range(30)), chunk=10, workers=0)
    next(once)
    with pytest.raises(ArgumentError, match="iterator"):
        once.load_state_dict(once.state_dict())


def test_a_pickle_goes_on_from_its_place(path, expected):
    frames = Frames(path, range(40), chunk=10, workers=0)
    next(frames)
    again = pickle.loads(pickle.dumps(frames))
    check(taken(again), range(10, 40), expected)
    check(taken(frames), range(10, 40), expected)


def test_a_chunk_that_is_cut_goes_on_in_the_middle(tmp_path):
    stream = NamedVideoStream(NamedVideoStorage(tmp_path), "sizes")
    sizes = [(4, 6, 3)] * 3 + [(8, 6, 3)] * 4 + [(4, 6, 3)] * 6
    stream.save([np.full(s, i, np.uint16) for i, s in enumerate(sizes)], FrameType)
    frames = Frames(stream, chunk=5, workers=0)
    chunks, states = [], []
    for rows, pixels in frames:
        chunks.append(rows.tolist())
        states.append(frames.state_dict())
        assert pixels[:, 0, 0, 0].tolist() == rows.tolist()
    assert chunks == [[0, 1, 2], [3, 4], [5, 6], [7, 8, 9], [10, 11, 12]]
    for number, state in enumerate(states):
        again = Frames(stream, chunk=5, workers=0)
        again.load_state_dict(state)
        assert [rows for rows, _ in taken(again)] == chunks[number + 1 :]


def test_arrays_are_the_receivers(path, expected):
    rows = [*range(FRAMES)] * 3
    ahead = 4 * 12288
    with Frames(path, rows, 4, ahead, workers=1) as frames:
        chunks = taken(frames)
        check(chunks, rows, expected)
        corner = chunks[5][1][1, :2, :2]
        chunks[0][1][:] = 0
        del chunks
        value = corner.copy()
    assert np.array_equal(corner, value)


def test_memory_is_bounded(path):
    rows = [*range(FRAMES)] * 5
    size = whole_pages(8 * 9216)
    with Frames(path, rows, 8, 3 * size, workers=1) as frames:
        file = None
        most = 0
        for _ in frames:
            if frames._memory is not None:
                file = frames._memory.file
                most = max(most, os.fstat(file).st_blocks * 512)
    assert file is not None
    # What is given out, and what the caller still holds meanwhile.
    assert most <= 5 * size


def test_each_gop_is_decoded_once_for_all_that_want_it(path):
    draw = random.Random(1)
    rows = [draw.randrange(FRAMES) for _ in range(150)]
    with beam_scanner.video.open(path) as video:
        best, _ = ascending_cost(video.keyframes, np.unique(rows))
    for workers in (0, 2):
        with Frames(path, rows, 10, "20MB", workers) as frames:
            taken(frames)
            counters = frames.counters()
        assert counters["frames_decoded"] == best
        assert counters["rows"] == len(rows)
        assert counters["bytes_read"] > 0
        assert frames.counters() == counters


def test_nothing_is_decoded_twice_one_row_after_the_other(path):
    with Frames(path, chunk=5, ahead="250kB", workers=1) as frames:
        taken(frames)
    assert frames.counters()["frames_decoded"] == FRAMES


def test_closing_and_reading_on(path, expected):
    frames = Frames(path, chunk=10, workers=1)
    frames.close()
    first = next(frames)
    workers = processes(frames)
    frames.close()
    wait_for_end(workers)
    rest = taken(frames)
    check([(first[0].tolist(), first[1]), *rest], range(FRAMES), expected)
    assert next(frames, None) is None
