"""OpenCV, which is an extra."""

from __future__ import annotations

from typing import Any

from beam_scanner.errors import MissingDependencyError


def opencv(op: str) -> Any:
    """The module ``cv2``.

    Args:
        op: Who needs it, for the error.

    Raises:
        MissingDependencyError: OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingDependencyError(
            f"op {op} needs OpenCV: pip install 'beam-scanner[opencv]'"
        ) from error
    return cv2
