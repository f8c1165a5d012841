"""How frames may be encoded, and what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.video.encoding import CODECS, Encoding


@pytest.mark.parametrize("codec", CODECS)
def test_lossless_alone_has_no_loss(codec: str) -> None:
    assert Encoding(codec=codec).lossless == (codec == "lossless")


@pytest.mark.parametrize(
    ("codec", "worst"),
    [("default", 51), ("h264", 51), ("hevc", 51), ("vp9", 63), ("av1", 63)],
)
def test_the_worst_quality_is_that_of_the_codec(codec: str, worst: int) -> None:
    assert Encoding(codec=codec, quality=worst).quality == worst
    assert Encoding(codec=codec, quality=0).quality == 0
    with pytest.raises(ArgumentError, match=f"must be 0 to {worst}, or -1"):
        Encoding(codec=codec, quality=worst + 1)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"codec": "mpeg1"}, "codec 'mpeg1' does not exist"),
        ({"quality": -2}, "quality of codec 'default'"),
        ({"bitrate": 0}, "bitrate must be positive"),
        ({"keyframe_distance": 0}, "keyframe_distance must be positive"),
        ({"quality": 20, "bitrate": 1000}, "a quality or a bitrate, not both"),
        ({"codec": "raw", "quality": 20}, "'lossless' has no loss"),
        ({"codec": "raw", "bitrate": 1000}, "'lossless' has no loss"),
    ],
)
def test_what_is_refused(values: dict[str, Any], match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        Encoding(**values)
