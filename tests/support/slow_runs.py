"""Runs that last as long as a test wants; run as a program, it starts one and ends.

python slow_runs.py DATABASE FOLDER
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from beam_scanner import Client, NamedStream, PerfParams, register_python_op

ROWS, PACKET = 12, 3
TASKS = 2 * ROWS // PACKET
GO, FAIL, SLEEP = "go", "fail", "sleep"
"""Files in the folder: the rows after the first task go on, fail, or take an hour."""


@register_python_op(name="SlowRunsDouble")
def double(config: Any, x: Any) -> Any:
    """Twice the number; waits, from the fourth row on, until it is told what to do."""
    folder, row = Path(x.rpartition(" ")[0]), int(x.rpartition(" ")[2])
    (folder / "processes").mkdir(exist_ok=True)
    (folder / "processes" / str(os.getpid())).touch()
    while row >= PACKET and not (folder / GO).exists():
        if (folder / SLEEP).exists():
            time.sleep(3600)
        time.sleep(0.01)
    if row >= PACKET and (folder / FAIL).exists():
        raise ValueError(f"told to fail at row {row}")
    return 2 * row


def start(sc: Client, folder: Path, **how: Any) -> int:
    """Starts a run of two streams; gives its id."""
    inputs = [NamedStream(sc, name) for name in ("in a", "in b")]
    for stream in inputs:
        if not stream.committed():
            stream.save([f"{folder} {row}" for row in range(ROWS)], Any)
    made = sc.ops.SlowRunsDouble(x=sc.io.Input(inputs))
    outputs = [NamedStream(sc, name) for name in ("out a", "out b")]
    perf = PerfParams.manual(1, PACKET)
    job = sc.run(sc.io.Output(made, outputs), perf, show_progress=False, **how)
    assert job is not None
    return job


def processes(folder: Path) -> list[int]:
    """Those that have run tasks and are still there."""
    found = [int(path.name) for path in (folder / "processes").iterdir()]
    return [process for process in found if Path(f"/proc/{process}").exists()]


if __name__ == "__main__":
    client = Client(db_path=sys.argv[1], options=["--direct_num_workers=2"])
    print(start(client, Path(sys.argv[2]), detach=True))
