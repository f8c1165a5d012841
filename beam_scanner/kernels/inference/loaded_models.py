"""One load a process: threads and tasks share a model that is loaded."""

from __future__ import annotations

import resource
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from beam_scanner.kernels.inference.model_kinds import LoadedModel


@dataclass(eq=False)
class Loading:
    """What loading a model has cost.

    Attributes:
        milliseconds: The time.
        bytes: By how much the process has grown at its largest.
    """

    milliseconds: int
    bytes: int


@dataclass(eq=False)
class SharedModel:
    """A loaded model, alive for as long as somebody holds it.

    Attributes:
        model: The model.
        loading: What it has cost; taken by the first who counts it.
    """

    model: LoadedModel
    loading: list[Loading] = field(default_factory=list)


_models: weakref.WeakValueDictionary[str, SharedModel] = weakref.WeakValueDictionary()
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def shared_model(tag: str, load: Callable[[], LoadedModel]) -> SharedModel:
    """The model of this process with that tag; loaded by the first who asks.

    Args:
        tag: Names it.
        load: Loads it; others who ask for the same model wait meanwhile.

    Examples:
        >>> first = shared_model('of the example', object)
        >>> shared_model('of the example', object) is first
        True
    """
    with _locks[tag]:
        found = _models.get(tag)
        if found is None:
            found = _models[tag] = loaded(load)
        return found


def loaded(load: Callable[[], LoadedModel]) -> SharedModel:
    """Loads a model."""
    began, before = time.monotonic(), _peak()
    model = load()
    took = round((time.monotonic() - began) * 1000)
    # One that others have loaded says what that has cost.
    elsewhere = getattr(model, "loading", None)
    if elsewhere is not None:
        return SharedModel(model, elsewhere)
    return SharedModel(model, [Loading(took, _peak() - before)])


def _peak() -> int:
    """Most bytes of memory that the process has used so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
