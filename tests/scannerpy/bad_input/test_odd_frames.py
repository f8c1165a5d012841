"""Frames of every kind, and videos whose size changes."""

from __future__ import annotations

import numpy as np
import pytest

from beam_scanner import (
    FrameType,
    Kernel,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)
from tests.support.client_helpers import files_of
from tests.support.refusals import failures_of, run
from tests.support.video_fixtures import frame_number

# Frames of every kind


@register_python_op()
class BadShapes(Kernel):
    """Frames that are not plain uint8 RGB in one piece of memory."""

    def __init__(self, config, what):
        self.what = what

    def execute(self, frame: FrameType) -> FrameType:
        return changed(frame, self.what)


def changed(frame, what):
    made = {
        "flipped": lambda: frame[::-1, ::-1],
        "strided": lambda: frame[::2, ::3],
        "transposed": lambda: frame.transpose(1, 0, 2),
        "fortran": lambda: np.asfortranarray(frame),
        "odd": lambda: frame[:47, :63],
        "tiny": lambda: frame[:1, :1],
        "column": lambda: frame[:, :1],
        "float": lambda: frame.astype(np.float32) / 255,
        "double": lambda: frame.astype(np.float64),
        "signed": lambda: frame.astype(np.int16) - 300,
        "gray": lambda: frame[:, :, :1],
        "flat": lambda: frame[:, :, 0],
        "four": lambda: np.concatenate((frame, frame[:, :, :1]), axis=2),
        "bool": lambda: frame > 100,
        "big endian": lambda: frame.astype(">u2"),
    }
    return made[what]()


@pytest.mark.parametrize(
    "what",
    [
        "flipped",
        "strided",
        "transposed",
        "fortran",
        "odd",
        "tiny",
        "column",
        "float",
        "double",
        "signed",
        "gray",
        "flat",
        "four",
        "bool",
        "big endian",
    ],
)
def test_frames_of_any_kind(sc, frame, what):
    """Kept as they are when lossless; lossy ones keep their size."""
    made = sc.ops.BadShapes(frame=sc.streams.Range(frame, [(0, 10)]), what=what)
    outputs = [NamedVideoStream(sc, "exact"), NamedVideoStream(sc, "lossy")]
    run(
        sc,
        [sc.io.Output(made.lossless(), outputs[:1]), sc.io.Output(made, outputs[1:])],
    )
    source = list(NamedVideoStream(sc, "clip").load(rows=range(10)))
    for found, near, original in zip(
        outputs[0].load(), outputs[1].load(), source, strict=True
    ):
        expected = changed(original, what)
        if expected.ndim == 2:
            expected = expected[:, :, None]
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
        assert found.flags.c_contiguous
        assert near.shape == expected.shape
        assert near.dtype == expected.dtype
        if near.dtype == np.uint8 and near.shape[2] == 3 and min(near.shape[:2]) > 8:
            assert np.abs(near.astype(int) - expected).mean() < 15
        elif near.dtype != np.uint8:
            assert np.array_equal(near, expected)


@register_python_op()
def BadSizes(config, frame: FrameType) -> FrameType:
    """The size changes with frame 5."""
    return frame if frame_number(frame) % 1000 < 5 else frame[:40, :56]


@pytest.mark.parametrize("io", [4, 12, 60])
def test_frames_whose_size_changes(sc, frame, io):
    """Kept when lossless; when lossy an error that names the row, in every cut."""
    made = sc.ops.BadSizes(frame=frame)
    exact, lossy = NamedVideoStream(sc, "exact"), NamedVideoStream(sc, "lossy")
    perf = PerfParams.manual(4, io)
    run(sc, sc.io.Output(made.lossless(), [exact]), perf)
    shapes = [found.shape[:2] for found in exact.load()]
    assert shapes == [(48, 64)] * 5 + [(40, 56)] * 55
    failures = failures_of(sc, sc.io.Output(made, [lossy]), perf)
    assert [f.stream for f in failures] == ["lossy"]
    assert "row 5" in failures[0].reason
    assert "lossless" in failures[0].reason
    assert not lossy.committed()
    assert not [name for name in files_of(sc.db_path) if name.startswith("lossy/")]
