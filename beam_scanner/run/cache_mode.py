"""What a run does about outputs that are there already."""

from __future__ import annotations

from enum import Enum


class CacheMode(Enum):
    """What a run does about outputs that are committed already.

    ``Error`` refuses to run. ``Ignore`` skips the streams that hold exactly this
    result: the same graph, arguments and inputs. ``Overwrite`` runs, and replaces
    each old stream when the new one is committed.
    """

    Error = 1
    Ignore = 2
    Overwrite = 3
