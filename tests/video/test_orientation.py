"""Pictures are shown as their display matrix says: turned, mirrored, never stretched."""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import beam_scanner.video
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.orientation import turn_of
from tests.support.video_fixtures import numbered_frame

SIZE = (64, 48)
TURNS = [(turn, flip) for turn in (0, 90, 180, 270) for flip in (False, True)]


def write(path: Path, prepare=lambda stream: None, codec="libx264", **options) -> str:
    """Six numbered frames; ``prepare`` is called with the stream first."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.options = {"preset": "veryfast", **options}
        prepare(stream)
        for i in range(6):
            frame = av.VideoFrame.from_ndarray(numbered_frame(i, SIZE), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def as_coded(path: str) -> list[np.ndarray]:
    with av.open(path) as container:
        return [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]


@pytest.mark.parametrize("extension", ["mp4", "mov"])
@pytest.mark.parametrize(("turn", "flip"), TURNS)
def test_turns_and_flips(tmp_path, extension, turn, flip):
    path = write(
        tmp_path / f"a.{extension}",
        lambda stream: stream.set_display_rotation(turn, hflip=flip),
    )
    coded = as_coded(path)
    with beam_scanner.video.open(path) as video:
        # The writer mirrors after it turns.
        for shown, picture in zip(video, coded, strict=True):
            turned = np.rot90(picture, turn // 90)
            assert np.array_equal(shown, turned[:, ::-1] if flip else turned)
            assert shown.flags.c_contiguous
        assert (video.height, video.width) == shown.shape[:2]
        assert video.index.mirrored == flip
        assert ("mirrored" in repr(video)) == flip


def test_every_matrix_of_quarter_turns(tmp_path):
    """Against the meaning of the matrix: where each corner of a picture is shown."""
    picture = np.arange(6).reshape(2, 3)
    for a, b, c, d in [(x, 0, 0, y) for x in (1, -1) for y in (1, -1)] + [
        (0, x, y, 0) for x in (1, -1) for y in (1, -1)
    ]:
        turn, mirrored = turn_of((a, b, 0, c, d, 0, 0, 0, 1))
        shown = np.rot90(picture[:, ::-1] if mirrored else picture, turn // 90)
        places = {
            (a * x + c * y, b * x + d * y): picture[y, x]
            for y in range(2)
            for x in range(3)
        }
        columns = sorted({x for x, _ in places})
        rows = sorted({y for _, y in places})
        expected = [[places[x, y] for x in columns] for y in rows]
        assert shown.tolist() == expected, (a, b, c, d)


def test_a_matrix_of_nothing_and_one_of_a_little():
    assert turn_of((0,) * 9) == (0, False)
    one = 1 << 16
    assert turn_of((one, 1200, 0, -1200, one, 0, 0, 0, 1 << 30)) == (0, False)


def test_the_index_keeps_it(tmp_path):
    path = write(
        tmp_path / "a.mp4", lambda stream: stream.set_display_rotation(90, vflip=True)
    )
    with beam_scanner.video.open(path) as video:
        copy = FrameIndex.from_bytes(video.index.to_bytes())
        assert (copy.rotation, copy.mirrored) == (video.rotation, True)
        again = pickle.loads(pickle.dumps(video))
        assert np.array_equal(again[3], video[3])
        again.close()


@pytest.mark.parametrize("ratio", [Fraction(4, 3), Fraction(10, 11)])
def test_pixels_that_are_not_square_are_not_stretched(tmp_path, ratio):
    def prepare(stream):
        stream.codec_context.sample_aspect_ratio = ratio

    path = write(tmp_path / "a.mp4", prepare)
    with beam_scanner.video.open(path) as video:
        assert video.sample_aspect_ratio == ratio
        assert (video.width, video.height) == SIZE
        assert np.array_equal(video[2], as_coded(path)[2])


INTERLACED = {
    "h264": ("libx264", {"x264-params": "interlaced=1:tff=1"}),
    "mpeg2": ("mpeg2video", {"flags": "+ilme+ildct", "b": "2M", "field_order": "tt"}),
}


@pytest.mark.parametrize("extension", ["ts", "mkv"])
@pytest.mark.parametrize("codec", INTERLACED)
def test_interlaced_frames_are_given_as_decoded(tmp_path, codec, extension):
    encoder, options = INTERLACED[codec]
    path = write(tmp_path / f"a.{extension}", codec=encoder, **options)
    with av.open(path) as container:
        flags = [frame.interlaced_frame for frame in container.decode(video=0)]
    assert all(flags)
    coded = as_coded(path)
    with beam_scanner.video.open(path) as video:
        assert len(video) == len(coded) == 6
        for row in (5, 0, 3):
            assert np.array_equal(video[row], coded[row])
