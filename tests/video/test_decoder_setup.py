"""What decoders must be given besides the packets from a keyframe on."""

from __future__ import annotations

import random

import pytest

from beam_scanner.video import decoder_setup
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.indexing import index_video
from tests.support.odd_reading import Outcome, compare
from tests.support.odd_samples import Base, pixel_formats
from tests.support.oddities import try_one, write_odd
from tests.support.video_fixtures import frame_number

SEED = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("odd")


NALS = ("libx264", "libx265")


@pytest.mark.parametrize("encoder", NALS)
def test_later_parameter_sets_are_kept_for_later_starts(encoder, folder):
    base = Base.make(folder, encoder, "mp4")
    path = folder / "other.mp4"
    assert write_odd(path, base, "other_sets", random.Random(SEED))
    index = index_video(path)
    assert len(index.keyframes) > 2
    assert index.setups
    with VideoDecoder(path, index) as decoder:
        assert frame_number(next(decoder.read([len(index) - 1]))) == len(index) - 1


@pytest.mark.parametrize("muxer", ["avi", "mov", "matroska", "nut"])
@pytest.mark.parametrize(
    "encoder", ["rawvideo", "png", "qtrle", "gif", "zlib", "targa"]
)
def test_colour_tables(encoder, muxer, folder):
    formats = pixel_formats(encoder)
    if "pal8" not in formats:
        pytest.skip(f"{encoder} has no colour tables")
    base = Base.make(folder, encoder, muxer, formats.index("pal8"))
    if base is None:
        pytest.skip(f"{encoder} does not go into {muxer}")
    outcome = Outcome(SEED, encoder, muxer, "plain")
    compare(base.path, outcome, random.Random(SEED), other=False)
    assert not outcome.findings, outcome


@pytest.mark.parametrize("encoder", ["rawvideo", "msrle"])
def test_colour_tables_that_change(encoder, folder):
    base = Base.make(folder, encoder, "avi", pixel_formats(encoder).index("pal8"))
    assert base is not None
    for seed in range(5):
        outcome = Outcome(seed, encoder, "avi", "palettes")
        try_one(base, outcome, random.Random(seed), other=False)
        assert not outcome.findings, outcome
        assert outcome.rows, outcome


def test_more_colour_tables_than_an_index_keeps(folder, monkeypatch):
    monkeypatch.setattr(decoder_setup, "_MOST", 2)
    base = Base.make(folder, "rawvideo", "avi", pixel_formats("rawvideo").index("pal8"))
    assert base is not None
    outcome = Outcome(SEED, "rawvideo", "avi", "palettes")
    try_one(base, outcome, random.Random(SEED), other=False)
    assert outcome.rows
    assert not outcome.findings, outcome
