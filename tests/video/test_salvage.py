"""Rows of damaged videos that look good are confirmed by decoding them."""

from __future__ import annotations

import pytest

from tests.support.video_fuzzing import fuzz


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzzed")


def test_a_decoder_fails_before_it_gives_what_it_holds(folder):
    """A false end of an MP4 that has no place to start at."""
    outcome = fuzz(60266, folder)
    assert (outcome.kind, outcome.damage) == ("mpeg4", "cut_head")
    assert outcome.errors > 0
    assert not outcome.findings
