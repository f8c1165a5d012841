"""From patterns to videos: which files match, and the names of their streams."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam import typehints
from apache_beam.io.fileio import EmptyMatchTreatment, ReadableFile
from apache_beam.io.filesystem import FileMetadata
from apache_beam.typehints.typehints import is_consistent_with

from beam_scanner.beam_internals.applied_steps import current_label, label_of_maker
from beam_scanner.beam_internals.several_outputs import SeveralOutputs
from beam_scanner.beam_internals.windowing import (
    has_growing_windows,
    in_global_window,
    may_be_late,
    with_earliest_times,
)
from beam_scanner.elements.constants import Constants
from beam_scanner.elements.hints import typed, unread
from beam_scanner.elements.records import Commit
from beam_scanner.engine.containment import contained
from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    Failure,
    ScannerException,
    StreamNotFoundError,
)
from beam_scanner.run.failure_records import failure_of
from beam_scanner.run.late_elements import with_earlier
from beam_scanner.run.pipeline_stages import FAILURES, report_failures
from beam_scanner.run.sent_file_systems import pack_file_systems, unpack_file_systems
from beam_scanner.runners.runner_names import is_of_this_machine
from beam_scanner.storage.find import Folder, find_files
from beam_scanner.storage.stream_names import stream_key
from beam_scanner.stores.beam_store import check_file_system, check_scheme, is_beam_url
from beam_scanner.stores.patterns import Pattern, has_wildcard
from beam_scanner.text.error_text import one_line, plain
from beam_scanner.text.shown_values import shown_value
from beam_scanner.transforms.places import check_places, why_paths_fail

_TREATMENTS = (
    EmptyMatchTreatment.ALLOW,
    EmptyMatchTreatment.ALLOW_IF_WILDCARD,
    EmptyMatchTreatment.DISALLOW,
)

PathName = Callable[[str], str]
"""Makes a stream's name of a path."""


def as_pattern(given: Any) -> str:
    """A path or pattern as a string.

    Raises:
        ArgumentError: It is something else, or empty.

    Examples:
        >>> import pathlib
        >>> as_pattern(pathlib.PurePosixPath('films', 'a.mp4'))
        'films/a.mp4'
    """
    text = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(text, str) or not text:
        raise ArgumentError(f"expected a path or pattern, got {given!r}")
    return text


def as_name(given: Any) -> PathName | None:
    """A function that makes a stream's name, if there is one.

    Raises:
        ArgumentError: It is no function.

    Examples:
        >>> as_name(None), as_name(str.upper)('a')
        (None, 'A')
    """
    if given is not None and not callable(given):
        raise ArgumentError(
            f"name= takes a function that makes the name of a stream, got {given!r:.80}"
        )
    name: PathName | None = given
    return name


_EXPECTED = (
    "paths or patterns (str, os.PathLike, FileMetadata, ReadableFile) or of pairs of a "
    "stream's name and a path"
)
_PATHS = typehints.Union[str, os.PathLike]
_LOCATIONS = typehints.Union[
    str, os.PathLike, FileMetadata, ReadableFile, typehints.Tuple[str, _PATHS]
]


def named_pattern(location: Any) -> tuple[str | None, str]:
    """The name that a location gives a stream, or None, and its path or pattern.

    Raises:
        ArgumentError: It is something else than :class:`MatchAllVideos` takes.

    Examples:
        >>> named_pattern('films/*.mp4'), named_pattern(('first', 'films/a.mp4'))
        ((None, 'films/*.mp4'), ('first', 'films/a.mp4'))
        >>> named_pattern(FileMetadata('films/a.mp4', 100))
        (None, 'films/a.mp4')
    """
    if isinstance(location, tuple) and len(location) == 2:
        name, path = location
        if isinstance(name, str) and isinstance(path, str | os.PathLike):
            return name, as_pattern(path)
    if isinstance(location, ReadableFile):
        location = location.metadata
    if isinstance(location, FileMetadata):
        location = location.path
    if not isinstance(location, str | os.PathLike):
        raise ArgumentError(f"expected {_EXPECTED}, got {location!r:.200}")
    return None, as_pattern(location)


def absolute_pattern(pattern: str) -> str:
    """A pattern that means the same to workers in other folders.

    URLs stay as they are.

    Raises:
        ArgumentError: It is not a string, is empty, or is an impossible pattern.

    Examples:
        >>> absolute_pattern('/films/../clips/*/*.mp4')
        '/clips/*/*.mp4'
    """
    pattern = as_pattern(pattern)
    parsed = Pattern(pattern)
    if "://" in pattern:
        return pattern
    folder = os.path.abspath(parsed.root)
    if has_wildcard(folder) or not parsed.is_literal:
        # The folder is meant as it is, whatever it is called.
        folder = glob.escape(folder)
    return os.path.join(folder, parsed.rest)


class Matched(NamedTuple):
    """What matching gives.

    Attributes:
        videos: PCollection of (stream name, path).
        failures: PCollection of ``errors.Failure``: paths that no stream can be named
            after, and names that several paths would have.
    """

    videos: Any
    failures: Any


class MatchVideos(beam.PTransform):  # type: ignore[misc]
    """Finds the files that patterns match, and names their streams.

    A stream is called by the path below the pattern's literal part, extension kept, or
    as ``name`` says. See :func:`find_files` for which files are found.

    Args:
        patterns: A path or pattern, or several; local, or of a file system that Beam
            knows: ``gs://``, ``s3://``, and any other whose class is loaded here. A
            folder stands for the videos below it.
        name: Makes a stream's name of a path, as the key to join several sources by.
        folders: Each stream is a folder of files that match, not a file.
        take_folders: The path of a folder stands for itself.
        empty_match_treatment: Whether a pattern may match nothing, in the words of
            Beam's ``MatchFiles``; by default it may not.

    Returns:
        :class:`Matched`.

    Raises:
        ArgumentError: There is no pattern, or Beam does not know the scheme of a URL.
            When it is applied: workers cannot reach a path, or the file system for a
            URL lacks options.

    Examples:
        >>> import pathlib, tempfile
        >>> films = pathlib.Path(tempfile.mkdtemp())
        >>> (films / 'b').mkdir()
        >>> for name in ('x.mp4', 'b/x.mp4'):
        ...     _ = (films / name).write_bytes(b'')
        >>> with beam.Pipeline('FnApiRunner') as pipeline:
        ...     found = pipeline | MatchVideos(f'{films}/**/*.mp4')
        ...     names = found.videos | beam.Keys() | beam.combiners.ToList()
        ...     _ = names | beam.Map(sorted) | 'Print' >> beam.Map(print)
        ['b/x.mp4', 'x.mp4']
    """

    def __init__(
        self,
        patterns: str | Sequence[str],
        name: PathName | None = None,
        folders: bool = False,
        take_folders: bool = False,
        empty_match_treatment: str = EmptyMatchTreatment.DISALLOW,
    ) -> None:
        super().__init__()
        given = [patterns] if isinstance(patterns, str) else list(patterns)
        if not given:
            raise ArgumentError("expected at least one path or pattern")
        self._patterns = [absolute_pattern(pattern) for pattern in given]
        for pattern in filter(is_beam_url, self._patterns):
            check_scheme(pattern)
        treatment = _treatment(empty_match_treatment)
        self._match = _Match(name, folders, take_folders, treatment)

    def display_data(self) -> dict[str, Any]:
        """What monitoring shows."""
        return {"patterns": shown_value(", ".join(self._patterns))}

    @unread
    def expand(self, begin: Any) -> Any:
        """Wires the steps."""
        check_places(begin.pipeline, *self._patterns)
        for pattern in filter(is_beam_url, self._patterns):
            check_file_system(pattern)
        self._match.file_systems = pack_file_systems()
        patterns = begin.pipeline | "Patterns" >> Constants(self._patterns)
        return _find(patterns, self._match)


class MatchAllVideos(beam.PTransform):  # type: ignore[misc]
    """:class:`MatchVideos` for a PCollection; the driver sees none of its elements.

    These are paths or patterns, what Beam's ``MatchFiles`` and ``ReadMatches`` give, or
    pairs of a name for the stream and the path of its video. A pattern that must match and does not is a failure here, and does not end the
    pipeline; so is an element of another type, where its type was not known before.

    Args:
        name: See :class:`MatchVideos`, as for the others.
        folders: Each stream is a folder.
        take_folders: See there.
        empty_match_treatment: By default, patterns with a wildcard may match nothing.

    Returns:
        :class:`Matched`.

    Raises:
        ElementTypeError: When it is applied: the PCollection holds something else.
        ArgumentError: When it is applied: the PCollection is unbounded.

    Examples:
        >>> with beam.Pipeline('FnApiRunner') as pipeline:
        ...     found = pipeline | beam.Create(['no/such/*.mp4']) | MatchAllVideos()
        ...     _ = found.videos | beam.Map(print)
    """

    def __init__(
        self,
        name: PathName | None = None,
        folders: bool = False,
        take_folders: bool = False,
        empty_match_treatment: str = EmptyMatchTreatment.ALLOW_IF_WILDCARD,
    ) -> None:
        super().__init__()
        treatment = _treatment(empty_match_treatment)
        self._match = _Match(name, folders, take_folders, treatment, is_strict=False)

    @unread
    def expand(self, patterns: Any) -> Any:
        """Wires the steps."""
        check_bounded(patterns)
        _check_type(patterns, _LOCATIONS, _EXPECTED)
        self._match.file_systems = pack_file_systems()
        self._match.paths_fail = why_paths_fail(patterns.pipeline)
        return _find(patterns, self._match)


class NameStreams(beam.PTransform):  # type: ignore[misc]
    """Names the streams of a database that a PCollection lists.

    Elements are names, or the commits of a sink. What is no name is a failure.

    Args:
        name: Makes the name of a stream in this pipeline from that in the database; by
            default they are the same.

    Returns:
        :class:`Matched`, with names in the database in place of paths.

    Raises:
        ElementTypeError: When it is applied: the PCollection holds something else.
        ArgumentError: When it is applied: the PCollection is unbounded.
    """

    def __init__(self, name: PathName | None = None) -> None:
        super().__init__()
        self._name = name

    @unread
    def expand(self, names: Any) -> Any:
        """Wires the steps."""
        check_bounded(names)
        _check_type(names, _NAMES, "names of streams (str), or of commits of a sink")
        name = beam.ParDo(_Name(self._name)).with_outputs(FAILURES, main="named")
        named = with_earliest_times(names, "Times") | "Named" >> name
        return Matched(typed(named.named, _PAIRS), typed(named.failures, Failure))


_NAMES = typehints.Union[str, Commit]
_PAIRS = typehints.Tuple[str, str]


class _Name(SeveralOutputs):
    """Name, or commit, to (name in the pipeline, name in the database)."""

    def __init__(self, name: PathName | None) -> None:
        self._name = name

    @unread
    def process(self, element: Any) -> Iterator[Any]:
        stream = element.stream if isinstance(element, Commit) else element
        try:
            yield named_stream(stream, self._name)
        except Exception as error:
            shown = one_line(f"{stream!s:.200}") or repr(stream)
            yield from report_failures([failure_of(shown, error, kind="input")])


def named_stream(stream: str, name: PathName | None) -> tuple[str, str]:
    """A stream's name in a pipeline, and that in the database.

    Raises:
        ScannerException: It is no name, or ``name`` makes none of it.

    Examples:
        >>> named_stream('a/b', None), named_stream('a/b', str.upper)
        (('a/b', 'a/b'), ('A/B', 'a/b'))
    """
    stream_key(stream)
    with contained("name="):
        called = stream if name is None else name(stream)
    stream_key(called)
    return called, stream


def check_bounded(names: Any) -> None:
    """Refuses a PCollection of which never all is known, as of messages without windows.

    Raises:
        ArgumentError: It is unbounded, and in no windows; or they may grow when they
            have ended.
    """
    if may_be_late(names) and has_growing_windows(names):
        raise ArgumentError(
            f"{current_label(names.pipeline)} takes no session windows with "
            "allowed_lateness: a late element would change a window whose streams are "
            "committed. Use windows of a fixed length, or no allowed_lateness"
        )
    if not names.is_bounded and in_global_window(names):
        raise ArgumentError(
            f"{current_label(names.pipeline)} takes a bounded PCollection, or one in "
            "windows: streams are joined and committed when all of a window are known. "
            "Apply beam.WindowInto(window.FixedWindows(60)), say, before, or run a "
            "pipeline for each batch of videos"
        )


def _check_type(elements: Any, taken: Any, expected: str) -> None:
    """Refuses a PCollection that surely holds something else."""
    given = elements.element_type
    if given is not None and not is_consistent_with(given, taken):
        maker = label_of_maker(elements)
        raise ElementTypeError(
            f"{current_label(elements.pipeline)} takes a PCollection of {expected}; "
            f"elements{maker and f' of {maker}'} are of type {given}"
        )


def _treatment(given: str) -> str:
    if given not in _TREATMENTS:
        raise ArgumentError(
            f"empty_match_treatment must be one of {_TREATMENTS}, got {given!r}"
        )
    return given


def _find(patterns: Any, match: _Match) -> Matched:
    timed = with_earliest_times(patterns, "Times")
    matching = beam.ParDo(match).with_outputs(FAILURES, main="videos")
    named = timed | "Match" >> matching
    # Also spreads what one pattern has found over all workers.
    by_name = typed(named.videos, _PAIRS) | "By name" >> beam.GroupByKey()
    once = with_earlier(by_name) | "Once" >> beam.ParDo(_Once()).with_outputs(
        FAILURES, main="videos"
    )
    failed = (typed(named.failures, Failure), typed(once.failures, Failure))
    return Matched(typed(once.videos, _PAIRS), failed | beam.Flatten())


class _Match(SeveralOutputs):
    """Location to (name, path)."""

    def __init__(
        self,
        name: PathName | None,
        folders: bool,
        take_folders: bool,
        empty: str,
        is_strict: bool = True,
    ) -> None:
        self._name = name
        self._folders = folders
        self._folder: Folder = "search all" if folders else "search"
        if take_folders:
            self._folder = "take"
        self._empty = empty
        self._is_strict = is_strict
        # Why a path of this machine is out of reach; '' if it may not be.
        self.paths_fail = ""
        # Those that users have registered.
        self.file_systems = b""

    def setup(self) -> None:
        unpack_file_systems(self.file_systems)

    @unread
    def process(self, location: Any) -> Iterator[Any]:
        stream: Any = location
        try:
            name, pattern = named_pattern(location)
            stream = pattern if name is None else name
            yield from self._videos(name, absolute_pattern(pattern))
        except ScannerException as error:
            if self._is_strict:
                raise
            shown = one_line(f"{stream!s:.200}")
            yield from report_failures([failure_of(shown, error, kind="input")])

    def _videos(self, given: str | None, pattern: str) -> Iterator[Any]:
        if self.paths_fail and is_of_this_machine(pattern):
            raise ArgumentError(f"{pattern!r} {self.paths_fail}")
        found = find_files(pattern, self._folder)
        for failure in found.failures:
            yield from report_failures([failure._replace(stream=plain(failure.stream))])
        videos = self._folders_of(found.files) if self._folders else found.files
        if given is not None:
            videos = [(given, path) for _, path in videos]
        if given is not None and len(videos) > 1:
            raise ArgumentError(
                f"{given!r} is the name of one video, and {pattern!r} is {len(videos)}: "
                f"{videos[0][1]!r}, {videos[1][1]!r} and others"
            )
        for name, path in videos:
            yield from self._named(name, path, is_given=given is not None)
        if not (found.files or found.failures or self._may_be_empty(pattern)):
            raise StreamNotFoundError(f"no file matches {pattern!r}")

    def _folders_of(self, files: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        folders: dict[str, str] = {}
        for name, path in files:
            folder = path.rpartition("/")[0]
            # The files of one folder: it is called as it is.
            called = name.rpartition("/")[0] or folder.rpartition("/")[2]
            folders.setdefault(folder, called)
        return [(name, folder) for folder, name in folders.items()]

    def _may_be_empty(self, pattern: str) -> bool:
        # Beam's own answer is an error for a path without wildcards.
        if self._empty == EmptyMatchTreatment.ALLOW_IF_WILDCARD:
            return has_wildcard(pattern)
        return bool(self._empty == EmptyMatchTreatment.ALLOW)

    def _named(self, name: str, path: str, is_given: bool) -> Iterator[Any]:
        try:
            with contained("name="):
                if self._name is not None and not is_given:
                    name = self._name(path)
            stream_key(name)
            if plain(name + path) != name + path:
                raise ArgumentError("it holds bytes that are not text")
        except Exception as error:
            name = name if isinstance(name, str) else path.rpartition("/")[2]
            failure = failure_of(name, error, kind="input")
            reason = f"path {path!r} makes no stream name: {failure.reason}"
            yield from report_failures([failure._replace(reason=reason)])
            return
        yield name, path


class _Once(SeveralOutputs):
    """Passes on names that belong to one path; others fail."""

    @unread
    def process(self, element: tuple[str, Iterable[str]]) -> Iterator[Any]:
        name, paths = element
        distinct = sorted(set(paths))
        if len(distinct) == 1:
            yield name, distinct[0]
            return
        reason = (
            f"{distinct[0]!r} and {distinct[1]!r} would both be stream {name!r}: match "
            "them by one pattern, or pass a name= that gives each its own"
        )
        yield from report_failures([Failure(name, reason, kind="input")])
