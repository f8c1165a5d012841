"""Whether the user set a pipeline option, even to its default.

Beam has no public way to ask: an option that was not given reads as its default.

If Beam changes this: a flag such as ``--direct_num_workers=1`` is taken for the default,
and a local run starts a worker process for each core all the same.
"""

from __future__ import annotations

from apache_beam.options.pipeline_options import PipelineOptions


def is_given(options: PipelineOptions, name: str) -> bool:
    """Whether an option was given as a flag, or set later.

    Examples:
        >>> options = PipelineOptions(['--direct_num_workers=1'])
        >>> is_given(options, 'direct_num_workers')
        True
        >>> is_given(options, 'direct_running_mode')
        False
    """
    flags = [str(flag).partition("=")[0] for flag in options._flags or []]
    return f"--{name}" in flags or name in options._all_options
