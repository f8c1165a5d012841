"""What a run does about outputs that are there: each mode, for each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.errors import StreamExistsError
from beam_scanner.run.cache_mode import CacheMode
from tests.support.small_runs import Setting, contents
from tests.support.staged import without_beam


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """A database where a run has been."""
    without_beam(monkeypatch)
    setting = Setting.make(tmp_path / "db")
    setting.run()
    return setting


def generations(setting: Setting) -> list[str]:
    return [stream.descriptor().generation for stream in setting.streams()]


def test_error_refuses_and_changes_nothing(setting: Setting) -> None:
    before = generations(setting)
    same = (
        r"`scaled/0`, which holds exactly this result\. .*cache_mode=CacheMode\.Ignore"
    )
    with pytest.raises(StreamExistsError, match=same) as error:
        setting.run(CacheMode.Error)
    assert error.value.holds_result is True
    with pytest.raises(StreamExistsError, match=r"`scaled/0`\. You can") as error:
        setting.run(CacheMode.Error, by=3)
    assert error.value.holds_result is False
    assert generations(setting) == before


def test_ignore_runs_for_other_results_alone(setting: Setting) -> None:
    before = generations(setting)
    assert setting.run(CacheMode.Ignore).cached == ["scaled/0", "scaled/1"]
    assert generations(setting) == before
    assert setting.run(CacheMode.Ignore, by=3).committed == ["scaled/0", "scaled/1"]
    assert not set(generations(setting)) & set(before)
    setting.check_values(by=3)


def test_overwrite_makes_the_same_again(setting: Setting) -> None:
    before = generations(setting), [contents(s) for s in setting.streams()]
    assert setting.run(CacheMode.Overwrite).committed == ["scaled/0", "scaled/1"]
    after = generations(setting), [contents(s) for s in setting.streams()]
    assert not set(before[0]) & set(after[0])
    assert before[1] == after[1]
