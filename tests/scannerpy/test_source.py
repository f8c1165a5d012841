"""Sources as objects."""

from pathlib import Path

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.scannerpy.op import collect_per_stream_args
from beam_scanner.scannerpy.source import Source
from tests.support.client_helpers import open_client


def test_a_source_has_a_column(tmp_path: Path) -> None:
    with open_client(tmp_path / "db") as sc:
        given = {"table_name": ["a", "b"], "column_name": "frame"}
        args = collect_per_stream_args("FrameColumn", "ColumnEnumeratorArgs", given)
        source = Source(sc, "FrameColumn", args, {"load_sparsity_threshold": 8})
        column = source.outputs()
        assert column.type is None
        assert [stream.name() for stream in column.node.streams] == ["a", "b"]
        files = Source(sc, "Files", [{"paths": ["x", "y"]}])
        assert files.outputs().node.streams[0].len() == 2
        with pytest.raises(ArgumentError, match=r"Client\.explain"):
            source.to_proto({})
        with pytest.raises(ArgumentError, match="Column takes table_name"):
            Source(sc, "Column", [])
