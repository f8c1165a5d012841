"""Writes what follows from the registries of ops and samplers.

    python scripts/reference.py

writes the stubs that editors and type checkers read, Beam YAML's list of transforms,
and docs/ops.md. A test makes sure that they are what this writes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import indent

from beam_scanner.graph.builder import op_signature
from beam_scanner.graph.sampler_methods import streams_doc, streams_signature
from beam_scanner.kernels import op_spec
from beam_scanner.kernels.op_help import op_doc, op_parameters, type_text
from beam_scanner.ops import shipped_ops
from beam_scanner.protobufs.messages import ABOUT, MESSAGES
from beam_scanner.rows.samplers import PARTITIONS, SAMPLERS, Partition
from beam_scanner.text.docstrings import Doc
from beam_scanner.transforms.registered import transform_named

ROOT = Path(__file__).parent.parent
STUB = '''\
# Written by scripts/reference.py.
"""{title}"""

from collections.abc import Sequence
{imports}\
'''


def stub_function(name: str, signature: inspect.Signature, doc: Doc) -> str:
    """A method of a stub; each parameter on a line of its own, as ruff formats it."""
    lines = []
    for parameter in signature.parameters.values():
        named = any(line.startswith("*") for line in lines)
        if parameter.kind is parameter.KEYWORD_ONLY and not named:
            lines.append("*,")
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
        line = f"{stars.get(parameter.kind, '')}{parameter.name}"
        if parameter.annotation is not parameter.empty:
            line += f": {type_text(parameter.annotation)}"
        elif parameter.name != "self":
            line += ": Any"
        if parameter.default is not parameter.empty:
            line += " = ..."
        lines.append(f"{line},")
    if lines[0] != "self,":
        lines.insert(0, "self,")
    returns = "None"
    if name != "__init__":
        returns = type_text(signature.return_annotation)
    given = indent("\n".join(lines), "    ")
    return f"def {name}(\n{given}\n) -> {returns}:\n{docstring(doc)}\n"


def docstring(doc: Doc) -> str:
    """A docstring as it stands in a body."""
    text = str(doc)
    end = "\n" if "\n" in text else ""
    return indent(f'"""{text}{end}"""', "    ")


def stub_class(name: str, base: str, doc: str, methods: Iterable[str]) -> str:
    """A class of a stub."""
    head = f"class {name}({base}):" if base else f"class {name}:"
    body = f'"""{doc}"""\n\n' if doc else ""
    return f"{head}\n{indent(body + chr(10).join(methods), '    ')}"


def graph_stub() -> str:
    """``sc.ops``, ``sc.streams`` and ``sc.partitioner``."""
    imports = (
        "from typing import Any\n\n"
        "from beam_scanner.graph.nodes import OpColumn, SliceList\n"
        "from beam_scanner.rows.samplers import Partition\n"
        "from beam_scanner.types.element_types import DeviceType\n"
    )
    streams = [
        stub_function(each.name, streams_signature(each), streams_doc(each))
        for each in SAMPLERS.values()
        if each.name != "StridedRanges"  # written out, since Scanner has two forms
    ]
    partitions = [
        stub_function(
            each.name,
            each.signature.replace(return_annotation=Partition),
            each.doc,
        )
        for each in PARTITIONS.values()
    ]
    ops = [
        stub_function(name, op_signature(op_spec(name)), op_doc(op_spec(name)))
        for name in shipped_ops()
    ]
    return "\n".join(
        [
            STUB.format(
                title="What ``sc.ops``, ``sc.streams`` and ``sc.partitioner`` take.",
                imports=imports,
            ),
            stub_class("Ops", "", "The ops that ship.", ops),
            stub_class("Streams", "", "The samplers.", streams),
            stub_class("Partitions", "", "The ways to cut a stream.", partitions),
        ]
    )


def transforms_stub() -> str:
    """The transforms of samplers and ops."""
    imports = (
        "from typing import Any\n\n"
        "from beam_scanner.graph.nodes import SliceList\n"
        "from beam_scanner.transforms.apply_op import Op\n"
        "from beam_scanner.transforms.sample import Sample\n"
        "from beam_scanner.types.element_types import DeviceType\n"
    )
    title = "The transforms of samplers and of the ops that ship."
    return "\n".join(
        [
            STUB.format(title=title, imports=imports),
            *(
                _transform(sampling.name, "Sample", sampling.doc)
                for sampling in SAMPLERS.values()
            ),
            *(_transform(name, "Op", op_doc(op_spec(name))) for name in shipped_ops()),
        ]
    )


def _transform(name: str, base: str, doc: Doc) -> str:
    signature = inspect.signature(vars(transform_named(name))["__init__"])
    init = stub_function("__init__", signature, doc)
    return stub_class(name, base, "", [init])


def providers(names: Iterable[str]) -> str:
    """The list of transforms of Beam YAML."""
    module = "beam_scanner.yaml.transforms"
    groups = [
        ["ReadFromVideo", "ReadAllFromVideo", "ReadFromNamedStream"],
        [*names, "Slice", "Unslice", "Op"],
        ["StreamsToRows", "WriteToNamedStream", "WriteToNamedVideo"],
    ]
    listed = "\n\n".join(
        "\n".join(f"    {name}: {module}.{name}" for name in group) for group in groups
    )
    return (
        "# Written by scripts/reference.py; beam_scanner/yaml/__init__.py says how it "
        f"is used.\n- type: python\n  config: {{}}\n  transforms:\n{listed}\n"
    )


PAGE = """# Ops and samplers

<!-- Written by scripts/reference.py from the docstrings of the kernels and samplers. -->

Names and arguments are the same everywhere:

| where | an op | a sampler |
|---|---|---|
| `Client` | `sc.ops.Resize(frame=column, width=320, height=180)` | `sc.streams.Stride(column, 8)` |
| Beam transforms | `Resize(width=320, height=180)` | `Stride(8)` |
| the command's `--ops` | `Resize(width=320, height=180)` | `Stride(8)` |
| Beam YAML | `type: Resize`, `config: {width: 320, height: 180}` | `type: Stride`, `config: {stride: 8}` |

With `Client`, arguments *per stream* and those of samplers are one value for all streams, or a list with one value for each: `width=[320, 640]`, `[8, 4]`, `[(0, 30), (5, 90)]`. A list is never one value, so rows and intervals are given for each stream: `sc.streams.Gather(column, [[5, 90], [7]])`. Where a sampler takes several arguments, `Client` takes them as one: `sc.streams.Range(column, (0, 30))` is `Range(0, 30)` everywhere else. Inside a slice, a value in a list may be a `SliceList` with one value for each slice group. Every op also takes `device` and `on_error`, and what it was registered with: `stencil`, `stencil_edge`, `batch` or `bounded_state`. `help` says the same:

```python
from beam_scanner import Client
from beam_scanner.transforms import Resize

sc = Client(db_path="db")
help(sc.ops.Resize)
help(sc.streams.Stride)
help(Resize)
```
"""


OWN = """\
## One more

An op of your own is a class or a function with `@register_python_op()`, anywhere: it is in `sc.ops`, `beam_scanner.transforms` and `--ops` by its name from then on, with its arguments and docstrings.

In this package, a module of `beam_scanner/ops/` that registers a kernel is an op, and an entry of `SAMPLERS` or `PARTITIONS` in `beam_scanner/rows/samplers.py` is a sampler or a partition. `python scripts/reference.py` then writes it into this page, Beam YAML's list, and the stubs that editors and type checkers read.
"""


def page() -> str:
    """docs/ops.md."""
    parts = [PAGE, "## Ops"]
    for name in shipped_ops():
        spec = op_spec(name)
        inputs = ", ".join(
            f"`{'*' if spec.variadic else ''}{port.name}` ({port.type_label})"
            for port in spec.inputs
        )
        outputs = ", ".join(port.type_label for port in spec.outputs)
        per_stream = {param.name for param in spec.stream_params}
        parts += [
            f"### {name}",
            markdown(op_doc(spec).text),
            f"Input: {inputs}. Output: {outputs}.",
            table(op_parameters(spec), op_doc(spec).args, per_stream),
        ]
    for title, registry in ("Samplers", SAMPLERS), ("Partitions for Slice", PARTITIONS):
        parts.append(f"## {title}")
        for each in registry.values():
            parts += [
                f"### {each.name}",
                markdown(each.doc.text),
                table(each.signature.parameters.values(), each.doc.args, set()),
            ]
    parts.append(OWN)
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def table(
    parameters: Iterable[inspect.Parameter],
    docs: Mapping[str, str],
    per_stream: set[str],
) -> str:
    """The arguments of an op or a sampler; '' where there are none."""
    rows = []
    for parameter in parameters:
        kind = type_text(parameter.annotation)
        if parameter.name in per_stream:
            kind += ", per stream"
        required = parameter.default is parameter.empty
        default = "" if required else f"`{parameter.default!r}`"
        text = markdown(" ".join(docs.get(parameter.name, "").split()))
        cells = [f"`{parameter.name}`", kind, default, text]
        rows.append(
            f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        )
    head = "| argument | type | default | |\n|---|---|---|---|\n"
    return head + "\n".join(rows) if rows else ""


def markdown(text: str) -> str:
    """Text of a docstring as Markdown."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text)


PYTHON_TYPES = {
    **dict.fromkeys(("int32", "int64"), "int"),
    **dict.fromkeys(("float", "double"), "float"),
    "bool": "bool",
    "string": "str",
}


def messages_stub() -> str:
    """The protobuf messages, with their fields."""
    text = '''\
# Written by scripts/reference.py.
"""The messages of the table in messages.py."""

from collections.abc import Iterable, MutableSequence

from google.protobuf.message import Message

MESSAGES: dict[str, str]
ABOUT: dict[str, str]
'''
    for name, fields in MESSAGES.items():
        text += f'\nclass {name}(Message):\n    """{ABOUT[name]}"""\n\n'
        parameters = ""
        for field in fields.split():
            own, kind = field.split(":")
            python = PYTHON_TYPES[kind.rstrip("*")]
            given = f"Iterable[{python}]" if kind.endswith("*") else python
            held = f"MutableSequence[{python}]" if kind.endswith("*") else python
            text += f"    {own}: {held}\n"
            parameters += f"        {own}: {given} = ...,\n"
        text += f"    def __init__(\n        self,\n        *,\n{parameters}    ) -> None: ...\n"
    return text


def generated() -> dict[str, str]:
    """The text of each file, by its path in the repository."""
    package = "beam_scanner"
    return {
        f"{package}/graph/signatures.pyi": graph_stub(),
        f"{package}/transforms/signatures.pyi": transforms_stub(),
        f"{package}/protobufs/messages.pyi": messages_stub(),
        f"{package}/yaml/providers.yaml": providers([*SAMPLERS, *shipped_ops()]),
        "docs/ops.md": page(),
    }


if __name__ == "__main__":
    for path, text in generated().items():
        (ROOT / path).write_text(text)
