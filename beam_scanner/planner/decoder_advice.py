"""Where videos would be decoded in less time: an estimate, for people.

It knows two published figures: on dense 1080p a GPU is 3 times as fast as the CPU, and on
rows far apart in small videos 5 to 7 times as slow, since each start costs it much and its
pictures are soon decoded. No figure of the machine enters.
"""

from __future__ import annotations

from beam_scanner.planner.schedule import DecodeCount

GPU_SPEED = 3.0
"""Times as fast as the CPU, on frames that follow one another."""

START_PIXELS = 5_000_000
"""Pixels that the CPU decodes while a GPU starts at a keyframe."""


def gpu_time(decode: DecodeCount, pixels: int) -> float:
    """How long a GPU takes to decode, in times as long as the CPU.

    Args:
        decode: Frames to decode, and how often to start at a keyframe.
        pixels: Of a frame.

    Examples:
        >>> dense = DecodeCount(needed=900, decoded=900, seeks=1)
        >>> round(gpu_time(dense, 1920 * 1080), 2)
        0.34
        >>> sparse = DecodeCount(needed=10, decoded=60, seeks=10)
        >>> round(gpu_time(sparse, 480 * 270), 1)
        6.8
    """
    work = decode.decoded * pixels
    return 1 / GPU_SPEED + decode.seeks * START_PIXELS / work


def decoder_text(decoder: str, decode: DecodeCount, pixels: int) -> str:
    """What a plan says of the place where a video is decoded; '' where nothing is.

    Args:
        decoder: The place.
        decode: What is decoded.
        pixels: Of a frame.

    Examples:
        >>> dense = DecodeCount(needed=900, decoded=900, seeks=1)
        >>> decoder_text('cpu', dense, 1920 * 1080)
        "on the CPU; decoder='cuda' would take about 0.3 times as long"
        >>> decoder_text('cuda', dense, 1920 * 1080)
        "on a GPU; decoder='cpu' would take about 3.0 times as long"
    """
    if not decode.decoded or not pixels:
        return ""
    ratio = gpu_time(decode, pixels)
    where, other = ("the CPU", "cuda") if decoder == "cpu" else ("a GPU", "cpu")
    times = ratio if decoder == "cpu" else 1 / ratio
    shown = f"{times:.1f}" if times < 10 else f"{times:.0f}"
    return f"on {where}; decoder={other!r} would take about {shown} times as long"
