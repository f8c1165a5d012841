"""Exact samples: where they are, and that they do not depend on where work is cut."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from beam_scanner.errors import VideoError
from beam_scanner.storage import AudioStream
from tests.support.sounds import linear, music, noise, write_audio, write_wav

LOSSLESS = [
    ("wav", "pcm_s16le"),
    ("wav", "pcm_u8"),
    ("wav", "pcm_s32le"),
    ("wav", "pcm_f32le"),
    ("wav", "pcm_f64le"),
    ("flac", "flac"),
    ("m4a", "alac"),
    ("mka", "flac"),
    ("mov", "pcm_s24le"),
    ("avi", "pcm_s16le"),
]


LOSSY = [
    ("m4a", "aac", 44100),
    ("mp3", "libmp3lame", 44100),
    ("opus", "libopus", 48000),
    ("webm", "libopus", 48000),
    ("mkv", "aac", 44100),
    ("ts", "aac", 44100),
    ("ts", "mp2", 44100),
    ("ac3", "ac3", 48000),
    ("flv", "aac", 44100),
    ("aac", "aac", 44100),
]


def _ids(cases):
    return [f"{case[1]} in {case[0]}" for case in cases]


def _row(samples, row, frame_size, rate):
    """What the definition says: int16[n, channels] -> float32[m, 1, 1]."""
    start = int(Fraction(row) * frame_size * rate)
    piece = samples[start : start + int(frame_size * rate), 0]
    return (piece / 32768).astype(np.float32).reshape(-1, 1, 1)


@pytest.fixture
def short_blocks(monkeypatch):
    """Blocks of two seconds."""
    monkeypatch.setattr("beam_scanner.video.sound._BLOCK_SECONDS", 2)


@pytest.mark.usefixtures("short_blocks")
@pytest.mark.parametrize(("end", "codec"), LOSSLESS, ids=_ids(LOSSLESS))
def test_without_loss_every_row_is_exact(end, codec, tmp_path):
    rate, frame_size = 8000, Fraction(3, 10)
    samples = noise(rate * 9 + 123, channels=2)
    if codec == "pcm_u8":
        samples = samples // 256 * 256
    path = write_audio(tmp_path / f"a.{end}", samples, rate, codec)
    stream = AudioStream(path, 0.3)
    assert stream.len() == 30
    rows = [29, 28, 0, 14, 15, 14, *range(5, 12), 20, 3]
    for row, found in zip(rows, stream.load(rows=rows), strict=True):
        assert np.array_equal(found, _row(samples, row, frame_size, rate)), row
    whole = np.concatenate([row.ravel() for row in stream.load()])
    assert np.array_equal(whole, linear(path)[: len(whole)])


@pytest.mark.usefixtures("short_blocks")
@pytest.mark.parametrize(("end", "codec", "rate"), LOSSY, ids=_ids(LOSSY))
def test_with_loss_every_row_is_at_its_place(end, codec, rate, tmp_path):
    """And has the same samples whichever rows were read before it."""
    samples = music(rate * 9, rate)
    path = write_audio(tmp_path / f"a.{end}", samples, rate, codec)
    stream = AudioStream(path, 0.5)
    assert stream.len() == 18
    forward = list(stream.load())
    for row in (17, 8, 3, 0, 16, 7):
        (found,) = stream.load(rows=[row])
        assert np.array_equal(found, forward[row]), row
    whole = np.concatenate([row.ravel() for row in forward])
    plain = linear(path)[: len(whole)]
    assert np.sqrt(np.mean((whole - plain) ** 2)) < 2e-3
    # Where the encoder's delay is known, samples are where they were.
    if end in ("m4a", "opus", "webm", "mkv", "mp3"):
        given = (samples[: len(whole), 0] / 32768)[rate : 8 * rate]
        assert np.corrcoef(given, whole[rate : 8 * rate])[0, 1] > 0.99


def test_times_begin_where_the_sound_does(tmp_path):
    samples = noise(8000 * 3)
    path = write_audio(tmp_path / "a.mka", samples, 8000, "flac", start=8000 * 2)
    stream = AudioStream(path, 0.5)
    assert stream.len() == 6
    with stream.reader() as reader:
        seconds = reader.seconds(np.array([5, 0]))
        assert seconds == pytest.approx([4.5, 2.0], abs=1e-3)
        first = reader.read([0])[0]
    assert np.array_equal(first, _row(samples, 0, Fraction(1, 2), 8000))


def test_lost_packets_are_silent_and_move_nothing(tmp_path):
    rate = 48000
    samples = noise(rate * 4)
    # Packets of 20 ms: Matroska's times are milliseconds.
    lost = range(30, 40)
    path = write_audio(
        tmp_path / "a.mka", samples, rate, "flac", skip=lost, frame_size="960"
    )
    expected = (samples[:, 0] / 32768).astype(np.float32)
    expected[30 * 960 : 40 * 960] = 0
    found = np.concatenate([row.ravel() for row in AudioStream(path, 1).load()])
    assert np.array_equal(found, expected)
    (last,) = AudioStream(path, 1).load(rows=[3])
    assert np.array_equal(last.ravel(), expected[3 * rate :])


def test_a_wave_file_that_was_written_to_a_pipe(tmp_path):
    path = write_wav(tmp_path / "a.wav", noise(8000))
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    (tmp_path / "a.wav").write_bytes(content)
    assert AudioStream(path, 0.5).len() == 2


def test_damage_is_an_error(tmp_path):
    path = write_audio(tmp_path / "a.flac", noise(8000 * 5), 8000, "flac")
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 20_000] = bytes(20_000)
    (tmp_path / "a.flac").write_bytes(content)
    with pytest.raises(VideoError, match=r"a.flac' is damaged"):
        AudioStream(path, 1).len()
