"""Titles and other tags of a file may be in any encoding: nothing here reads them."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from corpus import linear_decode
from video_fixtures import make_video

from beam_scanner import Client, NamedVideoStream
from beam_scanner.storage import AudioStream
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.indexing import index_video
from beam_scanner.video.remux import concatenate
from beam_scanner.video.sound import index_audio

TITLE = "Caf\u00e9 fran\u00e7ais".encode("latin-1")
KINDS = {"avi": "mpeg4", "mkv": "h264", "mp4": "h264", "mov": "h264", "ts": "h264"}


@pytest.fixture(scope="module", params=KINDS)
def path(request, tmp_path_factory) -> str:
    """A film with sound, and titles in Latin-1."""
    folder = tmp_path_factory.mktemp("latin")
    plain = make_video(
        folder / f"plain.{request.param}", 30, KINDS[request.param], bframes=0
    )
    path = str(folder / f"a.{request.param}")
    tag = TITLE.decode("utf-8", "surrogateescape")
    with (
        av.open(plain) as source,
        av.open(path, "w", metadata_errors="surrogateescape") as target,
    ):
        target.metadata["title"] = tag
        target.metadata["service_name"] = tag
        pictures = target.add_stream_from_template(source.streams.video[0])
        pictures.metadata["title"] = tag
        sound = target.add_stream("mp2", rate=48000, layout="mono")
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = pictures
                target.mux(packet)
        for i in range(50):
            samples = np.full((1, 1152), 1000 + i, np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48000, i * 1152
            target.mux(sound.encode(frame))
        target.mux(sound.encode(None))
    assert TITLE in Path(path).read_bytes()
    return path


def test_pictures(path):
    expected = linear_decode(path.replace("a.", "plain."))
    for source in (path, lambda: io.BytesIO(Path(path).read_bytes())):
        index = index_video(source, verify=True)
        with VideoDecoder(source, index) as decoder:
            for row, frame in enumerate(decoder.read(np.arange(30))):
                assert np.array_equal(frame, expected[row])
    assert row == 29


def test_sound(path):
    index = index_audio(path)
    assert index.sample_rate == 48000
    assert index.samples > 49 * 1152
    assert AudioStream(path, 0.25).len() >= 4


def test_joining(path, tmp_path):
    joined = str(tmp_path / "joined.mp4")
    concatenate([path, path], np.arange(60) / 25, joined)
    assert len(index_video(joined, verify=True)) == 60
    stream = NamedVideoStream(Client(db_path=str(tmp_path / "db")), "a", path=path)
    saved = stream.save_mp4(str(tmp_path / "saved"))
    assert len(index_video(saved, verify=True)) == 30
