"""Beam transforms over whole streams of frames.

::

    with beam.Pipeline(options=options) as p:
        frames = p | ReadFromVideo('films/*.mp4')
        small = frames | Stride(8) | Resize(width=320, height=180)
        small | WriteToNamedVideo('db', name='small/{stream}')

Transforms that follow one another are joined while the pipeline is built: sampling
reaches the decoder, branches of one source decode it once, and frames do not travel
between stages. Any other transform gets ordinary elements ``(FrameKey, value)``.
``VideoGraph`` is one transform for a whole graph, which a function builds.

Where things are:

* ``read``, ``sample``, ``apply_op``, ``registered``, ``write``: what a graph is written with;
  ``stream_transform``: what these have in common.
* ``video_graph``: a graph as one transform; ``graph_build``: while its function runs.
* ``group``: the graph over one source, or several that are joined; ``graph_steps``: its
  steps in the pipeline; ``row_hints``: types of the rows that leave it.
* ``match``: from patterns to videos; ``elements_sink``: from elements to streams;
  ``playlist``: several files as one video.

What workers do with a graph is in ``beam_scanner.run``, and what travels between
transforms in ``beam_scanner.elements``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from beam_scanner.beam_internals.quiet_import import import_beam

if TYPE_CHECKING:
    from beam_scanner.elements.keys import FrameKey as FrameKey
    from beam_scanner.elements.records import Commit as Commit
    from beam_scanner.run.options import ScannerOptions as ScannerOptions
    from beam_scanner.storage.streams.formats import ImageFolder as ImageFolder
    from beam_scanner.storage.streams.formats import NumpyStack as NumpyStack
    from beam_scanner.storage.streams.formats import VideoFormat as VideoFormat
    from beam_scanner.transforms.apply_op import Op as Op
    from beam_scanner.transforms.apply_op import op as op
    from beam_scanner.transforms.group import Streams as Streams
    from beam_scanner.transforms.playlist import Playlist as Playlist
    from beam_scanner.transforms.read import (
        ReadAllFromNamedStream as ReadAllFromNamedStream,
    )
    from beam_scanner.transforms.read import ReadAllFromVideo as ReadAllFromVideo
    from beam_scanner.transforms.read import ReadFromNamedStream as ReadFromNamedStream
    from beam_scanner.transforms.read import ReadFromVideo as ReadFromVideo
    from beam_scanner.transforms.sample import Slice as Slice
    from beam_scanner.transforms.sample import Unslice as Unslice
    from beam_scanner.transforms.sample import partitioner as partitioner
    from beam_scanner.transforms.signatures import *  # noqa: F403
    from beam_scanner.transforms.video_graph import VideoGraph as VideoGraph
    from beam_scanner.transforms.write import WriteToNamedStream as WriteToNamedStream
    from beam_scanner.transforms.write import WriteToNamedVideo as WriteToNamedVideo

import_beam()

_READ = "ReadAllFromNamedStream ReadAllFromVideo ReadFromNamedStream ReadFromVideo"

_WHERE = {
    name: module
    for module, names in {
        "elements.keys": "FrameKey",
        "elements.records": "Commit",
        "run.options": "ScannerOptions",
        "storage.streams.formats": "ImageFolder NumpyStack VideoFormat",
        "transforms.apply_op": "Op op",
        "transforms.group": "Streams",
        "transforms.playlist": "Playlist",
        "transforms.read": _READ,
        "transforms.sample": "Slice Unslice partitioner",
        "transforms.video_graph": "VideoGraph",
        "transforms.write": "WriteToNamedStream WriteToNamedVideo",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    # Workers import modules of this package that need none of these.
    if name == "__all__":
        return __dir__()
    if name in _WHERE:
        return getattr(importlib.import_module(f"beam_scanner.{_WHERE[name]}"), name)
    if not name.startswith("_"):
        from beam_scanner.transforms.registered import transform_named

        found = transform_named(name)
        if found is not None:
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from beam_scanner.transforms.registered import names

    return sorted([*_WHERE, *names()])
