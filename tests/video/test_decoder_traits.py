"""What is said of FFmpeg's decoders holds for those that it has."""

from __future__ import annotations

import av
import pytest

from beam_scanner.video import decoder_traits

TRAITS = [name for name in vars(decoder_traits) if name.isupper() and name[0] != "_"]


@pytest.mark.parametrize("trait", TRAITS)
def test_every_codec_is_called_as_ffmpeg_calls_it(trait: str) -> None:
    for name in getattr(decoder_traits, trait):
        codec = av.Codec(name, "r")
        assert codec.type == "video"
        assert codec.canonical_name == name


def test_what_reorders_can_be_asked_for_what_it_lacks() -> None:
    assert decoder_traits.REORDERS <= decoder_traits.REPORTS_GAPS
    assert decoder_traits.GIVES_WHAT_IT_HOLDS <= decoder_traits.REORDERS


def test_nobody_both_paints_on_grey_and_says_what_is_missing() -> None:
    assert not decoder_traits.PAINTS_ON_GREY & decoder_traits.REPORTS_GAPS
