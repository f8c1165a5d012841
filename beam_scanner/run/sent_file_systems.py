"""File systems that users have registered with Beam, on their way to workers.

Beam knows them by being loaded, which they are where the pipeline is built. Like kernels
they are sent by value, unless workers can import them.
"""

from __future__ import annotations

import uuid
import warnings
import weakref
from collections.abc import Mapping
from typing import Any

from beam_scanner.beam_internals.file_systems import (
    half_made_classes,
    keep,
    plain_options,
    registered_classes,
    take_options,
)
from beam_scanner.kernels.pickling import dumps_graph, loads_graph

_names: weakref.WeakKeyDictionary[type[Any], str] = weakref.WeakKeyDictionary()
_known: weakref.WeakValueDictionary[str, type[Any]] = weakref.WeakValueDictionary()
"""Classes by name that were sent from here, or have come here. None is loaded twice:
that would make another class, of which Beam would ask the scheme before it has one."""


def pack_file_systems() -> bytes:
    """The registered file systems, pickled; nothing if there are none.

    Warns:
        UserWarning: One cannot be pickled: workers may not know it.
    """
    packed = []
    for kind in registered_classes():
        name = _names.setdefault(kind, uuid.uuid4().hex)
        _known[name] = kind
        try:
            packed.append((name, dumps_graph(kind)))
        except Exception as error:
            warnings.warn(
                f"file system {kind.__qualname__} ({kind.scheme()}://) cannot be sent to "
                f"workers: {error}. They must import its module themselves",
                stacklevel=2,
            )
    return dumps_graph(packed) if packed else b""


def unpack_file_systems(packed: bytes) -> None:
    """Registers file systems in this process."""
    if not packed:
        return
    found = []
    for name, data in loads_graph(packed):
        kind = _known.get(name)
        if kind is None:
            with half_made_classes():
                kind = loads_graph(data)
            _known[name], _names[kind] = kind, name
        found.append(kind)
    keep(found)


class WithOptions:
    """What a process that runs tasks is given, with options for its file systems.

    It is no worker of Beam's, which would have them from the pipeline. The value is
    pickled by itself: what is pickled around it would be taken for the program.

    Args:
        value: What it is given.
    """

    def __init__(self, value: Any) -> None:
        self._packed = dumps_graph(value)
        self._options: Mapping[str, Any] = plain_options()

    def take(self) -> Any:
        """The value, in the process that is given it."""
        if self._options:
            take_options(self._options)
        return loads_graph(self._packed)
