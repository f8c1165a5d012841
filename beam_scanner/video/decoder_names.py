"""The places where videos can be decoded, by name: plain data, no FFmpeg."""

from __future__ import annotations

from beam_scanner.errors import ArgumentError

DECODERS = ("cpu", "cuda")


def check_decoder(name: str) -> str:
    """Refuses the name of an unknown place.

    Raises:
        ArgumentError: Names those that there are.

    Examples:
        >>> check_decoder('cuda')
        'cuda'
    """
    if name not in DECODERS:
        raise ArgumentError(f"decoder must be 'cpu' or 'cuda', got {name!r}")
    return name
