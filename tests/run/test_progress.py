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

PROGRAM = """
import time
from typing import Any
from beam_scanner import *

@register_python_op()
def Slow(config, x: Any) -> Any:
    time.sleep(0.1)
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


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Runs the program; returns what it wrote to stdout and to stderr."""

    def play(columns: int | None = 100, fails_at: int = -1) -> tuple[str, str]:
        program = tmp_path / "program.py"
        text = PROGRAM.replace("FAILS_AT", str(fails_at))
        program.write_text(text.format(db=str(tmp_path / "db")))
        command = [sys.executable, str(program)]
        if columns is None:
            found = subprocess.run(command, capture_output=True, text=True, check=True)
            return found.stdout, found.stderr
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as child:
            os.close(theirs)
            shown = b"".join(_until_closed(ours))
            assert child.stdout is not None
            printed = child.stdout.read().decode()
        assert child.returncode == 0, shown.decode()
        return printed, shown.decode()

    return play


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
    assert re.search(r" 0/20 \[00:00<\?, \? rows/s\]$", found[0])
    assert re.match(r"100%\|.* 20/20 \[00:0\d<00:00, .* rows/s\]$", found[-1])
    # It moves meanwhile, by what is finished, and says how long the rest takes.
    seen = [int(re.search(r" (\d+)/20 \[", bar)[1]) for bar in found]
    assert seen == sorted(seen)
    assert set(seen) - {0, 20}
    middle = next(bar for bar, rows in zip(found, seen, strict=True) if 0 < rows < 20)
    assert re.search(r"\[00:0\d<00:0\d, +[\d.]+ ?(rows/s|s/ rows)\]$", middle)


def test_it_is_quiet_in_a_pipe_or_file(play: Callable[..., Any]) -> None:
    assert play(columns=None) == ("", "")


def test_it_stops_where_a_stream_fails(play: Callable[..., Any]) -> None:
    printed, shown = play(fails_at=5)
    assert printed == "failed\n"
    assert re.search(r" (\d+)/20 \[", bars(shown)[-1])[1] in {"8", "10", "12", "16"}
