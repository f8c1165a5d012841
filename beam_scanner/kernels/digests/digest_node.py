"""One object as a node of the graph that is digested; nodes of plain data.

Plain data are numbers, strings, containers, arrays, tables and tensors.
"""

from __future__ import annotations

import array
import ctypes
import enum
import hashlib
import io
import logging
import pathlib
import pickle
import sys
import threading
import types
import weakref
from collections.abc import Collection, Iterable, Mapping
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from beam_scanner.kernels.digests.named_files import file_digest

Edges = list[tuple[str, Any]]


@dataclass(eq=False, slots=True)
class DigestNode:
    """One object: its own content, and the objects that it consists of.

    Attributes:
        label: Its content, but for the objects among it.
        edges: The objects it consists of, each with a few words for messages, or ''.
        unordered: Whether the order of the edges means nothing.
        twin: The edges read a second time, where two readings may differ.
        opaque: Whether only its type counts, since its content cannot be read.
    """

    label: bytes
    edges: Edges = field(default_factory=list)
    unordered: bool = False
    twin: Edges = field(default_factory=list)
    opaque: bool = False


def node_of(*label: object, parts: Iterable[Any] = ()) -> DigestNode:
    """A node whose parts need no words in messages."""
    return DigestNode(make_label(*label), [("", part) for part in parts])


@dataclass(frozen=True)
class ModuleUse:
    """A module of which some names are used; of None, all."""

    module: types.ModuleType
    names: frozenset[str] | None

    @property
    def key(self) -> Any:
        """Equal for the same use."""
        return (id(self.module), self.names)


def make_label(*values: object) -> bytes:
    """Bytes that differ for any two sequences of values."""
    found = []
    for value in values:
        data: Any = value
        if not isinstance(data, bytes):
            data = str(value).encode(errors="surrogatepass")
        found.append(b"%d:%b" % (len(data), data))
    return b"".join(found)


def content_hash(data: Any) -> bytes:
    """A digest of anything that has a buffer."""
    return hashlib.blake2b(data, digest_size=16).digest()


_PLAIN = frozenset({int, float, complex, bool, type(None), bytes, str})

# What they refer to disappears and comes back without anybody's doing.
# What these hold, others keep: they are used as caches.
_WEAK = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)
_LOCKS = (type(threading.Lock()), type(threading.RLock()))


def data_node(value: Any) -> DigestNode | None:
    """What data of a known class consists of; None for all others."""
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        return node_of("scalar", value.dtype.str, value.tobytes())
    if isinstance(value, enum.Enum):
        return node_of("member", value.name, parts=[type(value)])
    if isinstance(value, pathlib.PurePath):
        content = file_digest(str(value)) or ""
        return node_of("path", type(value).__name__, str(value), content)
    if isinstance(value, memoryview):
        return node_of("memory", value.format, value.shape, value.tobytes())
    if isinstance(value, pickle.PickleBuffer):
        return node_of("buffer", content_hash(value.raw()))
    if type(value) is array.array:
        return node_of("array", value.typecode, content_hash(value))
    if type(value) is slice:
        return node_of("slice", parts=[value.start, value.stop, value.step])
    if isinstance(value, (*_WEAK, *_LOCKS)):
        return node_of("library", type(value).__name__)
    if isinstance(value, weakref.ReferenceType):
        return node_of("reference", parts=[value()])
    if isinstance(value, logging.Logger):
        return node_of("Logger", value.name)
    if isinstance(value, ContextVar):
        try:
            # What a new thread finds there.
            parts = [Context().run(value.get)]
        except LookupError:
            parts = []
        return node_of("ContextVar", value.name, parts=parts)
    if isinstance(value, ctypes.CDLL):
        return node_of("CDLL", parts=[value._name, type(value)])
    if isinstance(value, io.TextIOWrapper):
        return node_of("file", value.mode, parts=[value.name])
    return _of_tables(value) or _of_tensors(value)


def text_of(value: Any) -> str:
    """A plain value as a string that no other value of its type has."""
    # The text of a number has a limit of digits.
    return hex(value) if type(value) is int else repr(value)


def string_node(value: str) -> DigestNode:
    """A string, and the content of the file that it names, if it names one."""
    content = file_digest(value)
    if content is None:
        return node_of("str", value)
    return node_of("file", value, content)


def sequence_node(values: Any) -> DigestNode:
    """A list or tuple: plain values at once, others one by one."""
    kind = type(values).__name__
    if _is_long_and_plain(values):
        return node_of(kind, len(values), _hash_of_all(values))
    return node_of(kind, len(values), parts=values)


def mapping_node(values: Mapping[Any, Any]) -> DigestNode:
    """A mapping in its order, which a kernel may iterate."""
    if _is_long_and_plain(values) and _is_long_and_plain(values.values()):
        hashes = _hash_of_all(values), _hash_of_all(values.values())
        return node_of("dict", len(values), *hashes)
    pairs = [edge for item in values.items() for edge in pair(*item)]
    return DigestNode(make_label("dict", len(values)), pairs)


def _is_long_and_plain(values: Collection[Any]) -> bool:
    """Whether values are many and plain; names of files count where they are few."""
    return len(values) > 1000 and set(map(type, values)) <= _PLAIN


def _hash_of_all(values: Iterable[Any]) -> bytes:
    texts = (text_of(value) for value in values)
    return content_hash("\n".join(texts).encode())


def pair(key: Any, value: Any) -> Edges:
    """The two objects of an item of a mapping."""
    return [("", key), (f"item {key!r}" if type(key) is str else "", value)]


def attributes_node(kind: str, values: Mapping[str, Any], what: str) -> DigestNode:
    """An object that consists of its attributes."""
    names = sorted(values)
    return DigestNode(
        make_label("attributes", kind, *names),
        [(f"{what} {n}", values[n]) for n in names],
    )


def _array(value: np.ndarray[Any, Any]) -> DigestNode:
    edges: Edges = []
    if isinstance(value, np.ma.MaskedArray):
        parts = np.ma.getmaskarray(value), value.fill_value, np.ma.getdata(value)
        return node_of("masked", bool(value.hardmask), parts=parts)
    if type(value) is not np.ndarray:
        edges = [("", type(value)), ("", _subclass_state(value))]
        value = value.view(np.ndarray)
    kind = value.dtype
    form = (kind.str, value.shape)
    if kind.names is not None:
        # Between fields there may be bytes that nobody has set.
        fields = [(f"field {name}", value[name]) for name in kind.names]
        return DigestNode(make_label("record", *kind.names, *form), [*edges, *fields])
    if kind.hasobject or kind.kind == "T":
        return DigestNode(make_label("objects", *form), [*edges, ("", value.tolist())])
    if value.flags.c_contiguous and value.size:
        data: Any = value.reshape(-1).view(np.uint8)
    else:
        data = value.tobytes()
    return DigestNode(make_label("array", *form, content_hash(data)), edges)


def _subclass_state(value: Any) -> Any:
    if isinstance(value, np.memmap):
        return None
    return dict(getattr(value, "__dict__", {}))


def _of_tables(value: Any) -> DigestNode | None:
    """Data frames by their columns, however these lie in memory."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not type(value).__module__.startswith("pandas."):
        return None
    if type(value) is pandas.DataFrame:
        columns = [
            (f"column {name}", _column(value.iloc[:, number]))
            for number, name in enumerate(value.columns)
        ]
        edges = [("", value.columns), ("", value.index), ("", dict(value.attrs))]
        return DigestNode(make_label("DataFrame"), edges + columns)
    if type(value) is pandas.Series:
        parts = value.index, value.name, dict(value.attrs), _column(value)
        return node_of("Series", parts=parts)
    return None


def _column(series: Any) -> Any:
    plain = isinstance(series.dtype, np.dtype)
    return series.to_numpy() if plain else series.array


def _of_tensors(value: Any) -> DigestNode | None:
    """Tensors by their numbers: pickling would write addresses."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not isinstance(value, getattr(torch, "Tensor", ())):
        return None
    value = cast("Any", value)
    if value.layout is not torch.strided or value.is_quantized:
        return None
    numbers = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    form = (str(value.dtype), tuple(value.shape), value.requires_grad)
    return node_of("tensor", *form, content_hash(numbers), parts=[type(value)])
