"""Scanner's API: a program that was written for scannerpy needs only this import.

::

    import beam_scanner.scannerpy as scannerpy

Modules and names are scannerpy's. ``python -m beam_scanner.scannerpy program.py`` runs a
program that is not changed at all. What has no meaning on Beam is there, too, and says
what to do instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beam_scanner.errors import ScannerException as ScannerException
    from beam_scanner.graph.nodes import SliceList as SliceList
    from beam_scanner.kernels.kernel import Kernel as Kernel
    from beam_scanner.kernels.kernel import KernelConfig as KernelConfig
    from beam_scanner.kernels.register import register_python_op as register_python_op
    from beam_scanner.planner.perf_params import PerfParams as PerfParams
    from beam_scanner.run.cache_mode import CacheMode as CacheMode
    from beam_scanner.scannerpy.client import Client as Client
    from beam_scanner.scannerpy.client import start_master as start_master
    from beam_scanner.scannerpy.client import start_worker as start_worker
    from beam_scanner.scannerpy.config import Config as Config
    from beam_scanner.scannerpy.job import Job as Job
    from beam_scanner.storage import NamedStream as NamedStream
    from beam_scanner.storage import NamedVideoStream as NamedVideoStream
    from beam_scanner.types import ColumnType as ColumnType
    from beam_scanner.types import DeviceHandle as DeviceHandle
    from beam_scanner.types import DeviceType as DeviceType
    from beam_scanner.types import FrameType as FrameType
    from beam_scanner.types import NullElement as NullElement
else:
    from beam_scanner.lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(
        __name__,
        {
            "beam_scanner.errors": "ScannerException",
            "beam_scanner.graph.nodes": "SliceList",
            "beam_scanner.kernels.kernel": "Kernel KernelConfig",
            "beam_scanner.kernels.register": "register_python_op",
            "beam_scanner.planner.perf_params": "PerfParams",
            "beam_scanner.run.cache_mode": "CacheMode",
            "beam_scanner.scannerpy.client": "Client start_master start_worker",
            "beam_scanner.scannerpy.config": "Config",
            "beam_scanner.scannerpy.job": "Job",
            "beam_scanner.storage": "NamedStream NamedVideoStream",
            "beam_scanner.types": "ColumnType DeviceHandle DeviceType FrameType "
            "NullElement",
        },
        "build_flags client column common config io job kernel kube op partitioner "
        "profiler protobufs sampler sink source storage streams table types util",
    )
