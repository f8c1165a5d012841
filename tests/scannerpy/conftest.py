"""Tables of a small database."""

from pathlib import Path

import pytest

from beam_scanner.scannerpy.table import Tables
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.local_store import LocalStore
from tests.support.video_fixtures import make_video


@pytest.fixture
def storage(tmp_path: Path) -> NamedStorage:
    return NamedStorage(LocalStore(tmp_path / "db", durable=False))


@pytest.fixture
def tables(storage: NamedStorage) -> Tables:
    return Tables(storage)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("clips") / "clip.mp4")
    make_video(path, frames=30, gop=12)
    return path
