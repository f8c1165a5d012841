"""``python -m beam_scanner.scannerpy program.py``."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence

from beam_scanner.scannerpy.aliases import install

_USAGE = "usage: python -m beam_scanner.scannerpy program.py [arguments]"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a program in this process as Python would, with ``import scannerpy``.

    Args:
        arguments: The program's path and its arguments; those of the command if None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(_USAGE)
        raise SystemExit(0 if given else 2)
    program = given[0]
    if not os.path.exists(program):
        raise SystemExit(f"there is no program {program!r}\n{_USAGE}")
    install()
    sys.argv = given
    # As for any program: its own folder in place of that of python -m.
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.abspath(program))
    runpy.run_path(program, run_name="__main__")
