"""Names of the places where videos are decoded."""

from __future__ import annotations

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.video.decoder_names import DECODERS, check_decoder


def test_names() -> None:
    assert [check_decoder(name) for name in DECODERS] == ["cpu", "cuda"]
    with pytest.raises(ArgumentError, match="'cpu' or 'cuda', got 'gpu'"):
        check_decoder("gpu")
