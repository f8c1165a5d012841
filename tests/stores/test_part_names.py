"""Files that are being written are nobody else's."""

from __future__ import annotations

import os

import pytest

from beam_scanner.stores.part_names import part_of


@pytest.mark.parametrize("path", ["a.csv", "out/a.csv", "/b.d/a", "c.mp4/x.y.mp4"])
def test_parts_lie_beside_their_files(path: str) -> None:
    part, other = part_of(path), part_of(path)
    assert part != other
    assert os.path.dirname(part) == os.path.dirname(path)
    assert os.path.splitext(part)[1] == os.path.splitext(path)[1]
