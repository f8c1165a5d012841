"""Libraries that models need, which are extras."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any, NamedTuple

from beam_scanner.errors import MissingDependencyError
from beam_scanner.text.pip_install import pip_install


class Package(NamedTuple):
    """An optional package.

    Attributes:
        name: Its name.
        module: Of which it is installed if there is one.
        extra: Of this package, that installs it.
    """

    name: str
    module: str
    extra: str

    def is_there(self) -> bool:
        """Whether it is installed here; it is not imported."""
        try:
            return importlib.util.find_spec(self.module) is not None
        except (ImportError, ValueError):
            return False

    def missing(self, who: str) -> MissingDependencyError:
        """The error where it is not installed.

        Args:
            who: Who needs it.
        """
        return MissingDependencyError(
            f"{who} needs {self.name}: {pip_install(self.extra)}"
        )


OPENCV = Package("OpenCV", "cv2", "opencv")
ONNX = Package("onnxruntime", "onnxruntime", "onnx")
TOKENIZERS = Package("tokenizers", "tokenizers", "zero-shot")
KERAS = Package("keras", "keras", "tensorflow")
TENSORFLOW = Package("tensorflow", "tensorflow", "tensorflow")
RAPIDOCR = Package("rapidocr", "rapidocr", "ocr")
TRACKER = Package("edgefirst-tracker", "edgefirst.tracker", "tracking")


def library(package: Package, who: str) -> Any:
    """The module of an optional package.

    Args:
        package: Which.
        who: Who needs it, for the error.

    Raises:
        MissingDependencyError: It is not installed.

    Examples:
        >>> nothing = Package('OpenCV', 'no_cv', 'opencv')
        >>> library(nothing, 'op Blur')  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        beam_scanner.errors.MissingDependencyError: op Blur needs OpenCV: pip install ...
    """
    try:
        return importlib.import_module(package.module)
    except ImportError as error:
        raise package.missing(who) from error


def tensorflow(who: str, threads: int) -> Any:
    """TensorFlow, which takes no more memory of a GPU than it needs.

    Args:
        who: Who needs it, for the error.
        threads: How many one call may use; those of the first model count.

    Raises:
        MissingDependencyError: It is not installed.
    """
    tf = library(TENSORFLOW, who)
    try:
        for gpu in tf.config.list_physical_devices("GPU"):
            # Else the first process takes all of it.
            tf.config.experimental.set_memory_growth(gpu, True)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        # It is at work already: whoever came first has decided.
        pass
    return tf
