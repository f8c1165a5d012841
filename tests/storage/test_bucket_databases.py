"""Databases and videos in buckets: the same bytes as on a local disk."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from beam_scanner.errors import (
    JobCancelled,
    StreamExistsError,
    StreamReplacedError,
    VideoError,
    WorkerError,
)
from beam_scanner.run import launch, liveness
from beam_scanner.run.active_runs import find_active
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.runners.start import run_pipeline
from beam_scanner.storage import (
    NamedStorage,
    NamedStream,
    NamedVideoStream,
    gc,
    open_store,
)
from beam_scanner.storage.descriptor import read_descriptor
from beam_scanner.video.indexing import index_video
from tests.run.test_numbered_runs import soon
from tests.support import bucket_graphs, slow_runs
from tests.support.bucket_graphs import ROWS
from tests.support.client_helpers import open_client
from tests.support.long_videos import upload
from tests.support.small_runs import JOBS, Setting
from tests.support.video_fixtures import frame_number, make_video

pytestmark = pytest.mark.slow


def contents(stream):
    """The bytes of all files of a stream, in the order of its rows."""
    store = stream.storage().store()
    return [store.read(key) for key in stream.descriptor().file_keys()]


def work_left(store):
    return [
        key for key in store.list(".work/") if not key.startswith(".work/profiles/")
    ]


def program_environment(pause):
    path = os.pathsep.join(sys.path)
    return os.environ | {"PYTHONPATH": path, bucket_graphs.PAUSE: pause}


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "a.mp4"
    return make_video(path, frames=2 * ROWS, gop=12, size=(160, 120))


@pytest.fixture(scope="session")
def local_bytes(clip, tmp_path_factory):
    """What the graph leaves on a local disk."""
    _, streams = bucket_graphs.run(str(tmp_path_factory.mktemp("db")), clip)
    return [contents(stream) for stream in streams]


def test_a_run_leaves_the_same_bytes_as_on_a_disk(
    bucket_url, clip, local_bytes, tmp_path
):
    film = upload(f"{bucket_url}/films/a.mp4", clip)
    database = f"{bucket_url}/db"
    report, streams = bucket_graphs.run(database, film)
    assert not report.failures
    assert [contents(stream) for stream in streams] == local_bytes
    video, table = streams
    assert [frame_number(f) for f in video.load(rows=[7, 0, 59])] == [14, 0, 118]
    assert len(list(table.load())) == ROWS
    assert all(file.startswith(f"{database}/small/") for file in video.files())
    saved = NamedVideoStream(
        video.storage(), "saved", path=video.save_mp4(tmp_path / "x")
    )
    assert [frame_number(frame) for frame in saved.load()] == list(range(0, 120, 2))
    assert work_left(open_store(database)) == []
    assert gc(NamedStorage(database)).keys == ()
    again, _ = bucket_graphs.run(database, film)
    assert not again.failures
    assert [contents(stream) for stream in streams] == local_bytes


def test_a_run_that_is_killed_goes_on(bucket_url, clip, local_bytes):
    """In a process of its own, killed once some tasks are done."""
    film = upload(f"{bucket_url}/films/a.mp4", clip)
    database = f"{bucket_url}/db"
    store = open_store(database)

    def finished():
        keys = store.list(".work/jobs/")
        return [key for key in keys if key.count("/") == 4 and "internal" not in key]

    program = [sys.executable, bucket_graphs.__file__, database, film]
    environment = program_environment("0.15")
    with subprocess.Popen(program, env=environment) as process:
        end = time.monotonic() + 300
        while len(finished()) < 2 and time.monotonic() < end and process.poll() is None:
            time.sleep(0.05)
        process.kill()
    done = len(finished())
    assert 2 <= done < 6
    assert not NamedStream(NamedStorage(database), "means").committed()
    report, streams = bucket_graphs.run(database, film)
    assert report.reused == done
    assert report.tasks == 6 - done
    assert [contents(stream) for stream in streams] == local_bytes


def test_two_writers_of_one_stream(bucket_url):
    """Whoever reads sees the whole of the one or of the other; who loses is told."""
    database = f"{bucket_url}/db"
    NamedStream(NamedStorage(database), "a").save([b"0"] * 5)
    barrier = threading.Barrier(3)
    writing, lost = 2, []

    def write(writer):
        nonlocal writing
        stream = NamedStream(NamedStorage(database), "a")
        barrier.wait()
        try:
            for turn in range(6):
                try:
                    stream.save([b"%d %d" % (writer, turn)] * (writer + turn))
                except StreamReplacedError:
                    lost.append((writer, turn))
        finally:
            writing -= 1

    def read():
        stream = NamedStream(NamedStorage(database), "a")
        barrier.wait()
        seen = []
        while writing:
            found = read_descriptor(open_store(database), "a")
            assert found is not None
            assert found.rows == sum(record["rows"] for record in found.segments)
            seen.append(stream.len())
        return seen

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(write, 1), pool.submit(write, 2), pool.submit(read)]:
            done.result()
    left = list(NamedStream(NamedStorage(database), "a").load())
    writer, turn = map(int, left[0].split())
    assert left == [b"%d %d" % (writer, turn)] * (writer + turn)
    assert (writer, turn) not in lost
    assert len(lost) < 12
    assert gc(NamedStorage(database)).keys == ()
    assert len(list(open_store(f"{database}/a").list())) == 2


def run_with(monkeypatch, setting, meanwhile, mode):
    """A run; something happens between its begin and its first task."""

    def run_later(*args, **options):
        monkeypatch.setattr(launch, "run_pipeline", run_pipeline)
        meanwhile()
        run_pipeline(*args, **options)

    monkeypatch.setattr(launch, "run_pipeline", run_later)
    return setting.run(mode, by=3)


@pytest.mark.parametrize("mode", [CacheMode.Error, CacheMode.Overwrite])
def test_another_run_commits_meanwhile(bucket_url, mode, monkeypatch):
    setting = Setting.make(f"{bucket_url}/db")
    if mode is CacheMode.Overwrite:
        setting.run(by=7)
    other = partial(setting.run, CacheMode.Overwrite, by=5)
    report = run_with(monkeypatch, setting, other, mode)
    assert [failure.stream for failure in report.failures] == ["scaled/0", "scaled/1"]
    assert "was replaced by another run at 20" in report.failures[0].reason
    setting.check_values(by=5)
    assert gc(setting.storage).keys == ()
    assert work_left(setting.storage.store()) == []


def test_a_run_stopped_as_it_tidies_up_is_known_again(bucket_url, monkeypatch):
    setting = Setting.make(f"{bucket_url}/db")

    def stop(done):
        done[0].files.remove()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(launch, "end_jobs", stop)
        with pytest.raises(KeyboardInterrupt):
            setting.run(CacheMode.Error)
    report = setting.run(CacheMode.Error)
    assert (len(report.cached), report.tasks) == (JOBS, 0)
    assert work_left(setting.storage.store()) == []
    with pytest.raises(StreamExistsError):
        setting.run(CacheMode.Error)


def test_two_runs_of_one_job_at_once(bucket_url, clip, local_bytes):
    """Two processes, one database: manifests pick one attempt of each task."""
    film = upload(f"{bucket_url}/films/a.mp4", clip)
    database = f"{bucket_url}/db"
    program = [sys.executable, bucket_graphs.__file__, database, film]
    environment = program_environment("0.02")
    runs = [
        subprocess.Popen(program, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for run in runs:
        _, problems = run.communicate(timeout=400)
        assert run.returncode == 0, problems
    storage = NamedStorage(database)
    streams = [NamedVideoStream(storage, "small"), NamedStream(storage, "means")]
    assert [contents(stream) for stream in streams] == local_bytes
    assert work_left(open_store(database)) == []


def test_bad_videos(bucket_url):
    storage = NamedStorage(f"{bucket_url}/db")
    with pytest.raises(VideoError, match=r"films/none\.mp4' does not exist"):
        NamedVideoStream(storage, "a", path=f"{bucket_url}/films/none.mp4").len()
    bucket = open_store(bucket_url)
    for name, data in (("empty.mp4", b""), ("text.mp4", b"no video\n" * 5000)):
        bucket.put(name, data)
        with pytest.raises(VideoError, match=f"{bucket_url}/{name}'"):
            NamedVideoStream(storage, "a", path=f"{bucket_url}/{name}").len()


def test_a_video_that_changes(bucket_url, clip, tmp_path):
    film = upload(f"{bucket_url}/a.mp4", clip)
    storage = NamedStorage(tmp_path / "db")
    assert NamedVideoStream(storage, "a", path=film).ingest().rows == 2 * ROWS
    upload(film, make_video(tmp_path / "b.mp4", frames=30))
    with pytest.raises(VideoError, match=r"a\.mp4' of stream 'a' has changed"):
        NamedVideoStream(storage, "a", path=film).len()


def test_a_local_database_of_videos_in_a_bucket(bucket_url, clip, tmp_path):
    film = upload(f"{bucket_url}/a.mp4", clip)
    stream = NamedVideoStream(NamedStorage(tmp_path), "a", path=film)
    assert stream.path == film
    assert stream.files() == [film]
    assert frame_number(next(stream.load(rows=[77]))) == 77
    local = NamedVideoStream(NamedStorage(tmp_path), "b", path=Path(clip).as_uri())
    assert local.path == clip
    assert local.fingerprint() == stream.fingerprint()


@pytest.mark.parametrize("object_server", ["gs"], indirect=True)
def test_beam_finds_the_same_objects(bucket_url, clip):
    """Paths that Beam's own transforms give are ours too."""
    import apache_beam as beam
    from apache_beam.io.fileio import MatchFiles
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.testing.util import assert_that, equal_to

    film = upload(f"{bucket_url}/films/a.mp4", clip)
    options = PipelineOptions(["--runner=FnApiRunner"])
    with beam.Pipeline(options=options) as pipeline:
        found = (
            pipeline
            | MatchFiles(f"{bucket_url}/films/*.mp4")
            | beam.Map(lambda match: (match.path, len(index_video(match.path))))
        )
        assert_that(found, equal_to([(film, 2 * ROWS)]))


def test_a_detached_run_is_followed_cancelled_and_found_dead(
    bucket_url, tmp_path, monkeypatch
):
    sc = open_client(f"{bucket_url}/db", ["--direct_running_mode=in_memory"])
    job = slow_runs.start(sc, tmp_path, detach=True)
    assert sc.get_active_jobs() == [job]
    statuses = sc.wait_on_job_gen(job)
    assert soon(lambda: next(statuses).tasks_done)
    canceller = threading.Thread(target=sc.cancel, args=[job])
    canceller.start()
    with pytest.raises(JobCancelled):
        list(statuses)
    canceller.join()
    job = slow_runs.start(sc, tmp_path, detach=True)
    run = find_active(sc.named_storage.store(), job)
    # Longer than from one sign of life to the next.
    monkeypatch.setattr(liveness, "LOST_SECONDS", liveness.BEAT_SECONDS + 5)
    time.sleep(liveness.BEAT_SECONDS + 6)
    assert sc.get_active_jobs() == [job]
    os.kill(int(run.worker.rpartition(":")[2]), signal.SIGKILL)
    with pytest.raises(WorkerError, match="was killed"):
        sc.wait_on_job(job)
    assert sc.get_active_jobs() == []
    (tmp_path / slow_runs.GO).touch()
    assert slow_runs.start(sc, tmp_path) == job + 1
    assert sc.report(job + 1).reused
