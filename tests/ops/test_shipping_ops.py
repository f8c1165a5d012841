"""The ops that ship, against OpenCV, NumPy or arithmetic that is plainly right."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner import kernels, ops, types
from beam_scanner.errors import ArgumentError, ElementTypeError, ScannerException
from beam_scanner.ops.images import ImageDecoder, ImageEncoder
from beam_scanner.ops.shot_boundaries import find_boundaries, shot_boundaries
from beam_scanner.types.image_files import decode_image
from tests.support.frames import CONFIG, picture
from tests.support.programs import run_code

# Registration


def test_all_ops_are_registered_by_name() -> None:
    ops.register_ops()
    ops.register_ops()
    names = (
        "Histogram Resize ConvertColor Blur OpticalFlow FrameDifference Montage "
        "ImageEncoder ImageDecoder Pass Discard DiscardFrame InfoFromFrame "
        "ShotBoundaries DrawBboxes DrawFlow"
    )
    assert set(names.split()) <= set(kernels.registered_ops())


def test_attributes_of_the_ops() -> None:
    ops.register_ops()
    assert kernels.op_spec("OpticalFlow").stencil == (0, 1)
    assert kernels.op_spec("FrameDifference").stencil == (-1, 0)
    assert kernels.op_spec("Montage").unbounded_state
    assert kernels.op_spec("ShotBoundaries").whole_stream
    resize_args = [p.name for p in kernels.op_spec("Resize").stream_params]
    assert resize_args == [
        "width",
        "height",
        "min",
        "preserve_aspect",
        "interpolation",
    ]
    assert kernels.op_spec("Histogram").outputs[0].type_name == "Histogram"


def test_a_users_op_of_a_taken_name_is_an_error() -> None:
    ops.register_ops()

    def mine(config: Any, frame: types.FrameType) -> bytes:
        return b""

    with pytest.raises(ScannerException, match="Histogram twice"):
        kernels.register_python_op(name="Histogram")(mine)


def test_importing_the_ops_loads_no_opencv() -> None:
    code = (
        "import sys; from beam_scanner.ops import register_ops; register_ops(); "
        "sys.exit('cv2' in sys.modules)"
    )
    run_code(code)


# ShotBoundaries


def reference_boundaries(histograms: np.ndarray) -> list[tuple[int, float]]:
    """Scanner's definition, row by row: each row with its margin over the limit."""
    diffs = [0.0] + [
        float(np.mean(np.abs(a.astype(int) - b).max(axis=1)))
        for a, b in itertools.pairwise(histograms)
    ]
    margins = []
    for i in range(1, len(diffs)):
        window = diffs[max(i - 500, 0) : min(i + 500, len(diffs))]
        margins.append((i, diffs[i] - np.mean(window) - 2.5 * np.std(window)))
    return margins  # type: ignore[return-value]


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(0, 1300), st.sampled_from([1, 40, 10**7]))
def test_shot_boundaries_equal_the_definition(seed: int, rows: int, top: int) -> None:
    rng = np.random.default_rng(seed)
    shots = np.repeat(rng.integers(0, top, (40, 3, 16)), 40, axis=0)[:rows]
    histograms = np.int32(shots + rng.integers(0, 3, shots.shape))
    found = set(find_boundaries(histograms))
    for row, margin in reference_boundaries(histograms):  # type: ignore[arg-type]
        if abs(margin) > 1e-6 * top:
            assert (row in found) == (margin > 0), (row, margin)


def test_shot_boundaries_give_one_element_a_row() -> None:
    dark, bright = [np.arange(16)] * 3, [np.arange(16)[::-1]] * 3
    rows = [dark] * 20 + [bright] * 20
    assert shot_boundaries(CONFIG, rows) == [[20], *[None] * 39]  # type: ignore[arg-type]
    assert shot_boundaries(CONFIG, rows[:1]) == [[]]  # type: ignore[arg-type]
    assert shot_boundaries(CONFIG, []) == []


def test_shot_boundaries_of_a_long_film_take_no_time_to_speak_of() -> None:
    histograms = np.zeros((300_000, 3, 16), np.int32)
    histograms[::1000] = 2**31 - 1
    assert find_boundaries(histograms)[:2] == [1, 1000]


# Pictures


@pytest.mark.parametrize("height", [47, 48])
def test_images_go_through_png_unchanged(height: int) -> None:
    frame = picture(height)
    file = ImageEncoder(CONFIG).execute(frame)
    assert isinstance(file, bytes)
    assert np.array_equal(ImageDecoder(CONFIG).execute(file), frame)
    bgr = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(bgr[..., ::-1], frame)
    assert types.get_type_info(types.Image).serialize(file) == file


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1)])
def test_gray_images(shape: tuple[int, ...]) -> None:
    frame = np.arange(35, dtype=np.uint8).reshape(shape)
    decoded = ImageDecoder(CONFIG).execute(ImageEncoder(CONFIG).execute(frame))  # type: ignore[arg-type]
    assert np.array_equal(decoded, frame.reshape(5, 7, 1))


@pytest.mark.parametrize("form", ["jpg", "JPEG"])
@pytest.mark.parametrize("size", [(47, 65), (48, 64), (47, 64)])
def test_jpeg_is_as_close_as_opencvs(form: str, size: tuple[int, int]) -> None:
    frame = picture(*size)
    file = ImageEncoder(CONFIG, format=form).execute(frame)
    _, reference = cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]))

    def error(decoded: np.ndarray) -> float:
        assert decoded.shape == frame.shape
        return float(np.abs(decoded.astype(int) - frame).mean())

    def read(data: Any) -> np.ndarray:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return pixels[..., ::-1]

    assert error(ImageDecoder(CONFIG).execute(file)) < 1.25 * error(read(reference))  # type: ignore[arg-type]
    assert error(read(file)) < 1.25 * error(read(reference))
    assert file == ImageEncoder(CONFIG, format=form).execute(frame)


def test_jpeg_quality_orders_sizes() -> None:
    sizes = [
        len(ImageEncoder(CONFIG, format="jpg", quality=q).execute(picture(96, 128)))
        for q in (5, 30, 60, 80, 95)
    ]
    assert sizes == sorted(set(sizes))


def test_files_of_other_encoders_decode() -> None:
    frame = picture(47, 65)
    for suffix, limit in ((".jpg", 4), (".png", 0)):
        _, file = cv2.imencode(suffix, np.ascontiguousarray(frame[..., ::-1]))
        ours = decode_image(file.tobytes()).astype(int)
        theirs = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(ours - theirs).max() <= limit
    alpha = np.dstack((frame, frame[..., :1]))
    _, file = cv2.imencode(".png", alpha[..., [2, 1, 0, 3]])
    assert np.array_equal(decode_image(file.tobytes()), alpha)


@given(st.data())
def test_truncated_files_are_errors(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["png", "jpg"]))
    file = ImageEncoder(CONFIG, format=form).execute(picture())
    assert isinstance(file, bytes)
    cut = data.draw(st.integers(0, len(file) - 1))
    with pytest.raises(ElementTypeError, match=r"damaged|no PNG or JPEG"):
        ImageDecoder(CONFIG).execute(file[:cut])
    ImageDecoder(CONFIG).execute(file + b"trailing")


def test_image_arguments() -> None:
    with pytest.raises(ArgumentError, match="no format 'gif'"):
        ImageEncoder(CONFIG, format="gif")
    with pytest.raises(ArgumentError, match="quality of 1 to 100, got 0"):
        ImageEncoder(CONFIG, format="jpg", quality=0)
    with pytest.raises(ElementTypeError, match="JPEG holds"):
        ImageEncoder(CONFIG, format="jpg").execute(np.zeros((2, 2, 4), np.uint8))
    with pytest.raises(ElementTypeError, match="PNG holds"):
        ImageEncoder(CONFIG).execute(np.zeros((2, 2, 3), np.float32))
