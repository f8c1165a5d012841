"""The commands about runs that go on."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from beam_scanner.cli.main import main
from beam_scanner.run.active_runs import ActiveRun, end_active
from beam_scanner.run.liveness import Life
from beam_scanner.run.report import Report
from beam_scanner.run.run_files import RunFiles
from beam_scanner.storage import NamedStorage


@pytest.fixture
def db(tmp_path: Path) -> str:
    path = str(tmp_path / "db")
    NamedStorage(path).store(create=True)
    return path


def test_runs_that_go_on_and_that_have_died(
    db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["jobs", db]) == 0
    assert capsys.readouterr().out == "no run of this database goes on\n"
    store = NamedStorage(db).store()
    lives, died = (ActiveRun(name, 3).numbered(store) for name in "ab")
    life = Life(store, lives.life)
    Life(store, died.life).leave()
    assert main(["jobs", db]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["ID", "STATE", "TASKS"]
    assert lines[0].split()[:6] == ["1", "runs", "-", "0", "of", "3"]
    assert lines[1].split()[:2] == ["2", "died"]
    assert lines[2].startswith("run 2 has died: its process ")
    life.leave()


def test_a_run_is_cancelled(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = NamedStorage(db).store()
    run = ActiveRun("a", 1).numbered(store)
    life = Life(store, run.life)

    def end() -> None:
        while RunFiles(store, "a").stopped_at() is None:
            time.sleep(0.01)
        end_active(store, run, Report(cancelled=True), life)

    thread = threading.Thread(target=end)
    thread.start()
    assert main(["cancel", db, "1"]) == 0
    thread.join()
    life.leave()
    assert capsys.readouterr().out.startswith("run 1 has ended")
    assert main(["cancel", db, "1"]) == 2
    assert "there is nothing to cancel" in capsys.readouterr().err
    assert main(["cancel", db, "7"]) == 2
    assert "there is no run 7; 'beam-scanner jobs" in capsys.readouterr().err
    assert main(["cancel", db, "x"]) == 2
    assert "expected a number" in capsys.readouterr().err
