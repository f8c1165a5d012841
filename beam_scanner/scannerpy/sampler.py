"""``scannerpy.sampler``: samplers as Scanner's oldest programs wrote them."""

from __future__ import annotations

from beam_scanner.scannerpy.instead import refused

DEFAULT_TASK_SIZE = 125

Sampler = refused(
    "sampler.Sampler", "Scanner has left it, too; the samplers are those of sc.streams"
)
