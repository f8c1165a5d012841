"""Makes ``import scannerpy`` find this package, here and on workers.

Programs of Scanner, and libraries for it, import ``scannerpy``, ``scanner`` (its messages)
and ``scannertools``. After :func:`install` the first two are modules of this package. So are
the modules of ``scannertools`` that are compiled: ``imgproc`` and ``misc``, whose ops ship
here, and ``storage``. Others are those that are installed; where none is, ``shot_detection``
and ``vis`` are there, too.

::

    from beam_scanner.scannerpy.aliases import install

    install()
    import scannerpy
    from scannertools.storage.files import FilesStream
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from beam_scanner.kernels.pickling import before_loading

_PACKAGE = "beam_scanner.scannerpy"
_EMPTY = ""
"""Stands for a package of which nothing but its modules is wanted."""

# Of scannertools, what is compiled against Scanner cannot be loaded.
_FIRST = {
    "scannertools.imgproc": "beam_scanner.ops",
    "scannertools.misc": "beam_scanner.ops",
    "scannertools.storage": _EMPTY,
    **{
        f"scannertools.storage.{name}": "beam_scanner.storage"
        for name in ("audio", "caption", "files", "python")
    },
    "scannertools_sql": _EMPTY,
    "scannertools_sql.storage": "beam_scanner.storage",
}
_LAST = {
    "scanner": _EMPTY,
    "scanner.engine": _EMPTY,
    **{
        f"scanner.{name}_pb2": f"{_PACKAGE}.protobufs"
        for name in ("metadata", "types", "source_args", "sink_args", "sampler_args")
    },
    "scanner.engine.rpc_pb2": f"{_PACKAGE}.protobufs",
    "scanner.engine.rpc_pb2_grpc": f"{_PACKAGE}.protobufs",
    "scannertools": _EMPTY,
    "scannertools.shot_detection": "beam_scanner.ops",
    "scannertools.vis": "beam_scanner.ops",
}


def install() -> None:
    """Makes the names importable from now on; again is harmless.

    Graphs that are pickled from now on do the same wherever they are loaded.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(_FIRST, whole=True))
        sys.meta_path.append(_Finder(_LAST))
    before_loading(install)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules under other names.

    Args:
        names: By name the module that is meant.
        whole: Whether ``scannerpy``, with all its modules, is this package.
    """

    def __init__(self, names: dict[str, str], whole: bool = False) -> None:
        self._names = names
        self._whole = whole

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """See ``importlib.abc.MetaPathFinder``."""
        top, _, rest = fullname.partition(".")
        meant = self._names.get(fullname)
        if self._whole and top == "scannerpy":
            meant = f"{_PACKAGE}.{rest}" if rest else _PACKAGE
            if importlib.util.find_spec(meant) is None:
                return None
        if meant is None:
            tools = sys.modules.get("scannertools")
            if (
                not self._whole
                and top == "scannertools"
                and not hasattr(tools, "__file__")
            ):
                _refuse_missing(fullname)
            return None
        is_package = meant in (_EMPTY, _PACKAGE)
        return ModuleSpec(fullname, _Loader(meant), is_package=is_package)


def _refuse_missing(fullname: str) -> None:
    raise ModuleNotFoundError(
        f"there is no {fullname}: scannertools is not installed, and what stands in its "
        "place has imgproc, misc, shot_detection, storage and vis; see docs/scannerpy.md",
        name=fullname,
    )


class _Loader(importlib.abc.Loader):
    """Loads a module under another name, as the same object."""

    def __init__(self, meant: str) -> None:
        self._meant = meant
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """See ``importlib.abc.Loader``."""
        if self._meant == _EMPTY:
            return None
        module = importlib.import_module(self._meant)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """See ``importlib.abc.Loader``."""
        if self._meant != _EMPTY:
            # The import system has given it the spec of the other name.
            module.__spec__ = self._spec
