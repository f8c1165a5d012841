"""Files and databases that cannot be read or written, and names that cannot be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import (
    CacheMode,
    FrameType,
    Kernel,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    ScannerException,
    register_python_op,
)
from tests.support.client_helpers import files_of, numbers, open_client, work_left
from tests.support.folders import ROOT
from tests.support.refusals import failures_of, refused, run
from tests.support.video_fixtures import frame_number, make_video

# Files


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "truncated", "folder"])
def test_files_that_are_no_video(sc, tmp_path, small_video, kind):
    """One bad file fails its own stream; the message has path and name."""
    path = tmp_path / f"{kind}.mp4"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("this is no video\n" * 100)
    elif kind == "truncated":
        data = Path(small_video).read_bytes()
        path.write_bytes(data[: len(data) // 2])
    elif kind == "folder":
        path.mkdir()
    inputs = [
        NamedVideoStream(sc, "bad", path=str(path)),
        NamedVideoStream(sc, "good", path=small_video),
    ]
    outputs = [NamedStream(sc, "bad hist"), NamedStream(sc, "good hist")]
    hist = sc.ops.Histogram(frame=sc.io.Input(inputs))
    failures = failures_of(sc, sc.io.Output(hist, outputs))
    assert [failure.stream for failure in failures] == ["bad hist"]
    assert str(path) in failures[0].reason
    assert not outputs[0].committed()
    assert outputs[1].len() == 60
    assert not work_left(sc.db_path)
    with pytest.raises(ScannerException, match=str(path)) as caught:
        inputs[0].len()
    assert isinstance(caught.value, ValueError)
    # Alone, too, and again: nothing is left of the attempt.
    with pytest.raises(ScannerException, match=str(path)):
        run(
            sc,
            sc.io.Output(sc.ops.Histogram(frame=sc.io.Input(inputs[:1])), outputs[:1]),
        )
    assert not sc.has_table("bad hist")


def test_a_video_that_changed(sc, tmp_path, small_video):
    path = tmp_path / "v.mp4"
    shutil.copy(small_video, path)
    stream = NamedVideoStream(sc, "v", path=str(path))
    output = NamedStream(sc, "out")
    first = sc.io.Output(sc.ops.Histogram(frame=sc.io.Input([stream])), [output])
    run(sc, first)
    make_video(path, frames=20)
    again = sc.io.Output(
        sc.ops.Histogram(
            frame=sc.io.Input([NamedVideoStream(sc, "v", path=str(path))])
        ),
        [output],
    )
    with pytest.raises(ScannerException, match=r"v\.mp4.*has changed"):
        run(sc, again, cache_mode=CacheMode.Overwrite)
    assert output.len() == 60
    path.unlink()
    with pytest.raises(ScannerException, match=r"v\.mp4"):
        list(NamedVideoStream(sc, "v").load())


def test_inputs_that_are_not_there(sc, no_workers):
    for stream in (NamedStream(sc, "nothing"), NamedVideoStream(sc, "nothing")):
        column = sc.io.Input([stream])
        output = NamedStream(sc, "out")
        if isinstance(stream, NamedVideoStream):
            output = NamedVideoStream(sc, "out")
        refused(
            sc,
            sc.io.Output(column, [output]),
            FileNotFoundError,
            "'nothing' does not exist or was never committed",
        )
        with pytest.raises(ScannerException, match="nothing") as caught:
            stream.len()
        assert isinstance(caught.value, FileNotFoundError)
        loading = stream.load()
        with pytest.raises(ScannerException, match="uncommitted stream 'nothing'"):
            next(loading)


def test_inputs_of_several_types(sc, small_video, no_workers):
    video = NamedVideoStream(sc, "clip", path=small_video)
    values, texts = NamedStream(sc, "values"), NamedStream(sc, "texts")
    values.save([1, 2], Any)
    texts.save(["a", "b"], str)
    for first, second, message in [
        (video, values, "'clip' holds FrameType, 'values' holds Any"),
        (values, video, "'values' holds Any, 'clip' holds FrameType"),
        (values, texts, "'values' holds Any, 'texts' holds "),
    ]:
        kind = NamedVideoStream if first is video else NamedStream
        outputs = [kind(sc, name) for name in ("out", "out2")]
        made = sc.io.Output(sc.io.Input([first, second]), outputs)
        refused(sc, made, TypeError, f"must hold one type: {message}")


# Databases


def test_two_format_versions(sc, tmp_path):
    with open_client(tmp_path / "old") as old:
        NamedStream(old, "s").save([b"1"])
    marker = tmp_path / "old" / "beam_scanner.json"
    found = json.loads(marker.read_text())
    key = next(k for k in found if "version" in k)
    marker.write_text(json.dumps({**found, key: 999}))
    with pytest.raises(ScannerException, match="999") as caught:
        open_client(tmp_path / "old")
    assert isinstance(caught.value, OSError)
    assert str(found[key]) in str(caught.value)
    assert str(tmp_path / "old") in str(caught.value)
    with pytest.raises(ScannerException, match="999"):
        NamedStream(
            sc, "s", storage=old.named_storage.__class__(tmp_path / "old")
        ).len()
    marker.write_text("{")
    with pytest.raises(ScannerException, match=r"beam_scanner\.json|old"):
        open_client(tmp_path / "old")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command here")
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting a tmpfs is not permitted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@register_python_op()
class BadNoise(Kernel):
    def __init__(self, config, size):
        self.size = size

    def execute(self, frame: FrameType) -> bytes:
        return np.random.default_rng(frame_number(frame)).bytes(self.size)


@pytest.mark.parametrize("io", [4, 60])
def test_a_full_disk(small_disk, small_video, io):
    """The stream fails, the old one survives, and there is room again."""
    with open_client(small_disk / "db") as sc:
        frame = sc.io.Input([NamedVideoStream(sc, "clip", path=small_video)])
        output = NamedStream(sc, "out")
        output.save([b"old"])
        too_much = sc.io.Output(sc.ops.BadNoise(frame=frame, size=200_000), [output])
        with pytest.raises(ScannerException, match="no space left"):
            run(
                sc,
                too_much,
                PerfParams.manual(4, io),
                cache_mode=CacheMode.Overwrite,
            )
        assert list(output.load()) == [b"old"]
        assert not [n for n in files_of(small_disk / "db") if n.startswith(".tmp/")]
        little = sc.io.Output(sc.ops.BadNoise(frame=frame, size=20), [output])
        run(sc, little, cache_mode=CacheMode.Overwrite)
        assert output.len() == 60
        assert not [n for n in work_left(small_disk / "db") if "/runs/" in n]


@pytest.fixture
def public_folder():
    """A folder that other users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.slow
def test_a_database_without_write_permission(public_folder):
    """Run as another user, since root may write everywhere."""
    uid = os.getuid() if os.getuid() != 0 else 65534
    db = public_folder / "db"
    for folder in (db, public_folder / "free"):
        with open_client(folder) as sc:
            NamedStream(sc, "old").save([b"old"])
    script = textwrap.dedent(
        f"""
        import os, sys
        sys.path.insert(0, {str(ROOT)!r})
        from beam_scanner import *

        def run(db):
            sc = Client(db_path=db, options=['--direct_running_mode=in_memory'])
            print('old:', list(NamedStream(sc, 'old').load()))
            column = sc.io.Input([NamedStream(sc, 'old')])
            output = sc.io.Output(sc.ops.Pass(input=column), [NamedStream(sc, 'new')])
            sc.run(output, PerfParams.estimate(), show_progress=False)

        # Loads what the other user may not be allowed to read: the interpreter.
        run({str(public_folder / "free")!r})
        os.setuid({uid})
        try:
            run({str(db)!r})
        except ScannerException as error:
            print('caught:', type(error).__mro__[1:3], error)
        """
    )
    before = files_of(db)
    subprocess.run(["chmod", "-R", "a-w,a+rX", str(db)], check=True)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(db)], check=True)
    assert done.returncode == 0, done.stderr
    assert "caught:" in done.stdout, done.stdout + done.stderr
    assert "OSError" in done.stdout
    assert str(db) in done.stdout
    assert "ermission" in done.stdout
    # What is there can be read.
    assert done.stdout.count("old: [b'old']") == 2
    assert files_of(db) == before


# Names


@pytest.mark.parametrize(
    "name",
    ["a/b/c", "two words", "größe/日本語", "a.b", "x%2Fy", "CON", "a:b*c?", "é" * 60],
)
def test_stream_names(sc, frame, name):
    video, blob = NamedVideoStream(sc, name), NamedStream(sc, f"{name}.hist")
    ranged = sc.streams.Range(frame, [(0, 3)])
    run(
        sc,
        [
            sc.io.Output(ranged, [video]),
            sc.io.Output(sc.ops.Histogram(frame=ranged), [blob]),
        ],
    )
    assert numbers(NamedVideoStream(sc, name)) == [1000, 1001, 1002]
    assert blob.len() == 3
    root = os.path.realpath(sc.db_path)
    for file in video.files() + blob.files():
        assert os.path.realpath(file).startswith(root + os.sep)
        assert os.path.exists(file)
    assert sc.has_table(name)
    sc.delete_table(name)
    assert not video.committed()
    assert blob.committed()


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/etc/x", "", "x" * 1000])
def test_names_that_would_leave_the_database(sc, name):
    with pytest.raises(ScannerException) as caught:
        NamedStream(sc, name)
    assert isinstance(caught.value, ValueError)
    assert repr(name)[:20].rstrip("'") in str(caught.value)
    with pytest.raises(ScannerException):
        NamedVideoStream(sc, name, path="x.mp4")
    assert not (Path(sc.db_path).parent / "out").exists()


def test_names_that_are_not_text(sc):
    for name in (3, None, b"x"):
        with pytest.raises(ScannerException):
            NamedStream(sc, name)  # type: ignore[arg-type]


def test_rows_to_load(sc):
    stream = NamedStream(sc, "s")
    stream.save([b"0", b"1", b"2"])
    assert list(stream.load(rows=[2, 0, 2])) == [b"2", b"0", b"2"]
    for rows in ([3], [-1], [0, 99]):
        with pytest.raises(ScannerException, match=r"'s'.*3|3.*'s'") as caught:
            list(stream.load(rows=rows))
        assert isinstance(caught.value, IndexError)
    with pytest.raises(ScannerException):
        list(stream.load(rows=["a"]))  # type: ignore[list-item]


def test_new_tables(sc):
    with pytest.raises(ScannerException, match="2"):
        sc.new_table("t", ["a", "b"], [[b"1", b"2"], [b"3"]])
    with pytest.raises(ScannerException):
        sc.new_table("t", ["a"], [["text"]])
    assert not sc.has_table("t")
