"""From patterns to videos: which files match, and the names of their streams."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam import typehints
from apache_beam.io.fileio import EmptyMatchTreatment
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from beam_scanner.beam_internals.windowing import with_earliest_times
from beam_scanner.elements.constants import Constants
from beam_scanner.elements.hints import unread
from beam_scanner.engine.containment import contained
from beam_scanner.errors import (
    ArgumentError,
    Failure,
    ScannerException,
    StorageError,
    StreamNotFoundError,
)
from beam_scanner.run.failure_records import failure_of
from beam_scanner.run.pipeline_stages import FAILURES, report_failures
from beam_scanner.runners.runner_names import is_of_this_machine
from beam_scanner.storage.find import Folder, Found, find_files
from beam_scanner.storage.stream_names import is_made_generation, stream_key
from beam_scanner.stores import is_object_url
from beam_scanner.stores.patterns import Pattern, has_wildcard
from beam_scanner.text.error_text import one_line, plain
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
            knows (``gs://``, ``s3://``).
        name: Makes a stream's name of a path, as the key to join several sources by.
        folders: Each stream is a folder of files that match, not a file.
        take_folders: The path of a folder stands for itself; else it is an error.
        empty_match_treatment: Whether a pattern may match nothing, in the words of
            Beam's ``MatchFiles``; by default it may not.

    Returns:
        :class:`Matched`.

    Raises:
        ArgumentError: There is no pattern.

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
        treatment = _treatment(empty_match_treatment)
        self._match = _Match(name, folders, take_folders, treatment)

    def display_data(self) -> dict[str, Any]:
        """What monitoring shows."""
        return {"patterns": ", ".join(self._patterns)}

    @unread
    def expand(self, begin: Any) -> Any:
        """Wires the steps."""
        check_places(begin.pipeline, *self._patterns)
        patterns = begin.pipeline | "Patterns" >> Constants(self._patterns)
        return _find(patterns, self._match)


class MatchAllVideos(beam.PTransform):  # type: ignore[misc]
    """:class:`MatchVideos` for a PCollection of patterns; the driver sees none.

    A pattern that must match and does not is a failure here, and does not end the
    pipeline.

    Args:
        name: See :class:`MatchVideos`, as for the others.
        folders: Each stream is a folder.
        take_folders: See there.
        empty_match_treatment: By default, patterns with a wildcard may match nothing.

    Returns:
        :class:`Matched`.

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
        self._match.paths_fail = why_paths_fail(patterns.pipeline)
        return _find(patterns, self._match)


def _treatment(given: str) -> str:
    if given not in _TREATMENTS:
        raise ArgumentError(
            f"empty_match_treatment must be one of {_TREATMENTS}, got {given!r}"
        )
    return given


def _find(patterns: Any, match: _Match) -> Matched:
    timed = with_earliest_times(patterns, "Times")
    named = timed | "Match" >> beam.ParDo(match).with_output_types(
        typehints.Tuple[str, str]
    ).with_outputs(FAILURES, main="videos")
    # Also spreads what one pattern has found over all workers.
    once = (
        named.videos
        | "By name" >> beam.GroupByKey()
        | "Once"
        >> beam.ParDo(_Once())
        .with_output_types(typehints.Tuple[str, str])
        .with_outputs(FAILURES, main="videos")
    )
    return Matched(once.videos, (named.failures, once.failures) | beam.Flatten())


class _Match(beam.DoFn):  # type: ignore[misc]
    """Pattern to (name, path)."""

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
        self._folder: Folder = "take" if take_folders else "refuse"
        self._empty = empty
        self._is_strict = is_strict
        # Why a path of this machine is out of reach; '' if it may not be.
        self.paths_fail = ""

    @unread
    def process(self, pattern: str) -> Iterator[Any]:
        try:
            yield from self._videos(absolute_pattern(pattern))
        except ScannerException as error:
            if self._is_strict:
                raise
            name = one_line(str(pattern))
            yield from report_failures([failure_of(name, error, kind="input")])

    def _videos(self, pattern: str) -> Iterator[Any]:
        if self.paths_fail and is_of_this_machine(pattern):
            raise ArgumentError(f"{pattern!r} {self.paths_fail}")
        found = _found(pattern, self._folder)
        for failure in found.failures:
            yield from report_failures([replace(failure, stream=plain(failure.stream))])
        folders: set[str] = set()
        for name, path in found.files:
            if self._folders:
                path = path.rpartition("/")[0]
                if path in folders:
                    continue
                folders.add(path)
                # The files of one folder: it is called as it is.
                name = name.rpartition("/")[0] or path.rpartition("/")[2]
            yield from self._named(name, path)
        if not (found.files or found.failures or self._may_be_empty(pattern)):
            raise StreamNotFoundError(f"no file matches {pattern!r}")

    def _may_be_empty(self, pattern: str) -> bool:
        # Beam's own answer is an error for a path without wildcards.
        if self._empty == EmptyMatchTreatment.ALLOW_IF_WILDCARD:
            return has_wildcard(pattern)
        return bool(self._empty == EmptyMatchTreatment.ALLOW)

    def _named(self, name: str, path: str) -> Iterator[Any]:
        try:
            with contained("name="):
                if self._name is not None:
                    name = self._name(path)
            stream_key(name)
            if plain(name + path) != name + path:
                raise ArgumentError("it holds bytes that are not text")
        except Exception as error:
            name = name if isinstance(name, str) else path.rpartition("/")[2]
            failure = failure_of(name, error, kind="input")
            reason = f"path {path!r} makes no stream name: {failure.reason}"
            yield from report_failures([replace(failure, reason=reason)])
            return
        yield name, path


def _found(pattern: str, folder: Folder) -> Found:
    if "://" not in pattern or is_object_url(pattern):
        return find_files(pattern, folder)
    parsed = Pattern(pattern)
    try:
        return _found_by_beam(parsed)
    except (BeamIOError, OSError, ValueError) as error:
        raise StorageError(f"cannot look for {pattern!r}: {error}") from error


def _found_by_beam(pattern: Pattern) -> Found:
    """What other file systems have: Beam lists it, the rules are ours."""
    for path in pattern.paths:
        if FileSystems.exists(path):
            return Found([(path.rpartition("/")[2], path)])
    if pattern.is_literal:
        return Found()
    (listed,) = FileSystems.match([f"{pattern.root}**"])
    paths = (metadata.path for metadata in listed.metadata_list)
    names = sorted(path[len(pattern.root) :] for path in paths)
    return Found(
        [
            (name, pattern.root + name)
            for name in names
            if pattern.matches(name)
            and not any(is_made_generation(f"{part}/") for part in name.split("/"))
        ]
    )


class _Once(beam.DoFn):  # type: ignore[misc]
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
            "them by one pattern, or pass name="
        )
        yield from report_failures([Failure(name, reason, kind="input")])
