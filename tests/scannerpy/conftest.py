"""Tables of a small database, and videos that are damaged or whole."""

from pathlib import Path

import pytest

from beam_scanner.scannerpy.table import Tables
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.local_store import LocalStore
from tests.support.damaged_videos import FRAMES, GOP, hurt
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


@pytest.fixture
def damaged(tmp_path: Path) -> str:
    """Rows 22 to 29 of 40 cannot be decoded."""
    path = make_video(
        tmp_path / "damaged.mp4", FRAMES, gop=GOP, bframes=0, size=(320, 240)
    )
    hurt(path, range(22, 24))
    return path


@pytest.fixture
def whole(tmp_path: Path) -> str:
    return make_video(tmp_path / "whole.mp4", FRAMES, gop=GOP)
