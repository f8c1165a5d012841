"""Beam's copy of cloudpickle: the pickler, its registry of modules and its caches.

Graphs are pickled the way Beam pickles its own functions, so that whatever Beam can
send to workers can stand in a graph. Beam has no public door to its copy; the
``cloudpickle`` that others install knows neither the modules that Beam registers nor
what Beam adds (locks, flags, protobuf descriptors).

If Beam changes this: graphs cannot be pickled at all, or functions that workers could
import are pickled by value, or loading a graph in the process that pickled it gives
its classes new methods.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import IO, Any

from apache_beam.internal import cloudpickle_pickler
from apache_beam.internal.cloudpickle import cloudpickle

pickling_lock = cloudpickle_pickler._pickle_lock
"""Held by Beam while it pickles or unpickles, which it does in other threads too."""


# Beam registers its reducers for locks, flags and protobuf descriptors when it first
# pickles, and then for all of its picklers.
cloudpickle_pickler.dumps(None)


class BeamPickler(cloudpickle.CloudPickler):  # type: ignore[misc]
    """Beam's pickler, to be derived from.

    Args:
        file: What has a ``write``.
    """

    def __init__(self, file: IO[bytes] | Any) -> None:
        super().__init__(file, **_SETTINGS)


_config = getattr(cloudpickle_pickler, "DEFAULT_CONFIG", None)
# Older versions of Beam, such as 2.66, have no settings.
_SETTINGS: dict[str, Any] = {} if _config is None else {"config": _config}


def dumps_by_value(value: Any) -> bytes:
    """Pickles a value; classes and functions of ``__main__`` go along.

    Examples:
        >>> import pickle
        >>> pickle.loads(dumps_by_value(lambda x: x + 1))(1)
        2
    """
    return bytes(cloudpickle.dumps(value))


def reducer_of(kind: type) -> Callable[[Any], Any] | None:
    """What pickles objects of a class, where that is registered."""
    found = cloudpickle.CloudPickler.dispatch_table.get(kind)
    return found or copyreg.dispatch_table.get(kind)


def is_pickled_by_name(value: Any) -> bool:
    """Whether a class, function or module is pickled as its name."""
    return bool(cloudpickle._should_pickle_by_reference(value))


def is_importable(value: Any) -> bool:
    """Whether any object with a ``__qualname__`` is found under its name.

    Not where its module is registered to be pickled by value.
    """
    found = cloudpickle._lookup_module_and_qualname(value)
    return bool(found) and not is_by_value(found[0])


def is_by_value(module: ModuleType) -> bool:
    """Whether a module, or a package that it is in, is pickled by value."""
    return bool(cloudpickle._is_registered_pickle_by_value(module))


@contextmanager
def modules_by_value(modules: Iterable[ModuleType]) -> Iterator[None]:
    """While open, functions and classes of these modules are pickled by value.

    Modules that the user has registered stay so afterwards.
    """
    known = cloudpickle.list_registry_pickle_by_value()
    mine = [module for module in modules if module.__name__ not in known]
    for module in mine:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in mine:
            cloudpickle.unregister_pickle_by_value(module)


def keep_pickled_classes() -> None:
    """Lets classes that were pickled here stay as they are when they are loaded here.

    Loading gives back the very class, but would set all its methods again: copies
    that no longer see the globals of their module.
    """
    for cls in list(cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS):
        # Beam sets the state of a class only if this table does not know the class.
        cloudpickle._DYNAMIC_CLASS_STATE_TRACKER_BY_CLASS[cls] = True
