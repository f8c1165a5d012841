"""Locks end with the process that holds them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from beam_scanner.errors import StorageError
from beam_scanner.stores import locks
from beam_scanner.stores.locks import locked, unlink_unlocked

HOLDER = """
import sys, time
from beam_scanner.stores.locks import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_at_a_time_and_nothing_is_left(tmp_path: Path) -> None:
    path = str(tmp_path / "new folder" / "a.lock")
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(20):
            with locked(path):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80
    assert not os.path.exists(path)


def test_a_block_that_fails_lets_go(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    with pytest.raises(ValueError, match="x"), locked(path):
        raise ValueError("x")
    with locked(path):
        pass


def test_who_does_not_let_go_is_told_of_and_the_dead_hold_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_MOST_SECONDS", 0.1)
    path = str(tmp_path / "a.lock")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match="another process has held it"):
            locked(path).__enter__()
        unlink_unlocked(path)
        assert os.path.exists(path)
    finally:
        holder.kill()
        holder.communicate()
    unlink_unlocked(path)
    assert not os.path.exists(path)
