"""Sounds, captions, files and packed files that lie in buckets."""

from __future__ import annotations

import struct
from pathlib import PurePosixPath

import numpy as np
import pytest

from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.errors import ArgumentError, StorageError, VideoError
from beam_scanner.storage import (
    AudioStream,
    CaptionStream,
    FilesStorage,
    FilesStream,
    PackedFileStream,
)
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.stores import open_store, paths
from tests.support.sounds import music, noise, write_audio, write_wav
from tests.support.video_fixtures import make_video

CAPTIONS = "1\n00:00:01,500 --> 00:00:02,000\nHello\n"
ELEMENTS = [b"", b"one", b"\0" * 1000, "zwölf".encode()]
IN_MEMORY = ["--direct_running_mode=in_memory"]


@pytest.fixture
def put(bucket_url):
    """Stores an object, and gives its URL."""

    def store(name: str, data: bytes) -> str:
        open_store(bucket_url).put(f"in/{name}", data)
        return f"{bucket_url}/in/{name}"

    return store


@pytest.mark.parametrize("kind", ["wav", "mp3", "mkv"])
def test_sounds(kind, tmp_path, put):
    path = tmp_path / f"a.{kind}"
    if kind == "wav":
        write_wav(path, noise(40_000))
    else:
        codec = "libmp3lame" if kind == "mp3" else "flac"
        write_audio(path, music(400_000, 8000), 8000, codec)
    local = AudioStream(path, frame_size=0.5)
    remote = AudioStream(put(path.name, path.read_bytes()), frame_size=0.5)
    assert remote.committed()
    assert remote.len() == local.len() > 4
    assert remote.fingerprint() == local.fingerprint()
    rows = [remote.len() - 1, 0, 3]
    for one, other in zip(remote.load(rows=rows), local.load(rows=rows), strict=True):
        assert np.array_equal(one, other)


def test_captions_and_packed_files(tmp_path, put):
    captions = CaptionStream(put("a.srt", CAPTIONS.encode()), 1, 3)
    (tmp_path / "a.srt").write_text(CAPTIONS)
    local = CaptionStream(tmp_path / "a.srt", 1, 3)
    assert list(captions.load()) == list(local.load())
    assert captions.fingerprint() == local.fingerprint()
    sizes = [len(element) for element in ELEMENTS]
    head = struct.pack(f"<Q{len(sizes)}Q", len(sizes), *sizes)
    packed = PackedFileStream(put("a.packed", head + b"".join(ELEMENTS)))
    assert list(packed.load(rows=[3, 0, 1])) == [ELEMENTS[3], ELEMENTS[0], ELEMENTS[1]]
    assert packed.estimate_size() == (8 * 5 + sum(sizes)) // 4


def test_objects_that_are_not_there(bucket_url):
    missing = f"{bucket_url}/in/missing"
    assert not AudioStream(missing, 1).committed()
    with pytest.raises(VideoError, match=r"audio .*missing' does not exist"):
        AudioStream(missing, 1).len()
    for stream in (CaptionStream(missing, 1, 3), FilesStream([missing])):
        assert not stream.exists()
        with pytest.raises(StorageError, match="missing"):
            stream.fingerprint()
    with pytest.raises(StorageError, match="missing"):
        PackedFileStream(missing).len()


def _write(stream, generation, elements, attempt="a"):
    writer = stream.segment_writer(SegmentTask(generation, 0, attempt, 0, None, None))
    writer.write(0, elements, np.zeros(len(elements)))
    return [writer.finish()]


def _keys(url):
    return sorted(open_store(url).list())


def test_files_are_replaced_at_the_commit(bucket_url, put, monkeypatch):
    urls = [put(f"{i}.bin", b"old") for i in range(4)]
    stream = FilesStream(urls)
    records = _write(stream, "g1", ELEMENTS)
    _write(stream, "g1", [b"lost"] * 4, attempt="b")
    assert list(stream.load()) == [b"old"] * 4
    move = paths.move_file

    def killed(source, target):
        if target.endswith("2.bin"):
            raise KeyboardInterrupt
        move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("beam_scanner.storage.streams.files.move_file", killed)
        with pytest.raises(KeyboardInterrupt):
            stream.publish(Publication("g1", records, "fingerprint", "run", "source"))
    assert not stream.committed()
    stream.publish(Publication("g1", records, "fingerprint", "run", "source"))
    assert stream.committed()
    assert list(stream.load()) == ELEMENTS
    assert _keys(bucket_url) == [f"in/{i}.bin" for i in range(4)]
    stream.publish(Publication("g1", records, "fingerprint", "run", "source"))
    _write(stream, "g2", ELEMENTS)
    stream.delete()
    assert _keys(bucket_url) == []


def test_a_graph_from_bucket_to_bucket(bucket_url, put):
    scheme, _, bucket = bucket_url.partition("://")
    storage = FilesStorage({"gs": "gcs"}.get(scheme, scheme), bucket=bucket)
    put("a.bin", b"a")
    put("b.bin", b"b")
    source = FilesStream([PurePosixPath("in/a.bin"), "/in/b.bin"], storage)
    assert source.paths == (f"{bucket_url}/in/a.bin", f"{bucket_url}/in/b.bin")
    made = FilesStream(["made/a.bin", "made/b.bin"], storage)
    sc = Client(db_path=f"{bucket_url}/db", options=IN_MEMORY)
    output = sc.io.Output(sc.io.Input([source]), [made])
    sc.run(output, PerfParams.estimate(), show_progress=False)
    assert list(made.load()) == [b"a", b"b"]


def test_workers_elsewhere_are_not_sent_to_files_here(
    object_server, bucket_url, tmp_path, put
):
    if object_server.scheme != "gs":
        pytest.skip("Dataflow's own buckets are gs://")
    pytest.importorskip("google.cloud.dataflow_v1beta3", reason="needs the gcp extra")
    make_video(tmp_path / "a.mp4", 5)
    (tmp_path / "a.srt").write_text(CAPTIONS)
    flags = [
        "--runner=DataflowRunner",
        "--project=project-name",
        "--region=us-central1",
        f"--temp_location={bucket_url}/temp",
        "--sdk_container_image=gcr.io/project-name/image",
    ]
    sc = Client(db_path=f"{bucket_url}/db", options=flags)
    for number, stream in enumerate(
        [
            NamedVideoStream(sc, "a", path=tmp_path / "a.mp4"),
            CaptionStream(tmp_path / "a.srt", 1, 3),
        ]
    ):
        made = NamedStream(sc, f"out{number}")
        column = sc.io.Input([stream])
        if number == 0:
            column = sc.ops.Histogram(frame=column)
        output = sc.io.Output(column, [made])
        with pytest.raises(ArgumentError, match="out of reach of Dataflow's workers"):
            sc.run(output, PerfParams.estimate(), show_progress=False)
    # What was copied into the database is in reach, wherever it came from.
    path = str(tmp_path / "a.mp4")
    sc.ingest_videos([("copy", path)])
    copy = NamedVideoStream(sc, "copy", path=path)
    assert copy.len() == 5
    assert copy.places() == [f"{bucket_url}/db"]
    sc.ingest_videos([("here", path)], inplace=True)
    here = NamedStream(sc, "here")
    assert here.len() == 5
    assert here.places() == [f"{bucket_url}/db", path]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"storage_type": "ftp"}, "must be one of 'posix', 'gcs', 's3', got 'ftp'"),
        ({"storage_type": "gcs"}, "needs a bucket"),
        ({"bucket": "b"}, "'posix'. has no bucket"),
        (
            {"storage_type": "gcs", "bucket": "b", "endpoint": "a"},
            "STORAGE_EMULATOR_HOST",
        ),
    ],
)
def test_storages_that_are_none(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        FilesStorage(**arguments)


def test_scanners_services_may_be_named(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    FilesStorage("s3", bucket="b", region="eu-west-1")
    with pytest.raises(ArgumentError, match="FilesStorage has region 'us-east-1'"):
        FilesStorage("s3", bucket="b", region="us-east-1")
    FilesStorage("gcs", "b", "us-west1", "https://storage.googleapis.com")


@pytest.mark.parametrize("url", ["http://a/b", "gs://", "gs://bucket", "gs://b/../a"])
def test_urls_that_are_none(url):
    for make in (lambda: FilesStream([url]), lambda: AudioStream(url, 1)):
        with pytest.raises(ArgumentError):
            make()
