"""Kernels whose elements tell exactly what each call has seen."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beam_scanner.kernels import Kernel, KernelConfig
from beam_scanner.types import NULL
from tests.support.oracle import is_null

_COMPACT = 240


def digest(value: Any) -> str:
    return hashlib.blake2b(repr(value).encode(), digest_size=12).hexdigest()


def describe(value: Any) -> Any:
    """What a kernel was given, in a form that can be compared and pickled."""
    if is_null(value):
        return "null"
    if isinstance(value, np.ndarray):
        return "frame", value.dtype.str, value.shape, digest(value.tobytes())
    return value


def compact(mark: Any) -> Any:
    """The mark, or a digest of it where nesting has made it long."""
    return mark if len(repr(mark)) <= _COMPACT else ("digest", digest(mark))


def make_element(kind: str, mark: Any) -> Any:
    """An element of that kind that stands for a mark."""
    if kind == "any":
        return mark
    if kind == "bytes":
        return repr(mark).encode()
    data = hashlib.blake2b(repr(mark).encode(), digest_size=24).digest()
    shape = [(2, 4, 3), (4, 2, 3), (8, 3), (1, 24, 1)][data[0] % 4]
    frame = np.frombuffer(data, np.uint8).reshape(shape)
    if data[1] % 4 == 0:
        return frame.astype(np.float32)
    # Kernels may return views that are not contiguous.
    return frame[::-1] if data[1] % 4 == 1 else frame


@dataclass(frozen=True)
class Plan:
    """What a ``Recorder`` does.

    Attributes:
        label: Begins each of its marks.
        kinds: Kind of each output.
        memory: Inputs that it remembers: -1 for all, else the last ``memory + 1``.
        batched: Whether it is given sequences of rows.
        whole: Whether those are all rows.
        drop: Returns null for about one element in so many; 0 for never.
        fails: Raises for about one row in so many, once it has seen it; 0 for never.
    """

    label: str
    kinds: tuple[str, ...] = ("any",)
    memory: int = 0
    batched: bool = False
    whole: bool = False
    drop: int = 0
    fails: int = 0


class RowRefused(BaseException):
    """What a recorder raises: of a class that no ``except Exception`` catches."""


class PlainRecorder(Kernel):
    """Returns what it has seen; can only be made to forget by being made anew."""

    def __init__(self, config: KernelConfig, plan: Plan) -> None:
        super().__init__(config)
        self.plan = plan
        self.tag: Any = None
        self.forget()

    def new_stream(self, tag: Any = None) -> None:
        self.tag = tag

    def forget(self) -> None:
        self.history: deque[Any] = deque(maxlen=self.plan.memory + 1)
        self.chain = ""

    def execute(self, *columns: Any, **named: Any) -> Any:
        plan = self.plan
        given = columns or [named[f"x{i}"] for i in range(len(named))]
        if not plan.batched:
            made = self._row(_seen(given))
            return made if len(plan.kinds) > 1 else made[0]
        rows = [_seen(row) for row in zip(*given, strict=True)]
        if plan.whole:
            self.chain = digest(rows)
        results = [self._row(row) for row in rows]
        outputs = tuple(list(output) for output in zip(*results, strict=True))
        return outputs if len(plan.kinds) > 1 else outputs[0]

    def _row(self, seen: Any) -> tuple[Any, ...]:
        plan = self.plan
        if plan.memory < 0 and not plan.whole:
            self.chain = digest((self.chain, seen))
        self.history.append(seen)
        if plan.fails and int(digest((plan.label, seen)), 16) % plan.fails == 0:
            self.history.append("half a step")
            raise RowRefused(repr(seen)[:50])
        known = (self.chain, seen) if plan.memory < 0 else tuple(self.history)
        return _elements(plan, (plan.label, self.tag, *known))


class Recorder(PlainRecorder):
    """Forgets when it is told to."""

    def reset(self) -> None:
        self.forget()


def record(config: KernelConfig, *columns: Any, **named: Any) -> Any:
    """A function kernel that returns what it is given."""
    kernel = PlainRecorder(config, config.args["plan"])
    return kernel.execute(*columns, **named)


def _seen(given: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(
        tuple(describe(value) for value in one)
        if isinstance(one, list)
        else describe(one)
        for one in given
    )


def _elements(plan: Plan, mark: Any) -> tuple[Any, ...]:
    mark = compact(mark)
    elements = []
    for number, kind in enumerate(plan.kinds):
        own = mark if len(plan.kinds) == 1 else (number, mark)
        dropped = plan.drop and int(digest(own), 16) % plan.drop == 0
        elements.append(NULL if dropped else make_element(kind, own))
    return tuple(elements)
