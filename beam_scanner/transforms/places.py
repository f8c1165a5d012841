"""Whether the workers of a pipeline reach what it reads and writes.

The driver knows most of it while the pipeline is built, and refuses it there. Paths
that are elements are known to workers alone, and fail their streams.
"""

from __future__ import annotations

import copy
import weakref
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from beam_scanner.beam_internals.applied_steps import runner_of
from beam_scanner.run.options import ScannerOptions
from beam_scanner.runners.start import check_pipeline, why_out_of_reach
from beam_scanner.stores import open_store

_checked: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()


def check_places(pipeline: Any, *urls: str) -> None:
    """Refuses options and places with which a pipeline would fail later, or hang.

    Args:
        pipeline: While it is built.
        *urls: What workers will read or write: paths, patterns or URLs.

    Raises:
        ArgumentError: Names the flag, its value and what was expected.
        MissingDependencyError: The runner needs a package that is not installed.
    """
    known = _checked.get(pipeline)
    new = set(urls) - (known or set())
    if known is not None and not new:
        return
    options = _options(pipeline)
    database = options.view_as(ScannerOptions).scanner_db
    if database:
        # Refuses a URL where none can lie.
        open_store(database)
    check_pipeline(options, [*([database] if database else []), *sorted(new)])
    _checked.setdefault(pipeline, set()).update(new)


def why_paths_fail(pipeline: Any) -> str:
    """Why no worker finds a path of this machine; '' if some may."""
    return why_out_of_reach(_options(pipeline))


def _options(pipeline: Any) -> PipelineOptions:
    """The options with the pipeline's runner, which need not be the one they name."""
    given = pipeline.options.view_as(StandardOptions)
    named, given.runner = given.runner, None
    try:
        options = copy.deepcopy(pipeline.options)
    finally:
        given.runner = named
    options.view_as(StandardOptions).runner = runner_of(pipeline)
    return options
