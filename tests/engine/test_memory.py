"""Freed memory goes back to the system, where the C library can do that."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

from beam_scanner.engine import memory


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    memory._trim.cache_clear()
    yield
    memory._trim.cache_clear()


def test_the_c_library_is_asked_once_for_each_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    class Library:
        malloc_trim = staticmethod(asked.append)

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    memory.release_memory()
    memory.release_memory()
    assert asked == [0, 0]


@pytest.mark.parametrize("how", ["no function", "no library"])
def test_a_c_library_without_it_is_none(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: Any) -> object:
        if how == "no library":
            raise OSError("none")
        return object()

    monkeypatch.setattr(ctypes, "CDLL", load)
    memory.release_memory()
    assert memory._trim() is None
