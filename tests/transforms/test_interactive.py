"""Interactive Beam in a notebook, and drawings of pipelines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

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
print(len(ib.collect(rgb)), sorted(ib.recordings.describe(p))[:1])
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


@pytest.fixture
def play(films: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Runs cells in one session; returns what each prints."""

    def play(*cells: str) -> list[str]:
        given = {"films": str(films), "db": str(tmp_path / "db")}
        sources = [FIRST, *(cell.format(**given) for cell in cells)]
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in sources]
        )
        nbclient.NotebookClient(book, timeout=300, kernel_name="python3").execute()
        return [
            "".join(o.text for o in cell.outputs if o.get("name") == "stdout")
            for cell in book.cells[1:]
        ]

    return play


def test_a_session(play: Callable[..., list[str]]) -> None:
    collected, several, extended, sinks, graph, shown, recorded, table, ran = play(
        COLLECT, SEVERAL, EXTENDED, SINKS, GRAPH, SHOW, RECORDED, DATAFRAME, RUN
    )
    print(collected, several, extended, sinks, graph, shown, recorded, table, ran)
