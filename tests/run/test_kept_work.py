from __future__ import annotations

import pytest

from beam_scanner.run.kept_work import hint_about_kept


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        (0, ""),
        (1, "1 finished task of failed streams is kept"),
        (7, "7 finished tasks"),
    ],
)
def test_it_says_how_much(kept: int, text: str) -> None:
    told = hint_about_kept(kept, "my db")
    assert told.startswith(text)
    assert ("'my db'" in told) is bool(kept)
