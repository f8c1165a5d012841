"""Random graphs whose streams lie in a database, for runs through Beam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from beam_scanner.graph.nodes import InputNode, OutputNode
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.types import FrameType
from beam_scanner.video.encoding import Encoding
from tests.support.graphs import TYPES, RandomGraph, random_graph
from tests.support.oracle import evaluate, evaluate_times, same


class StoredGraph:
    """A random graph, its inputs stored, its outputs ready to be run.

    Args:
        seed: Of the graph.
        storage: Where to put the streams.

    Attributes:
        wanted: For each output and job the rows that it must have.
        times: Their times.
    """

    def __init__(self, seed: int, storage: NamedStorage) -> None:
        self.seed = seed
        self.graph: RandomGraph = random_graph(seed)
        self.storage = storage
        self.jobs = self.graph.jobs
        inputs = [n for n in self.graph.nodes if isinstance(n, InputNode)]
        for number, node in enumerate(inputs):
            self._store_input(number, node)
        outputs = self.graph.outputs
        self.wanted: list[list[list[Any]]] = [[] for _ in outputs]
        self.times: list[list[list[float]]] = [[] for _ in outputs]
        for job, streams in enumerate(self.graph.streams):
            clocks = {n: _clock(values) for n, values in streams.items()}
            rows = evaluate(outputs, job, streams)
            seconds = evaluate_times(outputs, job, clocks)
            for number in range(len(outputs)):
                self.wanted[number].append(rows[number])
                self.times[number].append(seconds[number])
        self.outputs = [self._output(n, output) for n, output in enumerate(outputs)]

    def _stream(self, name: str, is_frames: bool) -> NamedStream:
        kind = NamedVideoStream if is_frames else NamedStream
        return kind(self.storage, f"{self.seed}/{name}")

    def _store_input(self, number: int, node: InputNode) -> None:
        kind = self.graph.kinds[id(node)]
        streams = []
        for job, given in enumerate(self.graph.streams):
            values = given[id(node)]
            stream = self._stream(f"in{number}.{job}", kind == "frame")
            info = TYPES[kind]
            stream.save(
                values,
                FrameType if info is None else info.type,
                _clock(values),
                Encoding(codec="raw") if info is None else None,
            )
            streams.append(stream)
        object.__setattr__(node, "streams", tuple(streams))

    def _output(self, number: int, output: OutputNode) -> OutputNode:
        column = output.input
        is_frames = column.type is None
        if is_frames:
            column = replace(column, encoding=Encoding(codec="raw"))
        names = [f"out{number}.{job}" for job in range(self.jobs)]
        return OutputNode(column, tuple(self._stream(n, is_frames) for n in names))

    def runs(self) -> list[list[OutputNode]]:
        """Its outputs, together where they have equal numbers of rows."""
        lengths: dict[tuple[int, ...], list[OutputNode]] = {}
        for output, wanted in zip(self.outputs, self.wanted, strict=True):
            key = tuple(len(rows) for rows in wanted)
            lengths.setdefault(key, []).append(output)
        return list(lengths.values())

    def check(self) -> None:
        """Compares what was stored with what the oracle says."""
        for output, wanted, times in zip(
            self.outputs, self.wanted, self.times, strict=True
        ):
            for stream, rows, seconds in zip(
                output.streams, wanted, times, strict=True
            ):
                _check_stream(stream, rows, seconds, self.graph.describe())


def _clock(values: Sequence[Any]) -> list[float]:
    return [row * 0.25 + 1 for row in range(len(values))]


def _check_stream(
    stream: Any, rows: Sequence[Any], seconds: Sequence[float], graph: str
) -> None:
    where = f"{stream.name()}\n{graph}"
    assert stream.len() == len(rows), where
    for row, (got, want) in enumerate(zip(stream.load(), rows, strict=True)):
        assert same(got, want), f"row {row}: got {got!r}, want {want!r}; {where}"
    with stream.reader() as reader:
        if rows:
            assert reader.seconds(range(len(rows))).tolist() == list(seconds), where
    check_files(stream)


def check_files(stream: NamedStream) -> None:
    """Nothing but the stream's own files lies in its folder."""
    store = stream.storage().store()
    folder = Path(store.describe(stream.name()))
    found = {str(file) for file in folder.rglob("*") if file.is_file()}
    assert found == {*stream.files(), str(folder / "stream.json")}
    left = [f for f in folder.rglob("*") if f.is_dir() and not any(f.iterdir())]
    assert not left


def check_work(storage: NamedStorage, folders: bool = True) -> None:
    """No work is left of runs that have ended, and no empty folder of it."""
    root = Path(storage.db_path)
    left = [f for part in ("jobs", "runs") for f in root.glob(f".work/{part}/**/*")]
    assert not [f for f in left if folders or f.is_file()]
    scratch = root / ".tmp"
    assert not scratch.exists() or not any(scratch.iterdir())
