"""What the command says of failures, and its exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_scanner import FrameType, NamedStream, register_python_op
from beam_scanner.errors import Failure
from beam_scanner.kernels import registry
from beam_scanner.storage import NamedStorage
from beam_scanner.storage.failure_files import failure_files, write_failures
from tests.support.commands import IN_MEMORY, command, wrong
from tests.support.folders import ROOT
from tests.support.video_fixtures import make_video


def _picky(config: object, frame: FrameType) -> bytes:
    if frame.mean() > config.args["above"]:  # type: ignore[attr-defined]
        raise ValueError("too \x1b[31mbright\ud800\n\nreally")
    return b"ok"


@pytest.fixture(autouse=True)
def op() -> Iterator[None]:
    register_python_op(name="Picky")(_picky)
    yield
    registry().remove("Picky")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    for number in range(5):
        make_video(folder / f"{number}.mp4", frames=5)
    return folder


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    printed = capsys.readouterr()
    assert not set(printed.out + printed.err) & {"\x1b", "\ud800"}
    return (printed.out + printed.err).splitlines()


def test_causes_are_grouped_and_told_again(
    films: Path, db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (films / "bad.mp4").write_bytes(b"no video")
    args = ["--input", films, "--output", db, IN_MEMORY, "--ops"]
    assert command(*args, "Picky(above=-1)") == 1
    told = lines(capsys)
    assert "beam-scanner: 6 of 6 streams failed:" in told
    cause = (
        "  5 streams: op Picky, row 0: ValueError: too \\x1b[31mbright\\ud800 really"
    )
    assert sum(line.startswith(cause) for line in told) == 1
    assert sum("bad.mp4" in line for line in told) == 1
    assert len(told) < 20

    assert command("failures", db) == 0
    told = lines(capsys)
    assert sum("5 failed" in line for line in told) == 1
    assert sum(line.startswith(cause) for line in told) == 1
    assert command("failures", db, "--all") == 0
    assert sum("op Picky, row 0" in line for line in lines(capsys)) == 5
    assert command("failures", db, "--traceback") == 0
    assert sum("Traceback" in line for line in lines(capsys)) == 5
    runs = failure_files(NamedStorage(db).raw_store())
    for file in runs:
        assert command("failures", db, "--run", file.run[:8]) == 0
        assert lines(capsys)[0] == f"run {file.run}:"
    assert "'nope' is not a run" in wrong(capsys, "failures", db, "--run", "nope")


def test_null_rows(films: Path, db: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--input", films, "--output", db, IN_MEMORY, "--ops"]
    assert command(*args, "Picky(above=-1, on_error='null')") == 0
    assert "beam-scanner: 25 rows null, because a kernel raised there" in lines(capsys)
    assert NamedStream(NamedStorage(db), "picky/0.mp4").len() == 5
    assert command("failures", db) == 0
    told = lines(capsys)
    assert any("25 rows null" in line for line in told)
    assert any("25 rows of 5 streams: op Picky" in line for line in told)


def test_max_failures(films: Path, db: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--input", films, "--output", db, IN_MEMORY, "--ops", "Picky(above=-1)"]
    assert command(*args, "--max-failures", 1) == 1
    told = lines(capsys)
    assert "beam-scanner: 2 of 5 streams failed, 3 are not run:" in told
    assert command(*args, "--max-failures", "0.5") == 1
    assert "beam-scanner: 3 of 5 streams failed, 2 are not run:" in lines(capsys)
    for number in range(3):
        (films / f"bad{number}.mp4").write_bytes(b"no video")
    assert command(*args, "--max-failures", 2) == 1
    told = lines(capsys)
    assert "nothing was run, because of --max-failures" in told
    assert "expected a number" in wrong(capsys, *args, "--max-failures", "1.5")


def test_a_database_without_failures(
    filled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("failures", filled) == 0
    assert lines(capsys) == ["no run of this database has left failures"]
    (Path(filled) / "failures").mkdir()
    (Path(filled) / "failures" / "20260101T000000Z-abc.parquet").write_bytes(b"no")
    assert "is not a file of failures" in wrong(capsys, "failures", filled)


def test_phases_of_a_pipeline_are_one_run(
    filled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = NamedStorage(filled).raw_store()
    write_failures(store, "abc", [Failure("x", "ValueError: 1")], 1e9)
    write_failures(store, "abc-1", [Failure("y", "ValueError: 2")], 1e9 + 5)
    assert command("failures", filled) == 0
    told = lines(capsys)
    assert told[0] == "abc  2001-09-09 01:46:45 UTC  2 failed"
    assert "  2 streams: ValueError: 1 (x; y)" in told


@pytest.mark.slow
def test_names_that_are_not_utf8(video: str, tmp_path: Path, db: str) -> None:
    """Also where the terminal has another encoding."""
    folder = os.fsencode(tmp_path / "odd")
    os.mkdir(folder)
    shutil.copy(os.fsencode(video), folder + b"/b\xff\xe9.mp4")
    with open(folder + b"/no\xff.mp4", "wb") as file:
        file.write(b"no video")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    for arguments, code in (
        (["--input", folder, "--output", db, "--ops", "Histogram()", IN_MEMORY], 1),
        (["ls", db], 0),
        (["show", db, b"histogram/b\xff\xe9.mp4"], 0),
        (["failures", db], 0),
        (["rm", db, b"histogram/b\xff\xe9.mp4"], 0),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "beam_scanner", *arguments],
            env=environment,
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == code, done.stderr
        done.stdout.decode("ascii")
        if code:
            assert b"1 of 2 streams failed, 1 is committed:" in done.stderr
            assert b"no\\udcff.mp4" in done.stderr
        assert b"Error" not in done.stderr
    assert json.loads((Path(db) / "beam_scanner.json").read_text())
