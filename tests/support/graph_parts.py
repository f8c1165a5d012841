"""Streams, ops and columns, of which graphs are built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from beam_scanner import types
from beam_scanner.graph.builder import (
    IOGenerator,
    StreamsGenerator,
    TaskPartitioner,
)
from beam_scanner.kernels import (
    Kernel,
)
from beam_scanner.storage import (
    StorageBackend,
    StoredStream,
)
from beam_scanner.types import FrameType, Histogram


class Stored(StoredStream):
    """A stream that holds nothing; its type is what it is told."""

    def __init__(self, name, type=bytes, backend=None):
        self._name = name
        self._type = type
        self._backend = backend

    def name(self):
        return self._name

    def storage(self):
        return self._backend or StorageBackend()

    def type(self):
        return self._type

    def exists(self):
        return True

    committed = exists

    def load_bytes(self, rows=None):
        return iter(())

    def write(self, first_row, elements, seconds):
        pass


class Pass(Kernel):
    def execute(self, x: bytes) -> bytes:
        return x


class Join(Kernel):
    def execute(self, frame: FrameType, data: Histogram) -> Any:
        return None


class Scaled(Kernel):
    def __init__(self, config, scale, offset=0):
        super().__init__(config)

    def new_stream(self, width, height=1):
        pass

    def execute(self, x: bytes) -> Any:
        return x


class Defaults(Kernel):
    def new_stream(self, width=1):
        pass

    def execute(self, x: bytes) -> bytes:
        return x


class NamedArgs(Kernel):
    def __init__(self, config, args, extra):
        super().__init__(config)

    def execute(self, x: bytes) -> bytes:
        return x


def Window(config, frame: Sequence[FrameType]) -> Histogram:
    return []


def Batched(config, x: Sequence[bytes]) -> Sequence[bytes]:
    return x


def Split(config, x: bytes) -> tuple[bytes, FrameType]:
    return x, np.zeros((1, 1, 3), np.uint8)


def Concat(config, *parts: bytes) -> bytes:
    return b"".join(parts)


def Configured(config, x: bytes) -> Any:
    return config.args


def Offset(config, x: bytes, by: float = 0.5) -> bytes:
    return x


def Numbers(config, x: types.NumpyArrayFloat32) -> Any:
    return x


def MakesHistogram(config, frame: FrameType) -> Histogram:
    return []


class Bounded(Pass):
    pass


io = IOGenerator()


def blobs(n=1, type=bytes):
    return io.Input([Stored(f"in{i}", type) for i in range(n)])


streams = StreamsGenerator()
partitioner = TaskPartitioner()


def frames(n=1):
    return io.Input([Stored(f"video{i}", FrameType) for i in range(n)])


def out(column, *names):
    return io.Output(column, [Stored(name) for name in names or ("out",)])
