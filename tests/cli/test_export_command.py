"""The command ``export``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from beam_scanner.cli.export_command import KINDS
from beam_scanner.storage import NamedStorage, NamedStream
from beam_scanner.types.element_types import NumpyArrayInt32
from tests.support.commands import command, wrong


@pytest.fixture
def shots(filled: str) -> str:
    stream = NamedStream(NamedStorage(filled), "shots/a.mp4")
    pairs = [np.array(each, np.int32) for each in ([0, 10], [10, 40])]
    stream.save(pairs, ty=NumpyArrayInt32)
    return filled


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(
    kind: str, shots: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = kind in ("mp4", "png", "jpg", "montage")
    stream = "frames/a.mp4" if frames else "shots/a.mp4"
    out = tmp_path / "out"
    assert command("export", shots, stream, "--to", out, "--as", kind) == 0
    printed = capsys.readouterr().out.splitlines()
    files = sorted(str(path) for path in out.rglob("*") if path.is_file())
    assert sorted(printed) == files
    assert len(files) == {"png": 10, "jpg": 10, "clips": 2}.get(kind, 1)
    assert "exists" in wrong(capsys, "export", shots, stream, "--to", out, "--as", kind)


def test_defaults_and_names(
    shots: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    given = ("export", shots, "**/a.mp4", "--to", out, "--name", "{stream}")
    assert command(*given) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{out}/a.mp4.mp4",
        f"{out}/frames/a.mp4.mp4",
        f"{out}/histogram/a.mp4.csv",
        f"{out}/shots/a.mp4.csv",
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("nope", "--to", "out"), "'nope'"),
        (("a.mp4", "--to", "out", "--as", "csv"), "is a video"),
        (("histogram/a.mp4", "--to", "out", "--as", "mp4"), "is no video"),
        (("histogram/a.mp4", "--to", "out", "--as", "edl"), "no shot"),
        (("histogram/a.mp4", "--to", "out", "--name", "{x}"), "expected some of"),
        (("histogram/a.mp4",), "--to"),
        (("a.mp4", "--to", "out", "--rows", "1"), "--rows is for --as montage"),
        (
            ("a.mp4", "--to", "out", "--as", "montage", "--rows", "x"),
            "rows are numbers",
        ),
        (
            ("histogram/a.mp4", "shots/a.mp4", "--to", "out", "--name", "{stem:.0}x"),
            "two files",
        ),
    ],
)
def test_wrong_arguments(
    given: tuple[str, ...],
    expected: str,
    shots: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert expected in wrong(capsys, "export", shots, *given)
    assert sorted(tmp_path.rglob("*")) == before
