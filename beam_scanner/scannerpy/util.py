"""``scannerpy.util``: files that examples and kernels need."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from beam_scanner.scannerpy.config import mkdir_p as mkdir_p

_SAMPLE_FRAMES, _SAMPLE_SIZE = 240, (320, 240)


def temp_directory() -> str:
    """The folder of downloads, which is made if it is not there."""
    path = os.path.expanduser("~/.beam_scanner/resources")
    mkdir_p(path)
    return path


def download_temp_file(
    url: str, local_path: str | None = None, untar: bool = False
) -> str:
    """Downloads a file, unless it is there already.

    Args:
        url: Where it is.
        local_path: Its name in :func:`temp_directory`; None for that of the URL.
        untar: Unpack it there, too.

    Returns:
        The file's path; with ``untar`` that folder's.

    Raises:
        OSError: It cannot be had.
    """
    path = os.path.join(temp_directory(), local_path or url.rsplit("/", 1)[-1])
    if not os.path.isfile(path):
        mkdir_p(os.path.dirname(path))
        handle, part = tempfile.mkstemp(dir=os.path.dirname(path))
        try:
            with os.fdopen(handle, "wb") as file, urllib.request.urlopen(url) as found:
                shutil.copyfileobj(found, file)
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise
        if untar:
            with tarfile.open(path) as packed:
                packed.extractall(temp_directory(), filter="data")
    return temp_directory() if untar else path


def default(d: Mapping[Any, Any], k: Any, v: Any) -> Any:
    """A value of a dict, or another one, which a function may give.

    Examples:
        >>> default({'a': 1}, 'a', 2), default({}, 'a', 2), default({}, 'a', list)
        (1, 2, [])
    """
    if k in d:
        return d[k]
    return v() if callable(v) else v


@contextmanager
def sample_video(delete: bool = True) -> Iterator[str]:
    """Gives the path of a small video: 240 frames of 320 x 240, in four scenes.

    It is made, not downloaded.

    Args:
        delete: Remove it afterwards; else it stays, for all calls.
    """
    if delete:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "sample.mp4")
            _write_sample(path)
            yield path
        return
    path = os.path.join(temp_directory(), "sample.mp4")
    if not os.path.isfile(path):
        _write_sample(path)
    yield path


def _write_sample(path: str) -> None:
    # Loads FFmpeg.
    from beam_scanner.video.encoder import Encoding, VideoEncoder

    width, height = _SAMPLE_SIZE
    y, x = np.mgrid[:height, :width]
    with VideoEncoder(path, Encoding(keyframe_distance=30)) as encoder:
        for row in range(_SAMPLE_FRAMES):
            scene = row // 60
            frame = np.stack([x, y, x + y], 2)[..., np.roll([0, 1, 2], scene)] // 3
            ball = (x - row % 60 * 5) ** 2 + (y - 60 * (scene + 1) % height) ** 2 < 400
            frame = 20 * scene + (255 - frame if scene % 2 else frame) // 2
            frame[ball] = 255 - 60 * scene
            encoder.write(frame.astype(np.uint8), row / 24)
