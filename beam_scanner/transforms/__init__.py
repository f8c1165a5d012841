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

* ``read``, ``sample``, ``apply_op``, ``ops``, ``write``: what a graph is written with;
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
    from beam_scanner.transforms.ops import Blur as Blur
    from beam_scanner.transforms.ops import ConvertColor as ConvertColor
    from beam_scanner.transforms.ops import Discard as Discard
    from beam_scanner.transforms.ops import DiscardFrame as DiscardFrame
    from beam_scanner.transforms.ops import DrawBboxes as DrawBboxes
    from beam_scanner.transforms.ops import DrawFlow as DrawFlow
    from beam_scanner.transforms.ops import FrameDifference as FrameDifference
    from beam_scanner.transforms.ops import Histogram as Histogram
    from beam_scanner.transforms.ops import ImageDecoder as ImageDecoder
    from beam_scanner.transforms.ops import ImageEncoder as ImageEncoder
    from beam_scanner.transforms.ops import InfoFromFrame as InfoFromFrame
    from beam_scanner.transforms.ops import Montage as Montage
    from beam_scanner.transforms.ops import OpticalFlow as OpticalFlow
    from beam_scanner.transforms.ops import Pass as Pass
    from beam_scanner.transforms.ops import Resize as Resize
    from beam_scanner.transforms.ops import ShotBoundaries as ShotBoundaries
    from beam_scanner.transforms.playlist import Playlist as Playlist
    from beam_scanner.transforms.read import (
        ReadAllFromNamedStream as ReadAllFromNamedStream,
    )
    from beam_scanner.transforms.read import ReadAllFromVideo as ReadAllFromVideo
    from beam_scanner.transforms.read import ReadFromNamedStream as ReadFromNamedStream
    from beam_scanner.transforms.read import ReadFromVideo as ReadFromVideo
    from beam_scanner.transforms.sample import Gather as Gather
    from beam_scanner.transforms.sample import Range as Range
    from beam_scanner.transforms.sample import Ranges as Ranges
    from beam_scanner.transforms.sample import Repeat as Repeat
    from beam_scanner.transforms.sample import RepeatNull as RepeatNull
    from beam_scanner.transforms.sample import Slice as Slice
    from beam_scanner.transforms.sample import Stride as Stride
    from beam_scanner.transforms.sample import StridedRange as StridedRange
    from beam_scanner.transforms.sample import StridedRanges as StridedRanges
    from beam_scanner.transforms.sample import Unslice as Unslice
    from beam_scanner.transforms.sample import partitioner as partitioner
    from beam_scanner.transforms.video_graph import VideoGraph as VideoGraph
    from beam_scanner.transforms.write import WriteToNamedStream as WriteToNamedStream
    from beam_scanner.transforms.write import WriteToNamedVideo as WriteToNamedVideo

_SAMPLE = (
    "Gather Range Ranges Repeat RepeatNull Slice Stride StridedRange StridedRanges "
    "Unslice partitioner"
)
_OPS = (
    "Blur ConvertColor Discard DiscardFrame DrawBboxes DrawFlow FrameDifference "
    "Histogram ImageDecoder ImageEncoder InfoFromFrame Montage OpticalFlow Pass Resize "
    "ShotBoundaries"
)
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
        "transforms.ops": _OPS,
        "transforms.playlist": "Playlist",
        "transforms.read": _READ,
        "transforms.sample": _SAMPLE,
        "transforms.video_graph": "VideoGraph",
        "transforms.write": "WriteToNamedStream WriteToNamedVideo",
    }.items()
    for name in names.split()
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    # Workers import modules of this package that need none of these.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"beam_scanner.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return __all__
