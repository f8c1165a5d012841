"""Video computation graphs on Apache Beam.

``Client`` runs graphs with Scanner's API; ``types`` and ``protobufs`` are what rows
hold, ``storage`` is where streams live::

    from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams
"""

from beam_scanner.beam_internals.quiet_import import import_beam as _import_beam

_import_beam()

from beam_scanner import protobufs as protobufs  # noqa: E402
from beam_scanner import storage as storage  # noqa: E402
from beam_scanner import types as types  # noqa: E402
from beam_scanner.errors import Failure as Failure  # noqa: E402
from beam_scanner.errors import JobFailure as JobFailure  # noqa: E402
from beam_scanner.errors import ScannerException as ScannerException  # noqa: E402
from beam_scanner.graph.nodes import SliceList as SliceList  # noqa: E402
from beam_scanner.kernels.kernel import Kernel as Kernel  # noqa: E402
from beam_scanner.kernels.kernel import KernelConfig as KernelConfig  # noqa: E402
from beam_scanner.kernels.op_modules import register_module as register_module  # noqa: E402
from beam_scanner.kernels.register import register_python_op as register_python_op  # noqa: E402
from beam_scanner.planner.perf_params import PerfParams as PerfParams  # noqa: E402
from beam_scanner.run.prepare import CacheMode as CacheMode  # noqa: E402
from beam_scanner.scannerpy.client import Client as Client  # noqa: E402
from beam_scanner.scannerpy.client import Job as Job  # noqa: E402
from beam_scanner.scannerpy.config import Config as Config  # noqa: E402
from beam_scanner.storage import NamedStorage as NamedStorage  # noqa: E402
from beam_scanner.storage import NamedStream as NamedStream  # noqa: E402
from beam_scanner.storage import NamedVideoStorage as NamedVideoStorage  # noqa: E402
from beam_scanner.storage import NamedVideoStream as NamedVideoStream  # noqa: E402
from beam_scanner.storage import StorageBackend as StorageBackend  # noqa: E402
from beam_scanner.storage import StoredStream as StoredStream  # noqa: E402
from beam_scanner.types.element_types import ColumnType as ColumnType  # noqa: E402
from beam_scanner.types.element_types import DeviceHandle as DeviceHandle  # noqa: E402
from beam_scanner.types.element_types import DeviceType as DeviceType  # noqa: E402
from beam_scanner.types.element_types import FrameType as FrameType  # noqa: E402
from beam_scanner.types.element_types import NullElement as NullElement  # noqa: E402

__all__ = [
    "CacheMode",
    "Client",
    "ColumnType",
    "Config",
    "DeviceHandle",
    "DeviceType",
    "Failure",
    "FrameType",
    "Job",
    "JobFailure",
    "Kernel",
    "KernelConfig",
    "NamedStorage",
    "NamedStream",
    "NamedVideoStorage",
    "NamedVideoStream",
    "NullElement",
    "PerfParams",
    "ScannerException",
    "SliceList",
    "StorageBackend",
    "StoredStream",
    "protobufs",
    "register_module",
    "register_python_op",
    "storage",
    "types",
]
