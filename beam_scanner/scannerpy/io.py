"""``scannerpy.io``: where graphs begin and end."""

from __future__ import annotations

from beam_scanner.graph.builder import IOGenerator as IOGenerator
