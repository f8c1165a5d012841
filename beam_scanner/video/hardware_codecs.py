"""Which videos NVIDIA's GPUs can decode, told from the index, wherever that is read."""

from __future__ import annotations

from beam_scanner.errors import VideoError
from beam_scanner.video.index import FrameIndex

CODECS = frozenset(
    {
        *("av1", "h263", "h263p", "h264", "hevc", "mjpeg", "mpeg1video"),
        *("mpeg2video", "mpeg4", "vc1", "vp8", "vp9", "wmv3"),
    }
)
"""Codecs that FFmpeg gives to NVDEC; a GPU may lack some of them."""

PIXEL_FORMATS = frozenset({"yuv420p", "yuvj420p", "yuv420p10le", "yuv420p12le"})
"""What comes from NVDEC as NV12, P010 or P016."""


def check_hardware(name: str, index: FrameIndex) -> None:
    """Refuses a video that no GPU decodes.

    Args:
        name: What errors call it.
        index: Its index.

    Raises:
        VideoError: Says why.
    """
    reason = refusal(index)
    if reason:
        raise VideoError(
            f"video {name!r} cannot be decoded on a GPU (decoder='cuda'): {reason}; "
            "decoder='cpu' decodes it"
        )


def refusal(index: FrameIndex) -> str:
    """Why a video cannot be decoded on a GPU; '' if one may decode it."""
    if index.codec not in CODECS:
        return f"GPUs have no decoder for its codec, {index.codec}"
    if index.pix_fmt not in PIXEL_FORMATS:
        return (
            f"its pixel format is {index.pix_fmt}, and NVDEC takes 4:2:0 of 8, 10 or 12 "
            "bits"
        )
    # The planes that PyAV exports lack the colours of the last row and column.
    if index.width % 2 or index.height % 2 or index.crop is not None:
        return f"its pictures have an odd side ({index.width}x{index.height})"
    return ""
