"""What is known of the videos that are given, and how they travel."""

from __future__ import annotations

import numpy as np
import pytest

import beam_scanner.video
from beam_scanner import NamedStorage, NamedStream
from beam_scanner.data.given_videos import (
    open_video,
    pickled_reader,
    unpickled_reader,
)
from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.storage import StoredStream
from beam_scanner.types import FrameType
from tests.support.video_fixtures import frame_number, make_video


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("given") / "a.mp4", 30, gop=10)


def test_a_path_a_url_and_a_reader_are_the_same(path):
    with beam_scanner.video.open(path) as video:
        found = [open_video(each) for each in (path, f"file://{path}", video)]
    for each in found:
        assert (each.name, each.length, each.shape) == (path, 30, (48, 64, 3))
        assert each.keyframes.tolist() == [0, 10, 20]
        assert each.frame_bytes == 48 * 64 * 3
        assert each.fingerprint == video.index.fingerprint
        has_users_code, data = pickled_reader(each.reader)
        assert not has_users_code
        with unpickled_reader((has_users_code, data))() as reader:
            assert frame_number(reader.read([17])[0]) == 17


class Own(StoredStream):
    """A stream of the user's, of which nothing is known but its rows."""

    def name(self):
        return "own"

    def type(self):
        return FrameType

    def len(self):
        return 4

    def load_bytes(self, rows=None):
        return (np.full((2, 5, 1), row, np.uint8) for row in rows or range(4))


def test_code_of_the_user_goes_by_value():
    video = open_video(Own())
    assert (video.keyframes, video.shape, video.frame_bytes) == (None, None, 10)
    assert video.lost.tolist() == [False] * 4
    has_users_code, data = pickled_reader(video.reader)
    assert has_users_code
    reader = unpickled_reader((has_users_code, data))()
    assert reader.read([3])[0].ravel().tolist() == [3] * 10


def test_what_is_no_video_of_frames_is_refused(tmp_path):
    stream = NamedStream(NamedStorage(tmp_path), "numbers")
    stream.save([1, 2], int)
    with pytest.raises(ArgumentError, match="'numbers' has no frames"):
        open_video(stream)
    with pytest.raises(ArgumentError, match="must be the path of a file, got 3"):
        open_video(3)  # type: ignore[arg-type]
    text = tmp_path / "a.txt"
    text.write_text("no video")
    with pytest.raises(VideoError):
        open_video(text)
