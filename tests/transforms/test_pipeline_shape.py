"""Pipelines are such that any runner takes them, and their steps keep their names."""

from __future__ import annotations

import inspect
import json
import os
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.yaml.yaml_transform import expand_jinja

from beam_scanner.cli.main import main
from beam_scanner.elements.constants import Constants
from beam_scanner.transforms import (
    ConvertColor,
    Histogram,
    Range,
    ReadAllFromNamedStream,
    ReadAllFromVideo,
    ReadFromNamedStream,
    ReadFromVideo,
    RepeatNull,
    Resize,
    ShotBoundaries,
    Slice,
    Stride,
    Unslice,
    VideoGraph,
    WriteToNamedStream,
    WriteToNamedVideo,
    op,
    partitioner,
)
from beam_scanner.types import FrameType
from tests.support.documents import Block, blocks, forgotten, make_films, run_block
from tests.support.folders import ROOT
from tests.support.pipeline_shape import Examined, examined, faults

NAMES = ROOT / "tests" / "support" / "step_names.json"
"""By example the labels of the steps of its pipeline; WRITE_STEP_NAMES=1 writes it."""

FORMS = {"batch": (), "streaming": ("--streaming",)}


PAGES = [
    page
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
    if "beam.Pipeline(" in page.read_text()
]


def _track_motion() -> None:
    args = ["track", "--input=films/*.mp4", "--output=out", "--runner=FnApiRunner"]
    before, sys.argv = sys.argv, args
    try:
        runpy.run_path(
            str(ROOT / "examples" / "track_motion_beam.py"), None, "__main__"
        )
    finally:
        sys.argv = before


def _brightness() -> None:
    if len(inspect.signature(expand_jinja).parameters) < 3:
        pytest.skip("YAML of this version of Beam includes no files")
    text = (ROOT / "examples" / "brightness_beam.yaml").read_text()
    for name, value in {"input": "films/*.mp4", "output": "out"}.items():
        text = text.replace(f"{{{{ {name} }}}}", value)
    run_block(Block("yaml", text, ""))


def _command() -> None:
    main(["--graph=shots", "--input=films", "--output=out", "--quiet"])


def _every_transform() -> None:
    """One of each kind: every way to read, to join, to leave, and to come back."""
    pipeline = beam.Pipeline("FnApiRunner")
    frames = pipeline | ReadFromVideo("films/*.mp4")
    paths = pipeline | "Paths" >> Constants(["films/a.mp4"])
    more = (
        paths | ReadAllFromVideo() | "Grey" >> ConvertColor(conversion="COLOR_RGB2GRAY")
    )
    small = frames | Stride(8) | Resize(width=32, height=24)
    small.failures | "Log" >> beam.Map(print)
    small | WriteToNamedVideo("db", "small/{stream}")
    shots = frames | Histogram() | ShotBoundaries()
    shots | WriteToNamedStream("db", "shots/{stream}")
    groups = frames | Slice(partitioner.all(20)) | RepeatNull(2) | Unslice()
    groups | Range(0, 9) | "Leave" >> beam.Map(print)
    one, _ = frames | op(_brightness_and_size)()
    {"left": one, "right": more | op(_mean)()} | op(_sum)() | "Sum" >> beam.Map(print)
    back = small | "Turn" >> beam.MapTuple(lambda key, frame: (key, frame[::-1]))
    back | "Back" >> WriteToNamedVideo("db", "back/{stream}")
    names = pipeline | "Names" >> Constants(["x/a"])
    names | ReadAllFromNamedStream("db", int) | "All" >> beam.Map(print)
    stored = pipeline | ReadFromNamedStream("db", "x/*", int)
    stored | "Copy" >> WriteToNamedStream("other", "copies/{stream}")
    pipeline | VideoGraph(_graph)
    pipeline.run()


def _graph(p: Any) -> Any:
    made = p | ReadFromVideo("films/*.mp4") | Stride(8) | Histogram()
    return {"rows": made, "stored": made | WriteToNamedStream("db", "rgb/{stream}")}


def _brightness_and_size(config: Any, frame: FrameType) -> tuple[float, int]:
    return float(frame.mean()), frame.size


def _mean(config: Any, frame: FrameType) -> float:
    return float(frame.mean())


def _sum(config: Any, left: float, right: float) -> float:
    return left + right


def _page(page: Path) -> None:
    for block in blocks(page):
        if block.language in ("python", "yaml"):
            # What a block does with a result goes wrong without one.
            with suppress(Exception, Examined):
                run_block(block)


EXAMPLES: dict[str, Callable[[], None]] = {
    "every transform": _every_transform,
    "track_motion_beam.py": _track_motion,
    "brightness_beam.yaml": _brightness,
    "pipeline.py": _command,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    make_films(tmp_path)
    monkeypatch.chdir(tmp_path)
    with forgotten():
        yield


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_pipelines_of_examples(name: str, form: str) -> None:
    """Whoever changes the names of steps has to tell users: see docs/beam.md."""
    with examined(*FORMS[form]) as labels, suppress(Examined):
        EXAMPLES[name]()
    assert len(labels) == 1
    if form == "batch":
        kept = json.loads(NAMES.read_text())
        if os.environ.get("WRITE_STEP_NAMES") == "1":
            kept[name] = labels[0]
            NAMES.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
        assert labels[0] == kept[name]


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=pytest.mark.slow) for form in FORMS]
)
def test_pipelines_of_pages(form: str) -> None:
    with examined(*FORMS[form]) as labels:
        for page in PAGES:
            _page(page)
    assert len(labels) > 15


def test_what_is_wrong_is_found() -> None:
    class Second(beam.PTransform):
        def expand(self, _: Any) -> Any:
            return first

    pipeline = beam.Pipeline("FnApiRunner")
    first = pipeline | beam.Impulse() | beam.Map(str)
    _ = pipeline | "Other" >> beam.Impulse() | Second()
    proto = pipeline.to_runner_api()
    (empty, twice) = faults(proto)
    assert "Second has no parts" in empty
    assert "Second" in twice
    assert "Map(str)" in twice
