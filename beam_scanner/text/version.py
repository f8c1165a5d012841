"""Which version of the package is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("beam-scanner")
except PackageNotFoundError:
    # Python finds the package in a checkout that nobody has installed.
    __version__ = "(not installed)"
