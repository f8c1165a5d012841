"""What the tests of the client share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from beam_scanner import Client
from tests.support.video_fixtures import frame_number

IN_MEMORY = ["--direct_running_mode=in_memory"]
THREADS = ["--direct_running_mode=multi_threading", "--direct_num_workers=2"]
PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]


def open_client(db: Any, options: Any = None) -> Client:
    """A client of a database, which runs graphs in this process."""
    return Client(db_path=os.fspath(db), options=options or IN_MEMORY)


def numbers(stream: Any, rows: Any = None) -> list[int]:
    """Who the frames of a stream are."""
    return [frame_number(frame) for frame in stream.load(rows=rows)]


def files_of(db: Any) -> set[str]:
    """All files of a database, relative to it; profiles of runs left out."""
    root = Path(db)
    found = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
    return {name for name in found if not name.startswith(".work/profiles/")}


def work_left(db: Any) -> set[str]:
    """Files of runs and jobs that are not over."""
    return {name for name in files_of(db) if name.startswith((".work/", ".tmp/"))}
