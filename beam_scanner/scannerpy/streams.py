"""``scannerpy.streams``: which rows of a stream."""

from __future__ import annotations

from beam_scanner.graph.nodes import SliceList as SliceList
from beam_scanner.graph.sampler_methods import StreamsGenerator as StreamsGenerator
