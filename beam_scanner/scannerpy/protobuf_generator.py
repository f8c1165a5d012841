"""``scannerpy.protobuf_generator``: as Scanner's documentation calls ``protobufs``."""

from __future__ import annotations

from beam_scanner.scannerpy.protobufs import ProtobufGenerator as ProtobufGenerator
from beam_scanner.scannerpy.protobufs import analyze_proto as analyze_proto
from beam_scanner.scannerpy.protobufs import protobufs as protobufs
from beam_scanner.scannerpy.protobufs import python_to_proto as python_to_proto
