"""When what workers need is loaded before Beam: for runs that will have workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.forks import fork_client
from beam_scanner.graph.builder import IOGenerator, OpGenerator, StreamsGenerator
from beam_scanner.ops import register_ops
from beam_scanner.run.early_start import start_early, start_early_for
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream
from tests.support.folders import ROOT
from tests.support.video_fixtures import make_video


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each start; nothing is started."""
    starts: list[int] = []
    monkeypatch.setattr(fork_client, "get_ready", lambda: starts.append(1))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    return starts


@pytest.fixture
def film(tmp_path: Path) -> str:
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(2_000_000))
    return str(path)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, 1),
        ([], 1),
        (["--runner=DirectRunner"], 1),
        (["--task_timeout=3"], 1),
        (["--runner=DataflowRunner"], 0),
        (["--runner", "PrismRunner"], 0),
        (["--direct_num_workers=1"], 0),
        (["--direct_running_mode=in_memory"], 0),
        (["--runner=DirectRunner", "--prism_location=prism"], 0),
        ("--runner=DirectRunner", 0),
        ([None], 0),
        (7, 0),
    ],
)
def test_only_for_workers_of_this_machine(
    options: Any, expected: int, started: list[int]
) -> None:
    start_early(options, 3, [])
    assert len(started) == expected


def test_one_core_can_do_only_one_of_both(
    started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3})
    start_early(None, 3, [])
    assert not started


@pytest.mark.parametrize(
    ("jobs", "files", "sampled", "expected"),
    [
        (1, ["film"], False, 1),
        (1, ["film"], True, 0),
        (3, [], True, 1),
        (2, ["none.mp4", "gs://bucket/film.mp4", "\0"], False, 0),
    ],
)
def test_only_for_runs_that_are_large(
    jobs: int,
    files: Sequence[str],
    sampled: bool,
    expected: int,
    started: list[int],
    film: str,
) -> None:
    paths = [film if file == "film" else file for file in files]
    start_early(None, jobs, paths, sampled)
    assert len(started) == expected


def test_graphs_say_how_much_they_read(
    started: list[int], film: str, tmp_path: Path
) -> None:
    storage = NamedStorage(str(tmp_path / "db"))
    register_ops()
    io, ops = IOGenerator(storage), OpGenerator(storage)
    streams = StreamsGenerator(storage)

    def run(name: str, sampled: bool = False, jobs: int = 1) -> int:
        started.clear()
        videos = [NamedVideoStream(storage, name, path=film)] * jobs
        frames = io.Input(videos)
        if sampled:
            frames = streams.Stride(frames, 30)
        results = [NamedStream(storage, f"out {n}") for n in range(jobs)]
        start_early_for(None, [io.Output(ops.Histogram(frame=frames), results)])
        return len(started)

    assert run("whole") == 1
    assert run("sampled", sampled=True) == 0
    assert run("many", sampled=True, jobs=3) == 1
    values = io.Input([NamedStream(storage, "values")])
    start_early_for(None, [io.Output(values, [NamedStream(storage, "copy")])])
    assert len(started) == 1


@pytest.mark.processes
@pytest.mark.slow
def test_the_command_uses_what_was_started_early(tmp_path: Path) -> None:
    """A server that does not suit the run would be loaded a second time."""
    program = (
        "import sys; from beam_scanner.forks import fork_client\n"
        "real = fork_client.subprocess.Popen\n"
        "def popen(command, **rest):\n"
        "    if fork_client.SERVER in command:\n"
        "        print('a server, Beam', 'apache_beam' in sys.modules)\n"
        "    return real(command, **rest)\n"
        "fork_client.subprocess.Popen = popen\n"
        "from beam_scanner.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    clips = [make_video(tmp_path / f"{number}.mp4", frames=20) for number in range(3)]
    done = subprocess.run(
        [sys.executable, "-c", program, *clips, "--output", "db"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "a server" in line]
    assert lines == ["a server, Beam False"]
