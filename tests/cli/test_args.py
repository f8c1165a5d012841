"""Arguments of the command that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import wrong


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "--input and --output must be given"),
        (["--input", "{video}"], "--output must be given"),
        (["--input", "{video}", "--outptu", "db"], "did you mean --output?"),
        (["--input", "{video}", "--output", "{db}", "--nope"], "no option '--nope'"),
        (["jump"], "there is no command 'jump'"),
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
