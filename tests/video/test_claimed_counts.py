"""What a file claims costs no memory that its size does not explain."""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.types.image_files import decode_image, encode_image
from beam_scanner.types.media_limits import image_size
from beam_scanner.video.claimed_counts import check_tables
from beam_scanner.video.indexing import index_video
from beam_scanner.video.sound import index_audio
from tests.support.hostile import edits, table, write
from tests.support.video_fixtures import make_video

SEED = int(os.environ.get("HOSTILE_SEED", "7"))
MOST_MIB, MOST_SECONDS = 200, 60

# Opens each file in a fork, whose memory is measured from there.
_CHILD = """
import json, os, resource, signal, sys, time
import numpy, av
from beam_scanner.errors import ScannerException
from beam_scanner.video import open as open_video
from beam_scanner.video.sound import index_audio
import beam_scanner.video.decoder, beam_scanner.video.scan, beam_scanner.video.index_checks

def use(path):
    if path.endswith('.wav'):
        return f'{index_audio(path).samples} samples'
    with open_video(path, damage=sys.argv[1]) as video:
        return f'{len(video)} rows, {[type(video[row]).__name__ for row in (0, -1)]}'

for path in sys.argv[2:]:
    read, write = os.pipe()
    if not os.fork():
        signal.alarm(120)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            told = use(path)
        except ScannerException as error:
            told = f'{type(error).__name__}: {error}'
        except BaseException as error:
            told = f'BARE {type(error).__name__}: {error}'
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        os.write(write, json.dumps([told[:4000], (after - before) / 1024]).encode())
        os._exit(0)
    os.close(write)
    began = time.monotonic()
    told, most = json.loads(os.read(read, 1 << 16) or b'["BARE died", 0]')
    os.wait(); os.close(read)
    print(json.dumps([path, told, most, time.monotonic() - began]), flush=True)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    print(f"seed {SEED}")
    return write(tmp_path_factory.mktemp("hostile"), SEED)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["strict", "salvage"])
def test_memory_is_bounded(files, damage):
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, damage, *map(str, files)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(files), done.stderr[-2000:]
    bad = [
        (Path(path).name, text, round(most), round(seconds))
        for path, text, most, seconds in told
        if text.startswith("BARE") or most > MOST_MIB or seconds > MOST_SECONDS
    ]
    assert bad == []
    # Errors name the file.
    assert [
        text for path, text, *_ in told if "Error:" in text and path not in text
    ] == []


@pytest.fixture
def small(tmp_path) -> str:
    """40 frames of 64x48."""
    return make_video(tmp_path / "small.mp4", 40, size=(64, 48), gop=10)


def test_limits_are_raised_and_lowered_by_the_environment(small, monkeypatch):
    for name, least in (("PIXELS", 64 * 48), ("FRAMES", 40)):
        monkeypatch.setenv(f"BEAM_SCANNER_MAX_{name}", str(least))
        assert len(index_video(small)) == 40
        monkeypatch.setenv(f"BEAM_SCANNER_MAX_{name}", str(least - 1))
        for damage in ("strict", "salvage"):
            with pytest.raises(VideoError) as caught:
                index_video(small, damage=damage)
            for told in (small, str(least - 1), f"BEAM_SCANNER_MAX_{name}"):
                assert told in str(caught.value)
        monkeypatch.delenv(f"BEAM_SCANNER_MAX_{name}")


def test_the_limit_of_frames_holds_without_a_table(tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.ts", 40, size=(64, 48))
    monkeypatch.setenv("BEAM_SCANNER_MAX_FRAMES", "39")
    with pytest.raises(VideoError, match="BEAM_SCANNER_MAX_FRAMES"):
        index_video(path)


@pytest.mark.parametrize("text", ["", "-1", "0", "many", "1e9", "4294967296"])
def test_a_limit_that_is_no_number(small, monkeypatch, text):
    monkeypatch.setenv("BEAM_SCANNER_MAX_PIXELS", text)
    with pytest.raises(ArgumentError, match="BEAM_SCANNER_MAX_PIXELS"):
        index_video(small)


def test_an_image_in_a_graph_is_limited_too(monkeypatch):
    picture = np.zeros((48, 64, 3), np.uint8)
    for kind in ("png", "jpeg"):
        file = encode_image(picture, kind)
        monkeypatch.setenv("BEAM_SCANNER_MAX_PIXELS", str(48 * 64))
        assert decode_image(file).shape == (48, 64, 3)
        monkeypatch.setenv("BEAM_SCANNER_MAX_PIXELS", str(48 * 64 - 1))
        with pytest.raises(VideoError, match="64x48 pixels"):
            decode_image(file)


def check(data: bytes) -> None:
    check_tables(io.BytesIO(data), "video 'a.mp4'")


def test_edits_that_are_honest(small):
    whole = Path(small).read_bytes()
    check(edits(whole, 2, 40))
    check(edits(whole, 1000, 60))
    with pytest.raises(VideoError, match="cannot hold"):
        check(edits(whole, 2000, 60_000))


def test_long_sound_is_no_claim(tmp_path):
    path = str(tmp_path / "sound.mov")
    with av.open(path, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 48000 * 20), np.int16), "s16", "mono"
        )
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert index_audio(path).samples == 960_000
    data = bytearray(Path(path).read_bytes())
    table(b"stsz", (8, 1 << 27))(data)
    check(bytes(data))


def test_boxes_that_lie_too_deep_are_not_looked_for(tmp_path):
    depth = 20_000
    inner = b"".join(
        struct.pack(">I4s", 8 * (depth - i), b"mdia") for i in range(depth)
    )
    trak = struct.pack(">I4s", 8 + len(inner), b"trak") + inner
    moov = struct.pack(">I4s", 8 + len(trak), b"moov") + trak
    path = tmp_path / "deep.mp4"
    path.write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + moov)
    check(path.read_bytes())
    with pytest.raises(VideoError, match="not a file that FFmpeg"):
        index_video(str(path))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_bytes_of_a_head_are_looked_at_without_a_fault(data):
    whole = bytearray(SMALL)
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at : at + 4] = data.draw(st.binary(min_size=1, max_size=8))
    with contextlib.suppress(VideoError):
        check(bytes(whole))
    image_size(bytes(whole[: data.draw(st.integers(0, 100))]))


def _small() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = make_video(Path(folder) / "a.mp4", 20, size=(64, 48), bframes=2)
        return edits(Path(path).read_bytes(), 3, 20)


SMALL = _small()
