"""Files of a run, which end with it."""

from __future__ import annotations

from pathlib import Path

from beam_scanner.errors import Failure
from beam_scanner.run.run_files import RunFiles, remove_garbage
from beam_scanner.stores.local_store import LocalStore


def test_what_is_written_for_a_run_that_is_over_is_garbage(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    over, goes_on = RunFiles(store, "over"), RunFiles(store, "goes-on")
    store.put(".work/runs/goes-on/graph", b"")
    for run in (over, goes_on):
        run.mark_failed("0", Failure("a", "why"))
        run.put_result(0, 0, [])
    remove_garbage(store)
    kept = sorted(store.list(".work/runs/"))
    assert {key.split("/")[2] for key in kept} == {"goes-on"}
    assert len(kept) == 3
