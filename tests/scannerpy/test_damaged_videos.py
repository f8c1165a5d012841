"""Videos with rows that cannot be decoded: strict and salvage, by stream and by run."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner import (
    CacheMode,
    Client,
    JobFailure,
    NamedStream,
    NamedVideoStream,
    NullElement,
    PerfParams,
)
from beam_scanner.errors import ArgumentError, VideoError
from tests.support.client_helpers import files_of, open_client
from tests.support.damaged_videos import FRAMES, expected, who


@pytest.fixture
def sc(tmp_path: Path) -> Client:
    return open_client(tmp_path / "db")


def run(sc: Client, videos, outputs, **how):
    frames = sc.streams.Range(sc.io.Input(videos), [(15, 35)] * len(videos))
    copied = sc.io.Output(frames.lossless(), outputs)
    return sc.run(copied, PerfParams.estimate(), show_progress=False, **how)


def test_strict_fails_the_stream_and_names_a_row(sc, damaged, whole):
    videos = [
        NamedVideoStream(sc, "damaged", path=damaged),
        NamedVideoStream(sc, "whole", path=whole),
    ]
    outputs = [NamedVideoStream(sc, f"out {i}") for i in range(2)]
    with pytest.raises(JobFailure, match=r"damaged\.mp4': row 22 \(at 0\.880 s\)"):
        run(sc, videos, outputs)
    assert [output.committed() for output in outputs] == [False, True]


def test_salvage_by_stream(sc, damaged):
    video = NamedVideoStream(sc, "damaged", path=damaged, damage="salvage")
    output = NamedVideoStream(sc, "out")
    report = sc.report(run(sc, [video], [output]))
    assert who(output.load()) == [expected(row) for row in range(15, 35)]
    assert who(video.load()) == [expected(row) for row in range(FRAMES)]
    assert video.lost_rows().tolist() == list(range(22, 30))
    assert list(report.lost) == ["damaged"]
    assert report.lost["damaged"].startswith(
        "rows 22 to 29 (0.880 to 1.160 s) cannot be decoded, 8 of 40 rows: "
    )
    # By its name alone the stream is what was salvaged.
    assert who(NamedVideoStream(sc, "damaged").load(rows=[30, 25])) == [30, None]


def test_salvage_by_run(sc, damaged, whole):
    videos = [
        NamedVideoStream(sc, "damaged", path=damaged),
        NamedVideoStream(sc, "whole", path=whole),
    ]
    outputs = [NamedVideoStream(sc, f"out {i}") for i in range(2)]
    report = sc.report(run(sc, videos, outputs, damage="salvage"))
    assert who(outputs[0].load()) == [expected(row) for row in range(15, 35)]
    assert who(outputs[1].load()) == list(range(15, 35))
    assert list(report.lost) == ["damaged"]
    assert all(video.descriptor().verified for video in videos)


def test_explain_takes_the_policy_of_the_run(sc, damaged):
    video = NamedVideoStream(sc, "damaged", path=damaged)
    graph = sc.io.Output(sc.io.Input([video]), [NamedVideoStream(sc, "out")])
    known = NamedVideoStream(sc, "known", path=damaged)
    known.ingest(verify=False)
    assert sc.explain(graph, damage="salvage").failures == []
    assert video.damage == "strict"
    assert not known.descriptor().verified
    again = NamedVideoStream(sc, "known", path=damaged, damage="salvage")
    assert again.lost_rows().tolist() == list(range(22, 30))
    assert not known.descriptor().verified
    assert not NamedVideoStream(sc, "damaged").exists()
    sc.explain(graph)


def test_ops_see_nulls(sc, damaged):
    video = NamedVideoStream(sc, "damaged", path=damaged, damage="salvage")
    histograms = sc.ops.Histogram(frame=sc.io.Input([video]))
    output = NamedStream(sc, "out")
    sc.run(
        sc.io.Output(histograms, [output]), PerfParams.estimate(), show_progress=False
    )
    found = [isinstance(element, NullElement) for element in output.load()]
    assert found == [expected(row) is None for row in range(FRAMES)]


def test_what_is_known_fails_strict_before_it_runs(sc, damaged):
    NamedVideoStream(sc, "damaged", path=damaged, damage="salvage").ingest()
    strict = NamedVideoStream(sc, "damaged", path=damaged)
    with pytest.raises(VideoError, match="is damaged: rows 22 to 29") as caught:
        strict.len()
    assert "damage='salvage' takes the other rows" in str(caught.value)
    strict.with_damage("salvage")
    assert strict.len() == FRAMES


def test_salvage_after_strict_finds_the_same_video_again(sc, damaged):
    strict = NamedVideoStream(sc, "damaged", path=damaged)
    strict.ingest()
    before = strict.fingerprint()
    assert not strict.descriptor().verified
    salvaged = NamedVideoStream(sc, "damaged", path=damaged, damage="salvage")
    assert salvaged.ingest().lost == 8
    assert salvaged.fingerprint() != before
    folders = {name.split("/")[1] for name in files_of(sc.db_path) if "index" in name}
    assert len(folders) == 1


def test_a_verified_whole_video_keeps_its_results(sc, whole):
    video, output = NamedVideoStream(sc, "v", path=whole), NamedVideoStream(sc, "out")
    assert run(sc, [video], [output]) is not None
    verified = NamedVideoStream(sc, "v", path=whole, damage="salvage")
    assert run(sc, [verified], [output], cache_mode=CacheMode.Ignore) is None
    assert verified.descriptor().verified
    assert verified.describe_lost() == ""


def test_a_policy_that_is_none(sc, whole):
    with pytest.raises(ArgumentError, match="'strict' or 'salvage', got 'skip'"):
        NamedVideoStream(sc, "a", path=whole, damage="skip")
    video = NamedVideoStream(sc, "a", path=whole)
    with pytest.raises(ArgumentError, match="got 'skip'"):
        run(sc, [video], [NamedVideoStream(sc, "out")], damage="skip")


def test_a_copy_would_show_what_is_lost(sc, damaged, tmp_path):
    video = NamedVideoStream(sc, "damaged", path=damaged, damage="salvage")
    with pytest.raises(VideoError, match="has 8 rows that cannot be decoded"):
        video.save_mp4(tmp_path / "copy")
