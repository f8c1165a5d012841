"""Whatever files, streams and types are called, a terminal is given text alone."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_scanner import Client, NamedStream
from beam_scanner.cli.main import main
from beam_scanner.errors import ArgumentError, Failure, JobFailure
from beam_scanner.storage import NamedStorage
from beam_scanner.text.printable import PrintableFormatter, printable
from tests.support.commands import IN_MEMORY
from tests.support.folders import ROOT
from tests.support.tiers import most_slow

ODD = [
    "\x1b[31mred\x1b[2J",
    "\x1b]0;title\x07",
    "new\nFORGED: 1 stream",
    "back\rFORGED",
    "tab\there",
    "bell\x07\x08\x7f",
    "c1\x9b31m\x85next",
    "\u202egnp.exe",
    "\u2066iso\u2069",
    "line\u2028FORGED\u2029",
    "bad\udcff\udc80",
    "\ufeffbom\u200b\u00ad",
    "é 한국 👩\u200d🚀",
    "{0}%s%(x)s\\n",
    "-dash",
    " spaces ",
    "#?&%[1]*",
    "y" * 300,
]

# One that print() cannot be given, and ones that it should not.
NAMES = st.text(
    st.sampled_from("ab/.\x1b\n\r\x07\x9b\u202e\u2028\udcff \t")
    | st.characters(codec=None),
    min_size=1,
    max_size=30,
)


def check(text: str) -> None:
    """Nothing that a terminal obeys, and no line that somebody else began."""
    text.encode("utf-8")
    for character in text:
        kind = unicodedata.category(character)
        shown = kind[0] != "C" and kind not in ("Zl", "Zp")
        assert shown or character in "\n\t\u200c\u200d", (character, text)
    assert not any(line.startswith("FORGED") for line in text.splitlines())


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(list(args))
    out, err = capsys.readouterr()
    check(out)
    check(err)
    return code, out, err


@given(NAMES)
def test_printable(text: str) -> None:
    shown = printable(text)
    check(shown)
    assert "\n" not in shown
    assert "\t" not in shown
    assert printable(shown) == shown
    assert printable(text, keep="\n").count("\n") == text.count("\n")
    if text.isprintable():
        assert shown == text
    for told in (
        Failure(text, text, op=text),
        JobFailure([Failure(text, "x\n" + text)]),
    ):
        check(str(told).replace("\nFORGED", ""))


@given(names=st.lists(NAMES, min_size=1, max_size=5, unique=True))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_database(capsys: pytest.CaptureFixture[str], names: list[str]) -> None:
    db = tempfile.mkdtemp()
    try:
        saved = []
        for name in (*names, *ODD):
            try:
                NamedStream(NamedStorage(db), name).save(
                    [name.encode(errors="replace")]
                )
                saved.append(name)
            except ArgumentError as error:
                check(str(error))
        code, out, _ = run(capsys, "ls", db)
        assert code == 0
        assert len(out.splitlines()) == 1 + len(saved)
        for name in saved[:4] if names else ():
            code, out, _ = run(capsys, "show", db, "--", name)
            assert code == 0
            assert out.startswith(f"stream       {printable(name)}\n")
            if not name.startswith("-"):
                code, out, _ = run(capsys, "rm", db, name)
                assert (code, out) == (0, f"removed {printable(name)}\n")
            assert run(capsys, "show", db, "--", name)[0] == 2 or name.startswith("-")
        assert run(capsys, "gc", db, "--dry-run")[0] == 0
        sc = Client(db_path=db)
        check(sc.summarize())
        check(repr([sc.table(name) for name in saved]))
        check(repr([NamedStream(sc, name) for name in saved]))
    finally:
        shutil.rmtree(db)


@pytest.mark.parametrize("odd", ODD)
def test_arguments_that_are_repeated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, odd: str
) -> None:
    db = str(tmp_path / "db")
    NamedStream(NamedStorage(db), "a").save([b"x"])
    for args in (
        [odd],
        ["ls", odd],
        ["ls", db, odd],
        ["show", db, odd],
        ["rm", db, odd],
        ["gc", odd],
        ["gc", db, odd],
        ["ls", db, "--rows", odd],
        ["show", db, "a", "--rows", odd],
        ["--input", odd, "--output", db],
        ["--input", f"{odd}*", "--output", db],
        ["--input", "x.mp4", "--output", f"s3://{odd}"],
        ["--input", "x.mp4", "--output", db, "--ops", odd],
        ["--input", "x.mp4", "--output", db, "--graph", odd],
        ["--input", "x.mp4", "--output", db, "--graph", f"{odd}.py:x"],
        ["--input", "x.mp4", "--output", db, "--load", odd],
        ["--input", "x.mp4", "--output", db, "--cache-mode", odd],
        ["--input", "x.mp4", "--output", db, "--work-packet-size", odd],
        ["--input", "x.mp4", "--output", db, f"--{odd}"],
        ["--input", "x.mp4", "--output", db, "--runner", odd],
    ):
        code, _, err = run(capsys, *args)
        # A pattern may match nothing.
        assert code == (0 if args == ["ls", db, odd] and not err else 2), args
        assert code == 0 or len(err.splitlines()) == 1


def test_somebody_elses_database(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    db = tmp_path / "db"
    stream = NamedStream(NamedStorage(db), "a")
    stream.save([b"x"])
    descriptor = db / "a" / "stream.json"
    honest = json.loads(descriptor.read_text())
    for odd in ODD:
        for field in ("name", "kind", "type_name", "generation", "path"):
            values = {**honest, field: odd}
            descriptor.write_text(json.dumps(values))
            for args in (["ls"], ["show", "a"], ["gc", "--dry-run"], ["show", "b"]):
                code, *_ = run(capsys, args[0], str(db), *args[1:])
                assert code in (0, 2)
    descriptor.write_text("\x1b[2J\nFORGED {")
    assert run(capsys, "ls", str(db))[0] == 2


@pytest.fixture
def films(tmp_path: Path, video: str) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    for odd in ODD:
        shutil.copy(video, folder / f"{odd[:200]}.mp4")
    (folder / "broken\x1b[31m\nFORGED.mp4").write_text("this is text")
    os.mkfifo(folder / "pipe.mp4")
    return folder


def test_runs_of_odd_files(
    capsys: pytest.CaptureFixture[str], films: Path, tmp_path: Path
) -> None:
    db = str(tmp_path / "db\x1b[2J\nFORGED")
    ops = ["--ops", "Stride(20) | Histogram()", IN_MEMORY]
    code, out, err = run(capsys, "explain", "--input", str(films), "--output", db, *ops)
    assert code == 1
    assert "cannot be read" not in out
    assert "1 stream failed" in err
    code, out, err = run(capsys, "--input", f"{films}/*", "--output", db, *ops)
    assert code == 1
    assert f"{len(ODD)} streams in " in out
    code, out, _ = run(capsys, "ls", db, "histogram/*")
    assert len(out.splitlines()) == 1 + len(ODD)
    for odd in ODD:
        assert printable(odd[:200]) in out
    code, _, err = run(capsys, "--input", f"{films}/*", "--output", db, *ops)
    assert code == 2
    assert "--cache-mode" in err


def test_shots_of_an_odd_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, video: str
) -> None:
    path = str(tmp_path / "\x1b[31m\nFORGED\udcff.mp4")
    shutil.copy(video, path)
    code, out, _ = run(
        capsys, "--input", path, "--output", str(tmp_path / "db"), IN_MEMORY
    )
    assert code == 0
    assert "files beside them" in out


KERNELS = r"""
from typing import Any
import logging, warnings
from beam_scanner import FrameType, register_python_op

@register_python_op(name="Odd\x1b[31m")
def odd(config, frame: FrameType) -> Any:
    logging.getLogger("mine").warning("\x1b[2Jlogged")
    warnings.warn("\x1b[2Jwarned")
    raise ValueError("\x1b[2J\nFORGED \u202e")

def graph(sc, videos):
    print("made")
    return sc.ops.__getattr__("Odd\x1b[31m")(frame=sc.io.Input(videos))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "encoding", most_slow(["ascii", "latin-1", "utf-8", "ascii:strict"])
)
def test_a_process_of_any_encoding(films: Path, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "odd_graph.py").write_text(KERNELS)
    db = str(tmp_path / "db")

    def process(*args: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [sys.executable, "-m", "beam_scanner", *args],
            env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        for data in (done.stdout, done.stderr):
            assert not set(data) & (set(range(32)) - {9, 10} | {127}), data
            assert b"UnicodeEncodeError" not in data
            text = data.decode(encoding.partition(":")[0])
            assert not any(line.startswith("FORGED") for line in text.splitlines())
        return done

    ops = ["--ops", "Stride(20) | Histogram()", IN_MEMORY]
    assert process("--input", str(films), "--output", db, *ops).returncode == 1
    assert process("ls", db).stdout.count(b"\n") > len(ODD)
    if encoding != "ascii":
        return
    graph = f"{tmp_path}/odd_graph.py:graph"
    given = ["--input", f"{films}/-dash.mp4", "--output", db, "--graph", graph]
    for options in ([IN_MEMORY], ["--direct_num_workers=2"]):
        done = process(*given, *options)
        assert done.returncode == 1
        assert b"ValueError: \\x1b[2J" in done.stderr


def test_warnings_and_log_lines(capsys: pytest.CaptureFixture[str]) -> None:
    formatter = PrintableFormatter("%(message)s")
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        error = sys.exc_info()
    record = logging.LogRecord("x", 30, "", 0, "a\x1b[2J %s", ("\u202e",), error)
    text = formatter.format(record)
    check(text)
    assert text.startswith("a\\x1b[2J \\u202e\n  Traceback")
    before = warnings.formatwarning
    assert main(["--version"]) == 0
    assert warnings.formatwarning is before
