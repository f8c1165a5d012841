"""What crosses from plan to run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.run.tasks.stage_elements import TaskId

NUMBERS = st.integers(0, 2**40)
TASKS = st.builds(
    TaskId,
    job=NUMBERS | st.tuples(st.text(), st.text()),
    family=NUMBERS,
    task=NUMBERS,
    tasks=NUMBERS,
    intervals=st.lists(st.tuples(NUMBERS, NUMBERS), max_size=3).map(tuple),
)


@given(TASKS)
def test_plain_values_make_the_same_task(task: TaskId) -> None:
    plain = task.to_tuple()
    assert TaskId(*plain) == task
    assert hash(TaskId(*plain)) == hash(task)
    # Every coder knows these; none knows a class of ours.
    assert not any(isinstance(value, TaskId) for value in plain)


def test_people_count_from_one() -> None:
    assert str(TaskId("job", 0, 2, 7, ((4, 6),))) == "task 3 of 7"
