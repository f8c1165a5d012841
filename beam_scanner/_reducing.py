"""What pickling asks of an object."""

from __future__ import annotations

import copyreg
import functools
import types
from typing import Any

from beam_scanner._beam import import_beam


def reduced(value: Any) -> Any:
    """What pickling asks of an object, without what its cached properties hold."""
    import_beam()
    from apache_beam.internal.cloudpickle import cloudpickle

    kind = type(value)
    table = cloudpickle.CloudPickler.dispatch_table
    reduce = table.get(kind) or copyreg.dispatch_table.get(kind)
    if reduce is not None:
        return reduce(value)
    return without_cached(value, value.__reduce_ex__(5))


def cached_names(kind: type) -> list[str]:
    """Names of the cached properties of a class whose objects pickle in the plain way."""
    plain: Any = object
    for name in ("__reduce_ex__", "__reduce__", "__getstate__"):
        if getattr(kind, name) is not getattr(plain, name):
            return []
    return [
        name
        for cls in kind.__mro__
        for name, member in vars(cls).items()
        if isinstance(member, functools.cached_property)
    ]


def without_cached(value: Any, parts: Any) -> Any:
    """Leaves out what cached properties hold: it is computed again where it is used."""
    names = cached_names(type(value))
    if not names or not isinstance(parts, tuple) or len(parts) < 3:
        return parts
    make, arguments, state, *more = parts
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], dict):
        kept = {k: v for k, v in state[0].items() if k not in names}
        return (make, arguments, (kept, state[1]), *more)
    if isinstance(state, dict):
        kept = {k: v for k, v in state.items() if k not in names}
        return (make, arguments, kept or None, *more)
    return parts


def states_itself(kind: type) -> bool:
    """Whether Python code of its own says how an object is pickled."""
    return any(
        isinstance(getattr(kind, name, None), types.FunctionType)
        for name in ("__reduce_ex__", "__reduce__", "__getstate__")
    )


def is_slots(state: tuple[Any, Any]) -> bool:
    """Whether a state is that of a dictionary and slots."""
    first, second = state
    return isinstance(second, dict) and (first is None or isinstance(first, dict))
