"""The command as a process, and as its errors end it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.cli.main import main
from beam_scanner.errors import ScannerException, StorageError
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from tests.support.commands import wrong
from tests.support.folders import ROOT
from tests.support.programs import run_code
from tests.support.video_fixtures import make_video

# As processes.


def process(*args: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


@pytest.mark.slow
@pytest.mark.processes
def test_python_m_pipeline_with_worker_processes(
    graphs: str, tmp_path: Path, db: str
) -> None:
    video = make_video(tmp_path / "long.mp4", frames=400)
    args = ["pipeline", "--runner=DirectRunner", "--direct_num_workers=2"]
    args += ["--input", video, "--output", db, "--graph", f"{graphs}:mean"]
    done = process(*args, "--io-packet-size", "100", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "400 frames needed" in done.stdout
    assert NamedStream(NamedStorage(db), "clibrightness/long.mp4").len() == 400
    # A bar is for people; nothing else of ours, or of Beam's, is on stderr.
    assert done.stderr.splitlines() == [
        "indexing 1 video",
        "making clibrightness/long.mp4",
    ]


WITHOUT_EXTRAS = """
import sys

for name in ("boto3", "cv2", "duckdb", "onnxruntime", "pandas", "scipy", "sklearn"):
    sys.modules[name] = None
from beam_scanner.cli.main import main

main(["--direct_running_mode=in_memory", *sys.argv[1:]])
"""
"""The command where nothing is installed but what the package requires."""


@pytest.mark.slow
def test_shots_need_no_extra(tmp_path: Path) -> None:
    video = make_video(tmp_path / "plain.mp4", frames=40)
    told = run_code(WITHOUT_EXTRAS, video, "--output", tmp_path / "db")
    assert "boundaries/plain.mp4" in told, told
    storage = NamedStorage(str(tmp_path / "db"))
    assert NamedStream(storage, "boundaries/plain.mp4").len() == 40


@pytest.mark.processes
def test_python_m_beam_scanner(filled: str) -> None:
    done = process("beam_scanner", "ls", filled, cwd=ROOT)
    assert done.returncode == 0
    assert "histogram/a.mp4" in done.stdout
    assert done.stderr == ""
    done = process("beam_scanner", "ls", filled + "x", cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr == f"beam-scanner: there is no database in '{filled}x'\n"


@pytest.mark.processes
def test_a_reader_that_has_seen_enough(filled: str) -> None:
    code = f"{sys.executable} -m beam_scanner ls {filled} | head -c 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {code}"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.stderr == ""


def test_errors_of_the_package_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(given: list[str]) -> int:
        raise ScannerException("first\n  second")

    monkeypatch.setattr("beam_scanner.cli.main._dispatch", fail)
    assert main([]) == 2
    assert capsys.readouterr().err == "beam-scanner: first second\n"


def test_an_interrupt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(given: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("beam_scanner.cli.main._dispatch", interrupt)
    assert main([]) == 130
    assert "again to resume" in capsys.readouterr().err


def test_a_disk_that_is_full_is_no_fault_of_the_input(
    video: str,
    db: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(self: object, **how: object) -> None:
        raise StorageError("cannot write 'index.bin': no space left on the device")

    monkeypatch.setattr(NamedVideoStream, "ingest", full)
    message = wrong(capsys, "--input", video, "--output", db, "--ops", "Histogram()")
    assert "cannot write 'index.bin': no space left on the device" in message
    assert "--input" not in message
