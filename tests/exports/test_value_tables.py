"""Tables hold what the stream holds."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest

from beam_scanner.errors import ElementTypeError
from beam_scanner.exports.value_tables import write_table
from beam_scanner.storage import NamedStorage, NamedStream
from beam_scanner.types.element_types import NULL


class Box(NamedTuple):
    x: float
    label: str


@dataclass
class Finding:
    box: Box
    scores: list[float]
    seen: bool | None


VALUES: dict[str, tuple[Any, list[Any]]] = {
    "int": (int, [1, NULL, -(2**62)]),
    "text": (str, ['a "b", c', "line\nbreak", "", NULL]),
    "floats": (float, [0.1, math.inf, math.nan]),
    "structs": (Finding, [Finding(Box(0.5, "é"), [1.0, 2.5], None), NULL]),
    "dicts": (dict[str, int], [{"a": 1, "b.c": 2}, {}]),
    "bytes": (bytes, [b"\x00\xff", b""]),
    "lists": (list[list[int]], [[[1, 2], []], NULL]),
}


def stream_of(folder: Path, name: str) -> NamedStream:
    ty, values = VALUES[name]
    stream = NamedStream(NamedStorage(str(folder / "db")), name)
    stream.save(values, ty=ty, seconds=[row / 25 for row in range(len(values))])
    return stream


@pytest.mark.parametrize("name", VALUES)
def test_parquet(name: str, tmp_path: Path) -> None:
    stream = stream_of(tmp_path, name)
    write_table(stream, str(tmp_path / "x.parquet"))
    (file,) = stream.files()
    own, copied = pq.read_table(file), pq.read_table(tmp_path / "x.parquet")
    assert str(copied.to_pylist()) == str(own.to_pylist())
    assert copied.schema.remove_metadata() == own.schema.remove_metadata()


def test_json(tmp_path: Path) -> None:
    found = {}
    for name in VALUES:
        path = tmp_path / f"{name}.json"
        write_table(stream_of(tmp_path, name), str(path))
        rows = json.loads(path.read_text())
        assert [(row["row"], row["time"]) for row in rows] == [
            (row, row / 25) for row in range(len(rows))
        ]
        found[name] = [row["value"] for row in rows]
    assert found == {
        "int": [1, None, -(2**62)],
        "text": ['a "b", c', "line\nbreak", "", None],
        "floats": [0.1, None, None],
        "structs": [
            {"box": {"x": 0.5, "label": "é"}, "scores": [1.0, 2.5], "seen": None},
            None,
        ],
        "dicts": [{"a": 1, "b.c": 2}, {}],
        "bytes": ["AP8=", ""],
        "lists": [[[1, 2], []], None],
    }


def test_csv(tmp_path: Path) -> None:
    found = {}
    for name in VALUES:
        path = tmp_path / f"{name}.csv"
        write_table(stream_of(tmp_path, name), str(path))
        with open(path, newline="", encoding="utf-8") as file:
            found[name] = [row[2:] for row in csv.reader(file)]
    assert found == {
        "int": [["value"], ["1"], [""], [str(-(2**62))]],
        "text": [["value"], ['a "b", c'], ["line\nbreak"], [""], [""]],
        "floats": [["value"], ["0.1"], ["inf"], ["nan"]],
        "structs": [
            ["value.box.x", "value.box.label", "value.scores", "value.seen"],
            ["0.5", "é", "[1.0, 2.5]", ""],
            ["", "", "", ""],
        ],
        "dicts": [["value"], ['{"a": 1, "b.c": 2}'], ["{}"]],
        "bytes": [["value"], ["AP8="], [""]],
        "lists": [["value"], ["[[1, 2], []]"], [""]],
    }


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_pickles_and_nothing(kind: str, tmp_path: Path) -> None:
    storage = NamedStorage(str(tmp_path / "db"))
    pickled = NamedStream(storage, "pickled")
    pickled.save([{1, 2}, np.float32], ty=Any)
    with pytest.raises(ElementTypeError, match="pickled"):
        write_table(pickled, str(tmp_path / f"x.{kind}"))
    assert not (tmp_path / f"x.{kind}").exists()
    empty = NamedStream(storage, "empty")
    empty.save([], ty=int)
    write_table(empty, str(tmp_path / f"x.{kind}"))
    assert (tmp_path / f"x.{kind}").stat().st_size > 0
