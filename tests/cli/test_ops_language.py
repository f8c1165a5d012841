"""What the command reads and draws: chains of ops, inputs, names, contact sheets."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner import ops
from beam_scanner.cli.ops_language import Call, build_ops, check_ops, parse_ops
from beam_scanner.errors import ArgumentError
from beam_scanner.graph.builder import OpGenerator, StreamsGenerator, TaskPartitioner
from beam_scanner.graph.nodes import Node, OpColumn
from beam_scanner.rows.samplers import (
    Gather,
    Repeat,
    Stride,
    StridedPartition,
    StridedRanges,
)

# The text of --ops.

names = st.from_regex(r"[A-Z][A-Za-z]{0,8}", fullmatch=True)


keywords = st.from_regex(r"[a-z]{3,8}_x", fullmatch=True)


literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=6,
)


calls = st.builds(
    Call,
    names,
    st.lists(literals, max_size=2).map(tuple),
    st.dictionaries(keywords, literals, max_size=2),
)


def written(call: Call) -> str:
    args = [repr(arg) for arg in call.args]
    args += [f"{name}={value!r}" for name, value in call.kwargs.items()]
    return f"{call.name}({', '.join(args)})"


@given(st.lists(calls, min_size=1, max_size=5), st.sampled_from([" | ", "|", " |\n  "]))
@settings(deadline=None)
def test_what_is_written_is_read(chain: list[Call], joint: str) -> None:
    text = joint.join(map(written, chain))
    found = parse_ops(text)
    assert found == chain
    for call in found:
        assert text[call.column - 1 :].startswith(call.name)


@given(st.text(max_size=40) | st.text("Stride(8)|[]{}'\",.=*:# \n\t\\", max_size=40))
@settings(deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ArgumentError):
        found = parse_ops(text)
        assert found


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("Stride(8) | Foo", 13, "write Foo()"),
        ("Stride(8) + Pass()", 11, "join ops with |, not '+'"),
        ("Stride(8) Histogram()", 11, "join ops with |, as in Stride(...) | Hist"),
        ("Stride(8", 7, "'(' was never closed"),
        ("Stride(8))", 10, "unmatched"),
        ("Stride(8) | | Pass()", 11, "there is no op between | and |"),
        ("Stride(x)", 8, "expected a literal"),
        ("Stride(__import__('os').system('true'))", 8, "expected a literal"),
        ("Stride(**{'stride': 8})", 10, "** cannot be used"),
        ("Pass() | os.remove('a')", 10, "expected a call of an op"),
        ("'é' | Stride(y)", 1, "expected a call of an op"),
        ("Blur(a='é', b=y)", 15, "expected a literal"),
        ("Stride(8)\n| Foo", 13, "write Foo()"),
    ],
)
def test_bad_text_says_where(text: str, column: int, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parse_ops(text)
    assert f"column {column}" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "  ", "\n", "(" * 5000, "A(" * 3000, "\0"])
def test_text_that_is_no_chain_at_all(text: str) -> None:
    with pytest.raises(ArgumentError, match="--ops"):
        parse_ops(text)


def build(text: str, jobs: int = 2) -> OpColumn:
    ops.register_ops()
    sc = SimpleNamespace(
        ops=OpGenerator(), streams=StreamsGenerator(), partitioner=TaskPartitioner()
    )
    return build_ops(sc, OpColumn(Node()), parse_ops(text), jobs)


@pytest.mark.parametrize(
    ("text", "sampler"),
    [
        ("Stride(8)", Stride(8)),
        ("Stride(stride=8)", Stride(8)),
        ("Range(1, 9)", StridedRanges(((1, 9),))),
        ("Range(end=9, start=1)", StridedRanges(((1, 9),))),
        ("Ranges([(5, 9), (0, 2)])", StridedRanges(((5, 9), (0, 2)))),
        ("StridedRange(1, 9, 2)", StridedRanges(((1, 9),), 2)),
        ("StridedRanges([(1, 9)], 2)", StridedRanges(((1, 9),), 2)),
        ("Gather([5, 1, 5])", Gather((5, 1, 5))),
        ("Repeat(3)", Repeat(3)),
        ("RepeatNull(3)", Repeat(3, nulls=True)),
    ],
)
def test_samplers_get_their_arguments_for_every_stream(text: str, sampler: Any) -> None:
    assert build(text, jobs=3).node.samplers == (sampler,) * 3  # type: ignore[attr-defined]


def test_slices_ops_and_encodings_of_a_chain() -> None:
    column = build(
        "Slice(strided(2, group_size=5)) | Resize(width=64, height=48) | Unslice()"
        " | All() | compress_video(quality=30)"
    )
    assert column.encoding is not None
    assert column.encoding.quality == 30
    unslice = column.node.inputs[0].node
    resize = unslice.inputs[0].node
    assert resize.stream_args == {"width": (64, 64), "height": (48, 48)}  # type: ignore[attr-defined]
    assert resize.inputs[0].node.partitions == (StridedPartition(2, 5),) * 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Resiz(width=3)", "column 1 (Resiz(width=3)): Op Resiz does not exist"),
        ("Strid(8)", "Op Strid does not exist; did you mean Stride?"),
        ("lossles()", "Op lossles does not exist; did you mean lossless?"),
        ("Zzz()", "Op Zzz does not exist; there are "),
        ("Pass()", "takes Bytes, but the column holds FrameType"),
        ("Resize(width=3)", "Resize needs a width and a height above 0"),
        ("Resize(width='3', height=3)", "must be a whole number, got '3'"),
        ("Stride(8) | Montage(num_frames=3)", "column 13"),
        ("Histogram(bins=3)", "op Histogram has no argument 'bins'. It takes none"),
        (
            "Resize(widht=3)",
            "has no argument 'widht'; did you mean width? It takes width",
        ),
        ("Stride(8) | Montage(num_frames=3)", "'target_width'"),
        ("Stride(8, 9)", "Stride takes (stride)"),
        ("Range(1)", "Range takes (start, end)"),
        ("Range(1, ends=2)", "Range takes (start, end)"),
        ("Stride('8')", "must be"),
        ("Histogram(5)", "by name"),
        ("DrawFlow()", "2 inputs (frame, flow)"),
        ("Histogram() | Resize(width=3, height=3)", "Histogram"),
        ("Slice(50)", "Slice takes one of"),
        ("Slice(halves(2))", "halves cannot slice"),
        ("Slice(all(all(3)))", "expected a literal"),
        ("Stride(all(3))", "expected a literal"),
        ("Blur(kernel_size=f(3), sigma=1)", "expected a literal"),
        ("Slice(all('x'))", "group_size"),
        ("Unslice(3)", "Unslice takes ()"),
        ("Histogram() | lossless()", "only for columns of frames"),
        ("compress_video(speed=3)", "speed"),
        ("_private()", "does not exist"),
    ],
)
def test_chains_that_cannot_be_built(text: str, message: str) -> None:
    ops.register_ops()
    with pytest.raises(ArgumentError) as caught:
        check_ops(parse_ops(text))
    assert message in str(caught.value)
    assert str(caught.value).startswith("--ops, column ")
