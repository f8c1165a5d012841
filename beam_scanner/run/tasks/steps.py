"""Walking through a generator for its result."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, Generic, Self, TypeVar

Y = TypeVar("Y")
R = TypeVar("R")


class Steps(Generic[Y, R]):
    """Iterates over a generator, keeps what it returns, and closes it.

    Attributes:
        result: What the generator returned, once the iteration has ended.

    Examples:
        >>> def count():
        ...     yield 1
        ...     yield 2
        ...     return 'done'
        >>> with Steps(count()) as steps:
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
