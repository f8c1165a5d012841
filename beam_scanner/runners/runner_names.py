"""The names that runners go by."""

from __future__ import annotations

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions


def runner_name(options: PipelineOptions) -> str | None:
    """Which runner options ask for: a short name, or None for the default.

    Beam takes names in any case, with and without their ending or module.

    Example:
        >>> runner_name(PipelineOptions(['--runner=FlinkRunner']))
        'flink'
        >>> runner_name(PipelineOptions(['--runner=direct']))
        'direct'
    """
    given = options.view_as(StandardOptions).runner
    if not given:
        return None
    name = str(given).rpartition(".")[2].lower()
    return name.removesuffix("runner") or name
