"""The end of a job that no driver waits for: done once, however often it is tried."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

from beam_scanner.run.active_runs import ActiveRun, find_active
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.end_detached import EndDetached
from beam_scanner.run.profiler import Profile
from beam_scanner.run.report import Report
from beam_scanner.run.run_holder import Handover
from tests.support.small_runs import JOBS, Setting, SteppedRun


def test_it_may_be_tried_again(tmp_path: Path) -> None:
    setting = Setting.make(tmp_path / "db")
    run = SteppedRun(setting, "run")
    for task in range(len(run.tasks)):
        run.do(task)
    assert run.commit()
    store = setting.storage.store()
    active = replace(ActiveRun("run", JOBS), service={"job": "1"}).numbered(store)
    handover = Handover(active, run.source, Report(), False, False, None, b"")
    end = pickle.loads(pickle.dumps(EndDetached(pickle.dumps(handover))))
    for _ in range(3):
        end.process(None)
        profile = Profile.load(setting.storage, 1)
        assert profile.tasks == len(run.tasks)
        # Its other phase, and its other job, were not run.
        assert len(profile.ended["failures"]) == JOBS
        assert find_active(store, 1) is None
        assert not list(store.list(".work/runs/"))
    assert setting.prepare(CacheMode.Ignore).jobs
