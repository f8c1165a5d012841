"""Runs whose stages follow each other in this thread, without Beam.

So a run takes milliseconds, and can be stopped before or after any change that it
makes to the database, or be run step by step against another one.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from beam_scanner.planner.merge_tasks import jobs_at_once
from beam_scanner.run import launch
from beam_scanner.run.plan_and_commit import commit_job, plan_jobs
from beam_scanner.run.tasks import attempt
from beam_scanner.run.tasks.stage_elements import TaskId
from beam_scanner.run.tasks.try_task import try_tasks
from beam_scanner.run.worker_run import StoredRun
from beam_scanner.stores.local_store import LocalStore
from tests.support.harness import drained

CHANGES = ("put", "put_if_absent", "delete")
CONDITIONAL = ("put_if", "delete_if")
LOOKS = ("read", "exists", "list", "size", "sizes")


class Killed(BaseException):
    """As good as SIGKILL: nothing that comes after changes anything."""


def is_kill(error: BaseException) -> bool:
    """What is not to become the failure of an attempt."""
    return isinstance(error, Killed)


def run_stages(db: str, run: str, phases: int, jobs: int) -> None:
    """What the pipeline does, in order."""
    # A context of its own: threads that take turns must not share a lock.
    context = StoredRun(db, run).open()
    live = list(range(jobs))
    at_once = jobs_at_once(node for node, _ in context.settings.graph.nodes)
    for phase in range(phases):
        outcomes: dict[int, list[Any]] = {job: [] for job in live}
        tasks = []
        size = 1 if phase else at_once
        for start in range(0, len(live), size):
            for job, item in plan_jobs(context, live[start : start + size], phase):
                if isinstance(item[0], TaskId):
                    tasks.append([TaskId(*task.to_tuple()) for task in item])
                else:
                    outcomes[job].append(item)
        for together in tasks:
            ended, _ = drained(try_tasks(context, together))
            for job, outcome in ended:
                outcomes[job].append(outcome)
        failures = {j: commit_job(context, j, outcomes[j]) for j in live}
        for job, found in failures.items():
            context.files.put_result(job, phase, found)
        live = [job for job in live if not failures[job]]


def without_beam(patch: pytest.MonkeyPatch) -> None:
    """Lets ``execute`` run the stages here."""
    patch.setattr(
        launch,
        "_pipeline",
        lambda source, settings, jobs, options: (
            lambda: run_stages(source.db, source.run, settings.graph.phases, jobs)
        ),
    )
    patch.setattr(launch, "run_pipeline", lambda options, build, small, again: build())
    patch.setattr(attempt, "is_interrupt", is_kill)


class Steps:
    """Stands before (or behind) every change to a local store.

    Attributes:
        count: Changes so far.
        kill_at: Number of the change that never happens, or the last that does.
        after: The latter.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.kill_at = -1
        self.after = False
        self.dead = False
        for name in CHANGES:
            patch.setattr(LocalStore, name, self._wrapped(getattr(LocalStore, name)))

    def _wrapped(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def step(store: LocalStore, *args: Any) -> Any:
            if self.dead:
                raise Killed
            number, self.count = self.count, self.count + 1
            self.dead = number == self.kill_at
            if self.dead and not self.after:
                raise Killed
            done = change(store, *args)
            if self.dead:
                raise Killed
            return done

        return step

    def kill(self, at: int, after: bool, run: Callable[[], Any]) -> bool:
        """Runs until that change; says whether it came so far."""
        self.count, self.kill_at, self.after, self.dead = 0, at, after, False
        try:
            run()
        except Killed:
            return True
        finally:
            self.kill_at, self.dead = -1, False
        return False


class Turns:
    """Lets one of several threads go on at a time, and swaps them at random.

    A thread may be swapped for another before everything that it does to a store.
    """

    def __init__(self, patch: pytest.MonkeyPatch, seed: int) -> None:
        self._random = random.Random(seed)
        self._changed = threading.Condition()
        self._waiting: list[int] = []
        self._turn: int | None = None
        # Some drivers get far ahead of others.
        self._switch = self._random.choice([0.5, 0.1, 0.02])
        self._inside = threading.local()
        for name in (*CHANGES, *LOOKS, *CONDITIONAL):
            patch.setattr(LocalStore, name, self._wrapped(getattr(LocalStore, name)))

    def _wrapped(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def step(store: LocalStore, *args: Any, **named: Any) -> Any:
            # Who holds the lock of a conditional change is not made to wait with it.
            if getattr(self._inside, "change", False):
                return method(store, *args, **named)
            self._pass_on()
            if method.__name__ not in CONDITIONAL:
                return method(store, *args, **named)
            self._inside.change = True
            try:
                return method(store, *args, **named)
            finally:
                self._inside.change = False

        return step

    def _pass_on(self) -> None:
        me = threading.get_ident()
        with self._changed:
            if me not in self._waiting:
                return
            if self._random.random() < self._switch:
                self._turn = self._random.choice(self._waiting)
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._turn == me)

    def run(self, *bodies: Callable[[], Any]) -> list[Any]:
        """Runs all to the end; gives what each returned or raised."""
        results: list[Any] = [None] * len(bodies)
        start = threading.Barrier(len(bodies))

        def go(number: int) -> None:
            me = threading.get_ident()
            with self._changed:
                self._waiting.append(me)
            start.wait()
            with self._changed:
                if self._turn is None:
                    self._turn = me
            try:
                results[number] = bodies[number]()
            except Exception as error:
                results[number] = error
            finally:
                with self._changed:
                    self._waiting.remove(me)
                    if self._turn == me and self._waiting:
                        self._turn = self._random.choice(self._waiting)
                    self._changed.notify_all()

        threads = [
            threading.Thread(target=go, args=[number], daemon=True)
            for number in range(len(bodies))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
            assert not thread.is_alive()
        return results
