"""Parquet segments as they are written."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from beam_scanner.errors import (
    ElementTypeError,
    RowError,
)
from beam_scanner.storage import NamedStorage, NamedStream, list_streams
from beam_scanner.storage.segments import parquet_writer as parquet_module
from beam_scanner.storage.stored_rows import Publication, SegmentTask


def test_row_groups_follow_bytes_alone(tmp_path):
    """However rows come in, the file is the same."""
    elements = [bytes(100) * (row % 700) for row in range(1500)]
    files = []
    for name, step in (("a", 1), ("b", 13), ("c", 1500)):
        stream = NamedStream(NamedStorage(tmp_path / name), "s")
        writer = stream.segment_writer(SegmentTask("g1", 0, "a", 0, None, None))
        for row in range(0, 1500, step):
            chunk = elements[row : row + step]
            writer.write(row, chunk, np.arange(row, row + len(chunk)) / 25)
        record = writer.finish()
        stream.publish(Publication("g1", [record], "f", "r", "s"))
        files.append(stream.files()[0])
    contents = [Path(file).read_bytes() for file in files]
    assert contents[0] == contents[1] == contents[2]
    meta = pq.ParquetFile(files[0]).metadata
    assert meta.num_row_groups > 8
    biggest = max(
        meta.row_group(g).column(2).total_uncompressed_size
        for g in range(meta.num_row_groups)
    )
    assert biggest < parquet_module.GROUP_BYTES * 1.1


def test_elements_must_be_serialized(storage):
    writer = NamedStream(storage, "s").segment_writer(
        SegmentTask("g1", 0, "a", 5, None, None)
    )
    writer.write(5, [b"x"], np.array([0.0]))
    with pytest.raises(
        ElementTypeError, match="row 6 of stream 's': expected serialized"
    ):
        writer.write(6, ["text"], np.array([0.0]))
    with pytest.raises(RowError, match="expected row 6, got 8"):
        writer.write(8, [b"x"], np.array([0.0]))
    writer.abort()
    with pytest.raises(ElementTypeError):
        NamedStream(storage, "s").save([b"x", 7])
    assert list(list_streams(storage)) == []
