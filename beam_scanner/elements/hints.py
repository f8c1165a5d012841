"""Annotations that Beam does not read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def typed(made: Any, kind: Any) -> Any:
    """A PCollection, one of several outputs of a step, of elements of a type.

    The step itself is not given the type of one output: where Beam checks types while
    it runs (``--runtime_type_check``), it would compare the elements of all with it.
    """
    made.element_type = kind
    return made


def unread(function: F) -> F:
    """Keeps Beam from reading the annotations of a function, which are strings.

    Beam takes every such annotation for Any and logs that it did, hundreds of times a
    pipeline. So it is given Any to begin with.

    Examples:
        >>> @unread
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> double.__annotations__
        {'x': typing.Any, 'return': typing.Any}
    """
    function.__annotations__ = dict.fromkeys(function.__annotations__, Any)
    return function
