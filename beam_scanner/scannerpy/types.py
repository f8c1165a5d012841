"""``scannerpy.types``: what rows hold."""

from __future__ import annotations

from typing import Any as Any

from beam_scanner.types import Bbox as Bbox
from beam_scanner.types import BboxList as BboxList
from beam_scanner.types import FrameType as FrameType
from beam_scanner.types import Histogram as Histogram
from beam_scanner.types import Image as Image
from beam_scanner.types import NumpyArrayFloat32 as NumpyArrayFloat32
from beam_scanner.types import NumpyArrayInt32 as NumpyArrayInt32
from beam_scanner.types import ProtobufType as ProtobufType
from beam_scanner.types import ScannerTypeInfo as ScannerTypeInfo
from beam_scanner.types import UniformList as UniformList
from beam_scanner.types import VariableList as VariableList
from beam_scanner.types import get_type_info as get_type_info
from beam_scanner.types import get_type_info_cpp as get_type_info_cpp
from beam_scanner.types import register_type as register_type

BlobType = bytes
