"""Questions change nothing: not the database, and not what is said next."""

from __future__ import annotations

import inspect
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.cli.main import main
from beam_scanner.errors import ScannerException
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.scannerpy.table import Column, Table
from beam_scanner.storage import (
    AudioStream,
    CaptionStream,
    FilesStream,
    LocalStore,
    NamedStorage,
    ObjectStore,
    PackedFileStream,
    PythonStream,
    StoredStream,
)
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.streams.formats import FormatStream, NumpyStack
from tests.support.video_fixtures import make_video

PERF = PerfParams.manual(10, 10)

READS = {
    *("read", "size", "exists", "list", "open", "local_path", "describe", "try_read"),
    *("relaxed", "sizes", "is_link"),
}


class ReadOnly(LocalStore):
    """A store of which nothing but reading is asked."""


def _refusing(name: str) -> Callable[..., Any]:
    def refuse(*args: Any, **options: Any) -> Any:
        raise AssertionError(f"{name}{args[1:]} would change the database")

    return refuse


for _name, _ in inspect.getmembers(ObjectStore, callable):
    if not _name.startswith("_") and _name not in READS:
        setattr(ReadOnly, _name, _refusing(_name))
ReadOnly.relaxed = lambda self: self  # type: ignore[method-assign]


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder, when it was changed last and how large it is."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        if path.exists():
            status = path.stat()
            found[str(path)] = status.st_mtime_ns, status.st_size
    return found


@pytest.fixture
def video(tmp_path: Path) -> str:
    (tmp_path / "in").mkdir()
    return str(make_video(tmp_path / "in" / "a.mp4", 30, gop=10))


@pytest.fixture(params=["none", "filled"])
def db(request: pytest.FixtureRequest, tmp_path: Path, video: str) -> Path:
    folder = tmp_path / "db"
    if request.param == "filled":
        sc = Client(db_path=str(folder))
        NamedVideoStream(sc, "known", path=video).ingest()
        NamedStream(sc, "numbers").save([1, 2, 3], int)
        sc.new_table("pairs", ["a", "b"], [[b"1", b"2"]])
        output = sc.io.Output(
            sc.io.Input([NamedVideoStream(sc, "known")]), [NamedVideoStream(sc, "made")]
        )
        sc.run(output, PERF, show_progress=False)
    return folder


@pytest.fixture
def unchanged(db: Path) -> Any:
    before = state(db)
    yield
    assert state(db) == before
    assert db.exists() == bool(before)


# What is no question. Whatever is added must be put here or be harmless.
WRITES = {
    StoredStream: {
        *(
            "delete",
            "write",
            "commit",
            "segment_writer",
            "publish",
            "discard",
            "save_over",
            "tidy",
            "unpublish",
        ),
        *("save", "save_mp4", "ingest", "with_damage"),
    },
    Client: {
        *("run", "preview", "cancel", "ingest_videos"),
        *("delete_table", "delete_tables", "new_table"),
        *("load_op", "register_op", "register_python_kernel"),
        *("start_master", "start_workers"),
    },
    Table: set[str](),
    Column: {"save_mp4"},
}

EMPTY = StreamDescriptor("a", "blob", "Bytes", 0, "g")

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "has_segment": ("g", {"files": ["x"]}),
    "check_trust": (None,),
    "is_whole": (EMPTY,),
    "missing_files": (EMPTY,),
    "report": (1,),
    "wait_on_job": (1,),
    "wait_on_job_gen": (1,),
    "get_profile": (1,),
    "table": ("known",),
    "has_table": ("known",),
    "sequence": ("known",),
    "column": ("frame",),
    "find_column": ("frame",),
}


def ask_all(subject: Any, kind: type, **arguments: tuple[Any, ...]) -> set[str]:
    """Calls every public method that is a question, and uses what it gives."""
    asked = set()
    for name, _ in inspect.getmembers(type(subject)):
        if name.startswith("_") or name in WRITES[kind]:
            continue
        given = {**ARGUMENTS, **arguments}.get(name, ())
        asked.add(name)
        try:
            found = getattr(subject, name)
            found = found(*given) if inspect.isroutine(found) else found
            if inspect.isgenerator(found) or hasattr(found, "__next__"):
                list(found)
            if hasattr(found, "__len__"):
                len(found)
            if name == "reader":
                found.read([0])
                found.close()
        except ScannerException:
            continue
        repr(found)
    repr(subject)
    str(subject)
    pickle.loads(pickle.dumps(subject)) if kind is StoredStream else None
    for hook in ("_repr_html_", "_repr_mimebundle_", "__len__", "__iter__"):
        if hasattr(subject, hook):
            getattr(subject, hook)()
    return asked


def streams(storage: NamedStorage, tmp_path: Path, video: str) -> list[StoredStream]:
    captions, packed, stack = (tmp_path / "in" / n for n in ("a.srt", "p", "s.npy"))
    captions.write_text("1\n00:00:00,500 --> 00:00:00,900\nhello\n")
    packed.write_bytes(np.array([1, 3], "<u8").tobytes() + b"abc")
    np.save(stack, np.zeros((2, 8, 8, 3), np.uint8))
    names = ("known", "numbers", "made", "none", "pairs")
    return [
        *(NamedStream(storage, name) for name in names),
        *(NamedVideoStream(storage, name) for name in names),
        *(NamedVideoStream(storage, name, path=video) for name in (*names, "new")),
        NamedVideoStream(storage, "salvaged", path=video, damage="salvage"),
        NamedVideoStream(storage, "known", path=video, damage="salvage"),
        NamedVideoStream(storage, "new", path=tmp_path / "no.mp4"),
        NamedVideoStream(storage, "new", path=captions),
        AudioStream(str(video), 0.5),
        CaptionStream(captions, 1, 2),
        PackedFileStream(packed),
        FilesStream([str(packed), str(tmp_path / "in" / "none")]),
        PythonStream([b"a"]),
        FormatStream("stack", stack, NumpyStack(rate=25)),
    ]


def test_streams(db: Path, tmp_path: Path, video: str, unchanged: None) -> None:
    storage = NamedStorage(ReadOnly(db))
    asked_of = streams(storage, tmp_path, video)
    before = state(tmp_path / "in")
    for stream in asked_of:
        asked = ask_all(stream, StoredStream)
        assert {"exists", "committed", "len", "load", "estimate_size"} <= asked
    assert state(tmp_path / "in") == before


def test_a_video_that_is_not_indexed(db: Path, video: str, unchanged: None) -> None:
    stream = NamedVideoStream(NamedStorage(ReadOnly(db)), "new", path=video)
    assert (stream.exists(), stream.committed()) == (True, False)
    assert stream.len() == 30
    assert len(list(stream.load(rows=[29, 3, 3]))) == 3
    assert stream.files() == [video]
    assert not stream.committed()
    fingerprint = stream.fingerprint()
    os.remove(video)
    assert not stream.exists()
    again = pickle.loads(pickle.dumps(stream))
    with pytest.raises(ScannerException, match="does not exist"):
        again.len()
    make_video(Path(video), 40)
    assert again.len() == 40
    assert again.fingerprint() != fingerprint


def test_a_client(db: Path, tmp_path: Path, video: str, unchanged: None) -> None:
    sc = Client(db_path=str(db))
    sc.named_storage = NamedStorage(ReadOnly(db))
    sc._tables = type(sc._tables)(sc.named_storage)
    films = [NamedVideoStream(sc, name, path=video) for name in ("new", "known")]
    graph = sc.io.Output(
        sc.ops.Histogram(frame=sc.io.Input(films)),
        [NamedStream(sc, name) for name in ("one", "two")],
    )
    tables = [sc.table(name) for name in ("known", "numbers", "pairs", "none")]
    there = [table for table in tables if table.exists()]
    asked = ask_all(
        sc,
        Client,
        explain=(graph,),
        bulk_fetch_video_metadata=(there,),
        batch_load=(there[:1], "frame", print),
    )
    assert {"explain", "summarize", "get_profile", "table", "has_table"} <= asked
    for table in tables:
        ask_all(table, Table, load=(["frame"],))
        for name in table.column_names() if table.exists() else ():
            ask_all(table.column(name), Column)
    plan = sc.explain(graph)
    assert [job.name for job in plan.jobs] == ["one", "two"], plan.failures
    assert plan.failures == []


def test_questions_give_what_a_run_then_finds(tmp_path: Path, video: str) -> None:
    sc = Client(db_path=str(tmp_path / "db"))
    film = NamedVideoStream(sc, "film", path=video)
    output = NamedVideoStream(sc, "out")
    graph = sc.io.Output(sc.streams.Stride(sc.io.Input([film]), [3]), [output])
    plan = sc.explain(graph)
    assert not (tmp_path / "db").exists()
    fingerprint, length = film.fingerprint(), film.len()
    run = sc.run(graph, PERF, show_progress=False)
    assert run is not None
    assert sc.report(run).counters["frames_decoded"] == plan.frames_decoded
    assert (film.committed(), film.len()) == (True, length)
    assert NamedVideoStream(sc, "film").fingerprint() == fingerprint
    mode = CacheMode.Ignore
    assert sc.run(graph, PERF, mode, show_progress=False) is None


def test_explain_names_the_output_of_each_job(tmp_path: Path, video: str) -> None:
    sc = Client(db_path=str(tmp_path / "db"))
    films = [NamedVideoStream(sc, f"film {i}", path=video) for i in range(4)]
    frames = sc.io.Input(films)
    outputs = [
        sc.io.Output(
            sc.ops.Histogram(frame=frames),
            [NamedStream(sc, f"h {i}") for i in range(4)],
        ),
        sc.io.Output(frames, [NamedVideoStream(sc, f"v {i}") for i in range(4)]),
    ]
    plan = sc.explain(outputs)
    for number, job in enumerate(plan.jobs):
        labels = {
            (node.kind, node.label) for family in job.families for node in family.nodes
        }
        assert labels == {
            ("source", f"film {number}"),
            ("op", "Histogram"),
            ("output", f"h {number}"),
            ("output", f"v {number}"),
        }
    text = str(plan)
    assert all(text.count(f"v {number}") == 1 for number in range(4))


@pytest.mark.parametrize(
    "args",
    [
        ["explain", "--input", "{in}", "--output", "{db}"],
        ["explain", "--input", "{in}", "--output", "{db}", "--ops", "Histogram()"],
        [*("explain", "--input", "{in}/a.mp4", "--output", "{db}"), "--reindex"],
        ["explain", "--input", "{in}/a.mp4", "no.mp4", "--output", "{db}"],
        ["ls", "{db}"],
        ["ls", "{db}", "**"],
        ["show", "{db}", "known"],
        ["show", "{db}", "numbers"],
        ["show", "{db}", "none"],
        ["gc", "{db}", "--dry-run"],
        ["gc", "{db}", "--dry-run", "--unfinished"],
        ["--help"],
        ["--version"],
    ],
)
def test_the_command(
    db: Path, tmp_path: Path, video: str, unchanged: None, args: list[str]
) -> None:
    options = ["--direct_running_mode=in_memory"] if args[0] == "explain" else []
    given = [a.format(db=db, **{"in": tmp_path / "in"}) for a in (*args, *options)]
    lacks = args[0] in ("ls", "show", "gc") and not db.exists()
    assert main(given) == (2 if lacks or "none" in given or "no.mp4" in given else 0)


def test_explain_takes_a_file_that_has_changed(
    tmp_path: Path, video: str, capsys: pytest.CaptureFixture[str]
) -> None:
    db = tmp_path / "db"
    NamedVideoStream(NamedStorage(db), "a.mp4", path=video).ingest()
    os.remove(video)
    make_video(Path(video), 40)
    before = state(db)
    args = ["explain", "--input", video, "--output", str(db), "--ops", "Histogram()"]
    assert main(args) == 2
    assert "--reindex" in capsys.readouterr().err
    assert main([*args, "--reindex"]) == 0
    assert "40 rows" in capsys.readouterr().out
    assert state(db) == before
