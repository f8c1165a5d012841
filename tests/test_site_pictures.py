"""Pictures of the pages, and the example notebook with its page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.folders import ROOT
from tests.support.real_clips import packaged_clip

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("PIL")
pytest.importorskip("ipykernel")

from PIL import Image  # noqa: E402

from scripts import site_pictures as site  # noqa: E402

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


def test_pictures_are_described_used_and_small() -> None:
    found = [
        (page, *each) for page in PAGES for each in PICTURE.findall(page.read_text())
    ]
    assert len(found) >= 5
    for page, text, path in found:
        assert len(text) > 40, f"{page.name}: {path} needs words for who cannot see it"
        # Its clip wants its makers to be named.
        assert "© Blender Foundation" in page.read_text()
        assert (page.parent / path).is_file()
    used = {(page.parent / path).resolve() for page, _, path in found}
    files = set(site.IMAGES.iterdir())
    assert files == used
    assert sum(file.stat().st_size for file in [*files, site.PAGE]) < 700_000


def test_the_page_has_the_cells_of_the_notebook() -> None:
    page, place = site.PAGE.read_text(), 0
    for cell in nbformat.read(site.NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs"), "outputs are in the page"
        source = re.sub(r"^# .*\n*", "", cell.source)
        place = page.index(source, place) + len(source)
    # Whole in itself.
    assert set(re.findall(r"(?:src|href)=['\"](\w+):", page)) <= {"data"}
    assert "<script" not in page
    assert not re.search(r"/tmp/|ipykernel", page)


def test_html_with_empty_lines_stays_one_block() -> None:
    html = {"data": {"text/html": "<pre>a\n\n  b</pre>"}}
    assert "\n\n" not in site._shown(html)
    assert site._shown({"text": "a\n"}) == "```\na\n```"
    bar = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "0%"}
    assert site._shown({"data": bar}) == ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site.make_films(tmp_path, Path(packaged_clip("bigbuckbunny.mp4")))
    return tmp_path


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_its_page_shows(folder: Path) -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("duckdb")
    pytest.importorskip("pandas")
    made = site.page_of(site.executed(folder), folder)
    assert shown(made) == shown(site.PAGE.read_text())


def shown(page: str) -> list[tuple[int, int, int, int]]:
    """For each cell how much HTML, how many pictures, plots and clips follow it."""
    kinds = ('<div class="cell-output">', "<img ", "<svg ", "<video ")
    return [
        tuple(map(cell.count, kinds))  # type: ignore[misc]
        for cell in page.split("``` python")[1:]
    ]


@pytest.mark.slow
def test_the_tutorial_makes_its_pictures(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("fontpkg")
    looked_at: list[str] = []

    def rendered(html: str) -> Any:
        looked_at.append(html)
        return np.zeros((9, 16, 3), np.uint8)

    monkeypatch.setattr(site, "rendered", rendered)
    monkeypatch.chdir(folder)
    (tmp_path / "images").mkdir()
    site.make_pictures(folder, tmp_path / "images")
    assert ["<img " in html for html in looked_at] == [True, False]
    assert "<svg " in looked_at[1]
    for name in ("contact-sheet.jpg", "drawn.jpg"):
        now, then = (
            np.asarray(Image.open(each / name)).astype(int)
            for each in (tmp_path / "images", site.IMAGES)
        )
        assert now.shape == then.shape
        assert np.abs(now - then).mean() < 4
