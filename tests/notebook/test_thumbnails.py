"""Thumbnails, their captions, and which rows they are of."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner import protobufs
from beam_scanner.notebook.thumbnails import (
    Shot,
    at_keyframes,
    caption,
    data_uri,
    picture,
    spread,
    strip,
)
from beam_scanner.types import NULL
from beam_scanner.types.image_files import decode_image
from tests.support import frames
from tests.text.test_cards import HOSTILE, Tags


def test_a_thumbnail_is_a_small_jpeg() -> None:
    frame = frames.picture(720, 1280)
    uri = data_uri(frame)
    kind, _, data = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    shown = decode_image(base64.b64decode(data))
    assert shown.shape == (180, 320, 3)
    assert len(uri) < 40_000
    # Frames that are no pictures, too.
    for other in (np.zeros((4, 6, 2), np.float32), np.eye(5), frame[..., :1]):
        assert data_uri(other).startswith("data:image/jpeg")


def test_captions_are_text() -> None:
    page = strip([Shot(frames.picture(), HOSTILE), Shot(NULL, HOSTILE)])
    assert set(Tags(page).tags) == {"div", "figure", "figcaption", "img"}


def test_null_frames_have_a_place() -> None:
    page = picture(Shot(NULL, "7"))
    assert "<img" not in page
    assert "null" in page


def test_what_was_found_lies_over_the_picture() -> None:
    box = protobufs.BoundingBox(x1=0.25, y1=0.5, x2=0.5, y2=0.75)
    page = picture(Shot(frames.picture(), "", [box]))
    assert "viewBox='0 0 64 48'" in page
    assert "<rect x='16.0' y='24.0' width='16.0' height='12.0'" in page


@given(st.integers(0, 5000), st.integers(2, 30))
def test_rows_all_over_a_stream(rows: int, most: int) -> None:
    found = spread(rows, most)
    assert len(found) == min(rows, most)
    assert found == sorted(set(found))
    if rows:
        assert found[0] == 0
        assert found[-1] == rows - 1


def test_keyframes_before_rows() -> None:
    assert at_keyframes([0, 50, 99], range(0, 100, 7)) == [0, 49, 98]
    # With too few keyframes the rows themselves are shown.
    assert at_keyframes([0, 30, 60, 90], [0, 50]) == [0, 30, 60, 90]
    assert at_keyframes([0, 3], []) == [0, 3]
    assert at_keyframes([], [0]) == []


@pytest.mark.parametrize(
    ("row", "seconds", "said"),
    [
        (0, 0.0, "0 · 0.000 s"),
        (9, 59.9996, "9 · 60.000 s"),
        (9, 61.5, "9 · 01:01.500"),
        (9, 7322.25, "9 · 2:02:02.250"),
        (9, float("nan"), "9"),
        (0, -0.5, "0 · -0.500 s"),
    ],
)
def test_captions(row: int, seconds: float, said: str) -> None:
    assert caption(row, seconds) == said


def test_nothing_is_fetched() -> None:
    page = strip([Shot(frames.picture(), "7")])
    assert re.findall(r"(?:src|href)='(\w+):", page) == ["data"]
