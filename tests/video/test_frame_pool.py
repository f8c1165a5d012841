"""Memory of frames is used again, but never while anybody holds it."""

from __future__ import annotations

import threading

import numpy as np

from beam_scanner.video.frame_pool import FramePool


def test_frames_that_are_held_are_apart() -> None:
    pool = FramePool()
    frames = [pool.empty(4, 6) for _ in range(5)]
    for number, frame in enumerate(frames):
        frame[:] = number
    assert [int(frame.max()) for frame in frames] == [0, 1, 2, 3, 4]
    assert all(frame.shape == (4, 6, 3) for frame in frames)
    assert all(frame.flags.c_contiguous and frame.flags.writeable for frame in frames)


def test_views_hold_their_frame() -> None:
    pool = FramePool()
    corner = pool.empty(4, 6)[:1, :1]
    corner[:] = 7
    for _ in range(5):
        pool.empty(4, 6)[:] = 1
    assert corner.max() == 7


def test_no_more_is_kept_than_was_said() -> None:
    size = 4 * 6 * 3
    pool = FramePool(budget=2 * size)
    frames = [pool.empty(4, 6) for _ in range(5)]
    del frames
    places = {pool.empty(4, 6).ctypes.data for _ in range(20)}
    assert len(places) <= 2
    other = pool.empty(8, 6)
    assert other.shape == (8, 6, 3)
    assert sum(len(found) * held for held, found in pool._buffers.items()) <= 2 * size


def test_a_frame_larger_than_the_budget_is_given_all_the_same() -> None:
    pool = FramePool(budget=10)
    assert pool.empty(4, 6).shape == (4, 6, 3)


def test_threads_get_frames_of_their_own() -> None:
    pool = FramePool()
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(300):
            frame = pool.empty(8, 8)
            frame[:] = number
            if not np.all(frame == number):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
