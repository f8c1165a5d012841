"""Libraries that models need, which are extras."""

from __future__ import annotations

import importlib
from typing import Any

from beam_scanner.errors import MissingDependencyError


def library(module: str, extra: str, who: str) -> Any:
    """A module of an optional package.

    Args:
        module: Its name.
        extra: Of this package, that installs it.
        who: Who needs it, for the error.

    Raises:
        MissingDependencyError: It is not installed.

    Examples:
        >>> library('nonesuch', 'tensorflow', 'KerasModelHandler')
        Traceback (most recent call last):
        beam_scanner.errors.MissingDependencyError: KerasModelHandler needs nonesuch: \
pip install 'beam-scanner[tensorflow]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{who} needs {module}: pip install 'beam-scanner[{extra}]'"
        ) from error


def tensorflow(who: str, threads: int) -> Any:
    """TensorFlow, which takes no more memory of a GPU than it needs.

    Args:
        who: Who needs it, for the error.
        threads: How many one call may use; those of the first model count.

    Raises:
        MissingDependencyError: It is not installed.
    """
    tf = library("tensorflow", "tensorflow", who)
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
