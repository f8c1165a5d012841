"""Where the tests of storage store."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.storage import LocalStore, NamedStorage
from tests.support.storage_fakes import MemoryStore


@pytest.fixture(params=["local", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> NamedStorage:
    """A database in a folder, and one in memory."""
    if request.param == "local":
        return NamedStorage(LocalStore(tmp_path / "db", durable=False))
    return NamedStorage(MemoryStore(str(tmp_path)))
