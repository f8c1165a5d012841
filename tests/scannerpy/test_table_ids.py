"""Numbers of tables: in the order of creation, and never given twice."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import (
    StorageError,
    StreamNotFoundError,
)
from beam_scanner.scannerpy.table import Tables
from beam_scanner.scannerpy.table_ids import TableIds
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.local_store import LocalStore
from tests.support.tables import blobs

# Numbers.


def test_ids_count_creations_and_are_never_given_twice(
    storage: NamedStorage, tables: Tables
) -> None:
    for time, name in enumerate("cab"):
        blobs(storage, name, b"1")
        # File systems tell times to a few milliseconds only.
        os.utime(storage.store().local_path(f"{name}/stream.json"), (time, time))
    assert [tables.table(name).id() for name in "cab"] == [0, 1, 2]
    assert [tables.table(number).name() for number in range(3)] == ["c", "a", "b"]
    tables.delete(["a"])
    with pytest.raises(StreamNotFoundError, match="no table with id 1"):
        tables.table(1)
    blobs(storage, "a", b"2")
    other = Tables(storage)
    assert [other.table(name).id() for name in "cab"] == [0, 3, 2]
    assert tables.table(3).name() == "a"
    blobs(storage, "c", b"replaced")
    assert tables.table("c").id() == 0


def test_a_number_may_be_asked_for_first(storage: NamedStorage, tables: Tables) -> None:
    blobs(storage, "a", b"1")
    tables.new("t", ["x", "y"], [[b"1", b"2"]])
    assert tables.table(1).name() == "t"
    with pytest.raises(StreamNotFoundError, match="no table with id 2"):
        tables.table(2)
    with pytest.raises(StreamNotFoundError, match="no table with id -1"):
        tables.table(-1)


def test_assign_ids_decides_the_order(storage: NamedStorage, tables: Tables) -> None:
    for name in "abc":
        blobs(storage, name, b"1")
    tables.assign_ids(["c", "b", "c"])
    assert [tables.table(name).id() for name in "abc"] == [2, 1, 0]


def test_processes_that_number_at_the_same_time_agree(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, durable=False)
    several = [TableIds(store) for _ in range(4)]
    names = [[f"{k}-{i}" for i in range(15)] + ["common"] for k in range(4)]
    start = threading.Barrier(4)

    def assign(k: int) -> None:
        start.wait()
        for name in names[k]:
            several[k].assign([name])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(assign, range(4)))
    found = [ids.all() for ids in several]
    assert found[0] == found[1] == found[2] == found[3]
    assert sorted(found[0].values()) == list(range(4 * 15 + 1))


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 1), st.booleans(), st.lists(st.sampled_from("abcd"))),
        max_size=12,
    )
)
def test_numbers_against_a_plain_model(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[int, bool, list[str]]],
) -> None:
    store = LocalStore(tmp_path_factory.mktemp("ids"), durable=False)
    processes = [TableIds(store), TableIds(store)]
    live: dict[str, int] = {}
    count = 0
    for who, retire, names in steps:
        if retire:
            processes[who].retire(names)
            for name in names:
                live.pop(name, None)
        else:
            processes[who].assign(names)
            for name in names:
                if name not in live:
                    live[name] = count
                    count += 1
        assert processes[1 - who].all() == live
        for number in range(count):
            names_of = {n: name for name, n in live.items()}
            assert processes[who].name_of(number) == names_of.get(number)


class Unwritable(LocalStore):
    def put_if_absent(self, key: str, data: bytes) -> bool:
        raise StorageError("read-only")


def test_a_database_that_cannot_be_written_has_numbers(tmp_path: Path) -> None:
    blobs(NamedStorage(tmp_path / "db"), "a", b"1")
    tables = Tables(NamedStorage(Unwritable(tmp_path / "db")))
    assert tables.table("a").id() == 0
    assert "0  | a" in tables.summarize()
