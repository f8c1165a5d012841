"""Which element of a batch a kernel was at when it raised, so that errors name its row."""

from __future__ import annotations

from types import TracebackType

from beam_scanner.text.exception_parts import values_of


class at_element:
    """Notes the element in whatever is raised inside.

    Args:
        index: Its place in the batch.

    Examples:
        >>> try:
        ...     with at_element(3):
        ...         raise ValueError('no face')
        ... except ValueError as error:
        ...     element_of(error)
        3
    """

    def __init__(self, index: int) -> None:
        self._index = index

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            note_element(error, self._index)


_NAME = "_beam_scanner_element"


def note_element(error: BaseException, index: int) -> None:
    """Notes the element, unless one was noted before."""
    values_of(error).setdefault(_NAME, index)


def element_of(error: BaseException) -> int:
    """The element that was noted; the first if none was."""
    return int(values_of(error).get(_NAME, 0))
