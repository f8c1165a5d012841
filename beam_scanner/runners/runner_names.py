"""Which runner pipeline options name, and how options for one are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apache_beam.options.pipeline_options import (
    PipelineOptions,
    SetupOptions,
    StandardOptions,
)


def runner_name(options: PipelineOptions) -> str | None:
    """Which runner options ask for: a short name, or None for the default.

    Beam takes names in any case, with and without their ending or module.

    Examples:
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


def options_for(
    runner: str, values: Mapping[str, Any], more: Iterable[str]
) -> PipelineOptions:
    """Options for a runner.

    Args:
        runner: Its name.
        values: Options by name; those that are None are left to Beam.
        more: Flags that are passed on as they are.

    Examples:
        >>> made = options_for('FlinkRunner', {'parallelism': 2, 'job_name': None}, [])
        >>> made.get_all_options(drop_default=True)
        {'runner': 'FlinkRunner', 'parallelism': 2}
    """
    given = {"runner": runner, **values}
    flags = [f"--{name}={value}" for name, value in given.items() if value is not None]
    return PipelineOptions([*flags, *more])


def sends_packages(options: PipelineOptions) -> bool:
    """Whether workers install something before they begin, as this package.

    Examples:
        >>> sends_packages(PipelineOptions(['--requirements_file=requirements.txt']))
        True
    """
    setup = options.view_as(SetupOptions)
    return any((setup.setup_file, setup.extra_packages, setup.requirements_file))


def is_of_this_machine(url: str) -> bool:
    """Whether a path or URL means a file of the machine that opens it.

    Examples:
        >>> is_of_this_machine('films/a.mp4'), is_of_this_machine('gs://films/a.mp4')
        (True, False)
    """
    return "://" not in url or url.startswith("file:")
