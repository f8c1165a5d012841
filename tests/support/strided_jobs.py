"""Jobs of one graph in two phases, each with a length and a stride of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from beam_scanner.graph.builder import IOGenerator, OpGenerator, StreamsGenerator
from beam_scanner.graph.nodes import OutputNode
from beam_scanner.kernels import register_python_op
from beam_scanner.storage.streams.named import NamedStorage, NamedStream

LENGTHS = (7, 12)


@register_python_op(name="JobDouble")
def double(config: Any, x: Any) -> Any:
    return 2 * x


@register_python_op(name="JobLast", unbounded_state=True)
def last(config: Any, x: Any) -> Any:
    return x


def filled(folder: Path) -> NamedStorage:
    """A database with a stream of each length."""
    storage = NamedStorage(str(folder))
    storage.store(create=True)
    for job, length in enumerate(LENGTHS):
        NamedStream(storage, f"in{job}").save(list(range(length)), Any)
    return storage


def strided_graph(storage: NamedStorage, strides: list[int]) -> list[OutputNode]:
    """Two outputs; the second is made in a second phase, from doubled rows."""
    io, ops = IOGenerator(storage), OpGenerator(storage)
    streams = StreamsGenerator(storage)
    jobs = range(len(LENGTHS))
    some = streams.Stride(
        io.Input([NamedStream(storage, f"in{job}") for job in jobs]), strides
    )
    doubled = ops.JobDouble(x=some)
    return [
        io.Output(doubled, [NamedStream(storage, f"doubled{job}") for job in jobs]),
        io.Output(
            ops.JobLast(x=doubled), [NamedStream(storage, f"last{job}") for job in jobs]
        ),
    ]
