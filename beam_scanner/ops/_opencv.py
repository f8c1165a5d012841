"""OpenCV, which is an extra."""

from __future__ import annotations

from typing import Any

from beam_scanner.models.libraries import OPENCV, library


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
    return library(OPENCV, f"op {op}")
