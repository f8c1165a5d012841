"""Data of modules that workers import themselves, as it is in the program.

Functions and classes of such modules go by name, and workers would see the values that
the module begins with. Values that the program has changed since go with the graph: numbers,
strings, containers of those and small arrays that are globals of the module, attributes of
its classes, or attributes of objects that are its globals; of all other values those
that code of the graph uses.

Other values that are large are sent only if they are not what a new process finds in
the module. What is not sent, for that or because it cannot be pickled, is compared by
its digest before a kernel runs.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import sys
import threading
import types
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels.digests.digest import code_digest
from beam_scanner.kernels.digests.module_members import Place, member_at, member_digest
from beam_scanner.kernels.digests.pickle_reduction import cached_once
from beam_scanner.kernels.new_process import ask_new_process

Values = dict[str, dict[str, Any]]
"""By module and dotted name."""

_ITEMS = 10_000
_BYTES = 1 << 20
_process: dict[int, str] = {}

# Prints which digests members have where nothing but their modules was imported.
_PROBE = """
import json, sys
from beam_scanner.kernels.module_values import member_digests_here
print(json.dumps(member_digests_here(json.load(sys.stdin))))
"""


@dataclass(frozen=True)
class ModuleData:
    """The module data that is sent to workers.

    Attributes:
        process: The program's.
        plain: Plain values.
        others: For each other one its digest and its type.
        sent: Which of these are sent.
        data: Pickled, by their places.
    """

    process: str
    plain: Values
    others: dict[Place, tuple[str, str]]
    sent: frozenset[Place]
    data: bytes


def this_process() -> str:
    """Names this process, and no child of it."""
    return _process.setdefault(os.getpid(), uuid.uuid4().hex)


# --- in the program ---------------------------------------------------------------


def module_values(modules: Iterable[types.ModuleType]) -> Values:
    """Plain data of modules, and of those modules that they use."""
    found = {
        module.__name__: dict(_values(module))
        for module in modules
        if not module.__name__.startswith("__")
    }
    return {name: values for name, values in found.items() if values}


def _values(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in list(vars(module).items()):
        if name.startswith("__"):
            continue
        if _is_plain(value, [_ITEMS]):
            yield name, value
        elif isinstance(value, type):
            if value.__module__ == module.__name__:
                yield from _attributes(name, vars(value))
        elif type(value).__module__ == module.__name__:
            yield from _attributes(name, getattr(value, "__dict__", {}))


def _attributes(owner: str, values: Any) -> Iterator[tuple[str, Any]]:
    for name, value in list(values.items()):
        if not name.startswith("__") and _is_plain(value, [_ITEMS]):
            yield f"{owner}.{name}", value


def _is_plain(value: Any, left: list[int]) -> bool:
    """Whether a value is plain data, and not too much of it."""
    left[0] -= 1
    kind = type(value)
    if left[0] < 0:
        return False
    if kind in (int, float, complex, bool, type(None)):
        return True
    if kind in (str, bytes, bytearray):
        return len(value) <= _BYTES
    if kind is np.ndarray:
        return value.nbytes <= _BYTES and not value.dtype.hasobject
    if kind in (list, tuple, set, frozenset):
        return all(_is_plain(v, left) for v in list(value))
    if kind is dict:
        pairs = list(value.items())
        return all(_is_plain(k, left) and _is_plain(v, left) for k, v in pairs)
    return False


def members_to_send(
    digests: Mapping[Place, str], sizes: Mapping[Place, int]
) -> set[Place]:
    """Which members are sent: small ones, and those that were changed.

    Args:
        digests: Of all members.
        sizes: Pickled, in bytes, of those that can be pickled.
    """
    large = {p: digests[p] for p, size in sizes.items() if size > _BYTES}
    unchanged = _as_imported(large)
    return {place for place in sizes if place not in unchanged}


_imported: dict[tuple[Place, str], bool] = {}


def _as_imported(digests: Mapping[Place, str]) -> set[Place]:
    """Those members that a new process finds in their modules as they are here."""
    asked = [place for place in digests if (place, digests[place]) not in _imported]
    if asked:
        # Sending a value is never wrong, only larger.
        found = ask_new_process(_PROBE, asked, 300) or [""] * len(asked)
        for place, digest in zip(asked, found, strict=True):
            _imported[place, digests[place]] = digest == digests[place]
    return {place for place in digests if _imported[place, digests[place]]}


def member_digests_here(places: Iterable[Place]) -> list[str]:
    """Digests of members in this process, which imports their modules for that."""
    digests = []
    for name, path in places:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
        found = member_at((name, path))
        digests.append("" if found is None else member_digest(found[2]))
    return digests


# --- in a worker --------------------------------------------------------------------

_lock = threading.RLock()
_applied: dict[Place, str] = {}
_waiting: list[ModuleData] = []
_wrong: dict[Place, str] = {}


def apply_values(data: ModuleData) -> None:
    """Gives the modules of this process the program's values, where they differ.

    What a kernel has changed here since the same values were given stays as it is.
    Modules that nothing has imported yet wait for :func:`check_values`.
    """
    if data.process == this_process():
        # In the program itself they are what they are.
        return
    with _lock:
        names = {*data.plain, *(name for name, _ in data.others)}
        late = {name for name in names if name not in sys.modules}
        _apply(data, names - late)
        left = {
            place: value
            for place, value in data.others.items()
            if place[0] in late or place not in data.sent
        }
        plain = {name: data.plain[name] for name in late & data.plain.keys()}
        if left or plain:
            sent = frozenset(data.sent & left.keys())
            packed = data.data if sent else b""
            _waiting.append(ModuleData(data.process, plain, left, sent, packed))


def check_values() -> None:
    """Makes sure that modules hold what the program's hold; before any kernel runs.

    Raises:
        ArgumentError: A value that code of the run uses is another one than in the
            program, and was not sent.
    """
    with _lock:
        for data in _waiting:
            names = {*data.plain, *(name for name, _ in data.others)}
            for name in names - sys.modules.keys():
                # If it cannot be imported, the kernel that does so fails.
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
            _apply(data, names)
            for place in data.others.keys() - data.sent:
                _compare(place, *data.others[place])
        _waiting.clear()
        if _wrong:
            raise ArgumentError("; ".join(_wrong.values()))


def _apply(data: ModuleData, names: Collection[str]) -> None:
    for name in names:
        for path, value in data.plain.get(name, {}).items():
            if _is_new((name, path), code_digest(value, home="")):
                _give((name, path), value)
    differing = [
        place
        for place in data.others
        if place[0] in names
        and place in data.sent
        and _is_new(place, data.others[place][0])
    ]
    if not differing:
        return
    try:
        with cached_once():
            values = pickle.loads(data.data)
    except Exception as error:
        for place in differing:
            _wrong[place] = (
                f"{_words(place, data.others[place][1])} was changed by the program "
                f"and cannot be loaded in a worker ({type(error).__name__}: {error})"
            )
        return
    for place in differing:
        _give(place, values[place])


def _is_new(place: Place, digest: str) -> bool:
    """Whether a value is given for the first time, and is not what is there."""
    if _applied.get(place) == digest:
        return False
    _applied[place] = digest
    found = member_at(place)
    return found is not None and member_digest(found[2]) != digest


def _give(place: Place, value: Any) -> None:
    found = member_at(place)
    if found is None:
        return
    try:
        setattr(found[0], found[1], value)
    except Exception as error:
        _wrong[place] = (
            f"{_words(place, type(value).__qualname__)} was changed by the program and "
            f"cannot be set in a worker ({type(error).__name__}: {error})"
        )


def _compare(place: Place, digest: str, kind: str) -> None:
    if _is_new(place, digest):
        _wrong[place] = (
            f"{_words(place, kind)} is not in workers what it was in the program when "
            "the run began, and was not sent to them: let the module make it as it is "
            "to be, pass it as an argument of the op, or make it in "
            "setup_with_resources"
        )


def _words(place: Place, kind: str) -> str:
    return f"global {place[1]} of module {place[0]} ({kind})"
