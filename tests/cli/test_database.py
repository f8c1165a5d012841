"""Subcommands for a database, and the help."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from beam_scanner.cli.args import COMMANDS
from beam_scanner.cli.main import main
from beam_scanner.run.run_files import RunFiles
from beam_scanner.storage import NamedStorage, NamedStream
from tests.support.commands import command, wrong

# ls, show, rm, gc.


def test_ls(filled: str, video: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("ls", filled) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["STREAM", "ROWS", "TYPE", "SIZE"]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["a.mp4", "40", "video"],
        ["frames/a.mp4", "10", "video"],
        ["histogram/a.mp4", "10", "Histogram"],
    ]
    assert video in lines[1]
    assert command("ls", filled, "hist*/*") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert "called, or matches, 'histo/*'" in wrong(capsys, "ls", filled, "histo/*")


def test_a_database_that_is_not_named_is_that_of_runs(
    filled: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(filled).with_name("here")
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert "there is no database in 'beam_scanner_db'" in wrong(capsys, "ls")
    Path("beam_scanner_db").symlink_to(filled)
    assert command("ls") == 0
    assert "histogram/a.mp4" in capsys.readouterr().out
    assert command("jobs") == 0
    assert command("failures") == 0


@pytest.mark.parametrize("name", ["show", "rm"])
def test_names_that_are_nearly_right(
    filled: str, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert "; did you mean histogram/a.mp4" in wrong(
        capsys, name, filled, "histogam/a.mp4"
    )


def test_names_are_listed_as_people_sort_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["a/film.mp4", "a/film2.mp4", "a/film10.mp4", "a b/1", "B/1", "b/2", "b/10"]
    storage = NamedStorage(str(tmp_path / "db"))
    for name in sorted(names, reverse=True):
        NamedStream(storage, name).save([b"x"])
    assert command("ls", tmp_path / "db") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.partition("  ")[0] for line in lines] == names
    assert command("ls", tmp_path / "db", "a/*") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == names[:3]
    assert command("rm", tmp_path / "db", "**") == 0
    removed = capsys.readouterr().out.splitlines()
    assert removed == [f"removed {name}" for name in names]


def test_show(filled: str, video: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("show", filled, "histogram/a.mp4", "--rows", "3") == 0
    text = capsys.readouterr().out
    files = NamedStream(NamedStorage(filled), "histogram/a.mp4").files()
    assert all(file in text for file in files)
    assert "rows         10" in text
    assert text.count("\nrow ") == 3
    assert "0.160 s" in text
    assert command("show", filled, "a.mp4") == 0
    text = capsys.readouterr().out
    assert f"read from    {video}" in text
    assert "array 48 x 64 x 3 uint8" in text


def test_rm(filled: str, video: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'nope'" in wrong(capsys, "rm", filled, "histogram/*", "nope")
    storage = NamedStorage(filled)
    assert NamedStream(storage, "histogram/a.mp4").committed()
    assert command("rm", filled, "histogram/*", "a.mp4") == 0
    assert not NamedStream(storage, "histogram/a.mp4").committed()
    assert NamedStream(storage, "frames/a.mp4").committed()
    assert os.path.exists(video)


def test_files_for_people(filled: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``show`` names them, ``rm`` takes ours and tells of others."""
    folder = Path(filled) / "histogram/a.mp4"
    names = ["contact_sheet.png", "shots.csv", "preview.mp4", "notes.txt"]
    for name in names:
        (folder / name).write_text("seen")
    assert command("show", filled, "histogram/a.mp4") == 0
    shown = capsys.readouterr().out
    assert all(str(folder / name) in shown for name in names)
    assert command("rm", filled, "histogram/*") == 0
    told = capsys.readouterr().out
    assert [name for name in names if name in told] == ["notes.txt"]
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_show_of_a_stream_whose_files_are_gone(
    filled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = NamedStream(NamedStorage(filled), "histogram/a.mp4").files()
    os.remove(file)
    assert command("show", filled, "histogram/a.mp4") == 0
    text = capsys.readouterr().out
    assert f"MISSING      {file}" in text


def test_gc_of_what_is_no_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "a/g.segments/00000000-x.parquet"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    assert "there is no database" in wrong(capsys, "gc", str(tmp_path))
    assert kept.exists()


def test_gc_leaves_a_run_at_work(
    filled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFiles(NamedStorage(filled).store(), "working")
    with run.held():
        assert "1 run still uses" in wrong(capsys, "gc", filled, "--unfinished")
        assert run_files(filled) == ["driver"]
        assert command("gc", filled) == 0
        assert run_files(filled) == ["driver"]
    assert command("gc", filled, "--unfinished") == 0
    assert run_files(filled) == []


def run_files(database: str) -> list[str]:
    return [path.name for path in Path(database).glob(".work/runs/working/*")]


def test_gc(filled: str, capsys: pytest.CaptureFixture[str]) -> None:
    stream = NamedStream(NamedStorage(filled), "histogram/a.mp4")
    lost = stream.files()[0]
    stream.unpublish()
    job = Path(filled) / ".work/jobs/0123/begun"
    job.parent.mkdir(parents=True)
    job.write_text(os.path.basename(os.path.dirname(lost)).removesuffix(".segments"))
    assert command("gc", filled) == 0
    assert "removed 0 segment files" in capsys.readouterr().out
    assert os.path.exists(lost)
    assert command("gc", filled, "--unfinished", "--dry-run") == 0
    assert lost in capsys.readouterr().out
    assert os.path.exists(lost)
    assert job.exists()
    assert command("gc", filled, "--unfinished") == 0
    assert "removed 1 segment file (" in capsys.readouterr().out
    assert not os.path.exists(lost)
    assert not job.exists()


@pytest.mark.parametrize(
    "args",
    [["ls", "nowhere"], ["show", "{db}"], ["show", "{db}", "nope"], ["rm", "{db}"]],
)
def test_database_commands_that_are_wrong(
    filled: str, capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    wrong(capsys, *(arg.replace("{db}", filled) for arg in args))


@pytest.mark.parametrize("name", ["ls", "gc"])
def test_a_folder_that_is_no_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert "no database" in wrong(capsys, name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_format_version(
    filled: str, video: str, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = Path(filled) / "beam_scanner.json"
    marker.write_text('{"format_version": 99}')
    assert "99" in wrong(capsys, "ls", filled)
    assert "99" in wrong(capsys, "--input", video, "--output", filled)


# Help.


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*([name] if name else []), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: beam-scanner")
    assert max(map(len, text.splitlines())) <= 100
    if not name:
        assert all(command in text for command in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("beam-scanner ")
