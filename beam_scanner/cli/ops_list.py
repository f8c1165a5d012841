"""The command ``ops``: what can be written in ``--ops``, from the registries."""

from __future__ import annotations

import argparse
import inspect
import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from beam_scanner import ops
from beam_scanner.cli.args import PROGRAM
from beam_scanner.cli.graphs import load_modules
from beam_scanner.cli.ops_language import ENCODINGS, why_not_in_a_chain
from beam_scanner.cli.output import put
from beam_scanner.errors import ArgumentError, did_you_mean
from beam_scanner.graph.nodes import OpColumn
from beam_scanner.kernels.op_help import op_doc, op_parameters, type_text
from beam_scanner.kernels.register import op_spec, registered_ops
from beam_scanner.rows.samplers import PARTITIONS, SAMPLERS, Sampling
from beam_scanner.text.docstrings import Doc, read_doc
from beam_scanner.text.printable import printable

_NARROWEST, _WIDEST = 40, 100


@dataclass(frozen=True)
class Entry:
    """One thing that ``--ops`` may call, or that a graph may.

    Attributes:
        name: What it is called by.
        group: The heading that it is listed under.
        doc: Its documentation.
        parameters: Its arguments, inputs left out.
        per_stream: Names of arguments that a graph may give each stream its own of.
        facts: Lines about its inputs, its output and where it may stand.
        graphs_only: Whether a chain cannot have it.
    """

    name: str
    group: str
    doc: Doc
    parameters: Sequence[inspect.Parameter] = ()
    per_stream: frozenset[str] = frozenset()
    facts: Sequence[str] = ()
    graphs_only: bool = False

    @property
    def call(self) -> str:
        """A call with all arguments, as a signature shows it."""
        shown = (
            p.name if p.default is p.empty else f"{p.name}={p.default!r}"
            for p in self.parameters
        )
        return f"{self.name}({', '.join(shown)})"


def ops_command(args: argparse.Namespace) -> None:
    """Lists ops and samplers, or describes one.

    Args:
        args: ``name``, or None for all; ``load``, modules that register more.

    Raises:
        ArgumentError: There is none of that name; a module cannot be loaded.
    """
    ops.register_ops()
    load_modules(args.load)
    entries = {entry.name: entry for entry in _entries()}
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
    if args.name is None:
        put(_list(list(entries.values()), width))
        return
    # A name may come as it is written in a chain: 'Stride(8)'.
    name = args.name.partition("(")[0].strip()
    folded = {known.lower(): known for known in entries}
    found = entries.get(name) or entries.get(folded.get(name.lower(), ""))
    if found is None:
        near = did_you_mean(name, entries) or f"; '{PROGRAM} ops' lists all"
        raise ArgumentError(f"there is no op or sampler {name!r}{near}")
    put(_description(found, width))


def _entries() -> Iterator[Entry]:
    for sampling in SAMPLERS.values():
        yield _sampler(sampling, "samplers (which rows go on)")
    groups = "slices (groups of rows that ops see apart)"
    partition = inspect.Parameter("partition", inspect.Parameter.POSITIONAL_ONLY)
    about = f"One of {', '.join(f'{name}(...)' for name in PARTITIONS)}."
    yield Entry(
        "Slice",
        groups,
        Doc("Cuts each stream into groups: Slice(all(50)).", {"partition": about}),
        [partition],
    )
    for sampling in PARTITIONS.values():
        yield _sampler(sampling, groups, (f"in a chain: Slice({sampling.name}(...))",))
    yield Entry(
        "Unslice", groups, Doc("Ends a slice: its groups are one stream again.")
    )
    names = [name for name in registered_ops() if not name.startswith("_")]
    for name in sorted(names, key=lambda each: (not op_spec(each).ships, each)):
        yield _op(name)
    for name in ENCODINGS:
        method = getattr(OpColumn, name)
        _, *parameters = inspect.signature(method, eval_str=True).parameters.values()
        yield Entry(
            name,
            "encodings (how frames are stored; at the end of a chain)",
            read_doc(method.__doc__),
            parameters,
        )


def _sampler(sampling: Sampling, group: str, facts: Sequence[str] = ()) -> Entry:
    parameters = list(sampling.signature.parameters.values())
    return Entry(sampling.name, group, sampling.doc, parameters, facts=facts)


def _op(name: str) -> Entry:
    spec = op_spec(name)
    star = "*" if spec.variadic else ""
    inputs = ", ".join(f"{star}{port.name} ({port.type_label})" for port in spec.inputs)
    outputs = ", ".join(port.type_label for port in spec.outputs)
    facts = [f"input: {inputs}", f"output: {outputs}"]
    reason = why_not_in_a_chain(spec)
    if reason:
        facts.append(f"in graphs only: {reason}")
    return Entry(
        name,
        "ops" if spec.ships else "ops that were loaded",
        op_doc(spec),
        op_parameters(spec),
        frozenset(param.name for param in spec.stream_params),
        facts,
        bool(reason),
    )


def _list(entries: Sequence[Entry], width: int) -> str:
    lines: list[str] = []
    group = ""
    for entry in entries:
        if entry.group != group:
            group = entry.group
            lines += ["", *_wrapped(f"{group}:", width)]
        names = ", ".join(parameter.name for parameter in entry.parameters)
        only = "  (in graphs only)" if entry.graphs_only else ""
        summary = _plain(entry.doc.text).partition("\n\n")[0]
        lines += _wrapped(f"{entry.name}({names}){only}", width, 2, 6)
        lines += _wrapped(summary, width, 6, 6)
    return "\n".join(
        [
            *lines[1:],
            "",
            *_wrapped(
                "Join ops with |: --ops 'Stride(8) | Resize(width=320, height=180) | "
                "Histogram()'. Arguments of ops are given by name. "
                f"'{PROGRAM} ops NAME' says more of each.",
                width,
            ),
        ]
    )


def _description(entry: Entry, width: int) -> str:
    lines = [*_wrapped(entry.call, width, 0, len(entry.name) + 1), ""]
    for paragraph in _plain(entry.doc.text).split("\n\n"):
        lines += [*_wrapped(paragraph, width), ""]
    for fact in entry.facts:
        lines += _wrapped(fact, width, 0, 2)
    if not entry.parameters:
        return "\n".join([*lines, "arguments: none"])
    lines.append("arguments:")
    names = [parameter.name for parameter in entry.parameters]
    column = min(max(map(len, names)), width // 3) + 4
    for parameter in entry.parameters:
        text = _plain(entry.doc.args.get(parameter.name, ""))
        facts = ", ".join(_facts(parameter, parameter.name in entry.per_stream))
        lines += _item(parameter.name, f"{text} ({facts})".strip(), column, width)
    return "\n".join(lines)


def _facts(parameter: inspect.Parameter, per_stream: bool) -> Iterator[str]:
    if parameter.annotation is not parameter.empty:
        yield type_text(parameter.annotation)
    if parameter.default is parameter.empty:
        yield "required"
    else:
        yield f"default: {parameter.default!r}"
    if per_stream:
        yield "per stream"


def _item(name: str, text: str, column: int, width: int) -> list[str]:
    """A name, and beside it lines of text."""
    head = f"  {printable(name)}"
    lines = _wrapped(text, width, column, column)
    if len(head) <= column - 2 and lines:
        return [head.ljust(column) + lines[0][column:], *lines[1:]]
    return [head, *lines]


def _wrapped(text: str, width: int, first: int = 0, next: int = 0) -> list[str]:
    """Wraps text into lines, with separate indents for the first and the others."""
    return textwrap.wrap(
        printable(text),
        width,
        initial_indent=" " * first,
        subsequent_indent=" " * next,
        break_on_hyphens=False,
    )


def _plain(text: str) -> str:
    """Text of a docstring without its markup; paragraphs are one line each."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"\1", text.replace("``", ""))
    paragraphs = re.split(r"\n\s*\n", text)
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
