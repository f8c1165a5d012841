"""A notebook is executed, and what it shows is rendered in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.types.image_files import decode_image
from tests.support.notebooks import execute
from tests.support.video_fixtures import make_video

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

FIRST = """
import beam_scanner
from beam_scanner import *
from beam_scanner.protobufs import BoundingBox

@register_python_op()
def find_box(config, frame: FrameType) -> types.BboxList:
    return [BoundingBox(x1=0.25, y1=0.25, x2=0.75, y2=0.75, score=0.5)]

@register_python_op()
def fail(config, frame: FrameType) -> float:
    raise KeyError("<lost>")

sc = Client(db_path={db!r}, options=["--direct_running_mode=in_memory"])
film = NamedVideoStream(sc, "film<1>", path={video!r})
frames = sc.io.Input([film])
brightness, boxes = NamedStream(sc, "brightness"), NamedStream(sc, "boxes")
sc.run([
    sc.io.Output(sc.ops.Brightness(frame=frames), [brightness]),
    sc.io.Output(sc.ops.find_box(frame=frames), [boxes]),
], show_progress=False)
video = beam_scanner.video.open({video!r})
"""

CELLS = {
    "video": ("thumbnails of a video", r"<img .*8 · 0\.320 s"),
    "video[10:20]": ("a strip", r"10 · 0\.400 s.*19 · 0\.760 s"),
    "video[10:40].show()": ("a clip", r"<video .*data:video/mp4;base64,"),
    "film": ("a stream", r"film&lt;1&gt;.*<img "),
    "brightness": ("a stream of values", r"float.*<svg "),
    "brightness.show(on=film)": ("a plot with frames", r"<svg .*<image "),
    "boxes.show(rows=[0, 30], on=film)": ("boxes over frames", r"<img .*<rect "),
    "sc": ("a client", r"brightness.*60"),
    "sc.preview(sc.ops.find_box(frame=frames), on=frames)": ("a preview", r"<rect "),
    "sc.explain(sc.io.Output(frames, [NamedVideoStream(sc, 'x')]))": (
        "a plan",
        r"What a run would do.*film&lt;1&gt;",
    ),
    """
try:
    sc.run(sc.io.Output(sc.ops.fail(frame=frames), [NamedStream(sc, "f")]),
           show_progress=False)
except JobFailure as error:
    failure = error
failure
""": ("failures", r"1 of 1 stream failed.*KeyError.*&lt;lost&gt;"),
}
"""What cells show: what it is, and what its HTML has."""

WRONG = "sc.ops.Brigthness(frame=frames)"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The cells of a notebook that was executed, after the first."""
    folder = tmp_path_factory.mktemp("notebook")
    video = make_video(folder / "film.mp4", frames=60, gop=4)
    first = FIRST.format(db=str(folder / "db"), video=str(video))
    sources = [first, *CELLS, WRONG]
    book = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, sources)))
    execute(book, allow_errors=True)
    return list(book.cells[1:])


def shown(cell: Any) -> str:
    """The HTML that a cell shows."""
    [output] = [o for o in cell.outputs if "text/html" in o.get("data", {})]
    page: str = output["data"]["text/html"]
    return page


@pytest.mark.slow
def test_cells_show_what_they_end_with(cells: list[Any]) -> None:
    for (source, (what, pattern)), cell in zip(CELLS.items(), cells, strict=False):
        page = shown(cell)
        assert re.search(pattern, page, re.S), f"{what}: {source}"
        # Small, whole in itself, without scripts; names are text.
        assert len(page) < 150_000, what
        assert set(re.findall(r"(?:src|href)=['\"](\w+):", page)) <= {"data"}
        assert not re.search(r"<script|<1>|<lost>", page)


@pytest.mark.slow
def test_a_mistake_ends_in_the_line_of_the_cell(cells: list[Any]) -> None:
    [error] = cells[-1].outputs
    told = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error.traceback))
    assert WRONG in told
    assert told.endswith("did you mean Brightness?")
    assert "beam_scanner/" not in told
    assert "site-packages" not in told


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "back"), [("light", "#fff"), ("dark", "#111")])
def test_a_browser_renders_it(
    cells: list[Any], tmp_path: Path, scheme: str, back: str
) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium")
    front = "#111" if scheme == "light" else "#ddd"
    parts = "<hr>".join(shown(cell) for cell in cells[: len(CELLS)])
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(
        "<!doctype html><meta charset=utf-8><body style='margin:8px;"
        f"background:{back};color:{front};color-scheme:{scheme}'>{parts}"
    )
    subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu"),
            *("--hide-scrollbars", "--window-size=1000,4600"),
            *(f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}"),
            page.as_uri(),
        ],
        capture_output=True,
        check=True,
        timeout=120,
    )
    seen = decode_image(picture.read_bytes())[..., :3].astype(int)
    ground = np.array([255] * 3 if scheme == "light" else [17] * 3)
    differs = np.abs(seen - ground).max(axis=2) > 60
    # Text and pictures are seen from the top to the end, on either ground.
    parts_seen = [part.any() for part in np.array_split(differs, 30)]
    assert sum(parts_seen) >= 24
    assert 0.02 < differs.mean() < 0.6
