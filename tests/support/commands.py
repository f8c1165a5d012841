"""What the tests of the command share."""

from __future__ import annotations

import pytest

from beam_scanner.cli.main import main
from beam_scanner.stores.open import open_store

IN_MEMORY = "--direct_running_mode=in_memory"


def command(*args: object) -> int:
    return main([str(arg) for arg in args])


def wrong(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    """The one line that a wrong command is answered with."""
    assert command(*args) == 2
    printed = capsys.readouterr()
    lines = [x for x in printed.err.splitlines() if x.startswith("beam-scanner: ")]
    assert len(lines) == 1, printed.err
    assert printed.err.splitlines()[-1] == lines[0]
    return lines[0].removeprefix("beam-scanner: ")


def put(bucket: str, *keys: str, data: bytes = b"") -> None:
    """Puts objects of equal content into a bucket."""
    for key in keys:
        open_store(bucket).put(key, data)
