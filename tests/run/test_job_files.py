"""Files of a job: its token, the manifests of its tasks, and who removes them."""

from __future__ import annotations

from pathlib import Path

from beam_scanner.run.job_files import JobFiles, unfinished_tokens
from beam_scanner.stores.local_store import LocalStore


def test_only_one_of_several_puts_wins(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first, second = JobFiles(store, "f"), JobFiles(store, "f")
    assert first.begin() == second.begin()
    assert first.put_manifest(0, 3, {"run": "a"})
    assert not second.put_manifest(0, 3, {"run": "b"})
    assert second.manifest(0, 3) == {"run": "a"}
    assert list(first.manifests()) == [(0, 3)]
    assert second.put_manifest(0, 3, {"run": "b"}, replace=True)
    assert first.manifest(0, 3) == {"run": "b"}
    assert list(unfinished_tokens(store)) == [first.token()]


def test_a_token_forgets_what_an_earlier_one_left(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first = JobFiles(store, "f")
    first.begin()
    first.put_manifest(0, 0, {"run": "a"})
    store.delete(".work/jobs/f/begun")
    assert first.is_over()
    second = JobFiles(store, "f")
    second.begin()
    assert not second.is_over()
    assert second.manifest(0, 0) is None
    assert list(second.manifests()) == []
    second.remove()
    assert not list(store.list(".work"))
