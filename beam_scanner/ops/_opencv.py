"""OpenCV, which is an extra."""

from __future__ import annotations

from typing import Any

from beam_scanner.errors import MissingDependencyError


def opencv_or_none() -> Any:
    """The module ``cv2``; None where it is not installed."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2


def opencv(op: str) -> Any:
    """The module ``cv2``.

    Args:
        op: Who needs it, for the error.

    Raises:
        MissingDependencyError: OpenCV is not installed.
    """
    cv2 = opencv_or_none()
    if cv2 is None:
        raise MissingDependencyError(
            f"op {op} needs OpenCV: pip install 'beam-scanner[opencv]'"
        )
    return cv2
