"""Sinks as objects, which can be run."""

from pathlib import Path

import pytest

from beam_scanner import NamedStream, NamedVideoStream, PerfParams
from beam_scanner.errors import ArgumentError
from beam_scanner.scannerpy.sink import Sink
from tests.support.client_helpers import open_client


def test_a_sink_can_be_run(tmp_path: Path, clip: str) -> None:
    with open_client(tmp_path / "db") as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "clip", path=clip)])
        hists = sc.ops.Histogram(frame=frames)
        sink = Sink(sc, "Column", [], [b"hists"], {"columns": {"column": hists}})
        assert sink.inputs() == [hists]
        other = Sink(sc, "Column", [hists], ["again"])
        sc.run([sink, other], PerfParams.estimate(), show_progress=False)
        assert NamedStream(sc, "hists").len() == NamedStream(sc, "again").len() == 30
        with pytest.raises(ArgumentError, match=r"Client\.explain"):
            sink.to_proto({})
        files = Sink(sc, "Files", [hists], [{"paths": ["a"]}])
        assert files.inputs() == [hists]
