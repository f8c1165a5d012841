"""How many attempts a task has, and which of them must be made alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import Failure
from beam_scanner.run.tasks.attempt import Ended
from beam_scanner.run.tasks.attempt_marks import Lost
from beam_scanner.run.tasks.retries import Tries

KINDS = st.sampled_from(["exception", "death", "timeout"])


def ended(kind: str, counts: bool = True) -> Ended:
    return Ended({}, Failure("film", "why", kind=kind), counts)


@given(most=st.integers(1, 5), kinds=st.lists(KINDS, min_size=12, max_size=12))
def test_a_task_fails_after_its_attempts_and_by_a_death_only_alone(
    most: int, kinds: list[str]
) -> None:
    tries = Tries(most, [])
    for number, kind in enumerate(kinds, 1):
        was_alone = tries.alone
        tries.count(ended(kind))
        assert tries.used == number
        if tries.failure is not None:
            assert tries.failure.kind == kind
            assert number in (most, most + 1)
            assert was_alone or kind != "death"
            return
        # Only a death that may be another task's fault earns one more attempt.
        assert number < most or kind == "death"
    raise AssertionError("a task may be tried without end")


def test_an_attempt_that_another_task_ended_does_not_count() -> None:
    tries = Tries(1, [])
    tries.count(ended("death", counts=False))
    assert (tries.used, tries.failure) == (0, None)


def test_attempts_that_ended_with_their_worker_count() -> None:
    lost = [Lost("host:1", 1.0, False), Lost("host:2", 2.0, True)]
    tries = Tries(2, lost)
    assert tries.failure is not None
    assert (tries.failure.kind, tries.failure.worker) == ("death", "host:2")
    # Not alone in its process: it may have been the fault of another.
    assert Tries(2, lost[:1]).failure is None
    assert Tries(2, lost[:1]).alone
