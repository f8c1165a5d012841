"""What is written reads back: pixels, times, sizes, and the same bytes each time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError, ElementTypeError, VideoError
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.encoder import VideoEncoder
from beam_scanner.video.encoding import CODECS, Encoding
from beam_scanner.video.indexing import index_video
from beam_scanner.video.timing import decoding_ticks, presentation_ticks
from tests.support.corpus import linear_decode
from tests.support.video_fixtures import frame_number, numbered_frame, numbered_frames

NAN = float("nan")


def _write(path, frames, encoding=None, seconds=None):
    with VideoEncoder(path, encoding) as encoder:
        for i, frame in enumerate(frames):
            encoder.write(frame, i / 25 if seconds is None else seconds[i])
    return encoder.index


def _read(path, index):
    with VideoDecoder(path, index) as decoder:
        return list(decoder.read(np.arange(len(index))))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [(64, 48), (65, 49)], ids=["even", "odd"])
def test_frames_come_back(codec, size, tmp_path):
    path = tmp_path / "a.mp4"
    encoding = Encoding(codec, keyframe_distance=12)
    index = _write(path, numbered_frames(30, size), encoding)
    assert (index.width, index.height) == size
    assert np.diff(index.keyframes).max() <= 12
    frames = _read(path, index)
    assert [frame_number(frame) for frame in frames] == list(range(30))
    assert all(frame.shape == (size[1], size[0], 3) for frame in frames)
    assert index.seconds(np.arange(30)) == pytest.approx(np.arange(30) / 25)
    assert index.duration_seconds == pytest.approx(30 / 25)
    assert index.to_bytes() == index_video(path).to_bytes()


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 1), (17, 16), (65, 49), (640, 2)])
def test_raw_is_exact_for_any_size(size, tmp_path):
    path = tmp_path / "a.mp4"
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, size[1], size[0], 3), dtype=np.uint8)
    index = _write(path, frames, Encoding("raw"))
    assert np.array_equal(np.stack(_read(path, index)), frames)
    # With no code of ours, too.
    assert np.array_equal(np.stack(linear_decode(path)), frames)


_TINY = [(1, 1), (2, 2), (3, 1), (17, 16), (16, 17)]
_SMALL = {
    "default": _TINY,
    "h264": _TINY,
    "vp9": _TINY,
    "av1": [(3, 3), (4, 17), (33, 16)],
    "hevc": [(32, 32), (33, 33), (34, 66), (48, 48), (66, 34)],
}


@pytest.mark.parametrize(
    ("codec", "size"), [(codec, size) for codec in _SMALL for size in _SMALL[codec]]
)
def test_small_sizes(codec, size, tmp_path):
    path = tmp_path / "a.mp4"
    frame = np.full((size[1], size[0], 3), 90, np.uint8)
    index = _write(path, [frame] * 3, Encoding(codec))
    for back in _read(path, index):
        assert back.shape == frame.shape
        assert np.abs(back.astype(int) - 90).max() < 12


def test_colours_survive_in_other_decoders(tmp_path):
    cv2 = pytest.importorskip("cv2")
    path = str(tmp_path / "a.mp4")
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (128, 128, 128)]
    frames = [np.full((720, 1280, 3), c, np.uint8) for c in colours]
    _write(path, frames, Encoding("h264", quality=5))
    capture = cv2.VideoCapture(path)
    for colour in colours:
        shown = capture.read()[1][:, :, ::-1]
        assert np.abs(shown.mean(axis=(0, 1)) - colour).max() < 5
    capture.release()
    with av.open(path) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (6, 1)  # BT.601, limited


def test_the_size_that_players_see_is_even(tmp_path):
    path = str(tmp_path / "a.mp4")
    _write(path, numbered_frames(3, (65, 49)))
    assert linear_decode(path)[0].shape == (50, 66, 3)


@pytest.mark.parametrize("codec", ["default", "raw", "hevc", "h264"])
def test_bytes_depend_on_frames_alone(codec, tmp_path):
    written = set()
    for i in range(6):
        # Other work in between, so that fresh memory holds other values.
        _write(tmp_path / "other.mp4", numbered_frames(10 + i, (96, 64)), None)
        path = tmp_path / f"{i}.mp4"
        _write(path, numbered_frames(30), Encoding(codec))
        written.add(path.read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize("codec", ["default", "raw"])
@pytest.mark.parametrize(
    "seconds",
    [
        [0.0],
        [5.0],
        [3.2, 3.25, 9.0],
        [0.0, 0.001, 0.0017, 4.0, 3000.0],
        np.arange(20) * 1001 / 30000 + 7.5,
    ],
    ids=["one", "one later", "gap", "uneven", "ntsc"],
)
def test_true_times(seconds, codec, tmp_path):
    path = tmp_path / "a.mp4"
    index = _write(path, numbered_frames(len(seconds)), Encoding(codec), seconds)
    read = index.seconds(np.arange(len(index)))
    assert read == pytest.approx(np.asarray(seconds), abs=1e-5)
    assert [frame_number(f) for f in _read(path, index)] == list(range(len(index)))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([1.0, 1.0, 1.5, 1.5], [1.0, 1.5, 2.0, 2.5]),
        ([3.0, 2.0, 1.0], [3.0, 3.04, 3.08]),
        ([NAN, NAN], [0.0, 0.04]),
        ([2.0, NAN, 2.2], [2.0, 2.04, 2.08]),
        ([-1.0, 0.0, 1.0], [0.0, 1.0, 2.0]),
        ([0.0, 1.0, 90000.0, 90001.0], [0.0, 1.0, 2.0, 3.0]),
        ([0.0, 1e-9, 1.0], [0.0, 0.5, 1.0]),
    ],
)
def test_other_times_become_a_median_step(seconds, expected, tmp_path):
    index = _write(tmp_path / "a.mp4", numbered_frames(len(seconds)), None, seconds)
    assert index.seconds(np.arange(len(index))) == pytest.approx(expected, abs=1e-5)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6) | st.just(NAN), max_size=20))
def test_ticks_always_increase(seconds):
    ticks = presentation_ticks(seconds)
    assert len(ticks) == len(seconds)
    assert (np.diff(ticks) > 0).all()
    assert (ticks >= 0).all()


@settings(max_examples=300, deadline=None)
@given(st.permutations(range(9)), st.integers(1, 9))
def test_decoding_never_comes_after_showing(order, step):
    ranks, rows = np.array(order), np.arange(9) * step + 5
    decoded = decoding_ticks(rows, ranks)
    assert (np.diff(decoded) > 0).all()
    assert (decoded <= rows[ranks]).all()


def test_quality_bitrate_and_distance(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, 120, 160, 3), dtype=np.uint8)
    sizes = {}
    for name, encoding in {
        "good": Encoding("h264", quality=15),
        "bad": Encoding("h264", quality=45),
        "low": Encoding("h264", bitrate=100_000),
        "high": Encoding("h264", bitrate=2_000_000),
    }.items():
        path = tmp_path / f"{name}.mp4"
        _write(path, noise, encoding)
        sizes[name] = path.stat().st_size
    assert sizes["good"] > 2 * sizes["bad"]
    assert sizes["high"] > 2 * sizes["low"]
    index = _write(tmp_path / "k.mp4", noise, Encoding("h264", keyframe_distance=1))
    assert index.keyframes.tolist() == list(range(40))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codec": "divx"}, "codec 'divx'"),
        ({"quality": 52}, "quality"),
        ({"quality": -2}, "quality"),
        ({"codec": "vp9", "quality": 64}, "quality"),
        ({"bitrate": 0}, "bitrate"),
        ({"keyframe_distance": 0}, "keyframe_distance"),
        ({"quality": 20, "bitrate": 1000}, "not both"),
        ({"codec": "raw", "quality": 20}, "no loss"),
    ],
)
def test_impossible_encodings(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Encoding(**arguments)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\)"),
        (np.zeros((4, 4, 1), np.uint8), r"shape \(4, 4, 1\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
        (np.zeros((4, 4, 3)), "frame 0 is float64"),
        (None, "frame 0 is NoneType"),
        ([[1]], "frame 0 is list"),
    ],
)
def test_wrong_frames(frame, message, tmp_path):
    encoder = VideoEncoder(tmp_path / "a.mp4")
    with pytest.raises(ElementTypeError, match=message):
        encoder.write(frame, 0.0)
    encoder.abort()


def test_a_size_change_names_the_row(tmp_path):
    path = tmp_path / "a.mp4"
    wide, narrow = np.zeros((48, 64, 3), np.uint8), np.zeros((48, 32, 3), np.uint8)
    message = r"frame 2 .* is 32x48, those before are 64x48"
    with pytest.raises(VideoError, match=message):
        _write(path, [wide, wide, narrow])
    assert not path.exists()


def test_frames_may_be_views_and_are_not_kept(tmp_path):
    path = tmp_path / "a.mp4"
    wide = np.zeros((48, 128, 6), np.uint8)
    with VideoEncoder(path, Encoding("raw")) as encoder:
        for i in range(5):
            view = wide[:, ::2, ::-2]
            view[:] = numbered_frame(i)
            encoder.write(view, i)
            wide[:] = 0
    frames = _read(path, encoder.index)
    assert [frame_number(frame) for frame in frames] == list(range(5))


def test_nothing_written_or_aborted_leaves_no_file(tmp_path):
    path = tmp_path / "a.mp4"
    with pytest.raises(VideoError, match="no frame was written"):
        VideoEncoder(path).close()
    with pytest.raises(KeyError):
        _write(path, numbered_frames(5), None, {0: 0.0, 1: 0.1})
    assert list(tmp_path.iterdir()) == []


def test_close_twice_gives_the_same_index(tmp_path):
    encoder = VideoEncoder(tmp_path / "a.mp4")
    encoder.write(numbered_frame(0), 0)
    assert encoder.close() is encoder.close()


@pytest.mark.parametrize(
    ("encoding", "size", "message"),
    [
        (Encoding("hevc"), (16, 64), "'hevc' takes .* least 32x32, not 16x64"),
        (Encoding("av1"), (2, 64), "'av1' takes .* least 3x3, not 2x64"),
        (Encoding("av1", bitrate=9000), (64, 62), "with a bitrate takes .* 63x63, not"),
    ],
    ids=["hevc", "av1", "av1 rate"],
)
def test_codecs_say_which_sizes_they_take(encoding, size, message, tmp_path):
    with (
        pytest.raises(VideoError, match=message),
        VideoEncoder(tmp_path / "a.mp4", encoding) as encoder,
    ):
        encoder.write(np.zeros((size[1], size[0], 3), np.uint8), 0.0)


@pytest.mark.parametrize("size", [(96, 72), (97, 73), (97, 72), (96, 73)])
def test_colours_do_not_move(size, tmp_path):
    """Less than a twentieth of a pixel, in odd sizes as in even ones."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    waves = (np.sin(x / 9), np.sin(x / 9 + 2), np.cos(y / 7))
    frame = (128 + 100 * np.stack(waves, axis=-1)).round().astype(np.uint8)
    path = tmp_path / "a.mp4"
    index = _write(path, [frame] * 2, Encoding("h264", quality=1))
    given, found = frame.astype(float), _read(path, index)[0].astype(float)
    for channel, axis in ((0, 1), (1, 1), (2, 0)):
        slope = np.gradient(given[..., channel], axis=axis)
        moved = ((found - given)[..., channel] * slope).sum() / (slope**2).sum()
        assert abs(moved) < 0.05
    # The last column and row are as good as the others.
    wrong = np.abs(found - given)
    assert wrong[:, -1].mean() < 1.5 * wrong.mean()
    assert wrong[-1].mean() < 1.5 * wrong.mean()


def test_a_folder_that_is_not_there(tmp_path):
    path = Path(tmp_path / "no" / "a.mp4")
    with pytest.raises(OSError, match="no"), VideoEncoder(path) as encoder:
        encoder.write(numbered_frame(0), 0)


def test_average_rate_is_that_of_the_times(tmp_path):
    seconds = np.arange(60) * 1001 / 30000
    index = _write(tmp_path / "a.mp4", numbered_frames(60), None, seconds)
    assert index.average_rate == Fraction(30000, 1001)
