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
from tests.support.sounds import music, noise, write_audio, write_wav
from tests.support.video_fixtures import make_video


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


def test_a_change_anywhere_is_another_sound(tmp_path):
    samples = noise(400_000)
    path = write_wav(tmp_path / "a.wav", samples)
    before = AudioStream(path, 0.5).fingerprint()
    for place in range(50_000, 400_000, 70_001):
        changed = samples.copy()
        changed[place] ^= 1
        write_wav(path, changed)
        assert AudioStream(path, 0.5).fingerprint() != before
    write_wav(path, samples)
    assert AudioStream(path, 0.5).fingerprint() == before


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
