"""Graphs inside equations in forward mode, with every tangent behind the group of values that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from functorch_lite.control.loops import Place, rewired
from functorch_lite.ir import Graph
from functorch_lite.prims.shape import zeros_like
from functorch_lite.trace import typeof
from functorch_lite.transforms.common import spread
from functorch_lite.transforms.jvp import jvp


def grouped(items: Sequence, further: Sequence, groups: Sequence[int]) -> list:
    """Items in groups of these sizes, each followed by the `further` of its items that are not None."""
    made, start = [], 0
    for size in groups:
        stop = start + size
        made += [*items[start:stop], *[x for x in further[start:stop] if x is not None]]
        start = stop
    assert start == len(items) == len(further), (groups, items)
    return made


def pushed(
    graph: Graph, active: tuple[bool, ...], ins: Sequence[int], wanted: Sequence[bool], outs: Sequence[int]
) -> Graph:
    """Inputs in groups of sizes `ins`, each followed by the tangents of the active ones; results in groups of sizes
    `outs`, each followed by the tangents of the wanted ones, zeros where there are none."""
    new, mask = jvp(graph, active)
    assert all([w or not m for w, m in zip(wanted, mask, strict=True)]), "a tangent is lost"
    tangents = spread(range(len(graph.ins), len(new.ins)), active)
    found = spread(range(len(graph.outs), len(new.outs)), mask)
    made: list[Place | None] = [
        None if not w else t.strong() if k is None else k
        for w, k, t in zip(wanted, found, graph.out_types, strict=True)
    ]
    places: list[Place] = grouped(range(len(graph.ins)), tangents, ins)
    return rewired(new, places, grouped(range(len(graph.outs)), made, outs))


def beside(graph: Graph, active: Sequence[bool], ins: Sequence[int]) -> Graph:
    """A graph that takes tangents like `pushed` and does not read them."""
    types = [t.strong() if a else None for t, a in zip(graph.in_types, active, strict=True)]
    return rewired(graph, grouped(range(len(graph.ins)), types, ins), range(len(graph.outs)))


def operands(xs: Sequence, ts: Sequence, active: Sequence[bool], groups: Sequence[int]) -> list:
    """What `pushed` graphs take: operands with their tangents, zeros where an active one has none."""
    given = [
        None if not a else zeros_like(typeof(x).strong()) if t is None else t
        for x, t, a in zip(xs, ts, active, strict=True)
    ]
    return grouped(xs, given, groups)
