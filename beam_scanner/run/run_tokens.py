"""Tokens of runs: by them streams are known as those of a run that was interrupted.

A run notes the tokens of its jobs in ``.work/runs/<run>/tokens``. One that is interrupted
as it tidies up has removed files of jobs that it had published, but not this one: so
their streams are not in the way when it is started again. The tokens of a run that died
outlive its other files; ``gc`` removes them after four weeks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

from beam_scanner.errors import StorageError
from beam_scanner.storage.sealed_files import seal, unseal
from beam_scanner.storage.stream_names import RUNS
from beam_scanner.stores.object_store import ObjectStore

TOKENS = "tokens"
MOST_SECONDS = 28 * 24 * 3600.0
"""How long the tokens of a run that died are kept from gc."""

_DEPTH = RUNS.count("/") + 1


@dataclass(frozen=True)
class RunTokens:
    """Tokens of the jobs of runs that have not ended as they should.

    Attributes:
        interrupted: Of runs that are not known to be at work.
        live: Of runs that are.
    """

    interrupted: frozenset[str] = frozenset()
    live: frozenset[str] = frozenset()


def note_tokens(store: ObjectStore, run: str, tokens: Collection[str]) -> None:
    """Notes tokens of a run, in place of those that it has noted before."""
    store.put(_key(run), _sealed(set(tokens)))


def tokens_of_runs(
    store: ObjectStore, is_live: Callable[[str], bool] = lambda run: False
) -> RunTokens:
    """The tokens of all runs.

    Args:
        store: The database.
        is_live: Whether a run is known to be at work.
    """
    interrupted: set[str] = set()
    live: set[str] = set()
    for run in _runs(store):
        # Looked at first: a run that ends meanwhile takes its tokens with it.
        found = live if is_live(run) else interrupted
        found |= _tokens(store.try_read(_key(run)))
    return RunTokens(frozenset(interrupted - live), frozenset(live))


def forget_tokens(
    store: ObjectStore, tokens: Collection[str], is_kept: Callable[[str], bool]
) -> None:
    """Removes tokens from what runs have noted.

    Args:
        store: The database.
        tokens: Which.
        is_kept: Whether a run keeps all of its own.
    """
    for run in _runs(store):
        if not is_kept(run):
            _change(store, run, lambda noted: noted - set(tokens))


def keep_tokens(store: ObjectStore, run: str) -> None:
    """Notes that a run died: from now on its tokens are kept for some time."""
    _change(store, run, lambda noted: noted, again=True)


def old_tokens(store: ObjectStore) -> Iterator[str]:
    """Keys of what runs have noted so long ago that it may go, where they died."""
    for run in _runs(store):
        data = store.try_read(_key(run))
        if data is not None and not _is_young(data):
            yield _key(run)


def _change(
    store: ObjectStore,
    run: str,
    change: Callable[[set[str]], set[str]],
    again: bool = False,
) -> None:
    """Changes what a run has noted, while others may change it, too."""
    while (data := store.try_read(_key(run))) is not None:
        noted = _tokens(data)
        left = change(noted)
        if left == noted and not again:
            return
        if not left:
            done = store.delete_if(_key(run), data)
        else:
            done = store.put_if(_key(run), _sealed(left), data)
        if done:
            return


def _runs(store: ObjectStore) -> list[str]:
    keys = list(store.list(RUNS, lambda folder: folder.count("/") > _DEPTH))
    return [key.split("/")[2] for key in keys if is_tokens(key)]


def is_tokens(key: str) -> bool:
    """Whether a run notes its tokens under a key."""
    return key.count("/") == _DEPTH and key.endswith(f"/{TOKENS}")


def _key(run: str) -> str:
    return f"{RUNS}{run}/{TOKENS}"


def _sealed(tokens: Collection[str]) -> bytes:
    return seal({"noted": time.time(), "tokens": sorted(tokens)})


def _tokens(data: bytes | None) -> set[str]:
    """The tokens in a file; none where it is damaged or gone."""
    with suppress(StorageError):
        return set(unseal(data or b"", ["noted", "tokens"])["tokens"])
    return set()


def _is_young(data: bytes) -> bool:
    with suppress(StorageError):
        noted = float(unseal(data, ["noted", "tokens"])["noted"])
        return time.time() - noted < MOST_SECONDS
    return False
