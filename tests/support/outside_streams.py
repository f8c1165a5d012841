"""Streams of files that lie outside of a database."""

from __future__ import annotations

import struct

ELEMENTS = [b"", b"one", b"\0" * 1000, "zwölf".encode()]


def write_files(folder, elements):
    paths = [folder / f"{i}.bin" for i in range(len(elements))]
    for path, element in zip(paths, elements, strict=True):
        path.write_bytes(element)
    return paths


def write_packed(path, elements):
    sizes = [len(element) for element in elements]
    head = struct.pack(f"<Q{len(sizes)}Q", len(sizes), *sizes)
    path.write_bytes(head + b"".join(elements))
    return path
