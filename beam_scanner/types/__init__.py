"""Element types; see :mod:`beam_scanner.types.element_types`."""

from __future__ import annotations

from beam_scanner.types.codecs.number_codecs import Shape as Shape
from beam_scanner.types.element_types import NULL as NULL
from beam_scanner.types.element_types import Any as Any
from beam_scanner.types.element_types import Bbox as Bbox
from beam_scanner.types.element_types import BboxList as BboxList
from beam_scanner.types.element_types import Bytes as Bytes
from beam_scanner.types.element_types import ColumnType as ColumnType
from beam_scanner.types.element_types import DeviceHandle as DeviceHandle
from beam_scanner.types.element_types import DeviceType as DeviceType
from beam_scanner.types.element_types import FrameType as FrameType
from beam_scanner.types.element_types import Histogram as Histogram
from beam_scanner.types.element_types import Image as Image
from beam_scanner.types.element_types import NullElement as NullElement
from beam_scanner.types.element_types import NumpyArray as NumpyArray
from beam_scanner.types.element_types import NumpyArrayFloat32 as NumpyArrayFloat32
from beam_scanner.types.element_types import NumpyArrayInt32 as NumpyArrayInt32
from beam_scanner.types.element_types import ProtobufType as ProtobufType
from beam_scanner.types.element_types import UniformList as UniformList
from beam_scanner.types.element_types import VariableList as VariableList
from beam_scanner.types.element_types import register_type as register_type
from beam_scanner.types.model_types import Embedding as Embedding
from beam_scanner.types.model_types import Keypoint as Keypoint
from beam_scanner.types.model_types import Keypoints as Keypoints
from beam_scanner.types.model_types import Label as Label
from beam_scanner.types.model_types import Mask as Mask
from beam_scanner.types.model_types import Speech as Speech
from beam_scanner.types.model_types import Text as Text
from beam_scanner.types.type_info import ScannerTypeInfo as ScannerTypeInfo
from beam_scanner.types.type_info import get_type_info as get_type_info
from beam_scanner.types.type_info import get_type_info_cpp as get_type_info_cpp
