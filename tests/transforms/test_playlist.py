"""Playlists as videos: whole files beside them, one after the other."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner import Client, NamedStream, PerfParams, register_python_op
from beam_scanner.errors import VideoError
from beam_scanner.storage.streams.formats import FormatStream
from beam_scanner.transforms import ReadFromVideo, op
from beam_scanner.transforms.playlist import Playlist, _unquoted, listed_files
from beam_scanner.types import FrameType
from beam_scanner.video.indexing import index_video
from tests.support.video_fixtures import frame_number, make_video


@register_python_op(name="PlaylistNumber")
def number(config: Any, frame: FrameType) -> Any:
    return frame_number(frame)


COUNTS = {"a.mp4": 20, "b.mkv": 7, "it's c.ts": 13}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("playlist")
    first = 0
    for name, count in COUNTS.items():
        make_video(folder / name, count, gop=5, bframes=2, first_number=first)
        first += count
    (folder / "inner").mkdir()
    shutil.copy(folder / "a.mp4", folder / "inner" / "d.mp4")
    return folder


M3U = "#EXTM3U\n# a comment\na.mp4\n\nb.mkv\nit's c.ts\n"
HLS = (
    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.8,\na.mp4\n"
    "#EXT-X-DISCONTINUITY\n#EXTINF:0.3,\nb.mkv\n#EXTINF:0.5,\nit%27s%20c.ts\n"
    "#EXT-X-ENDLIST\n"
)
CONCAT = (
    "ffconcat version 1.0\n# a comment\nfile a.mp4\nduration 0.8\nfile 'b.mkv'\n"
    r"file 'it'\''s c.ts'" + "\n"
)
LISTS = {"m3u": M3U, "hls": HLS, "crlf": HLS.replace("\n", "\r\n"), "concat": CONCAT}


def stream(folder: Path, text: str, name: str = "list.m3u8") -> FormatStream:
    path = folder / name
    path.write_text(text, newline="")
    return FormatStream("list", path, Playlist())


def numbers(frames: Sequence[Any]) -> list[int]:
    return [frame_number(frame) for frame in frames]


@pytest.mark.parametrize("kind", LISTS)
def test_rows_are_those_of_the_files(folder, kind):
    made = stream(folder, LISTS[kind])
    assert made.len() == 40
    assert numbers(list(made.load())) == list(range(40))
    rows = [39, 0, 20, 19, 27, 26, 0]
    assert numbers(list(made.load(rows=rows))) == rows
    with made.reader() as reader:
        assert reader.keyframes.tolist() == [0, 5, 10, 15, 20, 25, 27, 32, 37]
        times = reader.seconds(np.arange(40))
    assert np.allclose(times, np.arange(40) / 25, atol=0.002)


@given(rows=st.lists(st.integers(0, 39), min_size=1, max_size=20))
def test_any_rows(folder, rows):
    made = stream(folder, M3U)
    assert numbers(list(made.load(rows=rows))) == rows


def test_in_a_graph(folder, tmp_path):
    made = stream(folder, HLS)
    with Client(db_path=str(tmp_path / "db")) as sc:
        out = NamedStream(sc, "out")
        told = sc.ops.PlaylistNumber(frame=sc.streams.Stride(sc.io.Input([made]), [3]))
        sc.run(sc.io.Output(told, [out]), PerfParams.manual(4, 8))
        assert list(out.load()) == list(range(0, 40, 3))


def test_in_a_pipeline(folder, tmp_path):
    stream(folder, HLS)
    options = [f"--scanner_db={tmp_path / 'db'}"]
    with beam.Pipeline(
        options=beam.options.pipeline_options.PipelineOptions(options)
    ) as p:
        rows = (
            p
            | ReadFromVideo(str(folder / "list.m3u8"), format=Playlist())
            | op("PlaylistNumber")()
            | beam.Values()
        )
        assert_that(rows, equal_to(list(range(40))))


def test_the_fingerprint_is_of_all_files(folder, tmp_path):
    for name in COUNTS:
        shutil.copy(folder / name, tmp_path / name)
    made = stream(tmp_path, M3U)
    seen = {made.fingerprint()}
    assert pickle.loads(pickle.dumps(made)).fingerprint() in seen
    for name in COUNTS:
        with open(tmp_path / name, "ab") as file:
            file.write(b"\0")
        seen.add(made.fingerprint())
    stream(tmp_path, M3U.replace("a.mp4", "b.mkv"))
    seen.add(made.fingerprint())
    assert len(seen) == 2 + len(COUNTS)


def test_files_below_the_list(folder):
    made = stream(folder, "#EXTM3U\ninner/d.mp4\n./a.mp4\n")
    assert numbers(list(made.load(rows=[0, 20, 39]))) == [0, 0, 19]


REFUSED = {
    "#EXTM3U\n/etc/passwd\n": "beside the list",
    "#EXTM3U\n../a.mp4\n": "beside the list",
    "#EXTM3U\ninner/../../a.mp4\n": "beside the list",
    "#EXTM3U\nhttp://127.0.0.1:9/a.mp4\n": "an address",
    "#EXTM3U\nfile:///etc/passwd\n": "an address",
    "#EXTM3U\nconcat:a.mp4|b.mkv\n": "an address",
    "#EXTM3U\ns3://bucket/a.mp4\n": "an address",
    "#EXTM3U\n": "names no file",
    "#EXTM3U\nmissing.mp4\n": "does not exist",
    "#EXTM3U\ninner\n": "is a folder",
    "#EXTM3U\nlist.m3u8\n": "a video is one file",
    HLS.replace("it%27s", "%2e%2e/it%27s"): "beside the list",
    HLS.replace("#EXT-X-ENDLIST\n", ""): "still being written",
    HLS.replace(
        "#EXT-X-DIS", '#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXT-X-DIS'
    ): "encrypted",
    HLS.replace("#EXT-X-DIS", "#EXT-X-BYTERANGE:9@0\n#EXT-X-DIS"): "pieces",
    HLS.replace("#EXT-X-DIS", '#EXT-X-MAP:URI="a.mp4"\n#EXT-X-DIS'): "EXT-X-MAP",
    "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8\n": "further playlists",
    "ffconcat version 1.0\nfile a.mp4\ninpoint 0.2\n": "'inpoint'",
    "ffconcat version 1.0\noption x y\nfile a.mp4\n": "'option'",
    "ffconcat version 1.0\nfile 'a.mp4\n": "cannot be read",
    "ffconcat version 1.0\nfile /etc/passwd\n": "beside the list",
    "a.mp4\n": "begins with neither",
    "": "is empty",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused(folder, text):
    made = stream(folder, text)
    for use in (made.len, made.fingerprint):
        if use == made.fingerprint and REFUSED[text] == "a video is one file":
            continue  # What it would be made from is known before it is read.
        with pytest.raises(VideoError, match=REFUSED[text]):
            use()


def test_a_link_out_of_the_folder_is_the_owners(folder, tmp_path):
    os.symlink(folder / "a.mp4", tmp_path / "link.mp4")
    assert stream(tmp_path, "#EXTM3U\nlink.mp4\n").len() == 20


def test_names_that_are_not_utf_8(folder, tmp_path):
    name = os.fsdecode(b"\xff.mp4")
    shutil.copy(folder / "a.mp4", tmp_path / name)
    path = tmp_path / "list.m3u8"
    path.write_bytes(b"\xef\xbb\xbf#EXTM3U\n\xff.mp4\n")
    assert listed_files(str(path)) == [f"{tmp_path}/{name}"]
    assert FormatStream("list", path, Playlist()).len() == 20


@given(st.text(st.characters(exclude_characters="\n\r"), min_size=1))
def test_quoting(name):
    assert _unquoted("", "'" + name.replace("'", r"'\''") + "'") == name


def test_as_one_file_it_is_refused_with_the_way_out(folder):
    stream(folder, CONCAT, "film.mp4")
    with pytest.raises(VideoError, match="Playlist"):
        index_video(str(folder / "film.mp4"))
