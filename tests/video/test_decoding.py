"""The places where packets become frames."""

from __future__ import annotations

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.video.decoding import CPU, DECODERS, check_decoder, decoding_of
from beam_scanner.video.device_decoding import DeviceDecoding
from tests.support.fake_device import fake_device


def test_names() -> None:
    assert [check_decoder(name) for name in DECODERS] == ["cpu", "cuda"]
    with pytest.raises(ArgumentError, match="'cpu' or 'cuda', got 'gpu'"):
        check_decoder("gpu")


def test_decodings() -> None:
    assert decoding_of("cpu") is CPU
    with fake_device() as device:
        made = decoding_of("cuda")
        assert isinstance(made, DeviceDecoding)
        assert made.device is device
        # A device is opened once in a process.
        assert decoding_of("cuda") is made
