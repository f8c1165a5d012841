"""Tokens of runs: whose streams are known again, and for how long."""

from __future__ import annotations

import itertools
import time

import pytest

from beam_scanner.run import run_tokens
from beam_scanner.run.run_tokens import (
    RunTokens,
    forget_tokens,
    keep_tokens,
    note_tokens,
    old_tokens,
    tokens_of_runs,
)
from beam_scanner.stores.object_store import ObjectStore
from tests.support.storage_fakes import MemoryStore

KEY = ".work/runs/{}/tokens"
_names = itertools.count()


@pytest.fixture
def store() -> ObjectStore:
    store = MemoryStore(f"tokens {next(_names)}")
    note_tokens(store, "a", ["t1", "t2"])
    note_tokens(store, "b", ["t2", "t3"])
    return store


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def interrupted(store: ObjectStore) -> set[str]:
    return set(tokens_of_runs(store).interrupted)


def nobody(run: str) -> bool:
    return False


def test_tokens_of_runs_at_work_are_no_tokens_of_interrupted_ones(
    store: ObjectStore,
) -> None:
    assert interrupted(store) == {"t1", "t2", "t3"}
    found = tokens_of_runs(store, {"b"}.__contains__)
    assert found == RunTokens(frozenset({"t1"}), frozenset({"t2", "t3"}))


def test_other_files_are_no_tokens(store: ObjectStore) -> None:
    data = store.read(KEY.format("a"))
    for key in (".work/runs/tokens", ".work/runs/c/jobs/tokens", ".work/jobs/f/tokens"):
        store.put(key, data.replace(b"t1", b"t9"))
    assert interrupted(store) == {"t1", "t2", "t3"}


def test_a_run_forgets_some_tokens_and_keeps_the_others(store: ObjectStore) -> None:
    forget_tokens(store, ["t2"], nobody)
    assert interrupted(store) == {"t1", "t3"}
    forget_tokens(store, ["t1"], nobody)
    # Nothing is left of that one.
    assert list(store.list()) == [KEY.format("b")]


def test_runs_that_keep_theirs_forget_nothing(store: ObjectStore) -> None:
    forget_tokens(store, ["t1", "t2", "t3"], {"b"}.__contains__)
    assert interrupted(store) == {"t2", "t3"}


@pytest.mark.parametrize("data", [b"", b"t1\nt2", b"\xff", b"{}"])
def test_damaged_files_hold_none_and_are_old(store: ObjectStore, data: bytes) -> None:
    store.put(KEY.format("a"), data)
    assert interrupted(store) == {"t2", "t3"}
    assert list(old_tokens(store)) == [KEY.format("a")]
    keep_tokens(store, "a")
    assert list(store.list()) == [KEY.format("b")]


def test_tokens_grow_old_from_when_their_run_was_found_dead(
    store: ObjectStore, clock: list[float]
) -> None:
    note_tokens(store, "a", ["t1", "t2"])
    note_tokens(store, "b", ["t2", "t3"])
    clock[0] += run_tokens.MOST_SECONDS
    keep_tokens(store, "b")
    assert list(old_tokens(store)) == [KEY.format("a")]
    assert interrupted(store) == {"t1", "t2", "t3"}
    clock[0] += run_tokens.MOST_SECONDS
    assert len(list(old_tokens(store))) == 2


def test_two_that_forget_at_once_lose_no_change(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one forgets between the look and the change of the first."""
    plain, others = MemoryStore.put_if, [["t1"]]

    def late(self: MemoryStore, key: str, data: bytes, expected: bytes | None) -> bool:
        if others:
            forget_tokens(store, others.pop(), nobody)
        return plain(self, key, data, expected)

    note_tokens(store, "a", ["t1", "t2", "t4"])
    monkeypatch.setattr(MemoryStore, "put_if", late)
    forget_tokens(store, ["t2"], nobody)
    assert interrupted(store) == {"t3", "t4"}


def test_tokens_that_go_meanwhile_stay_gone(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = MemoryStore.put_if

    def late(self: MemoryStore, key: str, data: bytes, expected: bytes | None) -> bool:
        store.delete(key)
        return plain(self, key, data, expected)

    monkeypatch.setattr(MemoryStore, "put_if", late)
    keep_tokens(store, "a")
    forget_tokens(store, ["t2"], nobody)
    assert list(store.list()) == []
