"""``sc.sources`` and ``sc.sinks``, as Scanner's storage backends call them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import ArgumentError, GraphError, OpNotFoundError
from beam_scanner.graph.nodes import InputNode, OpColumn
from beam_scanner.graph.source_calls import (
    SINKS,
    SOURCES,
    SinkGenerator,
    SourceGenerator,
)
from beam_scanner.scannerpy.table import Tables
from beam_scanner.storage import NamedStorage, NamedStream, StoredStream


class Database:
    def __init__(self, folder: Path) -> None:
        self.named_storage = NamedStorage(folder)
        self.table = Tables(self.named_storage).table


@pytest.fixture
def sc(tmp_path: Path) -> Database:
    return Database(tmp_path / "db")


def inputs(column: OpColumn) -> tuple[StoredStream, ...]:
    assert isinstance(column.node, InputNode)
    return column.node.streams


def test_columns(sc: Database) -> None:
    sources, sinks = SourceGenerator(sc), SinkGenerator(sc)
    column = sources.FrameColumn(table_name=["v"], column_name=["frame"])
    assert column.type is None
    assert sources.Column(table_name=["b"]).type.name == "Bytes"
    two = sources.Sequence(table_name=[b"b", "c"], load_sparsity_threshold=8)
    assert [stream.name() for stream in inputs(two)] == ["b", "c"]
    node = sinks.FrameColumn(columns={"frame": column}, table_name=["w"])
    assert node.streams[0].name() == "w"
    with pytest.raises(
        ArgumentError, match="Columns must be specified for Column Sink"
    ):
        sinks.Column(table_name=["w"])
    with pytest.raises(GraphError, match="sink Column takes one column, got a, b"):
        sinks.Column(columns={"a": column, "b": column}, table_name=["w"])
    with pytest.warns(
        UserWarning, match="table 'w' will not be called 'faces'"
    ) as told:
        sinks.Column(columns={"faces": column}, table_name=["w"])
    assert told[0].filename == __file__


def test_one_of_several_columns_of_a_table(sc: Database) -> None:
    Tables(sc.named_storage).new("pairs", ["a", "b"], [[b"1", b"2"]])
    column = SourceGenerator(sc).Column(table_name=["pairs"], column_name=["b"])
    assert list(inputs(column)[0].load()) == [b"2"]
    with pytest.raises(ArgumentError, match="Column c not found in Table pairs"):
        SourceGenerator(sc).Column(table_name=["pairs"], column_name=["c"])


def test_the_sources_of_scannertools(sc: Database, tmp_path: Path) -> None:
    sources = SourceGenerator(sc)
    paths = [str(tmp_path / name) for name in "ab"]
    for path in paths:
        Path(path).write_bytes(path.encode())
    # As FilesStorage calls it: what stands beside the lists is for all streams.
    column = sources.Files(
        storage_type="posix", bucket=None, region=None, endpoint=None, paths=[paths]
    )
    assert list(inputs(column)[0].load()) == [path.encode() for path in paths]
    data = [pickle.dumps([1, "two"]), pickle.dumps([3])]
    column = sources.Python(data=data)
    loaded = [list(stream.load()) for stream in inputs(column)]
    assert loaded == [[1, "two"], [3]]
    captions = sources.Captions(window_size=[10.0], path=["a.srt"], max_time=[3600])
    assert inputs(captions)[0].len() == 360
    assert len(inputs(sources.Audio(frame_size=[1.0, 2.0], path=["a", "b"]))) == 2
    assert len(inputs(sources.PackedFile(path=["a"]))) == 1
    others = [[str(tmp_path / "c")], [str(tmp_path / "d")]]
    sink = SinkGenerator(sc).Files(input=column, paths=others)
    assert [list(stream.paths) for stream in sink.streams] == others
    with pytest.raises(ArgumentError, match="sink Files required column input"):
        SinkGenerator(sc).Files(paths=[paths])


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("Column", {}, "Column takes table_name, column_name: missing .*'table_name'"),
        ("Column", {"table_name": "b"}, "table_name of Column must be a list"),
        ("Column", {"table_name": []}, "table_name of Column must be a list"),
        ("Column", {"table_name": ["b"], "rows": [1]}, "unexpected .*'rows'"),
        (
            "Audio",
            {"frame_size": [1.0], "path": ["a", "b"]},
            "different streams: frame_size for 1, path for 2",
        ),
    ],
)
def test_wrong_arguments(
    sc: Database, name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        getattr(SourceGenerator(sc), name)(**arguments)


def test_names(sc: Database) -> None:
    assert dir(SourceGenerator(sc)) == sorted(SOURCES)
    assert dir(SinkGenerator(sc)) == sorted(SINKS)
    with pytest.raises(OpNotFoundError, match=r"Source Nope does not .*sc\.io\.Input"):
        SourceGenerator(sc).Nope  # noqa: B018
    with pytest.raises(OpNotFoundError, match=r"Sink Nope does not .*sc\.io\.Output"):
        SinkGenerator(sc).Nope  # noqa: B018
    assert NamedStream(sc, "never").committed() is False
