"""Reads ``--ops``: calls of ops with literal arguments, joined by '|'.

Samplers and ops are those of the registries. The chain is parsed with :mod:`ast` and
never evaluated, so it may come from anywhere.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from beam_scanner.cli.ops_joints import wrong_joint
from beam_scanner.errors import ArgumentError, ScannerException, did_you_mean
from beam_scanner.graph.builder import OpGenerator, StreamsGenerator, TaskPartitioner
from beam_scanner.graph.nodes import Node, OpColumn
from beam_scanner.kernels.op_spec import OpSpec
from beam_scanner.kernels.register import op_spec, registered_ops
from beam_scanner.kernels.signature import RESERVED
from beam_scanner.rows.samplers import PARTITIONS, SAMPLERS, bind

_MOST_CHARACTERS = 100_000
_LONGEST_NAME = 80

ENCODINGS = ("lossless", "compress", "compress_video", "compress_default")
"""Methods of a column that may end a chain."""


@dataclass(frozen=True)
class Call:
    """One call of the text.

    Attributes:
        name: What is called.
        args: Positional arguments: literals, or a ``Call``.
        kwargs: Arguments by name.
        column: Where it begins in the text, from 1.
        text: The call as it was written.
    """

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    column: int = field(default=1, compare=False)
    text: str = field(default="", compare=False)


def parse_ops(text: str) -> list[Call]:
    """Reads a chain of calls.

    Args:
        text: Such as ``'Stride(8) | Resize(width=320, height=180) | Histogram()'``.

    Returns:
        The calls in order.

    Raises:
        ArgumentError: It is something else; says where.

    Examples:
        >>> [(call.name, call.args, call.kwargs) for call in parse_ops(
        ...     "Range(0, 90) | ImageEncoder(format='jpg')")]
        [('Range', (0, 90), {}), ('ImageEncoder', (), {'format': 'jpg'})]
    """
    if not text.strip():
        raise ArgumentError("--ops is empty; it is 'Op(...) | Op(...) | ...'")
    if len(text) > _MOST_CHARACTERS:
        raise ArgumentError(f"--ops is longer than {_MOST_CHARACTERS} characters")
    source = _Source(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.code, mode="eval").body
        return [source.call(node) for node in _chain(tree)]
    except (SyntaxError, ArgumentError) as error:
        if (wrong := wrong_joint(text)) is not None:
            place, message = wrong
            raise _error(place + 1, message, text[place:]) from None
        if isinstance(error, ArgumentError):
            raise
        column = source.column(error.lineno or 1, (error.offset or 1) - 1)
        message = (error.msg or "cannot be read").partition(". ")[0]
        raise _error(min(column, len(text)), message) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ArgumentError(f"--ops cannot be read: {error}") from None


def output_name_of(calls: Sequence[Call], in_full: bool = False) -> str:
    """The name of a chain's output.

    Args:
        calls: The chain.
        in_full: With the values of all calls, so that another chain has another name.

    Returns:
        The last op in lower case; ``frames`` where there are only samplers.

    Examples:
        >>> calls = parse_ops("Stride(8) | Resize(width=64, height=36) | Histogram()")
        >>> output_name_of(calls)
        'histogram'
        >>> output_name_of(calls, in_full=True)
        'histogram-stride-8-resize-width-64-height-36'
    """
    known = registered_ops()
    last = next((call for call in reversed(calls) if call.name in known), None)
    name = "frames" if last is None else last.name.lower()
    if not in_full:
        return name
    text = " ".join(call.text for call in calls if call.args or call.kwargs)
    words = "-".join([name, *re.findall(r"[\w.]+", text.lower())])
    if len(words) <= _LONGEST_NAME:
        return words
    digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
    return f"{words[:_LONGEST_NAME]}-{digest}"


def _error(column: int, message: str, text: str = "") -> ArgumentError:
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    where = f" ({' '.join(shown.split())})" if shown else ""
    return ArgumentError(f"--ops, column {column}{where}: {message}")


def _chain(tree: ast.expr) -> list[ast.expr]:
    calls: list[ast.expr] = []
    while isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitOr):
        calls.append(tree.right)
        tree = tree.left
    return [tree, *reversed(calls)]


class _Source:
    """Turns syntax into calls, and says where it does not go.

    Attributes:
        code: What is parsed.
    """

    def __init__(self, text: str) -> None:
        self.code = text.lstrip()
        self._skipped = len(text) - len(self.code)
        if "\n" in self.code:
            # In parentheses lines may break anywhere.
            self.code = f"({self.code}\n)"
            self._skipped -= 1
        self._lines = self.code.splitlines(keepends=True)

    def column(self, line: int, characters: int) -> int:
        """From a line of the code and a place in it to a place in the text, from 1."""
        before = sum(len(earlier) for earlier in self._lines[: line - 1])
        return max(1, self._skipped + before + characters + 1)

    def _column(self, node: ast.expr) -> int:
        # ast counts bytes of UTF-8.
        line = self._lines[node.lineno - 1].encode()
        characters = len(line[: node.col_offset].decode(errors="replace"))
        return self.column(node.lineno, characters)

    def _text(self, node: ast.expr) -> str:
        return ast.get_source_segment(self.code, node) or ""

    def fail(self, node: ast.expr, message: str) -> ArgumentError:
        """The error that names a part of the text."""
        return _error(self._column(node), message, self._text(node))

    def call(self, node: ast.expr) -> Call:
        """Reads one call."""
        if isinstance(node, ast.Name):
            raise self.fail(node, f"write {node.id}()")
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            raise self.fail(node, "expected a call of an op, such as Stride(8)")
        kwargs: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self.fail(keyword.value, "** cannot be used here")
            kwargs[keyword.arg] = self._value(keyword.value)
        args = tuple(self._value(arg) for arg in node.args)
        return Call(node.func.id, args, kwargs, self._column(node), self._text(node))

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self.call(node)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError):
            raise self.fail(
                node, "expected a literal: a number, a string, True, None, a list, ..."
            ) from None


def build_ops(sc: Any, column: OpColumn, calls: Sequence[Call], jobs: int) -> OpColumn:
    """Adds a chain of calls to a graph.

    Args:
        sc: The client.
        column: What the first op reads.
        calls: What :func:`parse_ops` returned.
        jobs: How many streams the graph reads; each gets the same arguments.

    Returns:
        The last op's column.

    Raises:
        ArgumentError: There is no such op, or it cannot be called like this; says where.
    """
    for call in calls:
        try:
            column = _apply(sc, column, call, jobs)
        except (ScannerException, TypeError) as error:
            raise _error(call.column, str(error), call.text) from error
    return column


def check_ops(calls: Sequence[Call]) -> None:
    """Checks a chain of calls as far as that goes without any stream.

    Raises:
        ArgumentError: As :func:`build_ops`.
    """
    nobody = SimpleNamespace(
        ops=OpGenerator(), streams=StreamsGenerator(), partitioner=TaskPartitioner()
    )
    build_ops(nobody, OpColumn(Node()), calls, 1)


def _apply(sc: Any, column: OpColumn, call: Call, jobs: int) -> Any:
    if call.name == "Slice":
        return sc.streams.Slice(column, [_partition(sc, call)] * jobs)
    _check_literals(call)
    if call.name in SAMPLERS:
        values = tuple(SAMPLERS[call.name].bind(*call.args, **call.kwargs).values())
        per_stream = (
            [[values if len(values) > 1 else values[0]] * jobs] if values else []
        )
        return getattr(sc.streams, call.name)(column, *per_stream)
    if call.name == "Unslice":
        bind("Unslice", inspect.Signature(), call.args, call.kwargs)
        return sc.streams.Unslice(column)
    if call.name in ENCODINGS:
        return getattr(column, call.name)(*call.args, **call.kwargs)
    return _call_op(sc, column, call, jobs)


def _check_literals(call: Call) -> None:
    for value in (*call.args, *call.kwargs.values()):
        if isinstance(value, Call):
            raise ArgumentError(
                f"{value.text} cannot be an argument of {call.name}: expected a literal"
            )


def _call_op(sc: Any, column: OpColumn, call: Call, jobs: int) -> Any:
    if call.name not in registered_ops() or call.name.startswith("_"):
        known = [*registered_ops(), *SAMPLERS, *ENCODINGS, "Slice", "Unslice"]
        near = did_you_mean(call.name, known)
        raise ArgumentError(
            f"Op {call.name} does not exist{near or '; there are ' + ', '.join(known)}"
        )
    op = getattr(sc.ops, call.name)
    spec = op_spec(call.name)
    if call.args:
        raise ArgumentError("give arguments by name, such as width=320")
    if reason := why_not_in_a_chain(spec):
        raise ArgumentError(f"{call.name} {reason}; use --graph")
    _check_names(spec, call)
    per_stream = {param.name for param in spec.stream_params}
    named = {
        name: [value] * jobs if name in per_stream else value
        for name, value in call.kwargs.items()
    }
    return op(column, **named)


def _check_names(spec: OpSpec, call: Call) -> None:
    """Refuses an argument that an op has not; its input is no argument in a chain."""
    takes = [param.name for param in (*spec.init_params, *spec.stream_params)]
    known = {*takes, *RESERVED, *(port.name for port in spec.inputs)}
    unknown = [name for name in call.kwargs if name not in known]
    if unknown and not spec.open_args:
        near = did_you_mean(unknown[0], [*takes, *RESERVED]) or "."
        listed = f"It takes {', '.join(takes)}" if takes else "It takes none"
        raise ArgumentError(
            f"op {call.name} has no argument {unknown[0]!r}{near} {listed}"
        )


def why_not_in_a_chain(spec: OpSpec) -> str:
    """Why ``--ops`` cannot call an op, after its name; '' if it can."""
    if len(spec.inputs) > 1:
        takes = ", ".join(port.name for port in spec.inputs)
        return f"has {len(spec.inputs)} inputs ({takes}), a chain has one"
    if len(spec.outputs) > 1:
        return "has several outputs"
    return ""


def _partition(sc: Any, call: Call) -> Any:
    values = [*call.args, *call.kwargs.values()]
    if len(values) != 1 or not isinstance(values[0], Call):
        takes = (
            f"{p.name}({', '.join(p.signature.parameters)})"
            for p in PARTITIONS.values()
        )
        raise ArgumentError(f"Slice takes one of {', '.join(takes)}")
    how = values[0]
    if how.name not in PARTITIONS:
        raise ArgumentError(
            f"{how.name} cannot slice; use one of {', '.join(PARTITIONS)}"
        )
    _check_literals(how)
    return getattr(sc.partitioner, how.name)(*how.args, **how.kwargs)
