"""Kills whatever changes a database of many small streams, and checks what is left.

Each round fills a fresh database with small streams, starts one of the *scenes* in
processes of their own and kills one of them with SIGKILL at a random moment:

* ``commit``: a run that commits many streams,
* ``overwrite``: a run that replaces them all,
* ``rm`` and ``gc``: the commands, ``gc`` beside a run that replaces the streams,
* ``two``: two runs at once that replace the same streams by different ones; sometimes
  one is only stopped for a while, so that it goes on when the other is done.

After the kill every stream must be whole, with the bytes that an undisturbed run gives
or that it had before, or absent if it was being made or removed. Then the same is done
again, undisturbed: it must end well, and ``gc`` must leave nothing but the streams.

::

    python scripts/kill_writers.py --rounds 20 --seed 1

Equal seeds give equal scenes and moments. The exit code is 1 if any check failed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from beam_scanner.errors import JobFailure
from beam_scanner.graph.builder import IOGenerator, OpGenerator
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.launch import execute
from beam_scanner.run.prepare import prepare
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.storage.failure_files import failure_files, read_failures
from beam_scanner.storage.streams.named import NamedStorage, NamedStream

SCENES = ("commit", "overwrite", "rm", "gc", "two")
STREAMS = 30
ROWS = 6
OLD, NEW, OTHER = 2, 3, 5
LOST = "replaced by another run"
"""What a run says that has lost to another one."""

_SECONDS = 120.0


@register_python_op(name="KillWritersScale")
class Scale(Kernel):
    """Multiplies; takes a moment, so that there is time to be killed."""

    def __init__(self, config: Any, by: int = OLD) -> None:
        self.by = by

    def execute(self, x: int) -> int:
        """One row."""
        time.sleep(0.001)
        return x * self.by


def output(storage: NamedStorage, number: int) -> NamedStream:
    """One of the streams."""
    return NamedStream(storage, f"out/{number:02}")


def fill(folder: Path) -> NamedStorage:
    """Makes a database with the inputs."""
    storage = NamedStorage(str(folder))
    for number in range(STREAMS):
        stream = NamedStream(storage, f"in/{number:02}")
        stream.save([number * 100 + row for row in range(ROWS)], ty=int)
    return storage


def drive(database: str, mode: str, by: int) -> None:
    """One run, in this process."""
    storage = NamedStorage(database)
    inputs = [NamedStream(storage, f"in/{n:02}") for n in range(STREAMS)]
    column = IOGenerator(storage).Input(inputs)
    made = OpGenerator(storage).KillWritersScale(x=column, by=by)
    outputs = [output(storage, number) for number in range(STREAMS)]
    node = IOGenerator(storage).Output(made, outputs)
    perf = PerfParams.manual(2, 4)
    prepared = prepare([node], perf, CacheMode[mode], storage)
    options = pipeline_options(["--direct_running_mode=in_memory"])
    report = execute(prepared, storage, options, False)
    if report.failures:
        raise JobFailure(report.failures)


def start(*arguments: object) -> subprocess.Popen[str]:
    """Starts a process: a run, or a command."""
    given = [str(argument) for argument in arguments]
    if given[0] in ("rm", "gc"):
        command = [sys.executable, "-m", "beam_scanner", *given]
    else:
        command = [sys.executable, __file__, "--drive", *given]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen[str], may_lose: bool = False) -> str:
    """Waits for a process that must end well, or lose to another one."""
    told, _ = process.communicate(timeout=_SECONDS)
    lost = may_lose and LOST in told
    assert process.returncode == 0 or lost, told
    return told


def state(storage: NamedStorage) -> dict[str, list[bytes]]:
    """The bytes of the streams that are there; each must be whole."""
    found = {}
    for number in range(STREAMS):
        stream = output(storage, number)
        # Another run may be at replacing it: then its files go while they are read.
        for _ in range(50):
            descriptor = stream.try_descriptor()
            if descriptor is None:
                break
            missing = stream.missing_files(descriptor)
            if not missing:
                files = [Path(file) for file in stream.files()]
                found[stream.name()] = [file.read_bytes() for file in files]
                break
            assert stream.try_descriptor() != descriptor, f"lost: {missing}"
    return found


def strays(folder: Path, storage: NamedStorage) -> list[str]:
    """Files of the database that belong to no stream.

    A run that another one has overtaken reports that in a file of failures, which stays.
    """
    store = storage.store()
    store.clear_scratch(-1)
    known = {"beam_scanner.json"}
    for file in failure_files(store):
        if all(LOST in failure.reason for failure in read_failures(store, file.key)):
            known.add(file.key)
    for number in range(STREAMS):
        stream = output(storage, number)
        if stream.committed():
            known.add(f"{stream.name()}/stream.json")
            known.update(str(Path(f).relative_to(folder)) for f in stream.files())
    return [k for k in store.list("") if k not in known and not k.startswith("in/")]


class Round:
    """One scene in one database.

    Args:
        folder: Of the database.
        draw: Chooses the moment.
        wanted: For each factor the bytes of an undisturbed run.
    """

    def __init__(
        self, folder: Path, draw: random.Random, wanted: dict[int, Any]
    ) -> None:
        self._folder = folder
        self._draw = draw
        self._wanted = wanted
        self._share = draw.random()
        self._seconds = draw.uniform(0, 0.05)
        self.storage = fill(folder)

    def _run(self, mode: str, by: int) -> subprocess.Popen[str]:
        return start(self._folder, mode, by)

    def _descriptors(self) -> set[str]:
        found = set()
        for path in self._folder.glob("out/*/stream.json"):
            try:
                found.add(path.read_text())
            except FileNotFoundError:
                continue
        return found

    def _kill(self, process: subprocess.Popen[str]) -> bool:
        """Kills it when it has changed its share of streams; whether it lived then."""
        before = self._descriptors()
        while process.poll() is None:
            if len(self._descriptors() ^ before) >= self._share * STREAMS:
                break
            time.sleep(0.002)
        time.sleep(self._seconds)
        lived = process.poll() is None
        process.kill()
        process.communicate(timeout=_SECONDS)
        return lived

    def _check(self, *allowed: int, absent: bool = False) -> None:
        found = state(self.storage)
        assert absent or len(found) == STREAMS, f"{STREAMS - len(found)} are gone"
        for name, files in found.items():
            known = [self._wanted[by][name] for by in allowed]
            assert files in known, f"{name} has bytes of no undisturbed run"

    def _end(self, by: int) -> None:
        """The same again, undisturbed, and nothing is left over."""
        finish(self._run("Overwrite", by))
        self._check(by)
        finish(start("gc", self._folder))
        self._check(by)
        left = strays(self._folder, self.storage)
        assert not left or not self._is_unfinished(left), left

    def _is_unfinished(self, left: Sequence[str]) -> bool:
        finish(start("gc", "--unfinished", self._folder))
        return bool(strays(self._folder, self.storage))

    def play(self, scene: str) -> bool:
        """Plays a scene; whether there was something to kill.

        Raises:
            AssertionError: A check failed.
        """
        if scene != "commit":
            finish(self._run("Error", OLD))
            self._check(OLD)
        lived: bool = getattr(self, f"_{scene}")()
        return lived

    def _commit(self) -> bool:
        lived = self._kill(self._run("Error", NEW))
        self._check(NEW, absent=True)
        finish(self._run("Ignore", NEW))
        self._end(NEW)
        return lived

    def _overwrite(self) -> bool:
        lived = self._kill(self._run("Overwrite", NEW))
        self._check(OLD, NEW)
        self._end(NEW)
        return lived

    def _rm(self) -> bool:
        lived = self._kill(start("rm", self._folder, "out/*"))
        self._check(OLD, absent=True)
        if state(self.storage):
            finish(start("rm", self._folder, "out/*"))
        assert not state(self.storage)
        finish(start("gc", self._folder))
        assert not strays(self._folder, self.storage)
        self._end(NEW)
        return lived

    def _gc(self) -> bool:
        # First some garbage, and work to go on with.
        self._kill(self._run("Overwrite", OTHER))
        self._check(OLD, OTHER)
        run = self._run("Overwrite", NEW)
        time.sleep(self._draw.uniform(1.0, 3.0))
        collecting = start("gc", self._folder)
        time.sleep(self._draw.uniform(0.0, 1.5))
        lived = collecting.poll() is None
        collecting.kill()
        collecting.communicate(timeout=_SECONDS)
        self._check(OLD, NEW, OTHER)
        finish(start("gc", self._folder))
        finish(run)
        self._check(NEW)
        self._end(NEW)
        return lived

    def _two(self) -> bool:
        one, other = self._run("Overwrite", NEW), self._run("Overwrite", OTHER)
        if self._draw.random() < 0.5:
            time.sleep(self._draw.uniform(0.5, 3.0))
            one.send_signal(signal.SIGSTOP)
            finish(other, may_lose=True)
            self._check(OLD, NEW, OTHER)
            one.send_signal(signal.SIGCONT)
            finish(one, may_lose=True)
            lived = True
        else:
            lived = self._kill(one)
            self._check(OLD, NEW, OTHER)
            finish(other, may_lose=True)
        self._check(OLD, NEW, OTHER)
        self._end(NEW)
        return lived


def undisturbed(folder: Path, by: int) -> dict[str, list[bytes]]:
    """The bytes of a run that nobody disturbs."""
    storage = fill(folder)
    finish(start(folder, "Error", by))
    found = state(storage)
    assert len(found) == STREAMS
    return found


def play(rounds: int, seed: int, folder: Path, scenes: Sequence[str]) -> None:
    """Plays all rounds.

    Raises:
        AssertionError: A check failed.
    """
    wanted = {by: undisturbed(folder / f"by {by}", by) for by in (OLD, NEW, OTHER)}
    for number in range(rounds):
        scene = scenes[number % len(scenes)]
        draw = random.Random(f"{seed} {number}")
        began = time.monotonic()
        database = folder / f"round {number}"
        lived = Round(database, draw, wanted).play(scene)
        how = "killed" if lived else "over before it was killed"
        print(f"{scene:<10} {how:<26} {time.monotonic() - began:5.1f} s", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=15, help="rounds to play")
    parser.add_argument("--seed", type=int, default=0, help="chooses the moments")
    parser.add_argument("--scenes", nargs="+", default=SCENES, choices=SCENES)
    parser.add_argument("--drive", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.drive:
        database, mode, by = given.drive
        drive(database, mode, int(by))
        return 0
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="kill-writers-") as folder:
        try:
            play(given.rounds, given.seed, Path(os.path.realpath(folder)), given.scenes)
        except AssertionError as error:
            print(f"FAILED with seed {given.seed}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
