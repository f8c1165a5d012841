"""Importing Beam leaves no trace in the log, and says nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.video_fixtures import make_video

# As without the cloud extra, where Beam logs a warning while it is imported.
NO_CLOUD = """
import logging, sys
class NoCloud:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("apitools", "google.cloud", "google.auth")):
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, NoCloud())
"""


def said(code: str, *arguments: object) -> str:
    """What a program says without the cloud extra, beside its output."""
    # Packages beside Beam may warn of versions that will not be supported.
    command = [sys.executable, "-W", "ignore", "-c", NO_CLOUD + code]
    command += map(str, arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
def test_without_the_cloud_extra_beam_says_something() -> None:
    assert said("import apache_beam")


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "from beam_scanner.beam_internals.quiet_import import import_beam; import_beam()",
        *(
            pytest.param(code, marks=pytest.mark.slow)
            for code in (
                "from beam_scanner.models import OnnxModelHandler",
                "from beam_scanner.transforms import ReadFromVideo, ScannerOptions",
                "from beam_scanner.yaml.transforms import StreamsToRows",
            )
        ),
    ],
)
def test_beam_leaves_no_handler_and_says_nothing(code: str) -> None:
    """Else every library's log lines appear twice in a user's program."""
    check = "assert not logging.getLogger().handlers, logging.getLogger().handlers"
    assert said(f"{code}\nassert 'apache_beam' in sys.modules\n{check}") == ""


@pytest.mark.slow
@pytest.mark.parametrize("state", ["enable", "disable"])
def test_garbage_is_collected_afterwards_as_before(state: str) -> None:
    code = f"""
import gc
gc.{state}()
before = gc.isenabled()
from beam_scanner.beam_internals.quiet_import import import_beam
import_beam()
assert gc.isenabled() == before
"""
    assert said(code) == ""


@pytest.mark.slow
def test_a_handler_of_the_program_is_told_nothing_and_stays() -> None:
    code = """
handler = logging.StreamHandler()
logging.getLogger().addHandler(handler)
from beam_scanner.beam_internals.quiet_import import import_beam
import_beam()
assert logging.getLogger().handlers == [handler] and not handler.filters
logging.warning("heard")
"""
    assert said(code) == "heard\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["ops", "Resize"],
        pytest.param(["explain", "film.mp4"], marks=pytest.mark.slow),
        pytest.param(["film.mp4", "--ops", "Histogram()"], marks=pytest.mark.slow),
    ],
)
def test_commands_say_nothing_of_it(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_video(tmp_path / "film.mp4", 8)
    monkeypatch.chdir(tmp_path)
    code = "from beam_scanner.cli.main import main; sys.exit(main(sys.argv[1:]))"
    found = said(code, *arguments)
    assert "apitools" not in found
    assert "Failed to import" not in found
    assert "WARNING" not in found
