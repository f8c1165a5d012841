"""How often databases are looked at."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import StorageError
from beam_scanner.run import pace
from beam_scanner.run.pace import Pace, repeated
from beam_scanner.storage.streams.named import NamedStorage


class Bucket:
    """A store without files."""

    is_local = False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def near(tmp_path: Path) -> Any:
    return NamedStorage(str(tmp_path / "db")).store(create=True)


def test_a_folder_is_looked_at_more_often_than_a_bucket(
    tmp_path: Path, clock: list[float]
) -> None:
    far: Any = Bucket()
    waits = []
    for store in (near(tmp_path), far):
        looks = Pace(store)
        assert looks.is_due()
        with looks.look():
            clock[0] += 0.01
        assert not looks.is_due()
        waits.append(looks.seconds)
        clock[0] += looks.seconds
        assert looks.is_due()
    assert waits == [0.5, 5.0]


def test_looks_that_take_long_are_taken_seldom(clock: list[float]) -> None:
    far: Any = Bucket()
    looks = Pace(far)
    with looks.look():
        clock[0] += 30
    assert looks.seconds == 120
    with looks.look():
        clock[0] += 0.1
    assert looks.seconds == 5


def test_a_database_that_cannot_be_read_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "DRAW_SECONDS", 0.001)
    looks, enough = [0], threading.Event()

    def look() -> None:
        looks[0] += 1
        if looks[0] == 1:
            raise StorageError("not now")
        enough.set()

    with repeated(look, "looks"):
        assert enough.wait(60)
    seen = looks[0]
    time.sleep(0.01)
    assert looks[0] == seen
