"""examples/from_scannerpy: Scanner's tutorials and apps, by either import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

from beam_scanner.storage import NamedStorage, list_streams
from tests.support.folders import ROOT

PROGRAMS = sorted((ROOT / "examples" / "from_scannerpy").glob("*.py"))
WRITES = {
    "00_basic": [],
    "01_defining_python_ops": ["01_small.mp4", "01_tinted.mp4"],
    "02_op_attributes": ["02_mirrored.mp4", "02_moving.mp4"],
    "03_sampling": [],
    "04_slicing": ["04_averages.mp4"],
    "05_sources_sinks": ["labelled-0.png", "labelled-1.png", "labelled-2.png"],
    "06_compression": ["06_small.mp4"],
    "07_profiling": ["07_resize.trace"],
    "grayscale_conversion": ["grayscale.mp4"],
    "object_detection": ["objects.mp4"],
}

# All in one process, since loading Beam takes longer than most of them.
RUN_ALL = """
import json, sys, traceback
from beam_scanner.scannerpy.run_program import main
ended = {}
for program in sys.argv[1:]:
    try:
        main([program])
        ended[program] = ""
    except BaseException:
        ended[program] = traceback.format_exc()
print(json.dumps(ended))
"""


def run_all(programs: list[Path], folder: Path) -> dict[str, str]:
    """How programs end: '' or a traceback, by their names."""
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *map(str, programs)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)},
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    ended: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {Path(program).stem: text for program, text in ended.items()}


@pytest.fixture(scope="module")
def as_they_stand(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("examples")
    return folder, run_all(PROGRAMS, folder)


@pytest.fixture(scope="module")
def with_scanners_imports(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("examples")
    programs = []
    for program in PROGRAMS:
        text = program.read_text()
        assert "beam_scanner.scannerpy" in text
        changed = text.replace("beam_scanner.scannerpy", "scannerpy")
        for name, module in (("FilesStream", "files"), ("PythonStream", "python")):
            changed = changed.replace(
                f"from beam_scanner.storage import {name}\n",
                f"from scannertools.storage.{module} import {name}\n",
            )
        changed = changed.replace(
            "from beam_scanner.storage import FilesStream, PythonStream",
            "from scannertools.storage.files import FilesStream\n"
            "from scannertools.storage.python import PythonStream",
        )
        assert "beam_scanner" not in changed
        programs.append(folder / program.name)
        programs[-1].write_text(changed)
    return folder, run_all(programs, folder)


def check(program: str, folder: Path, ended: dict[str, str]) -> None:
    assert ended[program] == ""
    for name in WRITES[program]:
        path = folder / name
        assert path.stat().st_size > 0
        if path.suffix == ".mp4":
            with av.open(str(path)) as video:
                assert sum(1 for _ in video.decode(video=0)) in (30, 60, 120, 240)


def test_every_program_is_listed() -> None:
    assert [program.stem for program in PROGRAMS] == list(WRITES)


@pytest.mark.slow
@pytest.mark.parametrize("program", WRITES)
def test_examples(program: str, as_they_stand: tuple[Path, dict[str, str]]) -> None:
    check(program, *as_they_stand)


@pytest.mark.slow
@pytest.mark.parametrize("program", WRITES)
def test_examples_with_scanners_imports(
    program: str, with_scanners_imports: tuple[Path, dict[str, str]]
) -> None:
    check(program, *with_scanners_imports)


@pytest.mark.slow
def test_they_leave_nothing_but_the_video(
    as_they_stand: tuple[Path, dict[str, str]],
) -> None:
    storage = NamedStorage(as_they_stand[0] / ".beam_scanner" / "db")
    assert {found.name for found in list_streams(storage)} <= {"film"}
