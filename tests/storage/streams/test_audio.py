"""Samples of audio: each at its place, however they are asked for."""

from __future__ import annotations

import os
import pickle
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError, RowError, VideoError
from beam_scanner.storage import AudioStorage, AudioStream
from beam_scanner.types import ColumnType, FrameType
from tests.support.sounds import linear, music, noise, write_audio, write_wav
from tests.support.video_fixtures import make_video

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


@given(data=st.data())
@settings(max_examples=60)
def test_rows_are_the_samples_that_wave_wrote(tmp_path_factory, data):
    rate = data.draw(st.sampled_from([8000, 11025, 44100]), "rate")
    count = data.draw(st.integers(1, 3 * rate), "samples")
    channels = data.draw(st.integers(1, 2), "channels")
    frame_size = data.draw(
        st.sampled_from([Fraction(1), Fraction(1, 10), Fraction(1, 30), Fraction(7, 9)])
        | st.fractions(Fraction(1, 100), 2, max_denominator=1000),
        "frame_size",
    )
    samples = noise(count, channels=channels)
    path = write_wav(tmp_path_factory.mktemp("wav") / "a.wav", samples, rate)
    stream = AudioStream(path, float(frame_size))
    rows = int(Fraction(count, rate) / frame_size)
    assert stream.len() == rows
    wanted = data.draw(st.lists(st.integers(0, max(0, rows - 1)), max_size=8), "rows")
    wanted = wanted if rows else []
    for row, found in zip(wanted, stream.load(rows=wanted), strict=True):
        assert found.dtype == np.float32
        assert np.array_equal(found, _row(samples, row, frame_size, rate))


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


def test_the_sound_of_a_video(tmp_path):
    picture = make_video(tmp_path / "v.mp4", frames=50)
    sound = write_audio(tmp_path / "s.m4a", music(2 * 44100, 44100), 44100, "aac")
    path = str(tmp_path / "both.mp4")
    with av.open(path, "w") as out, av.open(picture) as a, av.open(sound) as b:
        pairs = [(c, out.add_stream_from_template(c.streams[0])) for c in (a, b)]
        for container, stream in pairs:
            for packet in container.demux(container.streams[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    out.mux(packet)
    one, both = AudioStream(sound, 0.25), AudioStream(path, 0.25)
    assert both.len() == 8
    for a, b in zip(one.load(), both.load(), strict=True):
        assert np.array_equal(a, b)


def test_a_stream_as_graphs_see_it(tmp_path):
    path = write_wav(tmp_path / "a.wav", noise(8000))
    stream = AudioStream(path, frame_size=0.25)
    assert (stream.name(), stream.type()) == (path, FrameType)
    assert stream.column_type() is ColumnType.Video
    assert stream.readable()
    assert not stream.writable()
    assert stream.estimate_size() == 8000
    assert isinstance(stream.storage(), AudioStorage)
    copy = pickle.loads(pickle.dumps(stream))
    os.rename(path, path + ".away")
    assert not copy.exists()
    assert not copy.committed()
    os.rename(path + ".away", path)
    # The index has travelled: nothing is decoded to know the length.
    assert len(pickle.dumps(stream)) < 4000
    assert [row.shape for row in copy.load()] == [(2000, 1, 1)] * 4
    with copy.reader() as reader:
        assert reader.keyframes is None
        assert reader.frame_bytes == 8000
        with pytest.raises(RowError, match="row 4 is outside stream"):
            reader.read([4])


def test_fingerprints_follow_the_content(tmp_path):
    path = write_wav(tmp_path / "a.wav", noise(8000))
    print_ = AudioStream(path, 0.5).fingerprint()
    copy = write_wav(tmp_path / "b.wav", noise(8000))
    os.utime(copy, (1, 1))
    assert AudioStream(copy, 0.5).fingerprint() == print_
    assert AudioStream(path, 0.25).fingerprint() != print_
    used = AudioStream(path, 0.5)
    assert used.len() == 2
    write_wav(path, noise(8000, seed=1))
    assert AudioStream(path, 0.5).fingerprint() != print_
    with pytest.raises(VideoError, match="has changed since it was indexed"):
        list(used.load())


@pytest.mark.parametrize(
    "frame_size", [0, -1, float("nan"), float("inf"), "1", None, True]
)
def test_frame_sizes_that_are_none(frame_size):
    with pytest.raises(ArgumentError, match="frame_size of an AudioStream must be"):
        AudioStream("a.wav", frame_size)


def test_what_is_no_sound(tmp_path):
    wav = write_wav(tmp_path / "a.wav", noise(8000))
    with pytest.raises(ArgumentError, match="less than one sample: it has 8000"):
        AudioStream(wav, 1e-4).len()
    with pytest.raises(ArgumentError, match="must be the path of a file, got 3"):
        AudioStream(3, 1)  # type: ignore[arg-type]
    silent = make_video(tmp_path / "v.mp4", frames=2)
    cases = [
        (silent, "has no audio track"),
        (str(tmp_path / "none.wav"), "does not exist"),
        (str(tmp_path), "is a folder"),
        (__file__, "audio|FFmpeg"),
    ]
    for path, message in cases:
        with pytest.raises(VideoError, match=message):
            AudioStream(path, 1).len()
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[:-500])
    with pytest.raises(VideoError, match="is cut short: RIFF chunk"):
        AudioStream(tmp_path / "cut.wav", 1).len()
    (tmp_path / "empty.wav").write_bytes(b"")
    with pytest.raises(VideoError, match=r"empty.wav' is"):
        AudioStream(tmp_path / "empty.wav", 1).len()


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
