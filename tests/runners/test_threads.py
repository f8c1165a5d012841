"""Threads that end with an error, and who hears of it."""

from __future__ import annotations

import threading
import time

from beam_scanner.runners.threads import heard_by, join_new


def fail(reason: str) -> None:
    def body() -> None:
        raise ValueError(reason)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()


def test_listeners_hear_of_it_and_the_rest_if_none_says_enough() -> None:
    heard: list[str] = []
    printed: list[str] = []

    def listener(name: str, enough: bool) -> object:
        def listen(args: threading.ExceptHookArgs) -> bool:
            heard.append(f"{name} {args.exc_value}")
            return enough

        return listen

    before = threading.excepthook
    threading.excepthook = lambda args: printed.append(str(args.exc_value))
    try:
        with heard_by(listener("one", False)):  # type: ignore[arg-type]
            fail("a")
            with heard_by(listener("two", True)):  # type: ignore[arg-type]
                fail("b")
            fail("c")
        fail("d")
    finally:
        threading.excepthook = before
    assert heard == ["one a", "one b", "two b", "one c"]
    assert printed == ["a", "c", "d"]


def test_a_hook_that_the_program_sets_meanwhile_stays() -> None:
    def other(args: threading.ExceptHookArgs) -> None: ...

    before = threading.excepthook
    try:
        with heard_by(lambda args: True):
            threading.excepthook = other
        assert threading.excepthook is other
    finally:
        threading.excepthook = before
    with heard_by(lambda args: True):
        assert threading.excepthook is not before
    assert threading.excepthook is before


def test_only_new_threads_of_such_names_are_waited_for() -> None:
    over = threading.Event()

    def start(name: str) -> threading.Thread:
        thread = threading.Thread(target=over.wait, name=name, daemon=True)
        thread.start()
        return thread

    old = start("reader 0")
    known = set(threading.enumerate())
    threads = [old, start("reader 1"), start("writer 1")]
    began = time.monotonic()
    join_new(known, ("reader",), 0.1)
    assert time.monotonic() - began >= 0.1
    join_new(known, ("nobody",), 60)
    join_new(set(threading.enumerate()), ("reader",), 60)
    timer = threading.Timer(0.05, over.set)
    timer.start()
    join_new(known, ("reader",), 60)
    assert not threads[1].is_alive()
    for thread in (*threads, timer):
        thread.join(10)
