"""A video as one file, with its sound."""

from __future__ import annotations

import warnings

from beam_scanner.errors import VideoError
from beam_scanner.storage.segments.video_rows import video_file
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.video.soundtrack import has_sound


def write_film(video: NamedVideoStream, path: str) -> None:
    """Writes a video to an MP4, with the sound of the file that it is read from.

    Sound that an MP4 cannot hold is left out with a warning. Videos that graphs made
    have none.

    Args:
        video: The video.
        path: The file, which ends in ``.mp4``.

    Raises:
        StorageError: The file cannot be written.
        VideoError: The video cannot be read.
    """
    found = video.descriptor()
    if found.ingested and has_sound(video_file(video.storage().store(), found)):
        try:
            video.save_mp4(path, sound=True)
            return
        except VideoError as error:
            silent = str(error)
        video.save_mp4(path)
        warnings.warn(f"{path!r} is silent: {silent}", stacklevel=2)
    else:
        video.save_mp4(path)
