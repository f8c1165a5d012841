"""How FFmpeg's decoders behave, by codec, where no header and no option says so."""

from __future__ import annotations

# They report missing references.
REPORTS_GAPS = frozenset({"h264", "hevc", "vp8", "vp9", "av1"})

# They raise an error for a damaged picture, and do not only mark it.
RAISES_AT_ONCE = frozenset({"hevc", "vp8", "vp9", "av1", "ffv1", "mjpeg", "prores"})

# At the end, they give the pictures that they held back with the times of these.
# Others give the last one the time of a packet that could not be decoded.
GIVES_WHAT_IT_HOLDS = frozenset({"h264", "hevc"})

# They show pictures in another order than they decode them, and behind a keyframe they
# keep nothing of what came before it, and say for which pictures that is missing.
REORDERS = frozenset({"h264", "hevc"})

# They paint on grey where what a picture refers to is not there.
PAINTS_ON_GREY = frozenset(
    {"mpeg4", "mpeg1video", "mpeg2video", "theora", "flv1", "h263", "ffv1"}
)

_CONCEALING = """
apng av1 cavs cfhd dnxhd dvvideo ffv1 flv1 h261 h263 h263i h263p hq_hqa indeo3
jpeg2000 mjpeg mjpegb mpeg1video mpeg2video mpeg4 msmpeg4v1 msmpeg4v2 msmpeg4v3
png prores rv10 rv20 rv30 rv40 svq1 svq3 theora vc1 vp3 vp5 vp6 vp6f vp7 vp8 vp9
wmv1 wmv2 wmv3
"""

# They paint over what is missing, unless they are strict.
CONCEALS = frozenset(_CONCEALING.split())
