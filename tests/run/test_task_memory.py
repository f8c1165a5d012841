"""Rows stream through a task: a longer one needs no more memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs import run_code
from tests.support.video_fixtures import make_video

SIZE = (320, 240)
FRAME = SIZE[0] * SIZE[1] * 3
SHORT, LONG = 150, 750

PROGRAM = """
import resource, sys
from beam_scanner.graph.builder import IOGenerator, OpGenerator
from beam_scanner.run.launch import execute
from beam_scanner.ops import register_ops
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.prepare import prepare
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream

video, database = sys.argv[1:]
storage = NamedStorage(database)
storage.store(create=True)
register_ops()
io, ops = IOGenerator(storage), OpGenerator(storage)
frames = io.Input([NamedVideoStream(storage, "in", path=video)])
out = io.Output(ops.Histogram(frame=frames), [NamedStream(storage, "out")])
perf = PerfParams.manual(8, 8000)
prepared = prepare([out], perf, CacheMode.Error, storage)
assert prepared.tasks == 1
options = pipeline_options(["--direct_running_mode=in_memory"])
report = execute(prepared, storage, options, False)
assert not report.failures
print(report.counters["frames_decoded"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def peak(folder: Path, frames: int) -> int:
    """Most bytes in memory while one task decodes so many frames."""
    video = make_video(folder / f"{frames}.mp4", frames, size=SIZE, gop=1000)
    told = run_code(PROGRAM, video, folder / f"db{frames}")
    decoded, memory = map(int, told.split())
    assert decoded == frames
    return memory


@pytest.mark.slow
def test_a_longer_task_needs_no_more_memory(tmp_path: Path) -> None:
    short, long = peak(tmp_path, SHORT), peak(tmp_path, LONG)
    assert long - short < (LONG - SHORT) * FRAME / 4


CYCLES = """
import gc, sys
from beam_scanner import Client, NamedVideoStream, PerfParams

video, database = sys.argv[1:]
with Client(db_path=database, options=["--direct_running_mode=in_memory"]) as sc:
    frames = sc.io.Input([NamedVideoStream(sc, "in", path=video)])
    small = sc.ops.Resize(frame=frames, width=[32], height=[24])
    output = sc.io.Output(small, [NamedVideoStream(sc, "out")])
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    sc.run(output, PerfParams.manual(8, 8), show_progress=False)
    gc.collect()
    gc.set_debug(0)
for name in sorted({f"{type(o).__module__}.{type(o).__name__}" for o in gc.garbage}):
    print(name)
"""


@pytest.mark.slow
def test_codecs_and_frames_go_with_their_task(tmp_path: Path) -> None:
    """None is held in a cycle until Python looks for cycles, which is seldom.

    In a process of its own: what other tests have left in this one may become garbage
    at any moment.
    """
    video = make_video(tmp_path / "film.mp4", 24, gop=8)
    kept = run_code(CYCLES, video, tmp_path / "db").splitlines()
    # Beam's own are the sign that they are found.
    assert any(name.startswith("apache_beam.") for name in kept)
    ours = ("av.", "numpy.", "beam_scanner.engine.", "beam_scanner.video.")
    assert [name for name in kept if name.startswith(ours)] == []
