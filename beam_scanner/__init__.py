"""Video computation graphs on Apache Beam.

``Client`` runs graphs with Scanner's API; ``types`` and ``protobufs`` are what rows
hold, ``storage`` is where streams live::

    from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams

What a name needs is imported when the name is first used; Beam, when a graph runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beam_scanner import errors as errors
    from beam_scanner import kernels as kernels
    from beam_scanner import ops as ops
    from beam_scanner import protobufs as protobufs
    from beam_scanner import runners as runners
    from beam_scanner import storage as storage
    from beam_scanner import transforms as transforms
    from beam_scanner import types as types
    from beam_scanner import video as video
    from beam_scanner.errors import Failure as Failure
    from beam_scanner.errors import JobFailure as JobFailure
    from beam_scanner.errors import ScannerException as ScannerException
    from beam_scanner.graph.nodes import SliceList as SliceList
    from beam_scanner.kernels.kernel import Kernel as Kernel
    from beam_scanner.kernels.kernel import KernelConfig as KernelConfig
    from beam_scanner.kernels.op_modules import register_module as register_module
    from beam_scanner.kernels.register import register_python_op as register_python_op
    from beam_scanner.planner.perf_params import PerfParams as PerfParams
    from beam_scanner.run.cache_mode import CacheMode as CacheMode
    from beam_scanner.scannerpy.client import Client as Client
    from beam_scanner.scannerpy.config import Config as Config
    from beam_scanner.scannerpy.job import Job as Job
    from beam_scanner.storage import NamedStorage as NamedStorage
    from beam_scanner.storage import NamedStream as NamedStream
    from beam_scanner.storage import NamedVideoStorage as NamedVideoStorage
    from beam_scanner.storage import NamedVideoStream as NamedVideoStream
    from beam_scanner.storage import StorageBackend as StorageBackend
    from beam_scanner.storage import StoredStream as StoredStream
    from beam_scanner.text.version import __version__ as __version__
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
            "beam_scanner.errors": "Failure JobFailure ScannerException",
            "beam_scanner.graph.nodes": "SliceList",
            "beam_scanner.kernels.op_modules": "register_module",
            "beam_scanner.kernels.kernel": "Kernel KernelConfig",
            "beam_scanner.kernels.register": "register_python_op",
            "beam_scanner.planner.perf_params": "PerfParams",
            "beam_scanner.run.cache_mode": "CacheMode",
            "beam_scanner.scannerpy.client": "Client",
            "beam_scanner.scannerpy.config": "Config",
            "beam_scanner.scannerpy.job": "Job",
            "beam_scanner.storage": "NamedStorage NamedStream NamedVideoStorage "
            "NamedVideoStream StorageBackend StoredStream",
            "beam_scanner.text.version": "__version__",
            "beam_scanner.types": "ColumnType DeviceHandle DeviceType FrameType "
            "NullElement",
        },
        "errors kernels ops protobufs runners storage transforms types video",
    )
    __all__ += ["protobufs", "storage", "types"]
