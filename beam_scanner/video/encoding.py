"""How frames are to be encoded: plain data, no FFmpeg.

(The encoder itself is in ``video/encoder.py``.)
"""

from __future__ import annotations

from dataclasses import dataclass

from beam_scanner.errors import ArgumentError

CODECS = ("default", "h264", "hevc", "vp9", "av1", "lossless")
_WORST_QUALITY = {"vp9": 63, "av1": 63}


@dataclass(frozen=True)
class Encoding:
    """How a column of frames is stored.

    Attributes:
        codec: 'default' (H.264 with the encoder's own defaults), 'h264', 'hevc',
            'vp9', 'av1', or 'lossless' (H.264 in RGB, every bit comes back). 'raw',
            Scanner's name of it, is accepted and becomes 'lossless'.
        quality: Constant rate factor, 0 (best) to 51 (63 for vp9 and av1); -1 for
            the encoder's default.
        bitrate: Bits a second instead of a quality; -1 for none.
        keyframe_distance: Most frames between keyframes; -1 for 120.

    Raises:
        ArgumentError: A value is out of range, or two contradict each other.

    Examples:
        >>> Encoding(codec='h264', quality=20).lossless
        False
        >>> Encoding('raw').codec
        'lossless'
    """

    codec: str = "default"
    quality: int = -1
    bitrate: int = -1
    keyframe_distance: int = -1

    def __post_init__(self) -> None:
        if self.codec == "raw":
            object.__setattr__(self, "codec", "lossless")
        if self.codec not in CODECS:
            raise ArgumentError(
                f"codec {self.codec!r} does not exist; use one of {CODECS}"
            )
        worst = _WORST_QUALITY.get(self.codec, 51)
        if not -1 <= self.quality <= worst:
            raise ArgumentError(
                f"quality of codec {self.codec!r} must be 0 to {worst}, or -1, "
                f"got {self.quality}"
            )
        if self.bitrate != -1 and self.bitrate <= 0:
            raise ArgumentError(f"bitrate must be positive, or -1, got {self.bitrate}")
        if self.keyframe_distance != -1 and self.keyframe_distance <= 0:
            raise ArgumentError(
                f"keyframe_distance must be positive, or -1, got {self.keyframe_distance}"
            )
        if self.quality != -1 and self.bitrate != -1:
            raise ArgumentError("give a quality or a bitrate, not both")
        if self.lossless and (self.quality != -1 or self.bitrate != -1):
            raise ArgumentError(
                "codec 'lossless' has no loss: give no quality and no bitrate"
            )

    @property
    def lossless(self) -> bool:
        """Whether frames come back bit for bit."""
        return self.codec == "lossless"
