"""``scannerpy.partitioner``: how streams are cut into groups."""

from __future__ import annotations

from beam_scanner.graph.sampler_methods import TaskPartitioner as TaskPartitioner

DEFAULT_GROUP_SIZE = 250
