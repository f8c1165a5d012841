"""A session of a notebook: kernels in cells, changed and run again, and the bar."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.notebooks import execute
from tests.support.video_fixtures import make_video

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

FIRST = """
from typing import Any, Sequence
import numpy as np
from beam_scanner import *

sc = Client(db_path={db!r}, options={options!r})
frames = sc.io.Input([NamedVideoStream(sc, "film", path={video!r})])
output = NamedStream(sc, "out")
OFFSET = 5

def shifted(number):
    return number + OFFSET

class Scaled(Kernel):
    def __init__(self, config, factor):
        super().__init__(config)
        self.factor = factor

def run(**options):
    made = sc.ops.Numbered(frame=frames, factor=2)
    outputs = sc.io.Output(made, [output])
    return sc.run(outputs, PerfParams.manual(4, 12), CacheMode.Ignore, **options)
"""

KERNEL = """
@register_python_op()
class Numbered(Scaled):
    def __init__(self, config, factor):
        super().__init__(config, factor)

    def execute(self, frame: FrameType) -> Any:
        return shifted(int(frame.shape[0]) * self.factor)
"""

SHOW = "print(run() is None, sorted(set(output.load())), output.len())"


VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


@pytest.fixture
def widgets() -> dict[str, Any]:
    """What the widgets of the session show in the end, by id."""
    return {}


@pytest.fixture
def play(tmp_path: Path, widgets: dict[str, Any]) -> Callable[..., list[Any]]:
    """Runs cells in one session; returns the outputs of each."""
    video = make_video(tmp_path / "film.mp4", frames=60, gop=12)

    def play(options: Any, *cells: str) -> list[Any]:
        first = FIRST.format(db=str(tmp_path / "db"), video=str(video), options=options)
        sources = [first, *cells]
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in sources]
        )
        execute(book)
        widgets.update(book.metadata.get("widgets", {}).get(STATE, {}).get("state", {}))
        return [cell.outputs for cell in book.cells[1:]]

    return play


def printed(outputs: list[Any]) -> str:
    return "".join(o.text for o in outputs if o.get("name") == "stdout")


def shown(outputs: list[Any], widgets: dict[str, Any]) -> str:
    """What stands where the bar is, as plain text."""
    texts = [o.text for o in outputs if o.get("name") == "stderr"]
    for output in outputs:
        if VIEW in output.get("data", {}):
            box = widgets[output.data[VIEW]["model_id"]]["state"]
            for child in box["children"]:
                part = widgets[child.removeprefix("IPY_MODEL_")]["state"]
                texts.append(" ".join(html.unescape(f"{part['value']}").split()))
    return "|".join(texts)


OTHER_KERNEL = KERNEL.replace("* self.factor", "* self.factor * 10")


@pytest.mark.slow
def test_a_session(play: Callable[..., list[Any]], widgets: dict[str, Any]) -> None:
    defined, first, again, helper, quiet, kernel, last = play(
        ["--direct_running_mode=in_memory"],
        KERNEL,
        SHOW,
        SHOW,
        # A helper that the kernel uses is another one; then the kernel itself.
        "OFFSET = 7",
        SHOW.replace("run()", "run(show_progress=False)"),
        OTHER_KERNEL,
        SHOW,
    )
    assert not any((defined, helper, kernel))
    assert printed(first) == "False [101] 60\n"
    assert printed(again) == "True [101] 60\n"
    assert printed(quiet) == "False [103] 60\n"
    assert printed(last) == "False [967] 60\n"
    bar = shown(first, widgets)
    # Indexing has a line where it takes a moment.
    line = r"(\|1\.0\|indexing film \[\d+:\d+\]\|)?"
    pattern = rf"^{line}100%\|60\.0\|60/60 \[\d+:\d+<00:00, .*frames/s\]$"
    assert re.search(pattern, bar), bar
    assert shown(again, widgets) == shown(quiet, widgets) == ""
    # Nothing else shows, and nothing is fetched from elsewhere.
    kinds = {kind for output in first for kind in output.get("data", {})}
    assert kinds == {VIEW, "text/plain"}


@pytest.mark.slow
@pytest.mark.processes
def test_kernels_of_cells_in_worker_processes(play: Callable[..., list[Any]]) -> None:
    options = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    _, first, _, last = play(options, KERNEL, SHOW, OTHER_KERNEL, SHOW)
    assert printed(first) == "False [101] 60\n"
    assert printed(last) == "False [965] 60\n"
