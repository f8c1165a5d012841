"""Iterates over a generator and keeps what it returns."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, Generic, Self, TypeVar

Y = TypeVar("Y")
R = TypeVar("R")


class WithResult(Generic[Y, R]):
    """Iterates over a generator and keeps what it returns; as a context, closes it.

    Attributes:
        result: What the generator returned, once the iteration has ended.

    Examples:
        >>> def count():
        ...     yield 1
        ...     yield 2
        ...     return 'done'
        >>> with WithResult(count()) as steps:
        ...     found = list(steps)
        >>> found, steps.result
        ([1, 2], 'done')
    """

    result: R

    def __init__(self, generator: Generator[Y, None, R]) -> None:
        self._generator = generator

    def __iter__(self) -> Iterator[Y]:
        self.result = yield from self._generator

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._generator.close()
