"""Graphs that are to be refused."""

from __future__ import annotations

import pytest

from beam_scanner import NamedVideoStream
from beam_scanner.run import numbered_runs


@pytest.fixture
def no_workers(monkeypatch):
    """Fails the test if a run gets as far as a pipeline."""

    def execute(*args, **kwargs):
        raise AssertionError("a pipeline was started")

    monkeypatch.setattr(numbered_runs, "execute", execute)


@pytest.fixture
def frame(sc, small_video):
    """The column of a video of 60 frames, named 'clip'."""
    return sc.io.Input([NamedVideoStream(sc, "clip", path=small_video)])
