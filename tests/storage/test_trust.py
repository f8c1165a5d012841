"""Nothing of a database that is not trusted is unpickled, wherever it is planted."""

import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from beam_scanner import types
from beam_scanner.cli.main import main
from beam_scanner.errors import (
    ScannerException,
    StorageError,
    UntrustedDataError,
)
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run.job import JobRecord
from beam_scanner.run.run_files import RunFiles
from beam_scanner.run.run_settings import RunSettings
from beam_scanner.run.shared_graph import SharedGraph
from beam_scanner.run.worker_run import StoredRun
from beam_scanner.scannerpy.client import Client
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from beam_scanner.storage.sealed_files import seal, seal_bytes, unseal
from beam_scanner.storage.streams.backend import StorageBackend, StoredStream
from beam_scanner.transforms.read import ReadAllFromNamedStream, ReadFromNamedStream
from beam_scanner.types import FrameType
from tests.support import make_database

Pickles = types.VariableList("TrustedPickles", Any)


@types.register_type
class UnpicklesItself:
    """A class of a user's whose values are pickles, as nobody else can know."""

    def serialize(value):
        return pickle.dumps(value)

    def deserialize(data):
        return pickle.loads(data)  # type: ignore[arg-type]


@types.register_type
class UnpicklesColumn:
    """The same, with a column of its own."""

    arrow_type = pa.struct([pa.field("pickled", pa.binary())])

    def serialize(value):
        return pickle.dumps(value)

    def deserialize(data):
        return pickle.loads(data)  # type: ignore[arg-type]

    def to_arrow(value):
        return {"pickled": pickle.dumps(value)}

    def from_arrow(stored):
        return pickle.loads(stored["pickled"])  # type: ignore[index]


@register_python_op(name="TrustAny")
def takes_any(config: Any, value: Any) -> bytes:
    return repr(value).encode()


@register_python_op(name="TrustPickles")
def takes_pickles(config: Any, value: Pickles) -> bytes:  # type: ignore[valid-type]
    return repr(value).encode()


@register_python_op(name="TrustBytes")
def takes_bytes(config: Any, value: bytes) -> bytes:
    return value


@register_python_op(name="TrustMakesAny")
def makes_any(config: Any, frame: FrameType) -> Any:
    return {"sum": int(frame.sum())}


@register_python_op(name="TrustSecond")
def takes_first(config: Any, value: Any) -> int:
    return int(value["sum"])


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


@pytest.fixture
def sprung(tmp_path):
    """The file that appears when something is unpickled."""
    path = tmp_path / "sprung"
    yield path
    assert not path.exists(), "something was unpickled"


@pytest.fixture
def trap(sprung):
    return pickle.dumps(Trap(sprung))


def retyped(folder, name, type_name):
    """Edits a descriptor as somebody does who knows how it is sealed."""
    path = Path(folder) / name / "stream.json"
    found = unseal(path.read_bytes())
    for record in found["segments"]:
        record["type"] = type_name
    path.write_bytes(seal({**found, "type_name": type_name}, indent=1))


@pytest.fixture(params=["Any", "TrustedPickles", "UnpicklesItself"])
def planted(request, tmp_path, trap):
    """A database whose stream of bytes was made one of pickles."""
    stream = NamedStream(NamedStorage(tmp_path / "db"), "s")
    packed = types.VariableList("JustBytes", bytes)
    value = trap
    if request.param == "TrustedPickles":
        value = types.get_type_info(packed).serialize([trap])
    stream.save([value])
    retyped(tmp_path / "db", "s", request.param)
    return tmp_path / "db"


@pytest.fixture(params=["column of lists", "column of a class"])
def planted_column(request, tmp_path, trap):
    """Pickles within a typed column, which reading even serialized bytes opens."""
    stream = NamedStream(NamedStorage(tmp_path / "db"), "s")
    if request.param == "column of lists":
        stream.save([[trap]], types.VariableList("ListsOfBytes", bytes))
        retyped(tmp_path / "db", "s", "TrustedPickles")
        return tmp_path / "db"
    info = types.get_type_info(UnpicklesColumn)
    same = types.ScannerTypeInfo(
        bytes,
        "AsPlanted",
        bytes,
        bytes,
        info.arrow_type,
        lambda value: {"pickled": value},
        lambda stored: stored["pickled"],
    )
    stream.save([trap], same)
    retyped(tmp_path / "db", "s", "UnpicklesColumn")
    return tmp_path / "db"


def test_load_refuses(planted):
    stream = NamedStream(NamedStorage(planted, trusted=False), "s")
    with pytest.raises(UntrustedDataError, match=r"stream 's'.*not trusted") as refused:
        list(stream.load())
    assert isinstance(refused.value, PermissionError)
    assert "trusted=True" in str(refused.value)
    with pytest.raises(UntrustedDataError):
        list(stream.load(rows=[0]))
    assert [len(data) > 9 for data in stream.load(fn=bytes)] == [True]
    assert [type(data) for data in stream.load_bytes()] == [bytes]
    assert stream.len() == 1


def test_load_as_a_pickle_is_refused_too(tmp_path, trap):
    storage = NamedStorage(tmp_path / "db", trusted=False)
    stream = NamedStream(storage, "s")
    stream.save([trap])
    for ty in (Any, Pickles, types.get_type_info(Any)):
        with pytest.raises(UntrustedDataError, match="unpickled as"):
            list(stream.load(ty=ty))
    assert list(stream.load()) == [trap]


@pytest.mark.parametrize("make", [types.VariableList, types.UniformList])
def test_load_as_a_list_of_pickles_is_refused_too(tmp_path, trap, make):
    storage = NamedStorage(tmp_path / "db", trusted=False)
    NamedStream(storage, "s").save([trap])
    given = {"parts": 1} if make is types.UniformList else {}
    kind = make(f"Any{make.__name__}7", types.Any, **given)
    assert callable(kind.deserialize)
    with pytest.raises(UntrustedDataError, match=f"unpickled as {kind.__name__}"):
        list(NamedStream(storage, "s").load(ty=kind))


def test_columns_refuse(planted_column):
    stream = NamedStream(NamedStorage(planted_column, trusted=False), "s")
    for use in (stream.load, stream.load_bytes, lambda: stream.load(fn=len)):
        with pytest.raises(UntrustedDataError, match="stream 's'"):
            list(use())


@pytest.mark.filterwarnings("ignore:values of")
def test_a_trusted_database_is_read(tmp_path):
    with Client(db_path=str(tmp_path), options=make_database.in_memory()) as sc:
        stream = NamedStream(sc, "s")
        stream.save([{"a": {1}}], Any)
        assert list(stream.load()) == [{"a": {1}}]
    with Client(
        db_path=str(tmp_path), options=make_database.in_memory(), trusted=False
    ) as sc:
        with pytest.raises(UntrustedDataError):
            list(NamedStream(sc, "s").load())
        with pytest.raises(UntrustedDataError):
            list(sc.table("s").column("column").load())
        with pytest.raises(UntrustedDataError):
            list(sc.sequence("s").load())


def test_typed_streams_are_read_without_trust(tmp_path):
    storage = NamedStorage(tmp_path, trusted=False)
    for name, (ty, values) in make_database.values().items():
        if ty is Any:
            continue
        kind = NamedVideoStream if ty is FrameType else NamedStream
        stream = kind(storage, name)
        stream.save(values[:3], ty, encoding=make_database.ENCODINGS.get(name))
        found = list(stream.load())
        assert len(found) == len(values[:3])
        assert [type(v) for v in found] == [type(v) for v in values[:3]]


def test_a_class_of_ones_own_must_be_named(tmp_path):
    """A descriptor's word is not enough; the caller's is."""
    storage = NamedStorage(tmp_path, trusted=False)
    stream = NamedStream(storage, "s")
    stream.save([{"a": 1}], UnpicklesItself)
    with pytest.raises(UntrustedDataError, match=r"a class of your own.*load\(ty="):
        list(stream.load())
    assert list(stream.load(ty=UnpicklesItself)) == [{"a": 1}]


@pytest.mark.parametrize("flags", [[], ["--untrusted"]])
def test_show_never_unpickles(planted, capsys, flags):
    kind = unseal((planted / "s/stream.json").read_bytes())["type_name"]
    assert main([*flags, "show", str(planted), "s"]) == 0
    assert main(["show", *flags, str(planted), "s"]) == 0
    shown = capsys.readouterr().out
    if kind != "Any":
        assert "are not shown" in shown
    else:
        assert "pickled value, " in shown
        assert ".load() reads them" in shown
    for command in ("ls", "gc"):
        assert main([*flags, command, str(planted)]) == 0


def test_show_of_columns(planted_column, capsys):
    assert main(["show", str(planted_column), "s"]) == 0
    assert "are not shown" in capsys.readouterr().out


def run(folder, op, trusted=False, name="s"):
    options = make_database.in_memory()
    with Client(db_path=str(folder), options=options, trusted=trusted) as sc:
        source = sc.io.Input([NamedStream(sc, name)])
        made = getattr(sc.ops, op)(value=source)
        output = sc.io.Output(made, [NamedStream(sc, "out")])
        sc.run(output, PerfParams.manual(4, 8), show_progress=False)
        return list(NamedStream(sc, "out").load())


@pytest.mark.parametrize("op", ["TrustAny", "TrustPickles"])
def test_runs_refuse(planted, op):
    with pytest.raises(ScannerException) as refused:
        run(planted, op)
    text = str(refused.value)
    assert (
        "not trusted" in text or "TrustedPickles" in text or "UnpicklesItself" in text
    )


def test_runs_over_columns_refuse(planted_column):
    for op in ("TrustAny", "TrustBytes"):
        with pytest.raises(ScannerException):
            run(planted_column, op)


def test_a_kernel_that_declares_pickles_is_given_none(tmp_path, trap):
    packed = types.get_type_info(types.VariableList("MoreBytes", bytes))
    NamedStream(NamedStorage(tmp_path / "db"), "s").save([packed.serialize([trap])])
    with pytest.raises(ScannerException, match="not trusted"):
        run(tmp_path / "db", "TrustPickles")
    assert run(tmp_path / "db", "TrustBytes") == [packed.serialize([trap])]


def test_samplers_do_not_hide_an_input(tmp_path, trap):
    stream = NamedStream(NamedStorage(tmp_path / "db"), "s")
    stream.save([trap] * 4)
    retyped(tmp_path / "db", "s", "Any")
    options = make_database.in_memory()
    with Client(db_path=str(tmp_path / "db"), options=options, trusted=False) as sc:
        source = sc.streams.Stride(sc.io.Input([stream_of(sc)]), [2])
        made = sc.ops.TrustAny(value=source)
        output = sc.io.Output(made, [NamedStream(sc, "out")])
        with pytest.raises(ScannerException, match="not trusted"):
            sc.run(output, PerfParams.manual(4, 8), show_progress=False)
        with pytest.raises(ScannerException, match="not trusted"):
            sc.explain(output)


def stream_of(sc):
    return NamedStream(sc, "s")


def test_a_stream_may_bring_its_own_storage(tmp_path, trap):
    """The trust is the database's, not the client's."""
    NamedStream(NamedStorage(tmp_path / "other"), "s").save([trap])
    retyped(tmp_path / "other", "s", "Any")
    other = NamedStorage(tmp_path / "other", trusted=False)
    with Client(db_path=str(tmp_path / "db"), options=make_database.in_memory()) as sc:
        source = sc.io.Input([NamedStream(sc, "s", storage=other)])
        output = sc.io.Output(sc.ops.TrustAny(value=source), [NamedStream(sc, "out")])
        with pytest.raises(ScannerException, match="not trusted"):
            sc.run(output, PerfParams.manual(4, 8), show_progress=False)


class _Own(StorageBackend):
    trusted = False


class OwnStream(StoredStream):
    """A stream of a user's, of a storage that is not trusted."""

    def __init__(self, data):
        self.data = data

    def name(self):
        return "own"

    def storage(self):
        return _Own()

    def exists(self):
        return True

    committed = exists

    def type(self):
        return Any

    def len(self):
        return 1

    def load_bytes(self, rows=None):
        return iter([self.data])


def test_readers_of_ones_own(tmp_path, trap):
    with pytest.raises(UntrustedDataError):
        list(OwnStream(trap).load())
    assert list(OwnStream(trap).load(fn=len)) == [len(trap)]
    with Client(db_path=str(tmp_path / "db"), options=make_database.in_memory()) as sc:
        made = sc.ops.TrustAny(value=sc.io.Input([OwnStream(trap)]))
        output = sc.io.Output(made, [NamedStream(sc, "out")])
        with pytest.raises(ScannerException, match="not trusted"):
            sc.run(output, PerfParams.manual(4, 8), show_progress=False)


def test_transforms_refuse(tmp_path):
    for make in (
        lambda: ReadFromNamedStream(str(tmp_path), "s", type=Any, trusted=False),
        lambda: ReadAllFromNamedStream(str(tmp_path), type=Pickles, trusted=False),
    ):
        with pytest.raises(UntrustedDataError):
            make()


def test_planted_files_of_a_run(tmp_path, trap):
    """Workers unpickle what their driver wrote, and nothing else."""
    store = NamedStorage(tmp_path).store(create=True)
    files = RunFiles(store, "run")
    record = JobRecord("a", [], "f", ("g",), token="t", mark="0")
    digest = files.write(RunSettings(SharedGraph((), ()), 4, 8, True), [record])
    source = StoredRun(store.url, "run", digest)
    assert source.open().job(0).record == record
    graph = files.settings(digest)
    for planted in (trap, seal_bytes(trap)):
        store.put(".work/runs/run/jobs-000000", planted)
        with pytest.raises(StorageError, match="jobs-000000"):
            files.jobs(0, graph.digests)
        store.put(".work/runs/run/graph", planted)
        with pytest.raises(StorageError, match="run/graph"):
            source.open()


@pytest.mark.slow
def test_planted_files_beside_streams(tmp_path, trap):
    """Whatever else lies in a database is no pickle, whoever put it there."""
    folder = tmp_path / "db"
    make_database.make(folder, tmp_path / "films")
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        before = path.read_bytes()
        for planted in (trap, seal_bytes(trap)):
            path.write_bytes(planted)
            options = make_database.in_memory()
            with suppress(ScannerException):
                list(NamedStream(NamedStorage(folder), "sums").load())
            main(["ls", str(folder)])
            main(["gc", "--dry-run", str(folder)])
            if ".work" in path.parts or path.name.startswith((".", "beam_scanner")):
                with (
                    suppress(ScannerException),
                    Client(db_path=str(folder), options=options) as sc,
                ):
                    sc.get_profile(1)
                    sc.table("pairs").id()
                    source = NamedVideoStream(sc, "film")
                    make_database.run_sum(sc, source, "unfinished")
        path.write_bytes(before)


def test_phases_keep_no_pickles(tmp_path):
    """Between phases, rows of an op lie in the database, as do all others."""

    @register_python_op(name="TrustWhole", unbounded_state=True)
    class Whole(Kernel):
        def execute(self, value: Any) -> int:
            return int(value["sum"])

    make_database.film(tmp_path / "film.mp4")
    for trusted in (True, False):
        with Client(
            db_path=str(tmp_path / f"db{trusted}"),
            options=make_database.in_memory(),
            trusted=trusted,
        ) as sc:
            film = NamedVideoStream(sc, "film", path=str(tmp_path / "film.mp4"))
            made = sc.ops.TrustMakesAny(frame=sc.io.Input([film]))
            sums = NamedStream(sc, "sums")
            output = sc.io.Output(sc.ops.TrustWhole(value=made), [sums])
            perf = PerfParams.manual(4, 8)
            if trusted:
                sc.run(output, perf, show_progress=False)
                expected = [int(make_database.frame(i).sum()) for i in range(24)]
                assert list(sums.load()) == expected
            else:
                with pytest.raises(ScannerException, match="not trusted"):
                    sc.run(output, perf, show_progress=False)


def test_pickled_storages_keep_their_trust(tmp_path):
    storage = NamedStorage(tmp_path, trusted=False)
    for stream in (NamedStream(storage, "a"), NamedVideoStream(storage, "b")):
        assert not pickle.loads(pickle.dumps(stream)).storage().trusted
