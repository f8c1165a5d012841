"""Interactive Beam in a notebook, and drawings of pipelines."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.render import RenderRunner

from beam_scanner.transforms import Histogram, ReadFromVideo, Stride, WriteToNamedVideo
from tests.support.video_fixtures import frame_number

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
ib = pytest.importorskip("apache_beam.runners.interactive.interactive_beam")
InteractiveRunner = pytest.importorskip(
    "apache_beam.runners.interactive.interactive_runner"
).InteractiveRunner

FIRST = """
import logging
import apache_beam as beam
import apache_beam.runners.interactive.interactive_beam as ib
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.interactive.interactive_runner import InteractiveRunner
from beam_scanner.transforms import *

logging.disable(logging.WARNING)
p = beam.Pipeline(InteractiveRunner(), options=PipelineOptions())

def rows(found):
    return [(key.row, value) for key, value in found.values]
"""

COLLECT = """
found = ib.collect(
    p | ReadFromVideo({films!r} + "/a.mp4") | Stride(30) | Histogram()
)
print(found.shape, [key.row for key in found[0]], sum(found[1][0][0]))
"""
SEVERAL = """
frames = p | "Films" >> ReadFromVideo({films!r} + "/*.mp4")
some = frames | "Some" >> Stride(24)
sizes = some | beam.MapTuple(lambda key, frame: (key, frame.shape))
print(len(ib.collect(some)), len(ib.collect(frames, n=5)))
print(rows(ib.collect(sizes))[0])
"""
EXTENDED = """
fewer = some | "Fewer" >> Range(0, 1)
rgb = fewer | "Rgb" >> Histogram()
one, two = ib.collect(fewer, rgb)
print(len(one), len(two), one[1][0].shape, len(ib.collect(some)))
"""
SINKS = """
written = some | WriteToNamedVideo({db!r}, "some/{{stream}}")
print(sorted(ib.collect(written.commits)["stream"]), len(ib.collect(written.failures)))
print(len(ib.collect(frames.failures)))
"""
GRAPH = """
graph = p | VideoGraph(lambda p: {{
    "rows": p | ReadFromVideo({films!r} + "/a.mp4") | Stride(36),
    "shots": p | "Again" >> ReadFromVideo({films!r} + "/a.mp4") | Histogram() | ShotBoundaries(),
}})
print(len(ib.collect(graph["rows"])), len(ib.collect(graph["shots"])))
"""
SHOW = """
ib.show(rgb)
ib.show(rgb, visualize_data=True)
ib.show(rgb, include_window_info=True)
print("shown")
"""
RECORDED = """
ib.options.recording_duration = "10s"
ib.options.enable_recording_replay = True
ib.recordings.record(p)
print(len(ib.collect(rgb)))
assert ib.recordings.describe(p)
ib.recordings.clear(p)
print(len(ib.collect(rgb)))
"""
DATAFRAME = """
from apache_beam.dataframe.convert import to_dataframe
means = some | "Means" >> beam.MapTuple(
    lambda key, frame: beam.Row(film=str(key.stream), row=int(key.row), mean=float(frame.mean()))
)
frame = to_dataframe(means)
print(ib.collect(frame.groupby("film")["row"].max()).to_dict())
"""
RUN = """
result = p.run()
result.wait_until_finish()
print(result.state, len(result.get(some) if hasattr(result, "get") else []))
"""


CELLS = {
    COLLECT: "(3, 2) [0, 1, 2] 3072",
    SEVERAL: "6 5\n(0, (48, 64, 3))",
    EXTENDED: "2 2 (48, 64, 3) 6",
    SINKS: "['some/a.mp4', 'some/b.mp4'] 0\n0",
    GRAPH: "2 72",
    SHOW: "shown",
    RECORDED: "2\n2",
    DATAFRAME: "{'a.mp4': 2, 'b.mp4': 2}",
    RUN: "DONE 6",
}
"""What each prints."""


@pytest.mark.slow
def test_a_session(films: Path, tmp_path: Path) -> None:
    given = {"films": str(films), "db": str(tmp_path / "db")}
    sources = [FIRST, *(cell.format(**given) for cell in CELLS)]
    book = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, sources)))
    nbclient.NotebookClient(book, timeout=600, kernel_name="python3").execute()
    for source, cell in zip(CELLS, book.cells[1:], strict=True):
        printed = [o.text for o in cell.outputs if o.get("name") == "stdout"]
        assert "".join(printed).strip() == CELLS[source], source


@pytest.mark.slow
def test_what_is_typed_first(films: Path) -> None:
    """In this process, where interactive Beam cannot show anything."""
    pipeline = beam.Pipeline(InteractiveRunner())
    frames = pipeline | ReadFromVideo(f"{films}/a.mp4") | Stride(30)
    found = ib.collect(frames | Histogram())
    assert [key.row for key in found[0]] == [0, 1, 2]
    assert [frame_number(frame) for frame in ib.collect(frames)[1]] == [0, 30, 60]


def test_a_drawing(films: Path, tmp_path: Path) -> None:
    options = PipelineOptions([f"--render_output={tmp_path / 'graph.dot'}"])
    with beam.Pipeline(RenderRunner(), options=options) as pipeline:
        frames = pipeline | ReadFromVideo(f"{films}/a.mp4") | Stride(30)
        frames | WriteToNamedVideo(str(tmp_path), "some")
        frames | Histogram() | "Leave" >> beam.Map(str)
    drawn = (tmp_path / "graph.dot").read_text()
    for label in ("ReadFromVideo", "Stride", "Histogram", "WriteToNamedVideo", "Leave"):
        assert label in drawn
