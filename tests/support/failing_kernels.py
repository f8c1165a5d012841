"""Kernels that raise what they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from beam_scanner import (
    Client,
    JobFailure,
    Kernel,
    NamedStream,
    PerfParams,
)
from beam_scanner.storage.streams.python import PythonStream

ROWS = 8


class Panic(BaseException):
    """What no ``except Exception`` catches."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


class CannotPickle(Exception):
    def __init__(self) -> None:
        super().__init__(lambda: None)


KINDS: dict[str, Any] = {
    "ValueError": lambda: ValueError("lone \udcff surrogate"),
    "CancelledError": asyncio.CancelledError,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "SystemExit": lambda: SystemExit(0),
    "Panic": lambda: Panic("rust"),
    "StopIteration": StopIteration,
    "MemoryError": lambda: MemoryError("x" * 50_000_000),
    "Unprintable": Unprintable,
    "CannotPickle": CannotPickle,
    "ExceptionGroup": lambda: ExceptionGroup("two", [ValueError(1), KeyError(2)]),
}


class Raising(Kernel):
    """Raises what row 3 of its stream says."""

    def execute(self, value: Any) -> Any:
        kind, number = value
        if number == 3 and kind:
            raise KINDS[kind]()
        return number


class Warmed(Kernel):
    def __init__(self, config: Any, bad: Sequence[int]) -> None:
        super().__init__(config)
        self.bad = bad
        self.reset()

    def reset(self) -> None:
        self.seen: list[int] = []

    def execute(self, value: Any) -> Any:
        number = value[1]
        self.seen.append(number)
        if number in self.bad:
            self.seen.append(-1)
            raise Panic(f"number {number}")
        return [seen for seen in self.seen if seen < 0 or seen >= number - 2]


def inputs(kinds: Sequence[str], rows: int = ROWS) -> list[PythonStream]:
    return [PythonStream([(kind, row) for row in range(rows)]) for kind in kinds]


def run(sc: Client, streams: Sequence[Any], name: str = "out", **options: Any) -> Any:
    """Runs ``Raising``; gives the outputs, and the report or the error."""
    call = {k: options.pop(k) for k in ("on_error",) if k in options}
    outputs = [NamedStream(sc, f"{name}/{n:03d}") for n in range(len(streams))]
    column = sc.ops.Raising(value=sc.io.Input(streams), **call)
    perf = options.pop("perf", PerfParams.estimate())
    graph = sc.io.Output(column, outputs)
    try:
        number = sc.run(graph, perf, show_progress=False, **options)
    except JobFailure as error:
        return outputs, error
    return outputs, None if number is None else sc.report(number)


def kept(db: Path) -> list[dict[str, Any]]:
    """All failures of a database, as DuckDB reads them."""
    found = duckdb.sql(f"select * from '{db}/failures/*.parquet' order by stream, row")
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
