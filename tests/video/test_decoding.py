"""The places where packets become frames."""

from __future__ import annotations

from beam_scanner.video.decoding import CPU, decoding_of
from beam_scanner.video.device_decoding import DeviceDecoding
from tests.support.fake_device import fake_device


def test_decodings() -> None:
    assert decoding_of("cpu") is CPU
    with fake_device() as device:
        made = decoding_of("cuda")
        assert isinstance(made, DeviceDecoding)
        assert made.device is device
        # A device is opened once in a process.
        assert decoding_of("cuda") is made
