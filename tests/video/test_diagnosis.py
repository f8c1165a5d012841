"""What is said of files that are no videos, or cannot be read as one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import VideoError
from beam_scanner.video.diagnosis import diagnose
from beam_scanner.video.indexing import index_video
from tests.support.video_fixtures import make_video

KEY = "00112233445566778899aabbccddeeff"


def refused(path, **how) -> str:
    with pytest.raises(VideoError) as caught:
        index_video(path, **how)
    message = str(caught.value)
    assert repr(str(path))[1:-1] in message
    return message


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


def test_only_lists_are_said_to_be_readable_otherwise() -> None:
    session, playlist = b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", b"#EXTM3U\na.ts\n"
    assert diagnose(io.BytesIO(session)).endswith("a video is one file")
    assert "Playlist()" in diagnose(io.BytesIO(playlist))
