"""Codecs x containers x times: every row, in any order, is that of a linear decode.

Each codec meets each container that takes it at a constant rate, and, in turns, two of
the other ways in which times and keyframes may lie; each codec meets all of them.
"""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from corpus import ALT_REF, X265, packed
from video_fixtures import frame_number, make_video

from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.indexing import index_video

FRAMES = 26
MPEG = ("mp4", "frag.mp4", "mov", "mkv", "ts")
H264 = (*MPEG, "avi", "flv", "h264")
HEVC = (*MPEG, "flv", "hevc")
MILLISECOND = Fraction(1, 1000)

CODECS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "h264_b0": (H264, {"bframes": 0}),
    "h264_b2": (H264, {}),
    "h264_b16": (H264, {"bframes": 16, "gop": 20}),
    "h264_open": (H264, {"bframes": 3, "options": {"x264-params": "open-gop=1"}}),
    "h264_refresh": (H264, {"options": {"x264-params": "intra-refresh=1"}}),
    "hevc_b3": (HEVC, {"codec": "hevc", "bframes": 3}),
    "hevc_open": (
        HEVC,
        {"codec": "hevc", "options": {"x265-params": f"open-gop=1:bframes=4:{X265}"}},
    ),
    "vp8_alt": (("webm", "mkv", "avi"), {"codec": "vp8", "options": ALT_REF}),
    "vp9_alt": (
        ("webm", "mkv", "mp4", "frag.mp4", "ivf"),
        {"codec": "vp9", "options": ALT_REF},
    ),
    "av1": (("mp4", "frag.mp4", "mkv", "webm", "ivf"), {"codec": "av1"}),
    "mpeg2": (("mpg", *MPEG, "avi", "m2v"), {"codec": "mpeg2video"}),
    "mpeg4_b2": ((*MPEG, "avi", "m4v"), {"codec": "mpeg4"}),
    "mpeg4_packed": (("avi",), {"codec": "mpeg4", "bframes": 1}),
    "mjpeg": (("avi", "mkv", "mov", "mp4", "mjpeg"), {"codec": "mjpeg"}),
    "ffv1": (("mkv", "avi"), {"codec": "ffv1"}),
    "prores": (("mov", "mkv"), {"codec": "prores_ks"}),
}


def _uneven(first: int) -> list[int]:
    steps = [40, 40, 1, 500, 33, 33, 34, 120]
    return list(itertools.accumulate(steps * 8, initial=first))


TIMES: dict[str, dict[str, Any]] = {
    "variable": {"pts": _uneven(0), "time_base": MILLISECOND},
    "late": {"pts": range(300, 400)},
    "negative": {
        "pts": range(-4, 100),
        "container_options": {"avoid_negative_ts": "disabled"},
    },
    "one_key": {"gop": 1000},
    "all_keys": {"gop": 1, "bframes": 0},
    "one_frame": {"frames": 1},
    "two_frames": {"frames": 2},
}
# These have no times of their own, or only those of a constant rate.
STEADY = ("avi", "h264", "hevc", "m2v", "m4v", "mjpeg")
UNEVEN = ("variable", "late", "negative")


def _cases() -> list[tuple[str, str, str]]:
    cases = []
    for codec, (extensions, _) in CODECS.items():
        turns = itertools.cycle(TIMES)
        for extension in extensions:
            cases.append((codec, extension, "constant"))
            fitting = (t for t in turns if extension not in STEADY or t not in UNEVEN)
            cases += [(codec, extension, next(fitting)) for _ in range(2)]
    return cases


CASES = _cases()


def make(folder: Path, codec: str, extension: str, times: str) -> Path | None:
    """The file; None where this container does not take it."""
    options = {"frames": FRAMES, **CODECS[codec][1], **TIMES.get(times, {})}
    if "x265-params" in options.get("options", {}) and "gop" in TIMES.get(times, {}):
        options["options"] = {"x265-params": f"keyint={options['gop']}:{_quiet()}"}
    if times == "variable" and codec.startswith("mpeg"):
        # Their encoders take no other time base.
        options |= {"pts": [3 * i + i % 3 for i in range(100)], "time_base": None}
    if extension == "frag.mp4":
        flags = {"movflags": "frag_keyframe+empty_moov+delay_moov"}
        options["container_options"] = options.get("container_options", {}) | flags
    path = folder / f"{codec}-{times}.{extension}"
    try:
        make_video(path, **options)
    except av.error.FFmpegError:
        return None
    return packed(path) if codec == "mpeg4_packed" else path


def _quiet() -> str:
    return "log-level=none:pools=1:frame-threads=1:open-gop=1:bframes=4"


def decoded(path: Path) -> tuple[list[np.ndarray], list[int | None]]:
    """FFmpeg's frames and their times, of a decode from the start."""
    frames, times = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.best("video")):
            frames.append(frame.to_ndarray(format="rgb24"))
            times.append(frame.pts)
    return frames, times


@pytest.mark.parametrize(("codec", "extension", "times"), CASES)
def test_every_row_in_any_order(tmp_path, codec, extension, times):
    path = make(tmp_path, codec, extension, times)
    if path is None:
        pytest.skip(f"FFmpeg puts no {codec} into {extension}")
    expected, shown = decoded(path)
    index = index_video(path)
    rows = len(index)
    assert rows == len(expected)
    if times != "negative":
        assert [frame_number(frame) for frame in expected] == list(range(rows))
        assert rows == TIMES.get(times, {}).get("frames", FRAMES)
    assert (np.diff(index.pts) > 0).all()
    if None not in shown:
        assert index.pts.tolist() == sorted(shown)
        assert index.timed == (shown == sorted(shown))
    rng = random.Random(f"{codec} {extension} {times}")
    calls = [[row] for row in reversed(range(rows))]
    calls += [sorted(rng.sample(range(rows), rng.randrange(rows + 1)))] * 3
    calls += [list(range(rng.randrange(rows), rows, step)) for step in (1, 2, 5)]
    with VideoDecoder(path, index) as decoder:
        for call in calls:
            for row, frame in zip(call, decoder.read(call), strict=True):
                assert np.array_equal(frame, expected[row]), f"row {row} of {call}"


def test_all_kinds_meet_what_they_can():
    met = {(codec, times) for codec, _, times in CASES}
    for codec, (extensions, _) in CODECS.items():
        wanted = {"constant"}
        if len(extensions) > 4:
            wanted |= set(TIMES)
        assert wanted <= {times for found, times in met if found == codec}
