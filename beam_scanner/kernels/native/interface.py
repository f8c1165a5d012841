"""The interface of ``beam_scanner_op.h`` as ctypes sees it.

It is also run as a program, without any package, so that a library is opened for the
first time in a process of its own: see ``library.py``.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

VERSION = 1
ERROR_BYTES = 1024
ENTRY = "beam_scanner_ops"

NULL, BYTES, TENSOR = range(3)


class Device(ctypes.Structure):
    """``DLDevice``."""

    _fields_ = [("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32)]


class DataType(ctypes.Structure):
    """``DLDataType``."""

    _fields_ = [
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
    ]


class Tensor(ctypes.Structure):
    """``DLTensor``."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", Device),
        ("ndim", ctypes.c_int32),
        ("dtype", DataType),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
    ]


class Element(ctypes.Structure):
    """``BeamScannerElement``."""

    _fields_ = [
        ("kind", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("bytes", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("tensor", Tensor),
    ]


MAKE_TENSOR = ctypes.CFUNCTYPE(
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_int32,
    ctypes.POINTER(DataType),
    ctypes.c_int32,
    ctypes.POINTER(ctypes.c_int64),
)
MAKE_BYTES = ctypes.CFUNCTYPE(
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_int64
)
MAKE_NULL = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
)


class Call(ctypes.Structure):
    """``BeamScannerCall``."""

    _fields_ = [
        ("rows", ctypes.c_int64),
        ("inputs", ctypes.c_int32),
        ("window", ctypes.c_int32),
        ("outputs", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("elements", ctypes.POINTER(Element)),
        ("host", ctypes.c_void_p),
        ("make_tensor", MAKE_TENSOR),
        ("make_bytes", MAKE_BYTES),
        ("make_null", MAKE_NULL),
    ]


class Config(ctypes.Structure):
    """``BeamScannerConfig``."""

    _fields_ = [
        ("op", ctypes.c_char_p),
        ("arguments", ctypes.c_char_p),
        ("arguments_size", ctypes.c_int64),
        ("device", Device),
    ]


_P = ctypes.c_void_p


class Ops(ctypes.Structure):
    """``BeamScannerOps``."""

    _fields_ = [
        ("version", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("describe", ctypes.CFUNCTYPE(ctypes.c_char_p)),
        (
            "create",
            ctypes.CFUNCTYPE(
                ctypes.c_int32,
                ctypes.POINTER(Config),
                ctypes.POINTER(_P),
                ctypes.c_char_p,
            ),
        ),
        (
            "new_stream",
            ctypes.CFUNCTYPE(
                ctypes.c_int32, _P, ctypes.c_char_p, ctypes.c_int64, ctypes.c_char_p
            ),
        ),
        ("reset", ctypes.CFUNCTYPE(ctypes.c_int32, _P, ctypes.c_char_p)),
        (
            "execute",
            ctypes.CFUNCTYPE(ctypes.c_int32, _P, ctypes.POINTER(Call), ctypes.c_char_p),
        ),
        ("destroy", ctypes.CFUNCTYPE(None, _P)),
    ]


FUNCTIONS = ("describe", "create", "new_stream", "reset", "execute", "destroy")


class NotALibrary(Exception):
    """A file is no library of ops, and why."""


def open_ops(path: str) -> Ops:
    """The table of functions of a library; it stays open as long as the process lives.

    Args:
        path: An absolute path.

    Raises:
        NotALibrary: It cannot be opened, or does not keep to the interface.
    """
    try:
        # Calls of its functions release Python's lock.
        library = ctypes.CDLL(path)
    except OSError as error:
        hint = ""
        if "failed to map segment" in str(error):
            hint = "; is its file system mounted noexec? TMPDIR may name another"
        raise NotALibrary(f"it cannot be opened: {error}{hint}") from error
    try:
        entry = library[ENTRY]
    except AttributeError:
        raise NotALibrary(
            f"it does not export {ENTRY}, so it was not written for beam_scanner_op.h "
            "(Scanner's own libraries have another interface: docs/native.md shows how "
            "to port one)"
        ) from None
    entry.restype = ctypes.c_void_p
    address = entry()
    if not address:
        raise NotALibrary(f"{ENTRY} returned NULL")
    version = ctypes.c_uint32.from_address(address).value
    if version != VERSION:
        raise NotALibrary(
            f"it was built for version {version} of beam_scanner_op.h, and this package "
            f"has version {VERSION}: build it again"
        )
    size = ctypes.c_uint32.from_address(address + 4).value
    if size != ctypes.sizeof(Ops):
        raise NotALibrary(
            f"its table of functions has {size} bytes, and {ctypes.sizeof(Ops)} are "
            "expected: set size to sizeof(BeamScannerOps)"
        )
    table = Ops.from_address(address)
    missing = [name for name in FUNCTIONS if not getattr(table, name)]
    if missing:
        raise NotALibrary(f"its function {missing[0]} is NULL")
    return table


def description_text(table: Any) -> bytes:
    """What ``describe`` returns.

    Raises:
        NotALibrary: It returns NULL.
    """
    text = table.describe()
    if text is None:
        raise NotALibrary("describe returned NULL")
    return bytes(text)


def main(path: str) -> None:
    """Prints as JSON what a library describes, or why that cannot be."""
    # What the library prints itself is no answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        text = description_text(open_ops(path)).decode("utf-8", "surrogateescape")
        found = {"describe": text}
    except NotALibrary as error:
        found = {"error": str(error)}
    with os.fdopen(answer, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
