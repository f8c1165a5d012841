"""The codecs whose packets are read, by FFmpeg's name."""

from __future__ import annotations

from beam_scanner.video.bitstream.av1 import Av1
from beam_scanner.video.bitstream.codec import Bitstream
from beam_scanner.video.bitstream.ffv1 import Ffv1
from beam_scanner.video.bitstream.first_bytes import (
    H263,
    DnxHd,
    Flv1,
    Mjpeg,
    ProRes,
    Theora,
    Vp8,
)
from beam_scanner.video.bitstream.h264 import H264
from beam_scanner.video.bitstream.hevc import Hevc
from beam_scanner.video.bitstream.mpeg import Mpeg4, Mpeg12
from beam_scanner.video.bitstream.vp9 import Vp9

_CODECS: dict[str, type[Bitstream]] = {
    "av1": Av1,
    "dnxhd": DnxHd,
    "ffv1": Ffv1,
    "flv1": Flv1,
    "h263": H263,
    "h264": H264,
    "hevc": Hevc,
    "mjpeg": Mjpeg,
    "mpeg1video": Mpeg12,
    "mpeg2video": Mpeg12,
    "mpeg4": Mpeg4,
    "prores": ProRes,
    "theora": Theora,
    "vp8": Vp8,
    "vp9": Vp9,
}


def bitstream(codec: str, extradata: bytes | None = b"") -> Bitstream:
    r"""What answers for the packets of a stream.

    Args:
        codec: FFmpeg's canonical name of the codec.
        extradata: The stream's decoder configuration, which says how packets are
            delimited; b'' or None for none.

    Examples:
        >>> bitstream('vp8').is_keyframe(memoryview(b'\1'))
        False
        >>> bitstream('wmv2').is_keyframe(memoryview(b''))  # nothing is known of it
        True
    """
    return _CODECS.get(codec, Bitstream)(extradata or b"")
