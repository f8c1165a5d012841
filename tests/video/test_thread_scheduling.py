"""No codec makes threads of this process go before all others."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

import pytest

from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.encoder import VideoEncoder
from beam_scanner.video.encoding import CODECS, Encoding
from beam_scanner.video.indexing import index_video
from beam_scanner.video.thread_scheduling import kept_scheduling
from tests.support.video_fixtures import make_video, numbered_frames

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems list no threads"
)
needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root may be given more"
)


def real_time() -> list[int]:
    """Threads that go before others."""
    found = []
    for thread in map(int, os.listdir("/proc/self/task")):
        # One that has ended since goes before nobody.
        with suppress(ProcessLookupError):
            if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                found.append(thread)
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_encoders(codec, tmp_path):
    with VideoEncoder(tmp_path / "a.mp4", Encoding(codec)) as encoder:
        for i, frame in enumerate(numbered_frames(4, (64, 48))):
            encoder.write(frame, i / 25)
            assert real_time() == []
    assert real_time() == []


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp8", "vp9", "av1", "mpeg4"])
def test_decoders(codec, tmp_path):
    path = make_video(tmp_path / "a.mkv", 4, codec=codec, size=(64, 48))
    with VideoDecoder(path, index_video(path)) as decoder:
        for _ in decoder.read([0, 3]):
            assert real_time() == []


@needs_root
def test_what_is_given_is_taken_back():
    leave = threading.Event()
    inside = None
    try:
        with kept_scheduling():
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            inside = threading.Thread(target=leave.wait)
            inside.start()
            assert len(real_time()) == 2
        assert real_time() == []
    finally:
        leave.set()
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        if inside is not None:
            inside.join()


@needs_root
def test_what_was_given_before_is_kept():
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))
    try:
        with kept_scheduling():
            pass
        assert os.sched_getscheduler(0) == os.SCHED_RR
        assert os.sched_getparam(0).sched_priority == 2
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
