"""Scanner's API: a program that was written for scannerpy needs only this import.

::

    import beam_scanner.scannerpy as scannerpy

Modules and names are scannerpy's. ``python -m beam_scanner.scannerpy program.py`` runs a
program that is not changed at all. What has no meaning on Beam is there, too, and says
what to do instead.
"""

from beam_scanner.lazy import lazy_names

__getattr__, __dir__, _names = lazy_names(__name__)

# Scanner's package imports these modules itself, so that its * has them, too.
__all__ = [
    *_names,
    *("build_flags", "client", "column", "common", "config", "io", "job", "kernel"),
    *("op", "partitioner", "profiler", "protobufs", "sink", "source", "storage"),
    *("streams", "table", "types"),
]
