"""Graphs that the command runs: how they are found, built, run and named.

A graph is a function of a client and the input streams. It returns what is to be
written: a column, or columns by the names of the outputs. The command makes the
streams, names them and runs the graph::

    def faces(sc, videos):
        frames = sc.io.Input(videos)
        some = sc.streams.Stride(frames, [8] * len(videos))
        return {'faces': sc.ops.Faces(frame=some)}

A graph that needs the results of one run to build the next is a generator: each
``yield`` is a run and returns the streams that it committed, by output. At the end a
graph may return a list of files that it wrote beside them::

    def brightest(sc, videos):
        frames = sc.io.Input(videos)
        written = yield {'brightness': sc.ops.Brightness(frame=frames)}
        rows = [[int(np.argmax(list(s.load())))] for s in written['brightness']]
        again = sc.io.Input(written.videos)
        yield {'brightest': sc.streams.Gather(again, rows)}

Streams that failed are missing from what ``yield`` returns: ``written.videos`` lists
the videos of the others, in the same order. A graph may also save streams itself, such
as a table of what it found, as ``written.stream(output, video)``.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from beam_scanner.apps import BUILT_IN
from beam_scanner.apps.graph_function import Columns, GraphFunction, Written
from beam_scanner.cli.ops_language import (
    build_ops,
    check_ops,
    output_name_of,
    parse_ops,
)
from beam_scanner.errors import (
    ArgumentError,
    Failure,
    GraphError,
    ScannerException,
)
from beam_scanner.graph.nodes import (
    InputNode,
    OpColumn,
    OpNode,
    OutputNode,
    topological,
)
from beam_scanner.kernels.op_modules import run_module
from beam_scanner.run.report import Report
from beam_scanner.storage import NamedStream, NamedVideoStream, StoredStream


def load_module(text: str) -> ModuleType:
    """Imports a module by its name, or from a ``.py`` file.

    Raises:
        ArgumentError: It is not there, or cannot be imported.
    """
    folder = os.path.dirname(os.path.abspath(text)) if _is_file(text) else os.getcwd()
    is_ours = text.partition(".")[0] == __name__.partition(".")[0]
    if folder not in sys.path and not is_ours:
        # Appended, so that modules beside the file can be imported but hide no other:
        # workers get this path too, and a user's json.py must not break them.
        sys.path.append(folder)
    if _is_file(text) and not os.path.isfile(text):
        raise ArgumentError(f"there is no file {text!r}")
    try:
        return _load_file(text) if _is_file(text) else importlib.import_module(text)
    except ModuleNotFoundError as error:
        if error.name and text.startswith(error.name):
            raise ArgumentError(f"there is no module {error.name!r}") from None
        raise ArgumentError(f"{text} cannot be imported: {error}") from error
    except ScannerException:
        raise
    except Exception as error:
        raise ArgumentError(f"{text} cannot be imported: {_describe(error)}") from error


def load_modules(texts: Sequence[str]) -> None:
    """Imports what ``--load`` names.

    Raises:
        ArgumentError: One cannot be imported.
    """
    for text in texts:
        try:
            load_module(text)
        except ArgumentError as error:
            raise ArgumentError(f"--load: {error}") from error


def _is_file(text: str) -> bool:
    return text.endswith(".py")


def _load_file(path: str) -> ModuleType:
    path = os.path.realpath(path)
    name = os.path.splitext(os.path.basename(path))[0]
    if name.isidentifier() and _file_of(name) == path:
        return importlib.import_module(name)
    # Another module has the name.
    return run_module(path)


def _file_of(name: str) -> str:
    """The file that a top-level module was, or would be, loaded from; '' for none."""
    known = sys.modules.get(name)
    if known is not None:
        return os.path.realpath(getattr(known, "__file__", None) or "")
    spec = importlib.util.find_spec(name)
    return os.path.realpath(spec.origin) if spec and spec.origin else ""


def find_graph(text: str) -> GraphFunction:
    """The function that ``--graph`` names.

    Raises:
        ArgumentError: There is none.
    """
    place, colon, name = BUILT_IN.get(text, text).rpartition(":")
    if not colon or not place or not name:
        raise ArgumentError(
            f"--graph: {text!r} is not built in ({', '.join(BUILT_IN)} is); expected "
            "MODULE:FUNCTION or FILE.py:FUNCTION"
        )
    try:
        module = load_module(place)
    except ArgumentError as error:
        raise ArgumentError(f"--graph: {error}") from error
    found = getattr(module, name, None)
    if not callable(found):
        raise ArgumentError(f"--graph: {place} has no function {name!r}")
    function: GraphFunction = found
    return function


def ops_graph(text: str, in_full: bool = False) -> GraphFunction:
    """The graph that ``--ops`` describes; the shipping ops are registered.

    Args:
        text: The chain.
        in_full: Name the output after all of the chain, not its last op alone.

    Raises:
        ArgumentError: It cannot be read.
    """
    calls = parse_ops(text)
    check_ops(calls)

    output = output_name_of(calls, in_full)

    def graph(sc: Any, videos: list[NamedVideoStream]) -> Columns:
        return {output: build_ops(sc, sc.io.Input(videos), calls, len(videos))}

    return graph


@dataclass
class GraphRun:
    """One graph over some videos.

    Args:
        sc: The client.
        function: The graph.
        videos: The inputs.
        template: Names outputs; see ``--name``.
        run: Runs outputs; returns its report, or None if there was nothing to do.

    Attributes:
        written: By output, all streams that were committed, or were there.
        files: Files that the graph left beside them.
        reports: One for each run.
        failures: Of all runs.
        failure_files: Parquet files with them.
    """

    sc: Any
    function: GraphFunction
    videos: list[NamedVideoStream]
    template: str
    run: Callable[[list[OutputNode]], Report | None]
    written: dict[str, list[NamedStream]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    failure_files: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # By name of a stream, the video that it was made from, over all runs.
        self._origin = {video.name(): video for video in self.videos}

    def first_outputs(self) -> list[OutputNode]:
        """The outputs of the first run, without running them.

        Raises:
            ScannerException: The graph is wrong.
        """
        made = self._build()
        if isinstance(made, Generator):
            try:
                made = self._guarded(made.__next__)
            except StopIteration:
                raise GraphError("the graph yields nothing to run") from None
        return self._outputs(made)[0]

    def only_outputs(self) -> list[OutputNode]:
        """The outputs of a graph that is one run, without running them.

        Raises:
            ScannerException: The graph is wrong, or needs results of a first run.
        """
        made = self._build()
        if isinstance(made, Generator):
            made.close()
            raise GraphError(
                "this graph continues with the results of its first run, so a process "
                "must wait for them; only a graph that returns its outputs, or --ops, "
                "can be submitted and left"
            )
        return self._outputs(made)[0]

    def execute(self) -> None:
        """Builds and runs the graph, to the end.

        Raises:
            ScannerException: The graph is wrong, or nothing could be run.
        """
        made = self._build()
        if not isinstance(made, Generator):
            self._run(made)
            return
        sent: Written | None = None
        while True:
            try:
                columns = self._guarded(made.send, sent)
            except StopIteration as end:
                self.files += [str(file) for file in end.value or ()]
                return
            sent = self._run(columns)
            if not sent.videos:
                made.close()
                return

    def _build(self) -> Any:
        return self._guarded(self.function, self.sc, list(self.videos))

    def _guarded(self, function: Callable[..., Any], *args: Any) -> Any:
        """Calls a user's function; errors name the line that raised them."""
        try:
            return function(*args)
        except (ScannerException, StopIteration):
            raise
        except Exception as error:
            raise GraphError(f"the graph raised {_describe(error)}") from error

    def _run(self, made: Any) -> Written:
        outputs, named = self._outputs(made)
        report = self.run(outputs)
        failed: set[str] = set()
        if report is not None:
            self.reports.append(report)
            self.failures += report.failures
            self.failure_files.append(report.failure_file)
            failed = {failure.stream for failure in report.failures}
        good = [
            job
            for job, stream in enumerate(outputs[0].streams)
            if stream.name() not in failed
        ]
        origins = [self._origin[outputs[0].streams[job].name()] for job in good]
        written = Written(origins, self._own_stream)
        for name, streams in named.items():
            written[name] = [streams[job] for job in good]
            self.written.setdefault(name, []).extend(written[name])
        return written

    def _own_stream(self, output: str, video: NamedVideoStream) -> NamedStream:
        name = output_name(self.template, output, video.name())
        self._origin[name] = video
        stream = NamedStream(self.sc, name)
        self.written.setdefault(output, []).append(stream)
        return stream

    def _outputs(self, made: Any) -> tuple[list[OutputNode], dict[str, list[Any]]]:
        columns = _named_columns(made)
        outputs, named = [], {}
        for name, column in columns.items():
            named[name] = self._streams(name, column)
            outputs.append(self.sc.io.Output(column, named[name]))
        self._check_names(named)
        return outputs, named

    def _streams(self, output: str, column: OpColumn) -> list[Any]:
        kind = NamedStream if column.type is not None else NamedVideoStream
        streams = []
        for source in _first_input(column):
            video = self._origin.get(source.name())
            if video is None:
                raise GraphError(
                    f"output {output!r} is made of stream {source.name()!r}; outputs "
                    "are named after the videos, so they must be made of these, or of "
                    "what an earlier run made of them"
                )
            name = output_name(self.template, output, video.name())
            self._origin[name] = video
            streams.append(kind(self.sc, name))
        return streams

    def _check_names(self, named: Mapping[str, Sequence[StoredStream]]) -> None:
        inputs = {video.name() for video in self.videos}
        counts = Counter(s.name() for streams in named.values() for s in streams)
        for name, count in counts.items():
            if count > 1 or name in inputs:
                what = f"{count} outputs" if count > 1 else "an output and an input"
                raise ArgumentError(
                    f"--name {self.template!r} gives {what} the name {name!r}: use "
                    "{output} and {input} in it"
                )


def output_name(template: str, output: str, video: str) -> str:
    """Fills in ``--name``.

    Raises:
        ArgumentError: The template has another field.

    Examples:
        >>> output_name('{stem}/{output}', 'faces', 'films/a.mp4')
        'films/a/faces'
    """
    stem = os.path.splitext(video)[0]
    try:
        return template.format_map({"output": output, "input": video, "stem": stem})
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        raise ArgumentError(
            f"--name {template!r} cannot be filled in ({error}): it may have "
            "{output}, {input} and {stem}"
        ) from None


def _named_columns(made: Any) -> dict[str, OpColumn]:
    if isinstance(made, OpColumn):
        nodes = reversed(topological([made.node]))
        last = next((node for node in nodes if isinstance(node, OpNode)), None)
        made = {last.label.lower() if last is not None else "frames": made}
    if isinstance(made, Mapping) and made:
        wrong = [n for n, c in made.items() if not isinstance(c, OpColumn)]
        if not wrong and all(isinstance(name, str) and name for name in made):
            return dict(made)
    raise GraphError(
        "a graph must return a column, or a dict of columns by the names of outputs; "
        f"got {made!r}"
    )


def _first_input(column: OpColumn) -> Sequence[StoredStream]:
    """The streams that a column is made of, by way of first inputs."""
    for node in topological([column.node]):
        if isinstance(node, InputNode):
            return node.streams
    raise GraphError(f"the column of {column.node.label} reads no stream")


def _describe(error: BaseException) -> str:
    """What a user's code raised, and where, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError):
        where = f" ({error.filename}, line {error.lineno})"
        return f"SyntaxError: {error.msg}{where}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"
