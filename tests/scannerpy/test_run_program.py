"""Programs of Scanner, run as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from beam_scanner.scannerpy.run_program import main
from tests.support.folders import ROOT
from tests.support.video_fixtures import make_video

FRAMES = 24

HELPER = """
import scannerpy
from scannerpy.types import NumpyArrayFloat32
import numpy as np

class Base(scannerpy.Kernel):
    def mean(self, frame):
        from scannerpy.common import DeviceType
        assert all(handle.type != DeviceType.GPU.value for handle in self.config.devices)
        return np.float32([frame.mean()])
"""

PROGRAM = """
import sys
import scannerpy as sp
import scannertools.imgproc
from scannerpy import protobufs
from scannerpy.types import BboxList, NumpyArrayFloat32
from scannertools.storage.python import PythonStream
import helper

@sp.register_python_op()
class Mean(helper.Base):
    def execute(self, frame: sp.FrameType) -> NumpyArrayFloat32:
        return self.mean(frame)

@sp.register_python_op()
def Boxes(config, frame: sp.FrameType) -> BboxList:
    from scannerpy import protobufs as late
    return [protobufs.BoundingBox(x1=1.0), late.BoundingBox(x2=float(frame.mean()))]

def main():
    video, db = sys.argv[1:]
    sc = sp.Client(config=sp.Config(db_path=db))
    frames = sc.io.Input([sp.NamedVideoStream(sc, 'a', path=video)])
    hists, means, boxes = outputs = [
        sp.NamedVideoStream(sc, 'hists'), sp.NamedStream(sc, 'means'), sp.NamedStream(sc, 'boxes')
    ]
    ops = [sc.ops.Histogram(frame=frames), sc.ops.Mean(frame=frames), sc.ops.Boxes(frame=frames)]
    sc.run([sc.io.Output(op, [o]) for op, o in zip(ops, outputs)], sp.PerfParams.manual(8, 8))
    for hist, mean, found in zip(hists.load(), means.load(), boxes.load()):
        assert len(hist) == 3 and hist[0].shape == (16,)
        assert abs(found[1].x2 - mean[0]) < 1e-3, (found, mean)
    print(hists.len(), protobufs.BoundingBox.__name__, __name__)

if __name__ == '__main__':
    main()
"""


def run_program(
    *arguments: object, cwd: Path, **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(cwd)}
    return subprocess.run(
        [sys.executable, "-m", "beam_scanner.scannerpy", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**environment, **more},
        timeout=300,
    )


@pytest.mark.slow
def test_a_program_and_what_it_imports_run_unchanged(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.mp4", FRAMES)
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "helper.py").write_text(HELPER)
    (folder / "program.py").write_text(PROGRAM)
    done = run_program(folder / "program.py", video, tmp_path / "db", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == f"{FRAMES} BoundingBox __main__"


BESIDE = """
from scannerpy import *
from scannerpy.common import *
from typing import Sequence

@register_python_op(name='Pairs', stencil=[0, 1])
def pairs(config, frame: Sequence[FrameType]) -> bytes:
    from . import counting
    return counting.count(frame)
"""

COUNTING = """
def count(frames):
    import scannerpy.types
    from scannerpy.protobufs import protobufs
    return protobufs.Point(x=len(frames)).SerializeToString()
"""

OF_STARS = """
from scannerpy import *
from scannerpy.storage import *
import scannerpy.types, argparse, atexit, os, sys
import beside

COUNT = 2
atexit.register(lambda: print('at the end', COUNT))

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('video')
    parser.add_argument('--db')
    given = parser.parse_args()
    sc = Client(config=Config(db_path=given.db))
    frames = sc.io.Input([NamedVideoStream(sc, 'a', path=given.video)])
    output = NamedStream(sc, 'pairs')
    some = sc.streams.Range(frames, [(0, 3)])
    sc.run(sc.io.Output(sc.ops.Pairs(frame=some), [output]), PerfParams.estimate())
    found = [protobufs.Point.FromString(each).x for each in output.load()]
    print(found, os.path.basename(__file__), types is scannerpy.types)
    sys.exit(7)
"""


@pytest.mark.slow
def test_stars_packages_beside_it_and_its_exit_code(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.mp4", FRAMES)
    (tmp_path / "programs" / "beside").mkdir(parents=True)
    program = tmp_path / "programs" / "stars.py"
    program.write_text(OF_STARS)
    for name, text in (("__init__", BESIDE), ("counting", COUNTING)):
        (program.parent / "beside" / f"{name}.py").write_text(text)
    done = run_program("programs/stars.py", video, "--db", "db", cwd=tmp_path)
    assert done.returncode == 7, done.stderr
    assert done.stdout.splitlines()[-2:] == [
        "[2.0, 2.0, 2.0] stars.py True",
        "at the end 2",
    ]


def test_python_may_be_told_to_leave_the_folder_of_a_program_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "aside.py").write_text("")
    (tmp_path / "program.py").write_text("import scannerpy\nimport aside\n")
    assert run_program("program.py", cwd=tmp_path).returncode == 0
    done = run_program("program.py", cwd=tmp_path, PYTHONSAFEPATH="1")
    assert "No module named 'aside'" in done.stderr


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "program.py" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    with pytest.raises(SystemExit, match=r"there is no program 'no\.py'"):
        main(["no.py"])
