"""A library of native ops that all tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.native_libraries import build


@pytest.fixture(scope="session")
def native_ops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of ``native_ops.c``; its ops are called NativeAdd, NativeJoin, ..."""
    return build(tmp_path_factory.mktemp("native") / "libnative_ops.so")
