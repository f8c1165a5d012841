"""The estimate of where decoding takes less time."""

from __future__ import annotations

from beam_scanner.planner.decoder_advice import decoder_text, gpu_time
from beam_scanner.planner.schedule import DecodeCount

FULL_HD, SMALL = 1920 * 1080, 480 * 270


def test_the_published_figures() -> None:
    assert 2.9 < 1 / gpu_time(DecodeCount(5000, 5000, seeks=1), FULL_HD) <= 3
    for decoded in (60, 70):
        assert 5 < gpu_time(DecodeCount(10, decoded, seeks=10), SMALL) < 7


def test_size_distance_and_density() -> None:
    """Larger pictures, longer ways to a row and fewer starts are for the GPU."""
    small = gpu_time(DecodeCount(10, 100, seeks=10), SMALL)
    assert gpu_time(DecodeCount(10, 100, seeks=10), FULL_HD) < small
    assert gpu_time(DecodeCount(10, 2000, seeks=10), SMALL) < small
    assert gpu_time(DecodeCount(100, 100, seeks=1), SMALL) < small


def test_each_says_what_the_other_would_take() -> None:
    sparse = DecodeCount(10, 60, seeks=10)
    assert "about 6.8 times as long" in decoder_text("cpu", sparse, SMALL)
    assert "decoder='cpu' would take about 0.1 times" in decoder_text(
        "cuda", sparse, SMALL
    )
    assert decoder_text("cpu", DecodeCount(), SMALL) == ""
    assert decoder_text("cpu", sparse, 0) == ""
