"""File systems that Beam knows by the schemes of URLs, users' own among them.

Beam finds a file system among all subclasses of ``FileSystem`` that the process has
loaded. Users' own are sent to workers with the run, and kept here: a worker that serves
several runs may have more than one for a scheme, and the last is meant. Processes that
run tasks are no workers of Beam's, and are given the options of their worker.

If Beam changes this: videos of other file systems are not found, or fail in processes
that run tasks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from apache_beam.io.filesystem import FileSystem
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.options.value_provider import RuntimeValueProvider

_sent: dict[str, type[Any]] = {}
_PLAIN = (str, int, float)


def scheme_of(url: str) -> str:
    """The scheme of a URL, as Beam reads it; '' if it has none.

    Examples:
        >>> scheme_of('hdfs://films/a.mp4'), scheme_of('films/a.mp4')
        ('hdfs', '')
    """
    return FileSystems.get_scheme(url) or ""


def has_file_system(url: str) -> bool:
    """Whether there is a file system for the scheme of a URL.

    Examples:
        >>> has_file_system('hdfs://films/a.mp4'), has_file_system('ftp://films/a.mp4')
        (True, False)
    """
    scheme = scheme_of(url)
    return scheme in _sent or bool(_classes(scheme))


def file_system_of(url: str) -> Any:
    """The file system for a URL.

    Raises:
        Exception: There is none, or its options or packages are missing.
    """
    scheme = scheme_of(url)
    found = _classes(scheme)
    kind = found[0] if len(found) == 1 else _sent.get(scheme)
    if kind is None:
        return FileSystems.get_filesystem(url)  # which says why
    return kind(pipeline_options=_options())


def _classes(scheme: str) -> list[type[Any]]:
    return [c for c in FileSystem.get_all_subclasses() if _scheme(c) == scheme]


def _scheme(kind: type[Any]) -> str:
    try:
        return str(kind.scheme())
    except NotImplementedError:
        return ""


def listed(system: Any, folder: str) -> list[Any]:
    """Metadata of what a file system lists of a folder: what is in it, or all below it.

    Beam's public ``match`` takes patterns, and cannot quote what they mean.
    """
    return list(system._list(folder if system.has_dirs() else f"{folder}/"))


def registered_classes() -> list[type[Any]]:
    """File systems that are not Beam's own, sorted by name."""
    found = {
        kind
        for kind in FileSystem.get_all_subclasses()
        if not kind.__module__.startswith("apache_beam.") and _scheme(kind)
    }
    return sorted(found, key=lambda kind: (kind.__module__, kind.__qualname__))


_loading = threading.RLock()


@contextmanager
def half_made_classes() -> Iterator[None]:
    """While open, classes of file systems may be loaded by pieces.

    Beam, in other threads, asks each class for its scheme; one that has no method for it
    yet would raise an error, and whatever file they wanted would not be found.
    """
    with _loading:
        asked = FileSystem.__dict__["scheme"]
        FileSystem.scheme = classmethod(lambda kind: "")
        try:
            yield
        finally:
            FileSystem.scheme = asked


def keep(classes: Iterable[type[Any]]) -> None:
    """Keeps file systems that were sent here; Beam knows them as long as they are kept."""
    _sent.update((kind.scheme(), kind) for kind in classes)


def _options() -> Any:
    return FileSystems._pipeline_options or RuntimeValueProvider.runtime_options


def plain_options() -> dict[str, Any]:
    """The options that file systems have in this process, without objects."""
    given = _options()
    if isinstance(given, PipelineOptions):
        given = given.get_all_options(drop_default=True)
    return {k: v for k, v in (given or {}).items() if isinstance(v, _PLAIN)}


def take_options(options: Mapping[str, Any] | PipelineOptions) -> None:
    """Gives the file systems of this process their options."""
    if not isinstance(options, PipelineOptions):
        options = PipelineOptions.from_dictionary(dict(options))
    FileSystems.set_options(options)
