"""Kills runs at random moments and checks that the next run makes good.

Each round takes a fresh database and starts a run with two worker processes in a
process of its own. At a random moment the driver, or one of the processes that work for
it, is killed with SIGKILL: a worker, what runs tasks for it, or what either is a fork
of. Without its driver a run ends, and is run again to its end; else it goes on by
itself. Then

* its streams have the same bytes as those of a run that nobody disturbed,
* no task that had ended before the kill was done again; so at most those that were
  in flight were; a run that was killed as it tidied up is known again, and does nothing,
* nothing is left of any run but the streams.

::

    python scripts/kill_test.py --kills 30 --seed 1

The graph has video in, video out, blobs, two phases, four jobs and a stream that is
committed while others are still being made. A moment is so many seconds after the
start (in one round of six: workers are starting), or so many after so many tasks were
done. Equal seeds give equal moments. A table of the rounds is printed, and the exit
code is 1 if any check failed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from beam_scanner.forks.fork_client import SERVER
from beam_scanner.graph.builder import IOGenerator, OpGenerator, StreamsGenerator
from beam_scanner.ops import register_ops
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.job_files import JobFiles, unfinished_jobs
from beam_scanner.run.launch import execute
from beam_scanner.run.prepare import prepare
from beam_scanner.run.run_files import tokens_of_runs
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.storage.garbage import gc
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream

JOBS = 4
KINDS = ("histograms", "shots", "small", "exact")
WORKERS = 2
FLAGS = ["--direct_running_mode=multi_processing", f"--direct_num_workers={WORKERS}"]


@dataclass(frozen=True)
class Size:
    """How much there is to do."""

    frames: int = 240
    width: int = 320
    height: int = 240


def make_videos(folder: Path, size: Size) -> None:
    """Writes one video a job, with a keyframe every 20 frames and some cuts."""
    folder.mkdir(parents=True)
    for job in range(JOBS):
        draw = np.random.default_rng(job)
        with av.open(str(folder / f"{job}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height = size.width, size.height
            stream.pix_fmt = "yuv420p"
            stream.codec_context.gop_size = 20
            stream.codec_context.options = {"preset": "ultrafast"}
            scene: Any = None
            for number in range(size.frames):
                if number % 70 == 0:
                    small = draw.integers(0, 256, (12, 16, 3), dtype=np.uint8)
                    scale = (size.height // 12, size.width // 16, 1)
                    scene = np.kron(small, np.ones(scale, np.uint8))
                picture = np.roll(scene, 3 * number, axis=1)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def output(storage: NamedStorage, kind: str, job: int) -> NamedStream:
    """One output of one job."""
    video = kind in ("small", "exact")
    return (NamedVideoStream if video else NamedStream)(storage, f"{kind}/{job}")


def graph(storage: NamedStorage, videos: Path) -> list[Any]:
    """The outputs of the run."""
    register_ops()
    io, ops = IOGenerator(storage), OpGenerator(storage)
    streams = StreamsGenerator(storage)
    names = [(f"in/{job}", str(videos / f"{job}.mp4")) for job in range(JOBS)]
    frames = io.Input([NamedVideoStream(storage, name, path=p) for name, p in names])
    histograms = ops.Histogram(frame=frames)
    small = ops.Resize(frame=frames, width=[160] * JOBS, height=[120] * JOBS)
    tiny = ops.Resize(frame=frames, width=[64] * JOBS, height=[48] * JOBS)
    shuffled = streams.Stride(tiny, [1] * JOBS)
    made = {
        "histograms": histograms,
        "shots": ops.ShotBoundaries(histograms),
        "small": small.compress_video(quality=30),
        "exact": shuffled.lossless(),
    }
    return [
        io.Output(column, [output(storage, kind, job) for job in range(JOBS)])
        for kind, column in made.items()
    ]


def drive(database: str, videos: str) -> None:
    """One run, in this process; prints what came of it."""
    storage = NamedStorage(database)
    storage.store(create=True)
    perf = PerfParams.manual(10, 20)
    prepared = prepare(graph(storage, Path(videos)), perf, CacheMode.Error, storage)
    began = time.monotonic()
    report = execute(prepared, storage, pipeline_options(FLAGS), False)
    assert not report.failures, report.failures
    print(
        json.dumps(
            {
                "tasks": report.tasks,
                "reused": report.reused,
                "cached": len(report.cached),
                "seconds": time.monotonic() - began,
            }
        )
    )


def start(database: Path, videos: Path) -> subprocess.Popen[str]:
    """Starts a run in a process of its own."""
    return subprocess.Popen(
        [sys.executable, __file__, "--drive", str(database), str(videos)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], seconds: float) -> dict[str, Any]:
    """Waits for a run that nobody disturbs."""
    out, err = process.communicate(timeout=seconds)
    if process.returncode:
        raise AssertionError(f"the run failed:\n{err}")
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def workers_of(driver: int) -> list[int]:
    """The processes that work for a driver: fork servers, and forks of them."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            is_worker = SERVER.encode() in (entry / "cmdline").read_bytes()
            if fields[0] != "Z" and is_worker:
                parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    while more := {p for p in parents if parents[p] in found | {driver}} - found:
        found |= more
    return sorted(found)


def is_alive(process: int) -> bool:
    """Whether a process runs; one that is only waited for does not."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(processes: Sequence[int], seconds: float) -> float:
    """Gives how long it took until none of the processes ran."""
    began = time.monotonic()
    while any(is_alive(process) for process in processes):
        if time.monotonic() - began > seconds:
            raise AssertionError(f"processes {list(processes)} did not end")
        time.sleep(0.05)
    return time.monotonic() - began


def manifests(storage: NamedStorage) -> int:
    """How many tasks of unfinished jobs are done."""
    store = storage.store()
    return sum(
        sum(1 for _ in JobFiles(store, fingerprint, token).manifests())
        for fingerprint, token in unfinished_jobs(store)
    )


def committed(storage: NamedStorage) -> dict[str, list[bytes]]:
    """The bytes of those outputs that are there."""
    return {
        f"{kind}/{job}": [Path(f).read_bytes() for f in stream.files()]
        for kind in KINDS
        for job in range(JOBS)
        if (stream := output(storage, kind, job)).committed()
    }


def strays(database: Path, storage: NamedStorage) -> list[str]:
    """Files of the database that belong to no stream."""
    store = storage.store()
    store.clear_scratch(-1)
    known = {"beam_scanner.json"}
    streams = [output(storage, kind, job) for kind in KINDS for job in range(JOBS)]
    for stream in streams:
        known.add(f"{stream.name()}/stream.json")
        known.update(str(Path(f).relative_to(database)) for f in stream.files())
    return [
        key for key in store.list("") if key not in known and not key.startswith("in/")
    ]


@dataclass(frozen=True)
class Moment:
    """When to kill whom.

    Attributes:
        victim: 'driver' or 'worker', one of its processes.
        share: So much of all tasks is to be done; negative: do not wait for any.
        seconds: To wait then.
        pick: Chooses among the workers.
    """

    victim: str
    share: float
    seconds: float
    pick: float

    def wait(self, process: subprocess.Popen[str], database: Path, total: int) -> None:
        """Returns when it has come, or the run is over."""
        wanted = total * self.share
        while self.share >= 0 and process.poll() is None:
            done = sum(1 for _ in database.glob(".work/jobs/*/*/[0-9]*-*"))
            if done >= wanted:
                break
            time.sleep(0.02)
        time.sleep(self.seconds)

    def choose(self, driver: int, workers: Sequence[int]) -> int:
        """The process to kill."""
        if self.victim == "driver" or not workers:
            return driver
        return workers[int(self.pick * len(workers))]


def moments(seed: int) -> Iterator[Moment]:
    """Moments for ever."""
    draw = random.Random(seed)
    for number in itertools.count(draw.randrange(2)):
        share, pick = draw.random(), draw.random()
        seconds = draw.uniform(0, 0.5)
        if draw.randrange(6) == 0:
            share, seconds = -1.0, draw.uniform(1, 5)
        yield Moment(("driver", "worker")[number % 2], share, seconds, pick)


@dataclass
class Round:
    """What came of one kill."""

    victim: str
    after: float
    done: int
    there: int
    tasks: int
    reused: int
    end: float

    def __str__(self) -> str:
        return (
            f"{self.victim:<7} {self.after:6.2f} s {self.done:5} {self.there:7} "
            f"{self.reused:6} {self.tasks:6} {self.end:6.2f} s"
        )


TITLE = "victim      after  done streams reused    run  ended after"


def kill_once(
    folder: Path, videos: Path, moment: Moment, wanted: Any, total: int
) -> Round | None:
    """One round; None if the run was over before the moment came."""
    began = time.monotonic()
    process = start(folder, videos)
    moment.wait(process, folder, total)
    workers = workers_of(process.pid)
    victim = moment.choose(process.pid, workers)
    over = process.poll() is not None
    if not over:
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    out, err = process.communicate(timeout=180)
    wait_until_gone([process.pid, *workers], 15)
    end = time.monotonic() - killed
    if over or (process.returncode == 0 and victim == process.pid):
        return None
    storage = NamedStorage(str(folder))
    storage.store(create=True)
    if victim != process.pid:
        assert process.returncode == 0, err
        again = json.loads(out.splitlines()[-1])
        assert committed(storage) == wanted, "other bytes than an undisturbed run"
        assert (again["tasks"], again["reused"]) == (total, 0), again
        assert not strays(folder, storage), strays(folder, storage)
        return Round("worker", killed - began, 0, len(wanted), total, 0, end)
    done, there = manifests(storage), committed(storage)
    for name, files in there.items():
        assert files == wanted[name], f"{name} was committed with other bytes"
    if len(there) == len(wanted) and not tokens_of_runs(storage.store()):
        # It was over, and was killed as Python ended.
        gc(storage.store())
        assert committed(storage) == wanted, "other bytes than an undisturbed run"
        return None
    removing = len([*unfinished_jobs(storage.store())]) < JOBS
    again = finish(start(folder, videos), 180)
    assert committed(storage) == wanted, "other bytes than an undisturbed run"
    each = total // JOBS
    assert again["tasks"] + again["reused"] == each * (JOBS - again["cached"]), again
    # Work of jobs that were committed is removed at the very end.
    if len(there) == len(wanted) and removing:
        assert again["tasks"] == 0, again
    else:
        assert again["reused"] == done - each * again["cached"], (again, done)
    assert not strays(folder, storage), strays(folder, storage)
    return Round(
        "driver",
        killed - began,
        done,
        len(there),
        again["tasks"],
        again["reused"],
        end,
    )


def kill_test(kills: int, seed: int, size: Size, folder: Path) -> list[Round]:
    """Runs all rounds.

    Raises:
        AssertionError: A check failed.
    """
    videos = folder / "videos"
    make_videos(videos, size)
    began = time.monotonic()
    first = finish(start(folder / "undisturbed", videos), 300)
    seconds = time.monotonic() - began
    wanted = committed(NamedStorage(str(folder / "undisturbed")))
    assert len(wanted) == JOBS * len(KINDS)
    print(
        f"undisturbed: {first['tasks']} tasks in {seconds:.1f} s, "
        f"{first['seconds']:.1f} s of it the run\n{TITLE}",
        flush=True,
    )
    rounds: list[Round] = []
    for number, moment in enumerate(moments(seed)):
        if len(rounds) == kills:
            break
        assert number < 3 * kills + 10, "most runs were over before they were killed"
        database = folder / f"kill-{number}"
        found = kill_once(database, videos, moment, wanted, first["tasks"])
        shutil.rmtree(database)
        if found is not None:
            rounds.append(found)
            print(found, flush=True)
    print(
        f"{len(rounds)} kills: every stream has the bytes of the undisturbed run; "
        "no task that had ended was done again; longest wait for the end "
        f"{max((r.end for r in rounds), default=0):.1f} s"
    )
    return rounds


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=30, help="rounds to play")
    parser.add_argument("--seed", type=int, default=0, help="chooses the moments")
    parser.add_argument("--frames", type=int, default=Size.frames, help="a video")
    parser.add_argument("--drive", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.drive:
        drive(*given.drive)
        return 0
    with tempfile.TemporaryDirectory(prefix="kill-test-") as folder:
        try:
            kill_test(given.kills, given.seed, Size(given.frames), Path(folder))
        except AssertionError as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
