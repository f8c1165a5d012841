"""Sources: videos, and streams of a database."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam import typehints
from apache_beam.io.fileio import EmptyMatchTreatment
from apache_beam.pvalue import PBegin, PCollection

from beam_scanner.elements.coders import value_hint
from beam_scanner.elements.constants import Constants
from beam_scanner.elements.hints import unread
from beam_scanner.elements.keys import FrameKey
from beam_scanner.errors import ElementTypeError, StreamNotFoundError
from beam_scanner.graph.nodes import InputNode, OpColumn
from beam_scanner.graph.validate import check_node
from beam_scanner.run.sink_claims import STREAM
from beam_scanner.run.sources import stream_at, stream_names, video_at
from beam_scanner.run.stream_slots import SourceSlot
from beam_scanner.storage.find import is_folder
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.formats import FormatStream, VideoFormat
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.storage.trust import check_no_pickle
from beam_scanner.stores.patterns import Pattern, has_wildcard
from beam_scanner.transforms.graph_build import GraphInput, build_of
from beam_scanner.transforms.group import Branch, Group, Streams
from beam_scanner.transforms.match import (
    MatchAllVideos,
    Matched,
    MatchVideos,
    NameStreams,
    as_name,
    as_pattern,
    named_stream,
)
from beam_scanner.transforms.stream_transform import GraphTransform
from beam_scanner.transforms.streams_preview import Found, can_be_found, matches
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.type_info import ScannerTypeInfo, get_type_info

_numbers = itertools.count()


class _Source(GraphTransform):
    """Reads streams that are found when the pipeline runs."""

    takes = "a pipeline"

    def row_types(self) -> tuple[Sequence[Any] | None, Any]:
        """See the base class."""
        row = typehints.Tuple[FrameKey, value_hint(get_type_info(self._kind))]
        return None, self.declared() or row

    _kind: Any = FrameType

    def begin(self, value: Any, instead: str) -> Any:
        """The value, if it is where a pipeline begins.

        Args:
            value: What the transform is applied to.
            instead: What reads the elements of a PCollection.

        Raises:
            ElementTypeError: It is a PCollection or streams.
        """
        given = value.value if isinstance(value, GraphInput) else value
        if not isinstance(given, (PBegin, beam.Pipeline)):
            name = type(self).__name__
            raise ElementTypeError(
                f"{name} is applied to a pipeline, p | {name}(...), not to "
                f"{type(given).__name__}; {instead} reads what a PCollection names"
            )
        return value

    def elements(self, value: Any, instead: str) -> Any:
        """The value, if it is a PCollection.

        Args:
            value: What the transform is applied to.
            instead: What begins with a pipeline.

        Raises:
            ElementTypeError: It is something else.
        """
        given = value.value if isinstance(value, GraphInput) else value
        if not isinstance(given, PCollection):
            name = type(self).__name__
            what = "streams" if isinstance(given, Branch) else type(given).__name__
            raise ElementTypeError(
                f"{name} is applied to {self.takes}, elements | {name}(), not to "
                f"{what}; {instead} begins with a pipeline"
            )
        return value

    def read(
        self,
        found: Any,
        make: Callable[[str, str, str], StoredStream],
        kind: ScannerTypeInfo | None,
        several: bool,
        failed: Sequence[Any] = (),
        db: str | None = None,
        template: str = "",
        find: Callable[[], Found] | None = None,
    ) -> Streams | Branch:
        """The rows of what was found.

        Args:
            found: PCollection of ``(name, where it lies)``.
            make: See ``SourceSlot``.
            kind: Element type; None for frames.
            several: Whether there may be more than one stream.
            failed: PCollections of ``Failure``: what could not be found.
            db: See ``SourceSlot``.
            template: See ``SourceSlot``.
            find: Finds the same without the pipeline, where that can be.
        """
        slot = SourceSlot(next(_numbers), make, kind, self.label, db, template)
        if find is not None:
            can_be_found(slot, find)
        build = build_of(found)
        if build is not None:
            found, failed = found.value, [each.value for each in failed]
        group = Group(found.pipeline, [slot], [found], failed, several, build)
        node = InputNode((slot,))
        check_node(node, None)
        return group.extend(OpColumn(node, 0, kind), self.run_hints, self.declared())


class _VideoSource(_Source):
    """Reads videos that are matched when the pipeline runs."""

    def __init__(
        self, name: Callable[[str], str] | None, format: VideoFormat | None
    ) -> None:
        super().__init__()
        self._name = as_name(name)
        self._format = format
        # Whether streams are folders of files, or folders that are read as they are.
        self._folders = format is not None and format.folders
        self._take_folders = format is not None and not self._folders

    def _read_matched(
        self,
        found: Matched,
        several: bool,
        find: Callable[[], Found] | None = None,
    ) -> Streams | Branch:
        make = video_at if self._format is None else partial(_format_at, self._format)
        failed = [found.failures]
        return self.read(found.videos, make, None, several, failed, find=find)


def _matched(match: MatchVideos) -> Found:
    return matches(_Videos(match))


class _Videos(beam.PTransform):  # type: ignore[misc]
    """The videos that a transform finds, without its failures."""

    def __init__(self, match: MatchVideos) -> None:
        super().__init__()
        self._match = match

    def expand(self, begin: Any) -> Any:
        return (begin | self._match).videos


def _format_at(format: VideoFormat, db: str, name: str, where: str) -> StoredStream:
    return FormatStream(name, where, format)


class ReadFromVideo(_VideoSource):
    """Reads all videos that match a pattern, where they lie.

    Nothing is decoded here: the transforms that follow decide which frames they need.
    Each video is indexed once, in the database of the first sink (or
    ``--scanner_db``). A file that cannot be read fails alone: see ``failures`` of
    what this gives, and of every sink.

    Args:
        pattern: Path or pattern, of any file system that Beam knows: ``*`` and ``?``
            stay between slashes, ``**`` is any number of folders. A folder stands for
            the videos below it. For several patterns, see ``ReadAllFromVideo``.
        name: Makes the name of a stream from its path; by default the part of the
            path below the literal part of the pattern.
        format: How to read files that FFmpeg cannot read.
        empty_match_treatment: Whether the pattern may match nothing, in the words of
            Beam's ``MatchFiles``; by default it may not.

    Raises:
        ArgumentError: The pattern is not a path, or Beam does not know the scheme of a
            URL. When it is applied: workers cannot reach it, or the file system lacks
            options.

    Examples:
        >>> ReadFromVideo('films/*.mp4').label
        'ReadFromVideo'
    """

    _shown = ("pattern", "format")

    def __init__(
        self,
        pattern: str | os.PathLike[str],
        name: Callable[[str], str] | None = None,
        format: VideoFormat | None = None,
        empty_match_treatment: str = EmptyMatchTreatment.DISALLOW,
    ) -> None:
        super().__init__(name, format)
        self._pattern = as_pattern(pattern)
        self._match = MatchVideos(
            self._pattern,
            name,
            self._folders,
            self._take_folders,
            empty_match_treatment,
        )

    @unread
    def expand(self, pbegin: Any) -> Streams | Branch:
        """Finds the videos."""
        begin = self.begin(pbegin, "ReadAllFromVideo")
        found = begin | "Match" >> self._match
        searches = not self._take_folders and is_folder(self._pattern)
        several = searches or has_wildcard(self._pattern)
        return self._read_matched(found, several, partial(_matched, self._match))


class ReadAllFromVideo(_VideoSource):
    """Reads the videos of a PCollection of paths or patterns; the driver sees none.

    Elements are strings or ``os.PathLike``, what Beam's ``MatchFiles`` and ``ReadMatches``
    give, or pairs of a name and a path: the name is that of the stream. A path is that of
    a video, or of a folder of them.

    Args:
        name: Makes the name of a stream from its path; by default the part of the
            path below the literal part of the pattern: of a path, the last part. Pairs
            have their name.
        format: How to read files that FFmpeg cannot read.

    Raises:
        ElementTypeError: When it is applied: the PCollection holds something else.
        ArgumentError: When it is applied: the PCollection is unbounded.

    Examples:
        >>> ReadAllFromVideo().label
        'ReadAllFromVideo'
    """

    takes = "a PCollection of paths and patterns"
    takes_lists = True
    _shown = ("format",)

    def __init__(
        self,
        name: Callable[[str], str] | None = None,
        format: VideoFormat | None = None,
    ) -> None:
        super().__init__(name, format)

    @unread
    def expand(self, pcoll: Any) -> Streams | Branch:
        """Names the videos."""
        match = MatchAllVideos(self._name, self._folders, self._take_folders)
        paths = self.elements(pcoll, "ReadFromVideo")
        return self._read_matched(paths | "Match" >> match, True)


class _NamedSource(_Source):
    """Reads streams of a database."""

    def __init__(
        self,
        db: str,
        type: Any,
        name: Callable[[str], str] | None,
        trusted: bool,
        pattern: str | None = None,
    ) -> None:
        super().__init__()
        self._db = NamedStorage(db).raw_store().url
        self._type = self._kind = type
        self._name = as_name(name)
        self._trusted = trusted
        if not trusted and type is not FrameType:
            check_no_pickle(get_type_info(type), pattern or db)

    def _read_named(
        self,
        found: Any,
        several: bool,
        template: str | None = None,
        find: Callable[[], Found] | None = None,
        failed: Sequence[Any] = (),
    ) -> Streams | Branch:
        if template is None:
            template = STREAM if self._name is None else ""
        kind = None if self._type is FrameType else get_type_info(self._type)
        make = partial(stream_at, self._db, kind is None, self._trusted)
        return self.read(found, make, kind, several, failed, self._db, template, find)


class ReadFromNamedStream(_NamedSource):
    """Reads streams of a database.

    Args:
        db: Folder or URL of the database.
        pattern: Name, or a pattern as of files: ``*``, ``?`` and ``[]`` stay between
            slashes, ``**`` is any number of parts.
        type: Element type, as kernels declare it: ``FrameType`` for frames, else
            what the stream was written with; bytes by default.
        name: Makes the name of a stream in this pipeline, by which sources are joined,
            from its name in the database; by default they are the same.
        trusted: False: nothing that the database holds is unpickled.

    Raises:
        UntrustedDataError: ``type`` is stored as a pickle, and the database is not trusted.

    Examples:
        >>> ReadFromNamedStream('/tmp/db', 'histograms/*').label
        'ReadFromNamedStream'
    """

    _shown = ("db", "pattern", "type")

    def __init__(
        self,
        db: str,
        pattern: str,
        type: Any = bytes,
        name: Callable[[str], str] | None = None,
        trusted: bool = True,
    ) -> None:
        super().__init__(db, type, name, trusted, pattern)
        self._pattern = as_pattern(pattern)

    @unread
    def expand(self, pbegin: Any) -> Streams | Branch:
        """Finds the streams."""
        listed = beam.FlatMap(_listed, self._db, self._name)
        found = (
            self.begin(pbegin, "ReadAllFromNamedStream")
            | "Pattern" >> Constants([self._pattern])
            | "List" >> listed.with_output_types(tuple[str, str])
        )
        several = has_wildcard(self._pattern)
        only = None if several else Pattern(self._pattern).paths[-1]
        find = partial(_listed, self._pattern, self._db, self._name)
        return self._read_named(found, several, only, find)


class ReadAllFromNamedStream(_NamedSource):
    """Reads the streams of a database whose names a PCollection holds.

    Elements are names of streams, or elements of a sink's ``commits``. An invalid name,
    and the name of a stream that does not exist, becomes an element of ``failures``.

    Args:
        db: Folder or URL of the database.
        type: As for ``ReadFromNamedStream``.
        name: As there.
        trusted: As there.

    Raises:
        ElementTypeError: When it is applied: the PCollection holds something else.
        ArgumentError: When it is applied: the PCollection is unbounded.

    Examples:
        >>> ReadAllFromNamedStream('/tmp/db').label
        'ReadAllFromNamedStream'
    """

    takes = "a PCollection of names of streams"
    takes_lists = True
    _shown = ("db", "type")

    def __init__(
        self,
        db: str,
        type: Any = bytes,
        name: Callable[[str], str] | None = None,
        trusted: bool = True,
    ) -> None:
        super().__init__(db, type, name, trusted)

    @unread
    def expand(self, pcoll: Any) -> Streams | Branch:
        """Takes the names."""
        names = self.elements(pcoll, "ReadFromNamedStream")
        found = names | "Name" >> NameStreams(self._name)
        return self._read_named(found.videos, several=True, failed=[found.failures])


@unread
def _listed(
    pattern: str, db: str, name: Callable[[str], str] | None
) -> list[tuple[str, str]]:
    found = stream_names(db, pattern)
    if not found:
        raise StreamNotFoundError(f"no stream of {db} matches {pattern!r}")
    return [named_stream(stream, name) for stream in found]
