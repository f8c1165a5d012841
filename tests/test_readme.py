"""The README: what it shows is run as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest

from beam_scanner import ops
from beam_scanner.kernels import registered_ops
from beam_scanner.ops.histogram import color_histogram
from tests.support.documents import Block, blocks, forgotten, make_films, run_block
from tests.support.folders import ROOT
from tests.support.video_fixtures import make_video

README = ROOT / "README.md"
SOURCE = "https://github.com/beam-scanner/beam_scanner/blob/main/"


def test_the_first_example_in_an_empty_file_with_another_video(tmp_path: Path) -> None:
    first = next(block for block in blocks(README) if block.language == "python")
    video = make_video(tmp_path / "another.mkv", frames=50, codec="vp9", size=(96, 64))
    (tmp_path / "empty").mkdir()
    example = tmp_path / "empty" / "example.py"
    assert len(re.findall(r"\S.*\n", first.text)) <= 10
    assert first.text.count("film.mp4") == 1
    example.write_text(first.text.replace("film.mp4", video))
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=example.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    with av.open(video) as container:
        decoded = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    expected = [
        " ".join(map(str, [row, *color_histogram(decoded[row]).argmax(axis=1)]))  # type: ignore[arg-type]
        for row in range(0, 50, 8)
    ]
    assert done.stdout.splitlines() == expected
    assert done.stderr == ""


def test_all_blocks_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_films(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = [b for b in blocks(README) if not b.text.startswith("pip install")]
    assert [block.language for block in found].count("python") >= 3
    assert [block.language for block in found].count("sh") >= 1
    with forgotten():
        for block in found:
            run_block(block)


def test_every_op_that_ships_is_named() -> None:
    ops.register_ops()
    text = README.read_text()
    shipped = [
        name
        for name in registered_ops()
        if _module_of(name).startswith("beam_scanner.ops")
    ]
    assert len(shipped) >= 16
    assert [name for name in shipped if f"`{name}`" not in text] == []


def _module_of(name: str) -> str:
    from beam_scanner.kernels import op_spec

    return str(op_spec(name).kernel.__module__)


def test_links_lead_somewhere() -> None:
    pages = [README, ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]
    pages += [ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    for page in pages:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            target = page.parent / link
            if link.startswith(SOURCE):
                target = ROOT / link.removeprefix(SOURCE)
            elif "://" in link:
                continue
            assert target.exists(), f"{page.name}: {link}"


def test_the_block_runner_sees_what_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        run_block(Block("python", "1 / 0", ""))
    with pytest.raises(AssertionError):
        run_block(Block("sh", "beam-scanner ls nowhere", ""))
    shutil.rmtree(tmp_path)
