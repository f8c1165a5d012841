"""Frames to and from image files."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner import types
from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.ops.images import ImageDecoder, ImageEncoder
from beam_scanner.types.image_files import decode_image
from tests.support.frames import CONFIG, picture


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
    with pytest.raises(ElementTypeError, match=r"damaged|not a PNG or JPEG"):
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
