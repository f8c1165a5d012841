"""Damaged databases, and a check that what is read of them is what was stored.

A seed chooses a file of a database that has a stream of every kind, and what happens
to it. Then everything that reads it is tried: it must give exactly what was stored,
or a ``ScannerException``. ``gc`` must take nothing that is needed: with the file put
back, all is there again.

Of the database of format version 1 beside this file, which has no checksums, values
are not compared.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import tarfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from beam_scanner.cli.main import main
from beam_scanner.errors import (
    Failure,
    ScannerException,
    StorageError,
    StreamNotFoundError,
)
from beam_scanner.kernels import register_python_op
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run.job import JobRecord
from beam_scanner.run.job_files import JobFiles
from beam_scanner.run.profiler import Profile
from beam_scanner.run.run_files import RunFiles
from beam_scanner.run.run_settings import RunSettings
from beam_scanner.run.shared_graph import SharedGraph
from beam_scanner.scannerpy.client import Client
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from beam_scanner.storage.segments import index_cache
from beam_scanner.types import NULL, FrameType, get_type_info
from beam_scanner.video.indexing import index_video
from beam_scanner.video.video_reader import VideoReader
from tests.support import make_database

VERSION_1 = Path(__file__).parent / "version1.tar.gz"
RUN = "fuzzed"
LARGE = "large"
_LARGE_ROWS = 40


@register_python_op(name="StoredBytes")
def stored_bytes(config: Any, data: bytes) -> bytes:
    """What is stored."""
    return data


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same, to the bit and the dtype."""
    if isinstance(one, list | tuple):
        return (
            isinstance(other, list | tuple)
            and len(one) == len(other)
            and all(map(equal, one, other))
        )
    if isinstance(one, np.ndarray):
        same = isinstance(other, np.ndarray) and one.dtype == other.dtype
        return same and one.shape == other.shape and one.tobytes() == other.tobytes()
    return type(one) is type(other) and bool(one == other)


# --- the database -------------------------------------------------------------------


@dataclass
class Whole:
    """A database that is whole, and what it holds."""

    folder: Path
    version: int
    values: dict[str, list[Any]] = field(default_factory=dict)
    seconds: dict[str, bytes] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """All files, relative to the folder."""
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return sorted(str(path.relative_to(self.folder)) for path in found)


_wholes: dict[tuple[Path, int], Whole] = {}


def whole_database(folder: Path, version: int) -> Whole:
    """The database of a format version, made once below ``folder``."""
    if (folder, version) not in _wholes:
        place = folder / f"whole-{version}"
        if not (place / "ready").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            (_make if version == 2 else _unpack)(place)
            shutil.rmtree(place / "db/.tmp", ignore_errors=True)
            (place / "ready").touch()
        _wholes[folder, version] = _known(Whole(place / "db", version))
    return _wholes[folder, version]


def _make(place: Path) -> None:
    make_database.make(place / "db", place / "films")
    storage = NamedStorage(place / "db")
    rng = np.random.default_rng(0)
    # More than one block, and more than one row group.
    large = [rng.bytes(150_000 + row) for row in range(_LARGE_ROWS)]
    NamedStream(storage, LARGE).save(large)
    settings = RunSettings(SharedGraph((), ()), 4, 8, checked=True)
    records = [
        JobRecord(str(i), [i], "f", ("g",), token="t", mark=str(i)) for i in range(3)
    ]
    run = RunFiles(storage.store(), RUN)
    run.write(settings, records)
    run.put_result(0, 0, [Failure("a", "why")])
    run.put_result(1, 0, [])


def _unpack(place: Path) -> None:
    with tarfile.open(VERSION_1) as packed:
        packed.extractall(place, filter="data")
    path = place / "db/film/stream.json"
    found = json.loads(path.read_text())
    found["path"] = str(place / "films/film.mp4")
    path.write_text(json.dumps(found))


def _known(whole: Whole) -> Whole:
    storage = NamedStorage(whole.folder)
    if whole.version > 1:
        # From then on numbers are kept.
        with Client(db_path=str(whole.folder), options=make_database.in_memory()) as sc:
            sc.new_table("gone", ["column"], [[b"x"]])
            sc.delete_table("gone")
    for path in sorted(whole.folder.rglob("stream.json")):
        name = str(path.parent.relative_to(whole.folder))
        stream = NamedStream(storage, name)
        whole.values[name] = list(stream.load())
        with stream.reader() as reader:
            times = reader.seconds(np.arange(len(reader)))
        whole.seconds[name] = times.tobytes()
    expected = make_database.expected()
    assert {*whole.values} - {LARGE, "video/lossy"} == {*expected}
    for name, values in expected.items():
        assert equal(whole.values[name], values), name
    for name in whole.values:
        whole.told[name] = _command(whole.folder, "show", name)[1]
    whole.told[""] = _command(whole.folder, "ls")[1]
    return whole


def _command(folder: Path, command: str, *more: str) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = main([command, str(folder), *more])
    return code, out.getvalue().replace(str(folder), "DB")


# --- damage -------------------------------------------------------------------------

_TABLES = ".work/tables"
_WITHHELD = ("cannot be shown", "are not shown", "MISSING")

Damage = Callable[[bytearray, random.Random], bytes]


def _flip(data: bytearray, rng: random.Random) -> bytes:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _flip_several(data: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.choice([2, 3, 8, 40])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _flip_at_an_end(data: bytearray, rng: random.Random) -> bytes:
    """Where lengths and tables are."""
    near = rng.randrange(min(len(data), 64))
    data[rng.choice([near, len(data) - 1 - near])] ^= 1 << rng.randrange(8)
    return bytes(data)


def _change_byte(data: bytearray, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    data[place] = rng.choice([0, 0xFF, 0x7F, data[place] ^ rng.randrange(1, 256)])
    return bytes(data)


def _change_digit(data: bytearray, rng: random.Random) -> bytes:
    """Text stays text, and JSON stays JSON."""
    digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    for place in rng.sample(digits, min(len(digits), rng.choice([1, 2]))):
        data[place] = rng.randrange(48, 58)
    return bytes(data)


def _change_letter(data: bytearray, rng: random.Random) -> bytes:
    letters = [i for i, byte in enumerate(data) if 97 <= byte <= 122]
    for place in rng.sample(letters, min(len(letters), rng.choice([1, 3]))):
        data[place] = rng.randrange(97, 123)
    return bytes(data)


def _truncate(data: bytearray, rng: random.Random) -> bytes:
    return bytes(data[: rng.choice([0, 1, rng.randrange(len(data)), len(data) - 1])])


def _extend(data: bytearray, rng: random.Random) -> bytes:
    more = rng.choice([b"\0", b"\n", b" ", rng.randbytes(rng.randrange(1, 300))])
    return bytes(data) + more


def _zeros(data: bytearray, rng: random.Random) -> bytes:
    length = rng.choice([4, 64, 512, 4096, len(data)])
    place = rng.randrange(len(data))
    data[place : place + length] = bytes(len(data[place : place + length]))
    return bytes(data)


def _noise(data: bytearray, rng: random.Random) -> bytes:
    length = rng.choice([4, 64, 4096])
    place = rng.randrange(len(data))
    data[place : place + length] = rng.randbytes(len(data[place : place + length]))
    return bytes(data)


def _cut_out(data: bytearray, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    del data[place : place + rng.choice([1, 2, 16, 512])]
    return bytes(data)


def _repeat(data: bytearray, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    piece = data[place : place + rng.choice([1, 16, 512])]
    data[place:place] = piece
    return bytes(data)


DAMAGES: dict[str, Damage] = {
    "flip": _flip,
    "flip several": _flip_several,
    "flip at an end": _flip_at_an_end,
    "change byte": _change_byte,
    "change digit": _change_digit,
    "change letter": _change_letter,
    "truncate": _truncate,
    "extend": _extend,
    "zeros": _zeros,
    "noise": _noise,
    "cut out": _cut_out,
    "repeat": _repeat,
}
OTHER_DAMAGES = ("swap", "replace", "remove", "folder")


def _damage(folder: Path, file: str, how: str, rng: random.Random) -> dict[str, bytes]:
    """Damages a file; returns what was in all files that have changed."""
    path, old = folder / file, (folder / file).read_bytes()
    before = {file: old}
    if how in DAMAGES:
        if old:
            path.write_bytes(DAMAGES[how](bytearray(old), rng))
        return before
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how in ("swap", "replace"):
        alike = [
            other
            for other in sorted(folder.rglob(f"*{path.suffix}"))
            if other.is_file() and other.suffix == path.suffix and other != path
        ]
        other = rng.choice(alike or [folder / "beam_scanner.json"])
        content = other.read_bytes() if other.exists() else b""
        path.write_bytes(content)
        if how == "swap" and other.exists():
            before[str(other.relative_to(folder))] = content
            other.write_bytes(old)
    return before


# --- what is tried ------------------------------------------------------------------


@dataclass
class Outcome:
    """What came of a seed."""

    seed: int
    version: int
    file: str
    damage: str
    tried: int = 0
    refused: int = 0
    findings: list[str] = field(default_factory=list)


class _Checks:
    """Tries everything that reads one stream of a damaged database."""

    def __init__(self, whole: Whole, folder: Path, out: Outcome) -> None:
        self.whole = whole
        self.folder = folder
        self.out = out
        self.refusals: set[str] = set()

    def expect(self, what: str, use: Callable[[], Any], true: Any) -> None:
        """A use must give what is true, or refuse."""
        self.out.tried += 1
        try:
            found = use()
        except ScannerException:
            self.out.refused += 1
            self.refusals.add(what)
        except BaseException:
            lines = traceback.format_exc().strip().splitlines()
            where = [line.strip() for line in lines if "beam_scanner/" in line]
            last = where[-1] if where else ""
            self.out.findings.append(f"{what}: {lines[-1][:300]} ({last})")
        else:
            if self.whole.version > 1 and not equal(found, true):
                self.out.findings.append(f"{what}: another value, {found!r:.200}")

    def stream(self, name: str, rng: random.Random) -> None:
        """What reads a stream."""
        storage = NamedStorage(self.folder)
        values = self.whole.values[name]
        video = name in ("film", "copied") or name.startswith("video/")
        kind = NamedVideoStream if video else NamedStream
        stream = kind(storage, name)
        rows = [rng.randrange(len(values)) for _ in range(5 if values else 0)]
        some = [values[row] for row in rows]
        self.expect("len", stream.len, len(values))
        self.expect("load", lambda: list(stream.load()), values)
        self.expect("load(rows)", lambda: list(stream.load(rows=rows)), some)
        self.expect("seconds", lambda: _seconds(stream), self.whole.seconds[name])
        for what in ("descriptor", "type", "column_type", "files", "estimate_size"):
            self.expect(what, lambda what=what: getattr(stream, what)() is True, False)  # type: ignore[misc]
        if (self.folder / name / "stream.json").is_file():
            self.expect("committed", lambda: _is_whole(stream), True)
        self.shown("show", name, rng)
        if video:
            self.export(stream, name)  # type: ignore[arg-type]
        if rng.random() < 0.25:
            self.run(name, video)

    def shown(self, command: str, name: str, rng: random.Random) -> None:
        """What a command prints: the same as before, or that something is wrong."""

        def use() -> str:
            more = [name] if name else []
            code, text = _command(self.folder, command, *more)
            shown = "\n".join(sorted(text.splitlines()))
            withheld = any(said in text for said in _WITHHELD)
            if code or (withheld and shown != true):
                raise ScannerException(text)
            return shown

        true = "\n".join(sorted(self.whole.told[name].splitlines()))
        self.expect(command, use, true)

    def export(self, stream: NamedVideoStream, name: str) -> None:
        """A saved MP4 has the frames that were stored, where it is made."""
        true = [value for value in self.whole.values[name] if value is not NULL]
        path = self.folder.parent / "saved.mp4"

        def use() -> list[Any]:
            stream.save_mp4(path)
            with VideoReader(path, index_video(path)) as reader:
                return list(reader.read(range(len(reader))))

        self.expect("save_mp4", use, true)

    def run(self, name: str, video: bool) -> None:
        """A run over the stream."""
        values = self.whole.values[name]
        options = make_database.in_memory()

        def use() -> list[Any]:
            with Client(db_path=str(self.folder), options=options) as sc:
                kind = NamedVideoStream if video else NamedStream
                output = NamedStream(sc, "made")
                source = sc.io.Input([kind(sc, name)])
                op = sc.ops.StoredSum(frame=source) if video else None
                made = op or sc.ops.StoredBytes(data=source)
                perf = PerfParams.manual(8, 16)
                sc.run(sc.io.Output(made, [output]), perf, show_progress=False)
                return list(output.load())

        self.expect("run", use, [_result(v, name, video) for v in values])

    def work(self) -> None:
        """What is not a stream: tables, profiles, unfinished work."""
        storage = NamedStorage(self.folder)
        self.expect("tables", self.tables, None)
        self.expect("profile", lambda: Profile.load(storage, 1).tasks > 0, True)
        self.expect("unfinished", lambda: _manifests(self.folder, self.whole), True)
        if self.whole.version > 1:

            def run() -> RunFiles:
                return RunFiles(storage.store(), RUN)

            graph = SharedGraph((), ())
            self.expect("settings", lambda: run().settings().graph == graph, True)
            owns = [[0], [1], [2]]
            self.expect("jobs", lambda: [j.values for j in run().jobs(0)], owns)
            self.expect("results", lambda: _results(run()) <= RESULTS, True)

    def _is_there(self, name: str) -> bool:
        kind = Path.is_dir if (self.whole.folder / name).is_dir() else Path.is_file
        return kind(self.folder / name)

    def tables(self) -> None:
        """What tables are asked; the client refuses a database that is none."""
        with Client(db_path=str(self.folder), options=make_database.in_memory()) as sc:
            self.expect("table rows", lambda: sc.table("pairs").num_rows(), 2)
            self.expect(
                "table", lambda: list(sc.table("pairs").load(["b", "a"])), PAIRS
            )
            self.expect("id", lambda: sc.table("pairs").name(), "pairs")
            numbers = self.whole.told.setdefault("numbers", _numbers(self.whole.folder))
            kept = [p.name for p in (self.whole.folder / _TABLES).iterdir()]
            # Numbers that are gone are given again.
            if all(self._is_there(f"{_TABLES}/{name}") for name in kept):
                self.expect("ids", lambda: _numbers(self.folder), numbers)
            self.expect("summarize", lambda: bool(sc.summarize()), True)

    def gc(self, before: dict[str, bytes], name: str) -> None:
        """gc takes nothing that is needed when the file is whole again."""
        self.expect("gc --dry-run", lambda: _gc(self.folder, "--dry-run"), True)
        self.expect("gc", lambda: _gc(self.folder), True)
        for file, data in before.items():
            path = self.folder / file
            if path.is_dir():
                shutil.rmtree(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for stream in {name, "bytes", "copied"} - {""}:
            try:
                same = equal(
                    list(NamedStream(NamedStorage(self.folder), stream).load()),
                    self.whole.values[stream],
                )
            except ScannerException as error:
                self.out.findings.append(f"after gc: {stream}: {error}")
            else:
                if not same:
                    self.out.findings.append(f"after gc: {stream} is another")


RESULTS = {(0, 0, 1), (1, 0, 0)}
PAIRS = [(b"2", b"1"), (b"4", b"3")]


def _seconds(stream: NamedStream) -> bytes:
    with stream.reader() as reader:
        times: bytes = reader.seconds(np.arange(len(reader))).tobytes()
        return times


def _result(value: Any, name: str, video: bool) -> Any:
    if value is NULL:
        return NULL
    if video:
        return int(value.astype(np.int64).sum())
    ty = make_database.values().get(name, (bytes, ()))[0]
    if name == "sums":
        ty = int
    return value if ty is bytes else get_type_info(ty).serialize(value)


def _gc(folder: Path, *more: str) -> bool:
    code, text = _command(folder, "gc", *more)
    if code:
        raise ScannerException(text)
    return True


def _is_whole(stream: NamedStream) -> bool:
    if not stream.committed():
        raise StorageError("files of it are missing or cut short")
    return True


def _numbers(folder: Path) -> str:
    with Client(db_path=str(folder), options=make_database.in_memory()) as sc:
        return str(sorted((name, sc.table(name).id()) for name in ("film", "pairs")))


def _manifests(folder: Path, whole: Whole) -> bool:
    """Whether what is there of unfinished work is what was written."""
    for job in sorted((whole.folder / ".work/jobs").iterdir()):
        true = JobFiles(NamedStorage(whole.folder).store(), job.name)
        token = true.begin()
        files = JobFiles(NamedStorage(folder).store(), job.name, token)
        files.is_over()
        for task in (0, 1):
            found = files.manifest(0, task)
            if found is None:
                continue
            known = [true.manifest(0, number) for number in (0, 1)]
            if whole.version > 1 and found not in known:
                return False
            stream = NamedStream(NamedStorage(folder), "unfinished")
            stream.has_segment(token, found["outputs"][0])
    return True


def _results(run: RunFiles) -> set[tuple[int, int, int]]:
    """(job, phase, failures): of a job whose result is gone a run tells that."""
    found = run.results()
    return {(job, phase, len(end.failures)) for (job, phase), end in found.items()}


def stream_of(file: str, whole: Whole) -> str:
    """The stream to which a file belongs; '' if it is none's."""
    fitting = [name for name in whole.values if file.startswith(f"{name}/")]
    return max(fitting, key=len, default="")


def fuzz(seed: int, folder: Path, version: int = 2, only: str = "") -> Outcome:
    """Does what ``seed`` says, below ``folder``, where whole databases are kept."""
    rng = random.Random(seed)
    whole = whole_database(folder, version)
    files = [file for file in whole.files if only in file]
    kinds = sorted({Path(file).suffix or "work" for file in files})
    kind = rng.choice(kinds)
    file = rng.choice([f for f in files if (Path(f).suffix or "work") == kind])
    how = rng.choice([*DAMAGES, *OTHER_DAMAGES])
    out = Outcome(seed, version, file, how)
    place = folder / f"seed-{version}-{seed}"
    shutil.rmtree(place, ignore_errors=True)
    try:
        shutil.copytree(whole.folder, place / "db")
        with _quiet():
            before = _damage(place / "db", file, how, rng)
            _try_all(whole, place / "db", file, before, rng, out)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return out


def _try_all(
    whole: Whole,
    folder: Path,
    file: str,
    before: dict[str, bytes],
    rng: random.Random,
    out: Outcome,
) -> None:
    index_cache._indexes.clear()
    checks = _Checks(whole, folder, out)
    same = all(
        (folder / file).is_file() and (folder / file).read_bytes() == data
        for file, data in before.items()
    )
    name = stream_of(file, whole)
    chosen = [name or rng.choice(sorted(whole.values))]
    chosen += [stream_of(other, whole) for other in before if other != file]
    descriptor = file.endswith("stream.json")
    removed = out.damage in ("remove", "folder") and descriptor
    if not (descriptor and out.damage in OTHER_DAMAGES):
        checks.shown("ls", "", rng)
    for stream in {*chosen} - {""}:
        checks.stream(stream, rng)
    checks.work()
    if not removed:
        # Without its descriptor a stream is none, and its files are gc's.
        index_cache._indexes.clear()
        checks.gc(before, name)
    # Not all video is stored as MP4.
    refused = checks.refusals - {"save_mp4"}
    if same and refused:
        out.findings.append(f"nothing was changed, but refused: {sorted(refused)}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


__all__ = ["DAMAGES", "FrameType", "Outcome", "StreamNotFoundError", "fuzz"]
