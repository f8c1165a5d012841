"""What the counterparts of Scanner's tests share."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from beam_scanner import (
    CacheMode,
    NamedVideoStream,
    PerfParams,
    StorageBackend,
    StoredStream,
    register_python_op,
)
from tests.support.video_fixtures import numbered_frame

ROWS = 720


def run(cl, outputs, perf=None, **kwargs):
    return cl.run(
        outputs,
        perf or PerfParams.estimate(),
        cache_mode=CacheMode.Overwrite,
        show_progress=False,
        **kwargs,
    )


def clip(cl):
    return cl.io.Input([NamedVideoStream(cl, "test1")])


def is_histogram_of(histogram, number):
    """Whether a 3 x 16 histogram is about that of a numbered frame."""
    frame = numbered_frame(number)
    bright = (frame > 128).sum(axis=(0, 1))
    found = np.asarray(histogram)
    assert found.shape == (3, 16)
    return (np.abs(found[:, 8:].sum(axis=1) - bright) < 200).all() and (
        found.sum(axis=1) == 64 * 48
    ).all()


def farneback(first, second):
    cv2 = pytest.importorskip("cv2")
    first, second = (cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in (first, second))
    return cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 3, 15, 3, 5, 1.2, 0)


class OwnStorage(StorageBackend):
    pass


class PackedFile(StoredStream):
    """u64 count, then elements of 8 bytes; as users write sources of their own."""

    def __init__(self, path):
        self._path = path

    def name(self):
        return self._path

    def storage(self):
        return OwnStorage()

    def exists(self):
        return os.path.exists(self._path)

    def committed(self):
        return self.exists()

    def type(self):
        return bytes

    def len(self):
        return struct.unpack("=Q", Path(self._path).read_bytes()[:8])[0]

    def load_bytes(self, rows=None):
        data = Path(self._path).read_bytes()[8:]
        for row in range(self.len()) if rows is None else rows:
            yield data[8 * row : 8 * row + 8]


class FilesStream(StoredStream):
    """One file an element, as Scanner's files source and sink."""

    def __init__(self, paths):
        self._paths = list(paths)

    def name(self):
        return self._paths[0]

    def storage(self):
        return OwnStorage()

    def exists(self):
        return any(os.path.exists(path) for path in self._paths)

    def committed(self):
        return all(os.path.exists(path) for path in self._paths)

    def type(self):
        return bytes

    def len(self):
        return len(self._paths)

    def load_bytes(self, rows=None):
        for row in range(len(self._paths)) if rows is None else rows:
            yield Path(self._paths[row]).read_bytes()

    def write(self, first_row, elements, seconds):
        for row, element in enumerate(elements, first_row):
            Path(self._paths[row]).write_bytes(element)


class PythonStream(StoredStream):
    """A list of the program, as Scanner's Python source."""

    def __init__(self, data):
        self._data = data

    def name(self):
        return "python"

    def storage(self):
        return OwnStorage()

    def exists(self):
        return True

    def committed(self):
        return True

    def len(self):
        return len(self._data)

    def type(self):
        return bytes

    def load_bytes(self, rows=None):
        for row in range(len(self._data)) if rows is None else rows:
            yield pickle.dumps(self._data[row])


@register_python_op()
def SuiteAddOne(config, x: bytes) -> bytes:
    return struct.pack("=q", struct.unpack("=q", x)[0] + 1)
