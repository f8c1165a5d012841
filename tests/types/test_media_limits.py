"""How large pictures and videos may say that they are."""

from __future__ import annotations

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.types.media_limits import (
    check_frames,
    check_picture,
    image_size,
    max_frames,
    max_pixels,
)

PIXELS, FRAMES = "BEAM_SCANNER_MAX_PIXELS", "BEAM_SCANNER_MAX_FRAMES"


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PIXELS, raising=False)
    monkeypatch.delenv(FRAMES, raising=False)


def test_the_limits_are_far_away() -> None:
    assert max_pixels() > 15360 * 8640
    assert max_frames() > 60 * 3600 * 77
    check_picture("a", 15360, 8640)
    check_frames("a", max_frames())


def test_the_environment_moves_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PIXELS, "12")
    monkeypatch.setenv(FRAMES, "7")
    check_picture("video 'a'", 4, 3)
    check_frames("video 'a'", 7)
    with pytest.raises(VideoError, match=rf"video 'a' has pictures of 13x1.*{PIXELS}"):
        check_picture("video 'a'", 13, 1)
    with pytest.raises(VideoError, match=rf"video 'a' has 8 frames.*{FRAMES}"):
        check_frames("video 'a'", 8)


@pytest.mark.parametrize("text", ["", "0", "-1", "1e6", "²", " 5", str(1 << 31)])
def test_limits_that_are_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PIXELS, text)
    with pytest.raises(ArgumentError, match=PIXELS):
        max_pixels()


@pytest.mark.parametrize("form", ["png", "jpg"])
def test_heads_of_our_own_images(form: str) -> None:
    from beam_scanner.kernels import KernelConfig
    from beam_scanner.ops.images import ImageEncoder

    encoder = ImageEncoder(KernelConfig(), format=form)
    head = encoder.execute(np.zeros((30, 46, 3), np.uint8))
    assert isinstance(head, bytes)
    assert image_size(head) == (46, 30)


@pytest.mark.parametrize(
    ("head", "size"),
    [
        (b"GIF89a\x40\1\xf0\0", (320, 240)),
        (b"BM" + bytes(16) + b"\5\0\0\0\6\0\0\0", (5, 6)),
        (b"qoif\0\0\0\5\0\0\0\6", (5, 6)),
        (b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\4\0\0\5\0\0", (5, 6)),
        (b"P6 5 6 255\n", (5, 6)),
        (b"YUV4MPEG2 W5 H6 F25:1\n", (5, 6)),
        (b"", None),
        (b"\xff\xd8\xff", None),
        (b"P6 5", None),
    ],
)
def test_heads_of_others(head: bytes, size: tuple[int, int] | None) -> None:
    assert image_size(head) == size
