"""Changes that several runs make at once."""

from __future__ import annotations

import logging
import random
from contextlib import contextmanager
from typing import Any

import apache_beam.pipeline
import pytest

from beam_scanner.runners.local.local_run import _ECHOES, _without_echoes
from beam_scanner.runners.overlapping import overlapping
from beam_scanner.runners.start import _no_labels_of_cells


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
    loggers = [logging.getLogger(name) for name in _ECHOES]
    levels = [logger.level for logger in loggers]
    label = apache_beam.pipeline.alter_label_if_ipython
    for change in (_without_echoes, _no_labels_of_cells):
        first, second = change(), change()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert apache_beam.pipeline.alter_label_if_ipython is label or (
            change is _no_labels_of_cells
        )
        second.__exit__(None, None, None)
    assert [logger.level for logger in loggers] == levels
    assert apache_beam.pipeline.alter_label_if_ipython is label


def test_an_error_in_a_block_ends_it() -> None:
    label = apache_beam.pipeline.alter_label_if_ipython
    with pytest.raises(ZeroDivisionError), _no_labels_of_cells():
        raise ZeroDivisionError
    assert apache_beam.pipeline.alter_label_if_ipython is label
