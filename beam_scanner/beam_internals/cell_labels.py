"""Keeps Beam from putting the numbers of notebook cells before labels.

Beam takes any notebook for one of interactive Beam: it loads that, which warns of what
is not installed and sends the browser for scripts on other machines.

If Beam changes this: a first run in a notebook prints warnings about interactive Beam,
and labels begin with ``[1]:``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apache_beam.pipeline

from beam_scanner.beam_internals.overlapping import overlapping


@overlapping
@contextmanager
def no_cell_labels() -> Iterator[None]:
    """While open, labels are the same in a notebook as elsewhere."""
    alter = apache_beam.pipeline.alter_label_if_ipython
    apache_beam.pipeline.alter_label_if_ipython = lambda transform, pvalueish: None
    try:
        yield
    finally:
        apache_beam.pipeline.alter_label_if_ipython = alter
