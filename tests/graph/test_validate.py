"""Graphs are checked before anything runs."""

from __future__ import annotations

import gc

import pytest

from beam_scanner import types
from beam_scanner.errors import (
    ElementTypeError,
    GraphError,
)
from beam_scanner.graph.builder import (
    IOGenerator,
    StreamsGenerator,
    check_graph,
)
from beam_scanner.graph.nodes import (
    InputNode,
    OpColumn,
    OutputNode,
    SliceNode,
)
from beam_scanner.kernels import (
    dumps_graph,
    loads_graph,
)
from beam_scanner.storage import (
    NamedStorage,
    NamedStream,
)
from beam_scanner.video.encoding import Encoding
from tests.support.graph_parts import (
    Stored,
    blobs,
    frames,
    io,
    out,
    partitioner,
    streams,
)


def test_a_good_graph_in_order(ops):
    column = frames(2)
    some = streams.Stride(column, [2, 2])
    sliced = streams.Slice(some, [partitioner.all()] * 2)
    joined = streams.Unslice(ops.MakesHistogram(frame=sliced))
    after = ops.Join(frame=some, data=joined)
    first, second = out(after, "a", "b"), out(joined, "c", "d")
    nodes = check_graph([first, second])
    assert len(nodes) == 8
    assert nodes[0] is column.node
    assert check_graph(first)[-1] is first
    copied = loads_graph(dumps_graph([first, second]))
    assert [n.label for n in check_graph(copied)] == [n.label for n in nodes]


def test_slices(ops):
    column = blobs()
    sliced = streams.Slice(column, [partitioner.all()])
    with pytest.raises(GraphError, match="Nested slicing not currently supported"):
        streams.Slice(sliced, [partitioner.all()])
    with pytest.raises(GraphError, match="Unslice received inputs that have not been"):
        streams.Unslice(column)
    with pytest.raises(GraphError, match=r"Final outputs must be unsliced.*'out'"):
        out(sliced)
    with pytest.raises(GraphError, match=r"Concat specified inputs at different slice"):
        ops.Concat(column, sliced)
    again = streams.Slice(streams.Unslice(sliced), [partitioner.all()])
    check_graph(out(streams.Unslice(again)))


def test_graphs_that_were_not_built_here_are_checked_too():
    one = OpColumn(InputNode((Stored("a"),)), 0, types.get_type_info(bytes))
    sliced = OpColumn(SliceNode(one, (partitioner.all(),)), 0, one.type)
    nested = OpColumn(SliceNode(sliced, (partitioner.all(),)), 0, one.type)
    with pytest.raises(GraphError, match="Nested"):
        check_graph(OutputNode(nested, (Stored("b"),)))
    with pytest.raises(GraphError, match="Final output columns are sliced"):
        check_graph(OutputNode(sliced, (Stored("b"),)))
    encoded = OpColumn(one.node, 0, one.type, Encoding())
    with pytest.raises(ElementTypeError, match="compression options, which are only"):
        check_graph(OutputNode(encoded, (Stored("b"),)))


def test_numbers_of_streams(ops):
    two, three = blobs(2), blobs(3)
    with pytest.raises(
        GraphError, match="column of 2 streams, from Input, and one of 3 streams, from"
    ):
        ops.Concat(two, three)
    first, second = out(two, "a", "b"), out(three, "c", "d", "e")
    with pytest.raises(GraphError, match=r"2 streams, but .* has 3"):
        check_graph([first, second])


def test_what_a_run_takes():
    with pytest.raises(GraphError, match=r"what sc.io.Output.* got OpColumn"):
        check_graph(blobs())
    with pytest.raises(GraphError, match=r"got OpColumn"):
        check_graph([out(blobs()), blobs()])
    with pytest.raises(GraphError, match="at least one output"):
        check_graph([])


def test_names_of_streams(tmp_path):
    column = blobs(2)
    with pytest.raises(GraphError, match="same stream name 'a'"):
        check_graph(out(column, "a", "a"))
    with pytest.raises(GraphError, match="same stream name 'a'"):
        check_graph([out(column, "a", "b"), out(column, "c", "a")])
    with pytest.raises(GraphError, match="'in1' is both an input and an output"):
        check_graph(out(column, "a", "in1"))
    one, two = NamedStorage(tmp_path / "one"), NamedStorage(tmp_path / "two")
    source = io.Input([NamedStream(one, "a")])
    check_graph(io.Output(source, [NamedStream(two, "a")]))
    again = io.Output(source, [NamedStream(NamedStorage(tmp_path / "one"), "a")])
    with pytest.raises(GraphError, match="'a' is both an input and an output"):
        check_graph(again)


class Client:
    pass


def test_clients_do_not_mix(ops):
    first, second = Client(), Client()
    column = IOGenerator(first).Input([Stored("a")])
    other = IOGenerator(second).Input([Stored("b")])
    with pytest.raises(
        GraphError, match="Stride and its input from Input belong to di"
    ):
        StreamsGenerator(second).Stride(column, [2])
    node = IOGenerator(first).Output(column, [Stored("c")])
    with pytest.raises(GraphError, match="belong to different clients"):
        check_graph([node, IOGenerator(second).Output(other, [Stored("d")])])
    check_graph(node)
    del first, second
    gc.collect()
    check_graph(node)
