"""Ops that fail, and a small graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_scanner import register_python_op
from beam_scanner.kernels import registry
from tests.support.failing_kernels import Raising, Warmed
from tests.support.small_runs import Setting


@pytest.fixture
def failing_ops() -> Iterator[None]:
    register_python_op(name="Raising")(Raising)
    register_python_op(name="Warmed", bounded_state=2)(Warmed)
    yield
    registry().remove("Raising")
    registry().remove("Warmed")


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting.make(tmp_path / "db")
