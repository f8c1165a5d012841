"""Changes that several runs make at once."""

from __future__ import annotations

import logging
import random
from contextlib import contextmanager
from typing import Any

import apache_beam.pipeline
import pytest

from beam_scanner.beam_internals.cell_labels import no_cell_labels
from beam_scanner.beam_internals.log_echoes import (
    JOB_ECHOES,
    LOCAL_ECHOES,
    without_job_echoes,
    without_local_echoes,
)
from beam_scanner.beam_internals.overlapping import overlapping


@pytest.mark.parametrize("seed", range(20))
def test_blocks_that_begin_and_end_in_any_order(seed: int) -> None:
    rng = random.Random(seed)
    held: list[int] = []

    @overlapping
    @contextmanager
    def change():
        held.append(1)
        yield
        held.pop()

    blocks: list[Any] = []
    for _ in range(100):
        if blocks and rng.random() < 0.5:
            blocks.pop(rng.randrange(len(blocks))).__exit__(None, None, None)
        else:
            blocks.append(change())
            blocks[-1].__enter__()
        assert held == [1] * bool(blocks)


def test_what_was_there_before_comes_back() -> None:
    loggers = [logging.getLogger(name) for name in (*LOCAL_ECHOES, *JOB_ECHOES, None)]

    def settings() -> list[tuple[int, bool, list[object]]]:
        return [(each.level, each.disabled, [*each.filters]) for each in loggers]

    before = settings()
    label = apache_beam.pipeline.alter_label_if_ipython
    for change in (without_local_echoes, without_job_echoes, no_cell_labels):
        first, second = change(), change()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert apache_beam.pipeline.alter_label_if_ipython is label or (
            change is no_cell_labels
        )
        second.__exit__(None, None, None)
    assert settings() == before
    assert apache_beam.pipeline.alter_label_if_ipython is label


def test_an_error_in_a_block_ends_it() -> None:
    label = apache_beam.pipeline.alter_label_if_ipython
    with pytest.raises(ZeroDivisionError), no_cell_labels():
        raise ZeroDivisionError
    assert apache_beam.pipeline.alter_label_if_ipython is label
