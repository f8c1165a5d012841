"""The line that says how many videos are indexed."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from beam_scanner.run.ingest_progress import IngestProgress
from tests.run.test_progress import bars, in_a_terminal
from tests.support.video_fixtures import make_video

PROGRAM = """
import beam_scanner.run.ingest as ingest
import beam_scanner.run.ingest_progress as progress
import beam_scanner.run.pace as pace
import time
from beam_scanner import *

pace.DRAW_SECONDS = 0.02
one, draw = ingest.Ingest.__call__, progress.IngestProgress._draw
leave = progress.IngestProgress.__exit__
draws = 0

def counted(self):
    global draws
    draw(self)
    draws += 1

def wait_for_draws():
    # One draw may have begun before.
    begin, before = time.monotonic(), draws
    while draws < before + 2 and time.monotonic() < begin + {seconds}:
        time.sleep(0.01)

def slow(self, stream):
    wait_for_draws()
    return one(self, stream)

def slow_exit(self, *error):
    wait_for_draws()
    leave(self, *error)

progress.IngestProgress._draw = counted
progress.IngestProgress.__exit__ = slow_exit
ingest.Ingest.__call__ = slow
sc = Client(db_path={db!r}, options=['--direct_running_mode=in_memory'])
films = [NamedVideoStream(sc, f'film {{n}}', path=f'{folder}/{{n}}.mp4') for n in {names!r}]
info = sc.ops.InfoFromFrame(frame=sc.io.Input(films))
output = sc.io.Output(info, [NamedStream(sc, f'out {{n}}') for n in {names!r}])
sc.run(output, show_progress={show})
"""


def shown(tmp_path: Path, names: str, show: bool = True) -> list[str]:
    """The lines of a program that indexes videos, the last ones of the run."""
    make_video(tmp_path / "a.mp4", frames=4)
    for name in names[1:]:
        shutil.copyfile(tmp_path / "a.mp4", tmp_path / f"{name}.mp4")
    program = tmp_path / "program.py"
    db, folder = str(tmp_path / "db"), str(tmp_path)
    seconds = 60 if show else 0.1
    program.write_text(
        PROGRAM.format(db=db, folder=folder, names=names, show=show, seconds=seconds)
    )
    return bars(in_a_terminal([sys.executable, str(program)])[1])


@pytest.mark.slow
def test_videos_are_counted_and_named(tmp_path: Path) -> None:
    found = [line for line in shown(tmp_path, "abc") if "indexing" in line]
    assert re.search(r"^indexing   0%\|.*0/3 videos \[\d\d:\d\d<\?\] film a$", found[0])
    # Of two lines at the same moment only the last one may be seen.
    seen = [int(re.search(r" (\d)/3 videos", line)[1]) for line in found]
    assert seen == sorted(seen)
    assert {0, 1, 2} <= set(seen)
    assert any(line.endswith("film c") for line in found)


@pytest.mark.slow
def test_one_video_is_named(tmp_path: Path) -> None:
    found = [line for line in shown(tmp_path, "a") if "indexing" in line]
    assert found
    assert all(re.fullmatch(r"indexing film a \[\d\d:\d\d\]", line) for line in found)


@pytest.mark.slow
def test_nothing_is_shown_if_that_is_not_asked_for(tmp_path: Path) -> None:
    assert shown(tmp_path, "ab", show=False) == []


def test_of_several_at_once_the_first_is_named() -> None:
    progress = IngestProgress(["a", "b", "c", "d"], show=False)
    assert not progress.shows
    assert str(progress) == "a"
    with progress.at(0):
        pass
    assert str(progress) == "b"
    with progress.at(2), progress.at(1):
        assert str(progress) == "c and 1 more"
    with pytest.raises(ValueError, match="no"), progress.at(3):
        raise ValueError("no")
    assert str(progress) == ""


def test_of_what_workers_elsewhere_do_only_the_number_is_known() -> None:
    assert str(IngestProgress(["a", "b"], show=False, counts=False)) == "2 videos"
