"""Parquet files of Python are read by the thread that asks."""

from __future__ import annotations

import io
import threading

import pyarrow as pa
import pyarrow.parquet as pq

from beam_scanner.storage.parquet_files import open_parquet


class Watched(io.BytesIO):
    """Knows who has read from it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.readers: set[int] = set()

    def read(self, size: int | None = -1, /) -> bytes:
        self.readers.add(threading.get_ident())
        return super().read(size)


def test_no_other_thread_reads() -> None:
    made = io.BytesIO()
    table = pa.table({"a": list(range(10_000)), "b": [b"x" * 100] * 10_000})
    pq.write_table(table, made, row_group_size=1000)
    watched = Watched(made.getvalue())
    opened = open_parquet(watched)
    assert opened.read(use_threads=False).equals(table)
    assert opened.read_row_group(3, ["b"], use_threads=False).num_rows == 1000
    batches = opened.iter_batches(700, use_threads=False)
    assert sum(batch.num_rows for batch in batches) == 10_000
    assert watched.readers == {threading.get_ident()}
