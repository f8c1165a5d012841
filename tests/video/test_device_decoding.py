"""Rows decoded on a device: the same ones, exactly, whatever is read before."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_scanner.errors import VideoError
from beam_scanner.kernels.device_frames import DeviceFrame
from beam_scanner.video import device_decoding as module
from beam_scanner.video import nvidia
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.decoding import decoding_of
from beam_scanner.video.device_decoding import DeviceDecoding
from beam_scanner.video.hardware_codecs import refusal
from beam_scanner.video.indexing import index_video
from tests.support.corpus import KINDS, REAL, SHARED, indexed_kind, linear_decode
from tests.support.fake_device import FakeDevice, fake_device
from tests.support.video_fixtures import frame_number, make_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    return tmp_path_factory.mktemp("videos")


def check_rows(path: str, index: Any, rows: Any, expected: list[np.ndarray]) -> None:
    """Rows on the device are those of the CPU, where swscale rounds down."""
    with VideoDecoder(path, index, decoding=DeviceDecoding(FakeDevice())) as decoder:
        for row, frame in zip(rows, decoder.read(rows), strict=True):
            assert isinstance(frame, DeviceFrame)
            made = frame.to_host()
            assert made.shape == expected[row].shape
            error = np.abs(made.astype(int) - expected[row])
            assert error.mean() < 2.5
            assert error.max() <= 5


DECODED = [
    *("h264", "h264_open", "h264_short_gop", "h264_b16", "h264_ts", "h264_no_times"),
    *("hevc", "hevc_open", "vp8_alt_ref", "vp9", "av1_mkv", "mpeg4", "mpeg2", "mjpeg"),
]


@pytest.mark.parametrize("kind", DECODED)
def test_every_row(kind: str, folder: Path) -> None:
    path, index, expected = indexed_kind(kind, folder)
    check_rows(path, index, range(len(index)), expected)
    check_rows(path, index, [0, 3, 17, len(index) - 1], expected)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(st.sets(st.integers(0, 49), max_size=6), max_size=4))
def test_any_rows_in_any_calls(folder: Path, calls: list[set[int]]) -> None:
    """They do not depend on what was read, and cost what they cost on the CPU."""
    path, index, _ = indexed_kind("h264_open", folder)
    device = DeviceDecoding(FakeDevice())
    with (
        VideoDecoder(path, index) as cpu,
        VideoDecoder(path, index, decoding=device) as decoder,
    ):
        for call in calls:
            rows = sorted(call)
            shown = [frame_number(frame.to_host()) for frame in decoder.read(rows)]
            assert shown == [frame_number(frame) for frame in cpu.read(rows)] == rows
        assert decoder.frames_decoded == cpu.frames_decoded
        assert decoder.seeks == cpu.seeks
        assert decoder.frames_skipped == cpu.frames_skipped


def test_a_wrong_time_is_an_error(folder: Path) -> None:
    path, index, _ = indexed_kind("h264", folder)
    late = DeviceDecoding(FakeDevice(ticks=512))
    with (
        VideoDecoder(path, index, decoding=late) as decoder,
        pytest.raises(
            VideoError, match=r"row 20 .* has time .* the index says"
        ) as error,
    ):
        list(decoder.read([20]))
    assert "it was tried on a GPU" in str(error.value)


def test_a_decoder_of_its_own(folder: Path) -> None:
    """As that of AV1 is: a seek of the file begins anew there, too."""
    path, index, _ = indexed_kind("av1_mkv", folder)
    device = FakeDevice(decoder="libdav1d")
    with VideoDecoder(path, index, decoding=DeviceDecoding(device)) as decoder:
        for row in (40, 3, 17, 18, 49, 0):
            assert frame_number(next(decoder.read([row])).to_host()) == row
        assert device.opened == 1


def test_turned_pictures() -> None:
    path = SHARED / "nasa_13013_rotated.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    index, expected = index_video(path), linear_decode(str(path))
    assert len(index) == REAL[path.name]
    check_rows(str(path), index, [0, 9], expected)


def test_ten_bits(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", codec="hevc", pix_fmt="yuv420p10le")
    check_rows(path, index_video(path), [0, 13], linear_decode(path))


def test_what_no_device_decodes_is_refused_when_it_is_opened(folder: Path) -> None:
    for kind in KINDS:
        if kind.name in ("ffv1", "h264_422"):
            path, index, _ = indexed_kind(kind.name, folder)
            assert refusal(index)
            device = FakeDevice()
            decoder = VideoDecoder(path, index, decoding=DeviceDecoding(device))
            with decoder, pytest.raises(VideoError, match="cannot be decoded on a GPU"):
                list(decoder.read([0]))
            assert device.opened == 0


def test_pictures_of_another_size(folder: Path) -> None:
    """As a GPU gives them that does not cut them at the left."""
    path, index, _ = indexed_kind("h264", folder)
    index = replace(index, width=60)
    decoder = VideoDecoder(path, index, decoding=DeviceDecoding(FakeDevice()))
    with decoder, pytest.raises(VideoError, match=r"is 64x48 on the GPU.* says 60x48"):
        list(decoder.read([0]))


def test_colours_without_a_formula(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=3)
    index = index_video(path)
    with VideoDecoder(path, index) as decoder:
        picture = decoder.decode_frame(0)
    picture.colorspace = 8
    convert = DeviceDecoding(FakeDevice()).converter(index, path)
    with pytest.raises(
        VideoError, match=r"nv12, colour matrix 8\) cannot be converted"
    ):
        convert(picture)


def test_others_read_a_frame_when_it_is_there(folder: Path) -> None:
    path, index, _ = indexed_kind("h264", folder)
    device = FakeDevice()
    with VideoDecoder(path, index, decoding=DeviceDecoding(device)) as decoder:
        frames = list(decoder.read([1, 2, 3]))
    assert device.waits == len(frames) == 3


def test_decoders_travel_without_their_device(folder: Path) -> None:
    path, index, _ = indexed_kind("h264", folder)
    with fake_device() as device:
        decoder = VideoDecoder(path, index, decoding=decoding_of("cuda"))
        copy = pickle.loads(pickle.dumps(decoder))
        with copy:
            assert frame_number(next(copy.read([9])).to_host()) == 9
        assert device.opened == 1


def test_a_machine_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_opened", [])
    monkeypatch.setattr(nvidia, "has_gpu", lambda: False)
    with pytest.raises(VideoError, match="this worker's machine has none"):
        decoding_of("cuda")
