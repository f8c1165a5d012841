"""Whether a driver lives: by its lock, or by the time that it renews in a bucket."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.run import liveness
from beam_scanner.run.liveness import LOST_SECONDS, Life, LifeWatch, adopted
from beam_scanner.stores.local_store import LocalStore
from beam_scanner.stores.object_store import ObjectStore
from tests.support.storage_fakes import MemoryStore

KEY = ".work/active/00000001/driver"


@pytest.fixture
def folder(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path, durable=False)


@pytest.fixture
def bucket(tmp_path: Path) -> ObjectStore:
    store: ObjectStore = MemoryStore(str(tmp_path))
    return store


def dead(store: ObjectStore, waits: bool = True) -> bool:
    return LifeWatch(store, KEY, waits).is_dead()


def test_a_lock_in_a_folder(folder: LocalStore) -> None:
    assert dead(folder)
    life = Life(folder, KEY)
    assert not dead(folder)
    life.hush()
    assert not dead(folder)
    life.leave()
    assert folder.exists(KEY)
    assert dead(folder)


def test_a_child_goes_on(folder: LocalStore) -> None:
    """Between the two there is no moment without a lock."""
    life = Life(folder, KEY)
    assert life.lock is not None
    sleeps = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleeps, pass_fds=[life.lock]) as child:
        life.leave()
        assert not dead(folder)
        child.kill()
        child.wait()
        assert dead(folder)


def test_who_goes_on_does_not_hand_it_to_its_own_children(folder: LocalStore) -> None:
    first = Life(folder, KEY)
    assert first.lock is not None
    number = os.dup(first.lock)
    os.set_inheritable(number, True)
    first.leave()
    second = adopted(folder, KEY, number)
    assert not os.get_inheritable(number)
    assert not dead(folder)
    second.leave()
    assert dead(folder)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that have passed for the watcher."""
    passed = [0.0]
    begin = time.time()
    monkeypatch.setattr(time, "monotonic", lambda: 1e6 + passed[0])
    monkeypatch.setattr(time, "time", lambda: begin + passed[0])
    return passed


def test_a_time_in_a_bucket(bucket: ObjectStore, clock: list[float]) -> None:
    life = Life(bucket, KEY)
    assert life.lock is None
    watch = LifeWatch(bucket, KEY, waits=True)
    assert not watch.is_dead()
    life.leave()
    clock[0] = LOST_SECONDS - 1
    assert not watch.is_dead()
    clock[0] = LOST_SECONDS + 1
    assert watch.is_dead()
    # It was only out of reach.
    life._beat()
    assert not watch.is_dead()
    bucket.delete(KEY)
    assert watch.is_dead()


def test_clocks_that_differ_hurt_only_who_does_not_wait(
    bucket: ObjectStore, clock: list[float]
) -> None:
    bucket.put(KEY, str(time.time() - 2 * LOST_SECONDS).encode())
    assert dead(bucket, waits=False)
    assert not dead(bucket, waits=True)
    bucket.put(KEY, str(time.time() + 2 * LOST_SECONDS).encode())
    assert not dead(bucket, waits=False)


def test_the_time_is_renewed(
    bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "BEAT_SECONDS", 0.01)
    life = Life(bucket, KEY)
    first = bucket.read(KEY)
    end = time.monotonic() + 30
    while bucket.read(KEY) == first and time.monotonic() < end:
        time.sleep(0.01)
    assert bucket.read(KEY) != first
    life.hush()
    last = bucket.read(KEY)
    time.sleep(0.05)
    assert bucket.read(KEY) == last


def test_a_bucket_that_is_out_of_reach_for_a_while(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from beam_scanner.errors import StorageError

    monkeypatch.setattr(liveness, "BEAT_SECONDS", 0.01)
    life = Life(bucket, KEY)
    failures, put = [3], type(bucket).put
    stored: list[bytes] = []
    renewed = threading.Event()

    def flaky(store: Any, key: str, data: Any) -> None:
        if failures[0]:
            failures[0] -= 1
            raise StorageError("out of reach")
        put(store, key, data)
        stored.append(data)
        renewed.set()

    # From now on: the time may have been renewed before.
    monkeypatch.setattr(type(bucket), "put", flaky)
    assert renewed.wait(60)
    life.leave()
    assert failures == [0]
    assert bucket.read(KEY) == stored[-1]
