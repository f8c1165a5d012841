"""Pass, Discard, DiscardFrame and InfoFromFrame."""

from __future__ import annotations

from beam_scanner.ops.basic import Discard, DiscardFrame, InfoFromFrame, Pass
from tests.support.frames import CONFIG, picture


def test_small_ops() -> None:
    assert Pass(CONFIG).execute(b"abc") == b"abc"
    assert Discard(CONFIG).execute(b"abc") == b"\0"
    assert DiscardFrame(CONFIG).execute(picture()) == b"\0"
    assert InfoFromFrame(CONFIG).execute(picture()) == {
        "height": 48,
        "width": 64,
        "channels": 3,
        "dtype": "uint8",
    }
