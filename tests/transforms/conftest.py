"""Videos of the tests of pipelines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pipeline_runs import FRAMES, Run, save
from tests.support.small_streams import ROWS
from tests.support.video_fixtures import make_video


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``a.mp4`` has frames 0 to 71, ``b.mp4`` 100 to 171; a keyframe every 12."""
    folder = tmp_path_factory.mktemp("films")
    for number, name in enumerate("ab"):
        make_video(
            folder / f"{name}.mp4", frames=FRAMES, gop=12, first_number=100 * number
        )
    return folder


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Streams ``x/a`` of 0 to 19 and ``x/b`` of 100 to 119."""
    for number, name in enumerate("ab"):
        save(tmp_path, f"x/{name}", range(100 * number, 100 * number + ROWS), int)
    return tmp_path


@pytest.fixture
def run() -> Run:
    return Run()
