"""Sinks whose streams might have the same names: the second writer of one is refused.

Which streams there are, workers find. Where two sinks of a pipeline could write the
same stream, each sink *claims* its streams in storage
before it writes them, and the claim of another is an error.
"""

from __future__ import annotations

import hashlib
import uuid
import weakref
from collections.abc import Iterator
from typing import Any

import apache_beam as beam

from beam_scanner.beam_internals.pardo_attributes import par_do
from beam_scanner.elements.hints import unread
from beam_scanner.errors import GraphError, StreamExistsError
from beam_scanner.run.when_complete import when_complete
from beam_scanner.storage.sealed_files import read_sealed, seal
from beam_scanner.storage.stream_names import WORK
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.open import open_store

STREAM = "{stream}"
"""What stands in the name of a sink for the name of the source's stream."""


def may_meet(one: str, other: str) -> bool:
    """Whether there can be a stream that both of two sinks would write.

    Examples:
        >>> may_meet('x/{stream}', 'x/a/{stream}'), may_meet('x/{stream}', 'y/{stream}')
        (True, False)
        >>> may_meet('x/{stream}', 'x/last'), may_meet('{stream}/x', '{stream}/y')
        (True, False)
    """
    starts = [name.partition(STREAM)[0] for name in (one, other)]
    ends = [name.rpartition(STREAM)[2] for name in (one, other)]
    short, long = sorted(starts, key=len)
    few, many = sorted(ends, key=len)
    return long.startswith(short) and many.endswith(few)


class Claims:
    """What one sink says of the streams that it writes.

    Workers get it with the sink, as it is when the pipeline is complete.

    Args:
        db: URL of the database.
        run: Names all claims of the pipeline there.
        template: Name of the sink.

    Attributes:
        needed: Whether another sink may meet this one.
        last: Whether it is the last of such sinks, and the one to forget all claims.
    """

    def __init__(self, db: str, run: str, template: str) -> None:
        self.db = db
        self.run = run
        self.template = template
        self.needed = False
        self.last = False

    def claim(self, stream: str) -> None:
        """Claims the output for a stream, which may be done again.

        Args:
            stream: Name of the source's stream.

        Raises:
            StreamExistsError: Another sink has claimed it.
        """
        if not self.needed:
            return
        name = self.template.replace(STREAM, stream)
        digest = hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=16)
        key = f"{self.folder}{digest.hexdigest()}"
        store = NamedStorage(self.db).store(create=True).relaxed()
        mine = [self.template, stream]
        if store.put_if_absent(key, seal({"claim": mine})):
            return
        theirs = read_sealed(store, key, ["claim"])["claim"]
        if theirs != mine:
            (one, source), (other, another) = sorted([mine, theirs])
            raise StreamExistsError(
                f"stream {name!r} of {self.db} would be written twice: by sink {one!r} "
                f"from stream {source!r} and by sink {other!r} from stream {another!r}; "
                "give the sinks names that cannot meet"
            )

    def is_same(self, other: Claims) -> bool:
        """Whether another sink has the same name."""
        return (self.db, self.template) == (other.db, other.template)

    def error(self) -> GraphError:
        """What to raise for another sink of the same name."""
        return GraphError(
            f"two sinks of one pipeline write {self.template!r} of {self.db}: give "
            "each its own name"
        )

    @property
    def folder(self) -> str:
        """Where the claims of the pipeline are."""
        return f"{WORK}runs/{self.run}/outputs/"


class Sinks:
    """The sinks of one pipeline that write to one database."""

    def __init__(self, db: str) -> None:
        self._db = db
        self._run = uuid.uuid4().hex
        self._claims: list[Claims] = []
        # They know the pipeline, which would never go if it were kept here.
        self._commits: list[weakref.ref[Any]] = []

    def check(self, template: str) -> None:
        """Refuses a sink whose name another one has.

        Raises:
            GraphError: The pipeline has one.
        """
        for claims in self._claims:
            if claims.template == template:
                raise claims.error()

    def claims(self, template: str) -> Claims:
        """The claims of a new sink, which :meth:`add` takes once it is built."""
        return Claims(self._db, self._run, template)

    def add(self, claims: Claims, commits: Any) -> None:
        """Adds a sink; to be called in ``expand`` of its transform.

        Args:
            claims: Of the sink.
            commits: PCollection of its commits.
        """
        for other in self._claims:
            if may_meet(claims.template, other.template):
                claims.needed = other.needed = True
        self._claims.append(claims)
        self._commits.append(weakref.ref(commits))
        if claims.needed:
            # Sinks that are added later may meet this one; then theirs is the last.
            for other in self._claims:
                other.last = other is claims
            ended = tuple(commits() for commits in self._commits)
            _ = ended | "Forget names" >> _Forget(claims)


_sinks: weakref.WeakKeyDictionary[Any, dict[str, Sinks]]
_sinks = weakref.WeakKeyDictionary()


def sinks_of(pipeline: Any, db: str) -> Sinks:
    """The sinks of a pipeline that write to a database."""
    return _sinks.setdefault(pipeline, {}).setdefault(db, Sinks(db))


class _Forget(beam.PTransform):  # type: ignore[misc]
    """Removes the claims of a pipeline when all sinks have committed."""

    def __init__(self, claims: Claims) -> None:
        super().__init__()
        self._claims = claims

    @unread
    def expand(self, commits: Any) -> Any:
        """Waits for all of them, also where nothing is committed."""
        return (
            when_complete(*commits)
            | "List" >> par_do(_List(), claims=self._claims)
            # There may be a million, and one worker has the list.
            | "Spread" >> beam.Reshuffle()
            | "Remove" >> par_do(_Remove(), claims=self._claims)
        )


class _List(beam.DoFn):  # type: ignore[misc]
    claims: Claims

    @unread
    def process(self, _: Any) -> Iterator[str]:
        if self.claims.last:
            yield from list(open_store(self.claims.db).list(self.claims.folder))


class _Remove(beam.DoFn):  # type: ignore[misc]
    claims: Claims

    @unread
    def process(self, key: str) -> None:
        open_store(self.claims.db).delete(key)
