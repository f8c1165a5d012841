from typing import Any

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

# Ops that users register are transforms, too.
def __getattr__(name: str) -> Any: ...
