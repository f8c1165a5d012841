"""A library of arrays in the place of CuPy, whose arrays lie in NumPy's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pytest


class ndarray:
    """An array that only this library reads."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.shape = array.shape
        self.ndim = array.ndim

    def copy(self) -> ndarray:
        return ndarray(self.array.copy())

    def __getitem__(self, where: Any) -> ndarray:
        return ndarray(self.array[where])

    def sum(self) -> int:
        return int(self.array.sum())

    def get(self) -> np.ndarray:
        return self.array.copy()

    def __dlpack__(self, **given: Any) -> Any:
        return self.array.__dlpack__(**given)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


ndarray.__module__ = "cupy"


class FakeLibrary(ModuleType):
    """See the module."""

    ndarray = ndarray

    def from_dlpack(self, source: Any) -> Any:
        return ndarray(np.from_dlpack(source))

    def asarray(self, source: np.ndarray) -> Any:
        return ndarray(source)


@contextmanager
def fake_cupy() -> Iterator[FakeLibrary]:
    """CuPy, for the kernels of a test."""
    made = FakeLibrary("cupy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", made)
        yield made
