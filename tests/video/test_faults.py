"""Sound files that are odd, as other people's programs write them."""

from __future__ import annotations

import json
import random
from functools import cache

import numpy as np
import pytest
from corpus import SHARED

import beam_scanner.video
from beam_scanner import Client, NamedVideoStream, PerfParams
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.indexing import index_video

FAULTS = SHARED.parent / "faults" / "videos"
NAMES = (
    [*json.loads((FAULTS / "truth.json").read_text())]
    if FAULTS.exists()
    else [pytest.param("", marks=pytest.mark.skip(f"{FAULTS} is not there"))]
)


@cache
def truth(name: str) -> dict:
    return json.loads((FAULTS / "truth.json").read_text())[name]


def shown(name: str, frame: np.ndarray) -> int:
    """What a frame shows of itself: its number, or its brightness."""
    height, width = frame.shape[:2]
    if "gray" in truth(name):
        return round(float(frame.mean()))
    size, top = width // 16, min(height // 3, 16)
    gray = frame[:top].mean(axis=2)
    margin = max(size // 4, 1)
    blocks = [
        gray[top // 4 : top - top // 4, i * size + margin : (i + 1) * size - margin]
        for i in range(16)
    ]
    return sum(1 << i for i, block in enumerate(blocks) if block.mean() > 128)


def expected(name: str) -> list[int]:
    about = truth(name)
    return about.get("numbers") or [round(gray) for gray in about["gray"]]


def near(one: int, other: int, name: str) -> bool:
    return abs(one - other) <= ("gray" in truth(name))


def agree(name: str, frames: list[np.ndarray], rows: list[int]) -> None:
    found = [shown(name, frame) for frame in frames]
    wanted = [expected(name)[row] for row in rows]
    assert len(found) == len(wanted)
    assert all(near(*pair, name) for pair in zip(found, wanted, strict=True)), found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verify", [False, True])
def test_rows_and_times(name, verify):
    index = index_video(FAULTS / name, verify=verify)
    assert len(index) == truth(name)["rows"]
    times = np.array(truth(name)["times"])
    np.testing.assert_allclose(index.seconds(np.arange(len(index))), times, atol=1e-3)
    assert index.monotonic == bool((np.diff(times) > 0).all())


@pytest.mark.parametrize("name", NAMES)
def test_rows_in_any_order(name):
    with beam_scanner.video.open(FAULTS / name) as video:
        rows = list(range(len(video)))
        linear = list(video)
        agree(name, linear, rows)
        random.Random(1).shuffle(rows)
        assert all(
            np.array_equal(frame, linear[row])
            for row, frame in zip(rows, video.read(rows), strict=True)
        )


@pytest.mark.parametrize("name", NAMES)
def test_single_rows_from_cold(name):
    index = index_video(FAULTS / name)
    for row in range(0, len(index), max(len(index) // 12, 1)):
        with VideoDecoder(FAULTS / name, index) as decoder:
            agree(name, list(decoder.read([row])), [row])


@pytest.mark.parametrize("name", NAMES)
def test_in_a_graph(name, tmp_path):
    with Client(db_path=str(tmp_path / "db")) as sc:
        video = NamedVideoStream(sc, "odd", path=str(FAULTS / name))
        output = NamedVideoStream(sc, "out")
        frames = sc.io.Input([video])
        sc.run(
            sc.io.Output(frames, [output]),
            PerfParams.manual(work_packet_size=8, io_packet_size=16),
        )
        made = list(output.load())
        agree(name, made, list(range(truth(name)["rows"])))
        saved = str(tmp_path / "saved")
        output.save_mp4(saved)
    with beam_scanner.video.open(f"{saved}.mp4") as copy:
        agree(name, list(copy), list(range(len(copy))))
        assert len(copy) == truth(name)["rows"]
        times = np.array(truth(name)["times"])
        if (np.diff(times) > 0).all():
            np.testing.assert_allclose(copy.times, times - times[0], atol=2e-3)


def test_the_first_frame_of_a_time_is_taken():
    path = FAULTS / "cat.mkv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with beam_scanner.video.open(path) as video:
        assert not video.index.monotonic
        assert shown("cat.mkv", video.at(0.4)) == 10
        assert len(video.keyframes) == 10
