"""What an exception holds, read past its class: that of a user may raise at anything.

A property, or a ``__getattribute__``, stands in the place of every attribute that is read
the usual way; also of ``__class__``, which ``isinstance`` asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, TypeGuard, TypeVar, cast

_Error = TypeVar("_Error", bound=BaseException)

_slots = vars(BaseException)
_members = vars(BaseExceptionGroup)["exceptions"]


def is_a(
    error: BaseException, kind: type[_Error] | tuple[type[_Error], ...]
) -> TypeGuard[_Error]:
    """Whether an exception is of a class, or of one of several.

    Examples:
        >>> class Odd(ValueError):
        ...     def __getattribute__(self, name):
        ...         raise SystemExit(1)
        >>> is_a(Odd(), ValueError), is_a(Odd(), (KeyError, OSError))
        (True, False)
    """
    mro = type.__dict__["__mro__"].__get__(type(error))
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return any(each is one for each in mro for one in kinds)


def args_of(error: BaseException) -> tuple[Any, ...]:
    """Its arguments."""
    return cast("tuple[Any, ...]", _slots["args"].__get__(error))


def values_of(error: BaseException) -> dict[str, Any]:
    """The attributes of the object itself; what is put in stays."""
    return cast("dict[str, Any]", _slots["__dict__"].__get__(error))


def traceback_in(error: BaseException) -> TracebackType | None:
    """Where it was raised."""
    return cast("TracebackType | None", _slots["__traceback__"].__get__(error))


def cause_of(error: BaseException) -> BaseException | None:
    """From which it was raised."""
    return cast("BaseException | None", _slots["__cause__"].__get__(error))


def context_of(error: BaseException) -> BaseException | None:
    """During whose handling it was raised; None if that is not to be told."""
    if _slots["__suppress_context__"].__get__(error):
        return None
    return cast("BaseException | None", _slots["__context__"].__get__(error))


def notes_of(error: BaseException) -> Sequence[Any]:
    """Its notes, whatever they are."""
    notes = values_of(error).get("__notes__")
    return notes if isinstance(notes, (list, tuple)) else ()


def members_of(error: BaseException) -> tuple[BaseException, ...]:
    """The exceptions of a group; none of another."""
    if not is_a(error, BaseExceptionGroup):
        return ()
    return cast("tuple[BaseException, ...]", _members.__get__(error))
