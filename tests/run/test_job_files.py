"""Files of a job: its token, the manifests of its tasks, and who removes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.run.job_files import (
    JobFiles,
    internal_of,
    unfinished_jobs,
    unfinished_tokens,
)
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


def test_a_run_that_saw_other_streams_takes_the_job_over(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first, second = JobFiles(store, "f"), JobFiles(store, "f")
    token = first.begin(["old"])
    assert second.begin(["new"]) == token
    # What the first one saw is no longer what the job may replace.
    assert not first.remove(["old"])
    assert second.remove(["new"])
    assert first.is_over()


def test_a_job_whose_streams_were_replaced_begins_with_another_token(
    tmp_path: Path,
) -> None:
    store = LocalStore(tmp_path)
    first, second = JobFiles(store, "f"), JobFiles(store, "f")
    spent = first.begin()
    first.put_manifest(0, 0, {"run": "a"})
    assert second.begin(is_spent=lambda token: token == spent) != spent
    assert second.manifest(0, 0) is None
    assert not first.remove()


def test_a_manifest_counts_at_its_own_place_alone(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    files = JobFiles(store, "f")
    token = files.begin()
    files.put_manifest(0, 1, {"run": "a"})
    key = f".work/jobs/f/{token}/0-{{:08d}}"
    store.put(key.format(2), store.read(key.format(1)))
    assert files.manifest(0, 1) == {"run": "a"}
    assert files.manifest(0, 2) is None


def test_what_was_published_is_noted_once_for_each_family(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    files = JobFiles(store, "f")
    token = files.begin()
    assert files.published(1) is None
    files.put_published(1, [[3, "digest"], None])
    assert files.published(1) == [[3, "digest"], None]
    assert list(files.manifests()) == []
    store.put(f".work/jobs/f/{token}/published/1", b"damaged")
    assert files.published(1) is None


@pytest.mark.parametrize("damage", [b"", b"no token!\n", b"x" * 65])
def test_with_a_damaged_token_nobody_goes_on(tmp_path: Path, damage: bytes) -> None:
    store = LocalStore(tmp_path)
    files = JobFiles(store, "f")
    old = files.begin()
    store.put(".work/jobs/f/begun", damage)
    assert files.token() is None
    assert files.is_over()
    assert list(unfinished_tokens(store)) == []
    assert files.begin() not in ("", old)


def test_files_of_one_run_are_no_job_for_others_to_join(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    own = JobFiles(store, "mark", run="run")
    token = own.begin()
    assert own.internal == ".work/runs/run/jobs/mark/internal"
    assert list(unfinished_jobs(store)) == []
    # Its segments are needed all the same.
    assert list(unfinished_tokens(store)) == [token]
    store.delete(".work/runs/run/jobs/mark/begun")
    assert not own.is_over()


def test_the_database_between_phases_that_a_key_is_in() -> None:
    assert internal_of(".work/jobs/f/internal/0/stream.json") == ".work/jobs/f/internal"
    assert internal_of(".work/jobs/f/begun") == ""
