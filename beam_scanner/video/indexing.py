"""Building a video's frame index: one pass over its packets, and what checks it."""

from __future__ import annotations

from beam_scanner.video.index import FrameIndex, check_damage
from beam_scanner.video.source import VideoSource


def index_video(
    source: VideoSource, verify: bool = False, damage: str = "strict"
) -> FrameIndex:
    """Indexes a video in one pass over its packets.

    Where the container's word is known to be good enough, only the first frames are
    decoded, as a check; elsewhere, or with ``verify``, all frames are.

    Args:
        source: A path, or a callable that opens the file.
        verify: Decode every frame once, so that damage shows now.
        damage: ``'strict'`` or ``'salvage'``; see :func:`check_damage`. Salvage
            decodes every frame once.

    Returns:
        The index.

    Raises:
        VideoError: The file is missing, empty, no video, encrypted, or without a
            frame that can be decoded; or, with ``'strict'``, cut short or damaged
            where it was decoded. The message names it, and the rows.
        StorageError: The file cannot be read now, which says nothing about it.
    """
    # Importing these loads FFmpeg, which describing a stream does not need.
    from beam_scanner.video.index_checks import (
        confirm_rows,
        starts_cold,
        without_keyframes,
    )
    from beam_scanner.video.scan import scan_video

    index, sums = scan_video(source, verify, check_damage(damage))
    if not index.verified and not starts_cold(source, index, sums):
        index, sums = scan_video(source, True, damage)
    if index.verified and not starts_cold(source, index, sums):
        index = without_keyframes(index)
    return confirm_rows(source, index) if len(index.lost) else index
