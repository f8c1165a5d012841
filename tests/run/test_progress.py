"""The progress bar: in a terminal, of whatever width, and nowhere else."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.run.job_files import JobFiles
from beam_scanner.run.progress import Progress
from beam_scanner.run.run_files import JobTasks, RunFiles
from beam_scanner.storage.streams.named import NamedStorage
from tests.support.video_fixtures import make_video

PROGRAM = """
import time
from typing import Any
from beam_scanner import *
from beam_scanner.run.progress import ProgressBar

show, calls = ProgressBar.show, []

def noted(self, progress):
    show(self, progress)
    ProgressBar.rows_drawn = progress.rows

ProgressBar.show = noted

@register_python_op()
def Slow(config, x: Any) -> Any:
    time.sleep(0.1)
    calls.append(x)
    if WAITS and len(calls) == 10:
        # Until some rows, and not all, have been drawn: whoever draws may be slow.
        end = time.monotonic() + 60
        while not ProgressBar.rows_drawn and time.monotonic() < end:
            time.sleep(0.01)
    if x == FAILS_AT:
        raise ValueError('no more')
    return x

sc = Client(db_path={db!r}, options=['--direct_running_mode=in_memory'])
streams = [NamedStream(sc, name) for name in 'ab']
for stream in streams:
    stream.save(list(range(10)), Any)
made = sc.ops.Slow(x=sc.io.Input(streams))
output = sc.io.Output(made, [NamedStream(sc, name) for name in ('out a', 'out b')])
try:
    sc.run(output, PerfParams.manual(1, 2))
except JobFailure:
    print('failed')
"""

VIDEOS = """
import os
import time
from beam_scanner import *
from beam_scanner.run.progress import ProgressBar

show = ProgressBar.show

def noted(self, progress):
    show(self, progress)
    if progress.rows not in (0, 40, 80):
        open({folder!r} + '/moved', 'w').close()
    if 'film b' in str(progress) or 'and 1 more' in str(progress):
        open({folder!r} + '/named', 'w').close()

ProgressBar.show = noted

@register_python_op()
class Slow(Kernel):
    def new_stream(self, awaits: str) -> None:
        self.files, self.calls = [{folder!r} + '/' + name for name in awaits.split()], 0

    def execute(self, frame: FrameType) -> float:
        time.sleep(0.1)
        self.calls += 1
        end = time.monotonic() + 60
        # Until that has been drawn: whoever draws may be slow.
        while self.calls == 30 and not all(map(os.path.exists, self.files)):
            if time.monotonic() > end:
                break
            time.sleep(0.01)
        return 1.0

sc = Client(db_path={db!r}, options=['--direct_num_workers=2'])
films = [NamedVideoStream(sc, f'film {{n}}', path=f'{folder}/{{n}}.mp4') for n in 'ab']
made = sc.ops.Slow(frame=sc.io.Input(films), awaits=['moved', 'moved named'])
output = sc.io.Output(made, [NamedStream(sc, name) for name in ('out a', 'out b')])
sc.run(output, PerfParams.manual(1, 40))
"""


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Runs the program; returns what it wrote to stdout and to stderr."""

    def play(columns: int | None = 100, fails_at: int = -1) -> tuple[str, str]:
        program = tmp_path / "program.py"
        text = PROGRAM.replace("FAILS_AT", str(fails_at))
        # Where nothing fails, and there is a line.
        text = text.replace("WAITS", str(fails_at < 0 and columns is not None))
        program.write_text(text.format(db=str(tmp_path / "db")))
        command = [sys.executable, str(program)]
        if columns is None:
            found = subprocess.run(command, capture_output=True, text=True, check=True)
            return found.stdout, found.stderr
        return in_a_terminal(command, columns)

    return play


def in_a_terminal(command: list[str], columns: int = 100) -> tuple[str, str]:
    """Runs a program; returns what it wrote to stdout, and to a terminal as stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as child:
        os.close(theirs)
        shown = b"".join(_until_closed(ours))
        assert child.stdout is not None
        printed = child.stdout.read().decode()
    assert child.returncode == 0, shown.decode()
    return printed, shown.decode()


def _until_closed(terminal: int) -> Iterator[bytes]:
    with os.fdopen(terminal, "rb", buffering=0) as file:
        while True:
            try:
                yield file.read(4096)
            except OSError:  # the other end is closed
                return


def bars(shown: str) -> list[str]:
    """What stood in the line, one after the other."""
    return [line for line in re.split(r"[\r\n]+", shown) if line.strip()]


@pytest.mark.slow
@pytest.mark.parametrize("columns", [100, 0])
def test_rows_a_second_and_the_time_left(
    play: Callable[..., Any], columns: int
) -> None:
    _, shown = play(columns=columns)
    found = bars(shown)
    assert all(len(bar) <= (columns or 80) for bar in found), found
    assert re.search(r" 0/20 \[00:00<\?, \? rows/s\] 0/2 streams, a$", found[0])
    assert re.match(
        r"100%\|.* 20/20 \[\d\d:\d\d<00:00, .* (rows/s|s/ rows)\] 2/2 streams$",
        found[-1],
    )
    # It moves meanwhile, by what is finished, and says how long the rest takes.
    seen = [int(re.search(r" (\d+)/20 \[", bar)[1]) for bar in found]
    assert seen == sorted(seen)
    assert set(seen) - {0, 20}
    middle = next(bar for bar, rows in zip(found, seen, strict=True) if 0 < rows < 20)
    assert re.search(
        r"\[\d\d:\d\d<\d\d:\d\d, +[\d.]+ ?(rows/s|s/ rows)\] [01]/2", middle
    )


@pytest.mark.slow
def test_it_is_quiet_in_a_pipe_or_file(play: Callable[..., Any]) -> None:
    assert play(columns=None) == ("", "")


@pytest.mark.slow
def test_it_stops_where_a_stream_fails(play: Callable[..., Any]) -> None:
    printed, shown = play(fails_at=5)
    assert printed == "failed\n"
    assert re.search(r" (\d+)/20 \[", bars(shown)[-1])[1] in {"8", "10", "12", "16"}


LENGTHS = {"a": [[20, 20], [20]], "b": [[10, 10]]}


@pytest.fixture
def driven(tmp_path: Path) -> Driven:
    return Driven(str(tmp_path / "db"))


class Driven:
    """A run of two videos, whose tasks a test does."""

    def __init__(self, database: str) -> None:
        self.store = NamedStorage(database).store(create=True)
        self.files = RunFiles(self.store, "run")
        self.jobs = {name: JobFiles(self.store, name) for name in LENGTHS}
        self.files.write_tasks(
            [
                JobTasks(
                    name, self.jobs[name].begin(), rows, str(n), f"{name}.mp4", 20, True
                )
                for n, (name, rows) in enumerate(LENGTHS.items())
            ]
        )
        self.progress = Progress(self.store, self.files, self.files.tasks())

    def do(self, job: str, family: int, task: int) -> None:
        manifest = {"run": "run", "outputs": [], "trace": {}}
        assert self.jobs[job].put_manifest(family, task, manifest)

    def look(self) -> tuple[int, str]:
        self.progress.look()
        return self.progress.rows, str(self.progress)


def test_frames_of_videos_are_counted_once_however_many_outputs(driven: Driven) -> None:
    assert (driven.progress.total_rows, driven.progress.of_videos) == (40, True)
    assert driven.look() == (0, "0/2 videos, a.mp4")
    driven.do("a", 0, 0)
    assert driven.look() == (6, "0/2 videos, a.mp4")
    driven.do("a", 0, 1)
    driven.do("a", 1, 0)
    assert driven.look() == (20, "1/2 videos, b.mp4")
    driven.do("b", 0, 0)
    driven.do("b", 0, 1)
    assert driven.look() == (40, "2/2 videos")


def test_tasks_at_work_are_named_and_what_they_have_done_counts(driven: Driven) -> None:
    store, folder = driven.files.attempts_of("1-0-0")
    store.put(f"{folder}attempt", b"")
    assert driven.look() == (0, "0/2 videos, b.mp4")
    driven.files.note_rows("1-0-0", 5)
    assert driven.look() == (5, "0/2 videos, b.mp4")
    store, folder = driven.files.attempts_of("0-merged-1-0")
    store.put(f"{folder}attempt", b"")
    assert driven.look() == (5, "0/2 videos, a.mp4 and 1 more")
    # A task that is done counts as a whole, whatever was noted of it last.
    driven.do("b", 0, 0)
    assert driven.look() == (10, "0/2 videos, a.mp4")
    # What is not of this run, or of more rows than a task has, spoils nothing.
    driven.files.note_rows("7-0-0", 5)
    driven.files.note_rows("1-0-1", 99)
    assert driven.look() == (20, "0/2 videos, a.mp4 and 1 more")


def test_a_long_name_keeps_its_end(driven: Driven) -> None:
    name = "a long name " * 5 + "end.mp4"
    jobs = [job._replace(name=name) for job in driven.files.tasks()]
    # Of one video it is said which, and not how many there are.
    assert str(Progress(driven.store, driven.files, jobs[:1])) == f"…{name[-23:]}"


@pytest.mark.slow
@pytest.mark.processes
def test_the_bar_moves_within_a_task_and_names_videos(tmp_path: Path) -> None:
    """Each film is one task, which takes far longer than the bar looks."""
    for name in "ab":
        make_video(tmp_path / f"{name}.mp4", frames=40, gop=40)
    program = tmp_path / "program.py"
    program.write_text(VIDEOS.format(db=str(tmp_path / "db"), folder=str(tmp_path)))
    _, shown = in_a_terminal([sys.executable, str(program)])
    # Where indexing takes long it has a line, too.
    found = [bar for bar in bars(shown) if not bar.startswith("indexing")]
    assert re.search(r" 0/80 \[00:00<\?, \? frames/s\] 0/2 videos, film a$", found[0])
    assert re.search(r" 80/80 \[.* frames/s\] 2/2 videos$", found[-1])
    seen = {int(re.search(r" (\d+)/80 \[", bar)[1]) for bar in found}
    assert seen - {0, 40, 80}
    assert any("film b" in bar or "film a and 1 more" in bar for bar in found)
