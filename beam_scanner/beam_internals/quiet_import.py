"""Imports Beam without the warning, and the log handler, that it would leave behind.

Without its cloud extra, Beam logs a warning through the root logger while it is
imported. That installs a handler in the program of whoever imports this package, and
from then on every library's log lines appear twice or where none were wanted.

If Beam changes this: importing the package prints warnings, or leaves a log handler.
"""

import gc
import logging
import threading
from functools import cache


@cache
def import_beam() -> None:
    """Imports Beam; what it logs meanwhile goes nowhere.

    Meanwhile no garbage is collected: it would take up to a tenth of the time to look again
    and again at what stays.

    Examples:
        >>> import_beam()
    """
    thread = threading.get_ident()

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    root, nowhere = logging.getLogger(), logging.NullHandler()
    handlers = list(root.handlers)
    for handler in handlers:
        handler.addFilter(is_of_others)
    root.addHandler(nowhere)
    collects = gc.isenabled()
    gc.disable()
    try:
        import apache_beam
        import apache_beam.runners  # noqa: F401
    finally:
        if collects:
            gc.enable()
        root.removeHandler(nowhere)
        for handler in handlers:
            handler.removeFilter(is_of_others)
