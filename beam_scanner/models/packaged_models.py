"""Models whose weights come with a Python package."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from beam_scanner.errors import KernelError, MissingDependencyError
from beam_scanner.models.onnx_models import OnnxModelHandler
from beam_scanner.text.pip_install import pip_install


class PackagedModelHandler(OnnxModelHandler):
    """An ONNX model that a package ships, wherever that is installed.

    The package's code is not imported. Its weights may lie at another path on the
    workers, but must be the same.

    Args:
        packages: Names of packages that have it; the first one that is installed counts.
        file: Path of the file in the package.
        extra: Of this package, that installs one of them.
        who: Who needs it, for errors.
        **options: See ``OnnxModelHandler``.

    Attributes:
        digest: Of the weights, as they are where the handler was made.

    Raises:
        MissingDependencyError: None of the packages is installed.

    Examples:
        >>> PackagedModelHandler(
        ...     ['nonesuch'], 'a.onnx', 'faces', 'op DetectFaces'
        ... )  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        beam_scanner.errors.MissingDependencyError: op DetectFaces needs the weights \
in nonesuch: pip install ...
    """

    def __init__(
        self,
        packages: Sequence[str],
        file: str,
        extra: str,
        who: str,
        **options: Any,
    ) -> None:
        super().__init__("", **options)
        self._packages = list(packages)
        self._file = file
        self._extra = extra
        self._who = who
        self.digest = _digest_of(self._find())

    def load_model(self) -> Any:
        """Makes a session.

        Raises:
            MissingDependencyError: The package is not installed here.
            KernelError: It has other weights than where the run began.
        """
        path = self._find()
        if _digest_of(path) != self.digest:
            raise KernelError(
                f"{self._who}: {path} differs from the weights where the run began: "
                f"install the same version of {path.parent.name} there and here"
            )
        self._path = os.fspath(path)
        return super().load_model()

    def _find(self) -> Path:
        for package in self._packages:
            spec = importlib.util.find_spec(package)
            for folder in (spec and spec.submodule_search_locations) or ():
                path = Path(folder, self._file)
                if path.is_file():
                    return path
        raise MissingDependencyError(
            f"{self._who} needs the weights in {' or '.join(self._packages)}: "
            + pip_install(self._extra)
        )


def _digest_of(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
