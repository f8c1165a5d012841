"""Writers, a reader and a collector over a store that fails, delays and loses answers.

Two writers replace one stream again and again: each begins, writes segments, publishes,
may die at any step, be stopped, and go on. Whatever happens, in any order that
Hypothesis finds:

* nothing that was committed is ever lost: what the descriptor lists is there;
* a reader sees one result, whole, never a mix of two;
* of writers that saw the same stream one publishes, and the others are told;
* the collector removes only what nobody needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from beam_scanner.errors import (
    OutcomeUnknownError,
    StorageError,
    StreamReplacedError,
)
from beam_scanner.storage.commit import (
    describe_segments,
    discard,
    generation_of,
    is_whole,
    publish,
)
from beam_scanner.storage.descriptor import (
    StreamDescriptor,
    check_database,
    read_descriptor,
)
from beam_scanner.storage.garbage import gc
from beam_scanner.storage.stream_names import descriptor_key, generation_key
from tests.support.storage_fakes import MemoryStore

NAME = "s"
SEGMENTS = 2
FATES = st.sampled_from(["done", "done", "done", "failed", "lost answer", "delayed"])
_numbers = itertools.count()


class Unreliable(MemoryStore):
    """Does what it is asked, or fails, or does it now or later and reports failure.

    Attributes:
        fates: What becomes of the next changes; then all are done.
        late: Changes that were reported to have failed, and are still to come.
        between: Called once before the next change takes place.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.fates: list[str] = []
        self.late: list[Callable[[], Any]] = []
        self.between: Callable[[], None] | None = None

    def _change(self, change: Callable[[], Any]) -> Any:
        between, self.between = self.between, None
        if between is not None:
            between()
        fate = self.fates.pop(0) if self.fates else "done"
        if fate == "done":
            return change()
        if fate == "lost answer":
            change()
        if fate == "delayed":
            self.late.append(change)
        raise StorageError(f"the store does not answer ({fate})")

    def put(self, key: str, data: Any) -> None:
        self._change(lambda: MemoryStore.put(self, key, data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return bool(self._change(lambda: MemoryStore.put_if_absent(self, key, data)))

    def put_if(self, key: str, data: bytes, expected: bytes | None) -> bool:
        between, self.between = self.between, None
        if between is not None:
            between()
        return bool(self._change(lambda: MemoryStore.put_if(self, key, data, expected)))

    def delete(self, key: str) -> None:
        self._change(lambda: MemoryStore.delete(self, key))


@dataclass
class Writer:
    """One writer, as its marks in storage and its own memory know it."""

    generation: str = ""
    seen: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)
    told: str = "idle"

    @property
    def works(self) -> bool:
        return self.told in ("begun", "unknown")

    @property
    def writes(self) -> bool:
        return self.told == "begun" and len(self.records) < SEGMENTS

    @property
    def ready(self) -> bool:
        return self.works and len(self.records) == SEGMENTS


class Publishing(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = Unreliable(f"machine {next(_numbers)}")
        check_database(self.store, create=True)
        self.writers = [Writer(), Writer()]
        self.began: dict[str, str] = {}
        """What each writer has seen, by the generation that it writes."""
        self.won: set[str] = set()
        """The generations that were published."""
        self.reading: tuple[StreamDescriptor, list[str]] | None = None

    def _some(self, wanted: Callable[[Writer], bool]) -> list[int]:
        return [n for n, writer in enumerate(self.writers) if wanted(writer)]

    # Writers.

    @precondition(lambda self: self._some(lambda w: not w.works))
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        idle = self._some(lambda w: not w.works)
        for number in data.draw(st.sampled_from([idle, idle[:1], idle[-1:]])):
            seen = generation_of(read_descriptor(self.store, NAME))
            new = f"g{next(_numbers)}"
            self.writers[number] = Writer(new, seen, [], "begun")
            self.began[new] = seen

    @precondition(lambda self: self._some(lambda w: w.writes))
    @rule(data=st.data(), fates=st.lists(FATES, max_size=2))
    def write(self, data: st.DataObject, fates: list[str]) -> None:
        number = data.draw(st.sampled_from(self._some(lambda w: w.writes)))
        self.store.fates = fates
        while self.writers[number].writes:
            self._write(self.writers[number])

    def _write(self, writer: Writer) -> None:
        at = len(writer.records)
        file = f"{at:08d}-{next(_numbers)}.parquet"
        data = f"{writer.generation}:{at}".encode()
        try:
            self.store.put(f"{generation_key(NAME, writer.generation)}/{file}", data)
        except StorageError:
            return
        record = {"first": at, "rows": 1, "bytes": len(data), "files": [file]}
        writer.records.append({**record, "kind": "blob", "type": "Bytes"})

    @precondition(lambda self: self._some(lambda w: w.ready))
    @rule(data=st.data(), fates=st.lists(FATES, max_size=3), overtaken=st.booleans())
    def publish(self, data: st.DataObject, fates: list[str], overtaken: bool) -> None:
        """Also again, when it is not known how it ended, or a stage is repeated."""
        number = data.draw(st.sampled_from(self._some(lambda w: w.ready)))
        if overtaken:
            other = self.writers[1 - number]
            self.store.between = lambda: self._publish(other)
        self._publish(self.writers[number], fates)
        self.store.between = None

    def _publish(self, writer: Writer, fates: list[str] | None = None) -> None:
        if not writer.ready:
            return
        new = describe_segments(NAME, "blob", writer.generation, writer.records)
        self.store.fates = list(fates or [])
        try:
            found = publish(self.store, new, writer.seen)
        except StreamReplacedError:
            writer.told = "lost"
            self.store.fates = []
            discard(self.store, NAME, writer.generation)
        except OutcomeUnknownError as error:
            note(str(error))
            writer.told = "unknown"
        else:
            assert found.generation == writer.generation
            writer.told = "won"
        finally:
            self.store.fates = []

    @precondition(lambda self: self._some(lambda w: w.told == "begun"))
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """Of what it wrote nobody knows any more; a resumed one keeps its marks."""
        begun = self._some(lambda w: w.told == "begun")
        self.writers[data.draw(st.sampled_from(begun))] = Writer()

    # The store.

    @precondition(lambda self: self.store.late)
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        """What was sent long ago takes place."""
        late = self.store.late
        late.pop(data.draw(st.integers(0, len(late) - 1)))()

    # The collector: an unknown writer's marks are still there.

    @rule()
    def collect(self) -> None:
        live = {w.generation for w in self.writers if w.works}
        found = gc(self.store, lambda: live)
        current = read_descriptor(self.store, NAME)
        kept = set() if current is None else set(current.file_keys())
        assert not kept & set(found.keys)
        needed = {generation_key(NAME, generation) for generation in live}
        assert not any(key.rpartition("/")[0] in needed for key in found.keys)

    # A reader, which takes its time.

    @rule()
    def open(self) -> None:
        found = read_descriptor(self.store, NAME)
        self.reading = None if found is None else (found, list(found.file_keys()))

    @precondition(lambda self: self.reading)
    @rule()
    def read(self) -> None:
        found, keys = self.reading
        data = self.store.try_read(keys.pop(0))
        if data is None:
            # Only because another result has taken its place.
            assert read_descriptor(self.store, NAME).generation != found.generation
            keys.clear()
        else:
            assert data.decode().partition(":")[0] == found.generation
        if not keys:
            self.reading = None

    # What always holds.

    @invariant()
    def nothing_committed_is_lost(self) -> None:
        data = MemoryStore.try_read(self.store, descriptor_key(NAME))
        assert data is not None or not self.won
        if data is None:
            return
        current = StreamDescriptor.from_json(data)
        assert is_whole(self.store, current)
        # Each has replaced what it had seen.
        assert current.previous == self.began[current.generation]
        self.won.add(current.generation)

    @invariant()
    def whoever_lost_was_told(self) -> None:
        for writer in self.writers:
            if writer.told == "won":
                assert writer.generation in self.won
            if writer.told == "lost":
                assert writer.generation not in self.won


TestPublishing = Publishing.TestCase
TestPublishing.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None
)
