"""Streams of bytes, committed by hand."""

import numpy as np

from beam_scanner.storage.stored_rows import SegmentTask


def write(stream, generation, elements, attempt="a", tasks=2):
    records = []
    edges = np.linspace(0, len(elements), tasks + 1).astype(int).tolist()
    for task in range(tasks):
        start, stop = edges[task], edges[task + 1]
        writer = stream.segment_writer(SegmentTask(generation, task, attempt, start))
        writer.write(start, elements[start:stop], np.full(stop - start, np.nan))
        records.append(writer.finish())
    return records


OLD, NEW = [b"old", b"rows", b"here"], [b"new", b"and", b"more", b"rows"]
