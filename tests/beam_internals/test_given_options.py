"""Whether an option was given can be told from its default."""

from __future__ import annotations

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions

from beam_scanner.beam_internals.given_options import is_given

NAME = "direct_num_workers"


def test_a_default_that_was_given() -> None:
    """Else ``--direct_num_workers=1`` starts a process for each core."""
    assert is_given(PipelineOptions([f"--{NAME}=1"]), NAME)
    assert is_given(PipelineOptions([f"--{NAME}", "1"]), NAME)
    assert is_given(PipelineOptions(direct_num_workers=1), NAME)
    assert is_given(PipelineOptions.from_dictionary({NAME: 1}), NAME)
    assert not is_given(PipelineOptions([]), NAME)


def test_one_that_was_set_later_in_any_view() -> None:
    options = PipelineOptions([])
    options.view_as(DirectOptions).direct_num_workers = 1
    assert is_given(options, NAME)
    assert is_given(options.view_as(DirectOptions), NAME)
