"""Pixel aspect, colours and rotation, on what is written."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from corpus import SHARED
from video_fixtures import numbered_frame

import beam_scanner.video
from beam_scanner import Client, NamedVideoStream, PerfParams
from beam_scanner.video.display import Display
from beam_scanner.video.indexing import index_video
from beam_scanner.video.remux import concatenate

SIZE = (64, 48)
PQ, BT2020 = 16, 9


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """An HDR video of pixels that are not square."""
    path = str(tmp_path_factory.mktemp("wide") / "wide.mp4")
    with av.open(path, "w") as output:
        stream = output.add_stream("libx264", rate=25)
        context = stream.codec_context
        context.width, context.height = SIZE
        context.pix_fmt = "yuv420p"
        context.sample_aspect_ratio = Fraction(4, 3)
        context.color_primaries, context.color_trc = BT2020, PQ
        for i in range(20):
            frame = av.VideoFrame.from_ndarray(numbered_frame(i, SIZE))
            frame.pts, frame.time_base = i, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def said(path: str) -> tuple:
    index = index_video(path)
    return index.sample_aspect_ratio, index.primaries, index.transfer


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda sc, frames: frames, (Fraction(4, 3), BT2020, PQ)),
        (
            lambda sc, frames: sc.streams.Stride(frames, [3]),
            (Fraction(4, 3), BT2020, PQ),
        ),
        (
            lambda sc, frames: sc.ops.Resize(frame=frames, width=[128], height=[48]),
            (Fraction(2, 3), BT2020, PQ),
        ),
        (
            lambda sc, frames: sc.ops.ConvertColor(
                frame=frames, conversion=["COLOR_RGB2BGR"]
            ),
            (Fraction(4, 3), 2, 2),
        ),
    ],
    ids=["all", "stride", "resize", "colours"],
)
def test_of_a_graph(make, expected, wide, tmp_path):
    with Client(db_path=str(tmp_path / "db")) as sc:
        video = NamedVideoStream(sc, "wide", path=wide)
        output, again = NamedVideoStream(sc, "out"), NamedVideoStream(sc, "again")
        made = make(sc, sc.io.Input([video]))
        sc.run(sc.io.Output(made, [output]), PerfParams.estimate())
        sc.run(sc.io.Output(sc.io.Input([output]), [again]), PerfParams.estimate())
        for stream in (output, again):
            saved = str(tmp_path / f"{stream.name()}.mp4")
            stream.save_mp4(saved)
            assert said(saved) == expected


def test_of_copied_packets(wide, tmp_path):
    out = tmp_path / "copy.mp4"
    concatenate([wide], None, out)
    assert said(str(out)) == (Fraction(4, 3), BT2020, PQ)


def test_of_scaled_pictures(wide, tmp_path):
    out = tmp_path / "scaled.mp4"
    concatenate([wide], None, out, scale=(32, 48))
    assert said(str(out)) == (Fraction(8, 3), BT2020, PQ)


def test_rotation_of_copied_packets_stays_and_of_others_is_applied(tmp_path):
    path = SHARED / "nasa_13013_rotated.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    source = index_video(path)
    copy, coded = tmp_path / "copy.mp4", tmp_path / "coded.mp4"
    concatenate([path], None, copy)
    concatenate([path], None, coded, scale=(source.width, source.height))
    assert index_video(copy).rotation == source.rotation != 0
    assert index_video(coded).rotation == 0
    with beam_scanner.video.open(path) as one, beam_scanner.video.open(copy) as other:
        assert np.array_equal(one[5], other[5])
    with beam_scanner.video.open(coded) as video:
        assert video[0].shape == (source.height, source.width, 3)


def test_another_size_shows_something_else():
    display = Display(Fraction(4, 3), width=64, height=48)
    assert display.of_size(64, 48).sample_aspect_ratio == Fraction(4, 3)
    assert display.of_size(32, 48).sample_aspect_ratio == 1
