"""Where the tests of storage store."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.storage import LocalStore, NamedStorage
from tests.support.sql_servers import (
    KINDS,
    make_database,
    postgres_server,
)
from tests.support.storage_fakes import MemoryStore


@pytest.fixture(params=["local", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> NamedStorage:
    """A database in a folder, and one in memory."""
    if request.param == "local":
        return NamedStorage(LocalStore(tmp_path / "db", durable=False))
    return NamedStorage(MemoryStore(str(tmp_path)))


@pytest.fixture(scope="session")
def postgres():
    """A Postgres server for all tests of this process."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=KINDS)
def sql(request, tmp_path):
    """A new database of each kind."""
    return make_database(request, tmp_path)
