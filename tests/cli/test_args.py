"""Arguments of the command that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.cli.args import DEFAULT_DATABASE, parse_run, run_parser
from beam_scanner.errors import ArgumentError
from tests.support.commands import IN_MEMORY, command, wrong


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "no video is given; it is 'beam-scanner film.mp4'"),
        (["--output", "{db}"], "no video is given"),
        (["explain", "--quiet"], "no video is given"),
        (["--input", "{video}", "--output", ""], "--output is empty"),
        (["--input", "{video}", "--outptu", "db"], "did you mean --output?"),
        (["--input", "{video}", "--output", "{db}", "--nope"], "no option '--nope'"),
        (["jump"], "there is no command 'jump', nor a video of that name; commands"),
        (["lss", "{db}"], "did you mean ls"),
        (["no.mp4"], "there is no file 'no.mp4'"),
        (["{video}", "no.mp4", "--output", "{db}"], "there is no file 'no.mp4'"),
        (["--output", "{db}", "--quiet", "no.mp4"], "there is no file 'no.mp4'"),
        (["{text}", "--output", "{db}"], "notes.txt"),
        (["{video}", "--outptu", "{db}"], "did you mean --output?"),
        (["--input", "no.mp4", "--output", "{db}"], "there is no file 'no.mp4'"),
        (["--input", "{text}", "--output", "{db}"], "notes.txt"),
        (["--input", "{empty}", "--output", "{db}"], "empty.mp4"),
        (["--input", "{video}", "--output", "{text}", "--ops", "All()"], "notes.txt"),
        (["--input", "{video}", "--output", "{text}"], "is a file, expected a folder"),
        (["--input", "{video}", "--output", "{db}", "--ops", "Nope()"], "Op Nope"),
        (
            ["--input", "{video}", "--output", "{db}", "--ops", "Stride(0)"],
            "at least 1",
        ),
        (
            ["--input", "{video}", "--output", "{db}", "--ops", "Gather([40])"],
            "row 40 is out of range",
        ),
        (
            ["--input", "{video}", "--output", "{db}", "--ops", "A()", "--graph", "b"],
            "not allowed with",
        ),
        (["--input", "{video}", "--output", "{db}", "--cache-mode", "x"], "invalid"),
        (
            ["--input", "{video}", "--output", "{db}", "--io-packet-size", "0"],
            "above 0",
        ),
        (
            ["--input", "{video}", "--output", "{db}", "--direct_num_workers=x"],
            "Beam's flags",
        ),
        (
            ["--input", "{video}", "--output", "{db}", "--runner", "Nope"],
            "--runner=Nope",
        ),
        (["--input", "{video}", "--output", "{db}", "--load", "no.py"], "--load: "),
        (
            ["--input", "{video}", "--output", "{db}", "--threshold", "much"],
            "argument --threshold: expected a number, got 'much'",
        ),
        (
            [
                "--input",
                "{video}",
                "--output",
                "{db}",
                "--ops",
                "All()",
                "--name",
                "x{",
            ],
            "--name",
        ),
        (
            [
                *("--input", "{video}", "--output", "{db}", "--ops", "All()"),
                *("--name", "{input}"),
            ],
            "an output and an input the name 'a.mp4'",
        ),
        (
            [
                *("--input", "{video}", "--output", "{db}", "--ops", "All()"),
                *("--work-packet-size", "3", "--io-packet-size", "10"),
            ],
            "multiple",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path,
    video: str,
    db: str,
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    message: str,
) -> None:
    text, empty = tmp_path / "notes.txt", tmp_path / "empty.mp4"
    text.write_text("no video")
    empty.touch()
    filled = [a.replace("{video}", video).replace("{db}", db) for a in args]
    filled = [a.replace("{text}", str(text)) for a in filled]
    filled = [a.replace("{empty}", str(empty)) for a in filled]
    assert message in wrong(capsys, *filled)


@pytest.mark.parametrize(
    ("args", "videos", "flags"),
    [
        (["a.mp4"], ["a.mp4"], []),
        (["a.mp4", "b", "--quiet"], ["a.mp4", "b"], []),
        (["--quiet", "a.mp4"], ["a.mp4"], []),
        (["a", "--input", "b", "c", "--quiet", "d"], ["a", "b", "c", "d"], []),
        (["a", "--runner", "DirectRunner"], ["a"], ["--runner", "DirectRunner"]),
        (["--runner", "DirectRunner", "a"], ["a"], ["--runner", "DirectRunner"]),
        (["--runner=DirectRunner", "a"], ["a"], ["--runner=DirectRunner"]),
        (
            ["a", "--runner=PrismRunner", "--unknown_to_beam", "x"],
            ["a"],
            ["--runner=PrismRunner", "--unknown_to_beam", "x"],
        ),
    ],
)
def test_videos_before_and_after_options(
    args: list[str], videos: list[str], flags: list[str]
) -> None:
    found, beam = parse_run(run_parser("run"), args)
    assert found.input == videos
    assert beam == flags
    assert found.output == DEFAULT_DATABASE


def test_options_that_are_misspelt_take_no_video() -> None:
    with pytest.raises(ArgumentError, match=r"'--qiet'; did you mean --quiet"):
        parse_run(run_parser("run"), ["--qiet", "a.mp4"])


@pytest.mark.parametrize("before", [[], ["run"]])
def test_a_film_is_enough(
    before: list[str],
    video: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert command(*before, video, IN_MEMORY) == 0
    assert [path.name for path in here.iterdir()] == [DEFAULT_DATABASE]
    assert f"streams in {here / DEFAULT_DATABASE}" in capsys.readouterr().out
    assert command("ls", DEFAULT_DATABASE) == 0
    assert "shots/a.mp4" in capsys.readouterr().out


def test_explain_of_a_film_leaves_nothing(
    video: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert command("explain", video) == 0
    assert command("explain", "../*.mp4", "--ops", "Stride(8)") == 0
    assert list(here.iterdir()) == []
