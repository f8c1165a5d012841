"""The processes that decode: they end with whoever needs them, and are missed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection
from typing import Any

import numpy as np
import psutil
import pytest

from beam_scanner.data import Frames, decoding_processes
from beam_scanner.data.decoding_processes import DecodingHere, Task, VideosKept
from beam_scanner.data.given_videos import open_video
from beam_scanner.data.shared_memory import SharedMemory
from beam_scanner.data.stretches import Wanted, stretches
from beam_scanner.errors import WorkerError
from beam_scanner.forks import stopped_processes
from tests.support.corpus import linear_decode
from tests.support.decoding import check, processes, taken, wait_for_end
from tests.support.folders import ROOT
from tests.support.programs import python
from tests.support.tiers import most_slow
from tests.support.video_fixtures import make_video

FRAMES = 60


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("processes") / "a.mp4", FRAMES)


@pytest.fixture
def frames(path):
    """One that has begun, and has room for more."""
    with Frames(path, [*range(FRAMES)] * 4, 5, "150kB", workers=2) as frames:
        next(frames)
        yield frames


def after(seconds: float, function: Any, *arguments: Any) -> None:
    threading.Timer(seconds, function, arguments).start()


@contextmanager
def interrupts(may: threading.Event) -> Iterator[None]:
    """Interrupts this program once it may be; again where Python drops it.

    As it does in a ``__del__``.
    """
    over = threading.Event()

    def interrupt() -> None:
        while not over.wait(0.1):
            if may.is_set():
                os.kill(os.getpid(), signal.SIGINT)
                over.wait(10)

    # A shell that runs this in the background has the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        yield
    finally:
        over.set()
        thread.join()
        signal.signal(signal.SIGINT, before)


@pytest.fixture
def looks_never(monkeypatch):
    """Turns polling off: only a closed connection says that a worker has died."""
    monkeypatch.setattr(decoding_processes, "LOOK_SECONDS", 600.0)
    monkeypatch.setattr(decoding_processes, "_END_SECONDS", 600.0)


def test_a_worker_that_is_killed_is_missed_at_once(frames, looks_never):
    workers = processes(frames)
    workers[1].kill()
    began = time.monotonic()
    with pytest.raises(WorkerError, match="was killed by SIGKILL"):
        taken(frames)
    assert time.monotonic() - began < 300
    wait_for_end(workers)


def test_a_worker_that_is_killed_while_it_is_waited_for(path, frames, looks_never):
    workers = processes(frames)
    for worker in workers:
        worker.suspend()
    killed: list[float] = []

    def kill() -> None:
        killed.append(time.monotonic())
        workers[0].kill()

    after(0.3, kill)
    with pytest.raises(WorkerError, match=r"SIGKILL; it was to read .*a.mp4', rows \d"):
        taken(frames)
    assert time.monotonic() - killed[0] < 300
    wait_for_end(workers)
    # Others take their place.
    position = frames.state_dict()["rows"]
    rows = ([*range(FRAMES)] * 4)[position:]
    check(taken(frames), rows, linear_decode(path))


@pytest.mark.slow
def test_a_worker_that_is_stopped_is_given_up(frames):
    for worker in processes(frames):
        worker.suspend()
    with pytest.raises(WorkerError, match=r"was stopped \(SIGSTOP\)"):
        taken(frames)


def test_an_interrupt_loses_nothing(path, frames, monkeypatch):
    for worker in processes(frames):
        worker.suspend()
    chunks = []
    waits = threading.Event()

    def wait(connections: Any, seconds: float) -> list[Any]:
        if seconds:
            waits.set()
        return connection.wait(connections, seconds)

    monkeypatch.setattr(decoding_processes, "wait", wait)
    # The interrupt may come late, where others use the machine.
    monkeypatch.setattr(stopped_processes, "STOPPED_SECONDS", 600.0)
    with pytest.raises(KeyboardInterrupt), interrupts(waits):
        chunks.extend((rows.tolist(), pixels.copy()) for rows, pixels in frames)
    monkeypatch.undo()
    position = frames.state_dict()["rows"]
    rest = taken(frames)
    check(rest, ([*range(FRAMES)] * 4)[position:], linear_decode(path))


def test_they_end_with_the_object(path):
    frames = Frames(path, workers=2)
    next(frames)
    workers = processes(frames)
    del frames
    wait_for_end(workers)


def test_they_end_after_the_last_chunk(path):
    frames = Frames(path, chunk=FRAMES // 2, workers=1)
    next(frames)
    workers = processes(frames)
    next(frames)
    assert next(frames, None) is None
    wait_for_end(workers, 0.1)


BEGIN = """
import json, os, signal, sys, time
from beam_scanner.data import Frames

frames = Frames(sys.argv[1], [*range(60)] * 9, 5, "150kB", workers=2)
for rows, pixels in frames:
    break
workers = [each._fork.started() for each in frames._decoders._workers]
print(json.dumps(workers), flush=True)
"""

FORKS = """
if not os.fork():
    os.close(1); os.close(2); time.sleep(60); os._exit(0)
"""
KILLS_LATER = """
import threading
threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGKILL]).start()
frames = Frames(sys.argv[1], iter(lambda: 7, None), 5, "150kB", workers=2)
"""
ENDS = {
    "never closes": ("", 0),
    "raises": ("raise ValueError(rows)", 1),
    "kills itself": ("os.kill(os.getpid(), signal.SIGKILL)", -9),
    "exits": ("sys.exit(3)", 3),
    "leaves at once": ("os._exit(4)", 4),
    "is ended": ("os.kill(os.getpid(), signal.SIGTERM)", -15),
    "is interrupted": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", -2),
    "has a fork that lives on": (
        FORKS + "os.kill(os.getpid(), signal.SIGKILL)",
        -9,
    ),
    "is in the middle of it": (KILLS_LATER + "while True: list(frames)", -9),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", most_slow(ENDS, fast=3))
def test_they_end_with_the_program(path, how):
    end, code = ENDS[how]
    # Its text is not in a file, as in a notebook, and nothing guards the main module.
    done = subprocess.run(
        [sys.executable, "-", path],
        input=BEGIN + end,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    if not code:
        assert done.stderr == ""
    found = []
    for process in json.loads(done.stdout.splitlines()[0]):
        try:
            found.append(psutil.Process(process))
        except psutil.NoSuchProcess:
            continue
    wait_for_end(found, 30)


SPAWNING = """
import multiprocessing, sys
from beam_scanner.data import Frames

def rest(frames):
    return [int(rows[0]) for rows, _ in frames]

if __name__ == "__main__":
    frames = Frames(sys.argv[1], chunk=20, workers=1)
    next(frames)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(rest, [frames]))
    # A fork begins at the same place, and changes nothing here.
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=lambda: results.put(rest(frames)))
    child.start()
    print(results.get(), rest(frames))
    child.join()
    print(child.exitcode)
"""


@pytest.mark.slow
def test_processes_of_the_program(path, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(SPAWNING))
    printed = python("-W", "ignore", program, path).splitlines()
    assert printed == ["[20, 40]", "[20, 40] [20, 40]", "0"]


def test_what_is_kept_open_is_bounded(path):
    video = open_video(path)
    kept = VideosKept()
    count = np.zeros(1, np.int64)
    forgotten: list[int] = []
    numbers = [*range(70), 3, 69]
    for at, number in enumerate(numbers):
        wanted = Wanted(count + number, count, count, count, count)
        (stretch,) = stretches(wanted, lambda _: video.keyframes, 1)
        job = kept.job(0, Task(stretch, video))
        assert (job.reader is None) == (at == len(numbers) - 1)
        forgotten += job.forget
    assert forgotten == [0, 1, 2, 3, 4, 5, 6]


def test_decoding_here_is_done_when_it_is_waited_for(path):
    video = open_video(path)
    memory = SharedMemory(1 << 20)
    here = DecodingHere(memory.file)
    place = memory.reserve(video.frame_bytes)
    count = np.zeros(1, np.int64)
    wanted = Wanted(count, count + 7, count, count, count + place)
    (stretch,) = stretches(wanted, lambda _: video.keyframes, 1)
    here.submit([Task(stretch, video)])
    assert not here.progress(waits=False)
    assert not memory.part(place, video.frame_bytes).any()
    (progress,) = here.progress(waits=True)
    assert progress.ended
    assert progress.chunks == [0]
    expected = linear_decode(path)[7].ravel()
    assert np.array_equal(memory.part(place, video.frame_bytes), expected)
    assert here.counters()["frames_decoded"] == 8
    here.close()
    memory.close()
