"""A program of Scanner, as it is, whose kernels import scannerpy on runners' workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.folders import ROOT
from tests.support.targets import params

HELPER = """
import scannerpy

class Base(scannerpy.Kernel):
    def __init__(self, config):
        from scannerpy.types import BboxList
        super().__init__(config)
        self.kind = BboxList
"""

PROGRAM = """
import json, sys
import scannerpy as sp
import scannertools.imgproc
from scannerpy.types import BboxList
from helper import Base

@sp.register_python_op()
class Boxes(Base):
    def execute(self, frame: sp.FrameType) -> BboxList:
        from scannerpy import protobufs
        from scanner.types_pb2 import BoundingBox
        assert protobufs.BoundingBox is BoundingBox
        return [BoundingBox(x1=float(frame.mean()))]

if __name__ == '__main__':
    db, film, flags = sys.argv[1:]
    with sp.Client(config=sp.Config(db_path=db), options=json.loads(flags)) as sc:
        frames = sc.io.Input([sp.NamedVideoStream(sc, 'film', path=film)])
        found = sp.NamedStream(sc, 'boxes')
        boxes = sc.ops.Boxes(frame=sc.streams.Stride(frames, [8]))
        sc.run(sc.io.Output(boxes, [found]), sp.PerfParams.manual(4, 4), show_progress=False)
        assert all(boxes[0].x1 > 0 for boxes in found.load())
        print(found.len())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "target", params("processes", "prism", "flink-cluster"), indirect=True
)
def test_kernels_import_scannerpy(
    tmp_path: Path, film: str, runner_flags: list[str]
) -> None:
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "program.py").write_text(PROGRAM)
    arguments = [str(tmp_path / "db"), film, json.dumps(runner_flags)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "beam_scanner.scannerpy"),
            *(str(tmp_path / "program.py"), *arguments),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "12"
