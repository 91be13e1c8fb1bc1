"""Several traced functions as graphs of one equation: all take what any of them captured, before their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functorch_lite.control.loops import Place, rewired
from functorch_lite.ir import Graph
from functorch_lite.trace import Tracer, typeof
from functorch_lite.transforms.simplify import dce


def together(traced: Sequence[tuple[Graph, list]]) -> tuple[list[Graph], list]:
    """The graphs with the captured values of all of them as leading inputs, each value once; and these values."""
    places: dict[Any, int] = {}
    captured: list = []
    for _, values in traced:
        for x in values:
            if places.setdefault(_identity(x), len(captured)) == len(captured):
                captured.append(x)
    made = []
    for graph, values in traced:
        ins: list[Place] = [typeof(x) for x in captured]
        for k, x in enumerate(values):
            ins[places[_identity(x)]] = k
        made.append(rewired(graph, [*ins, *range(len(values), len(graph.ins))], range(len(graph.outs))))
    return made, captured


def reached_together(graphs: Sequence[Graph], consts: int, mask: tuple[bool, ...]) -> list[tuple[bool, ...]]:
    """Of graphs that share so many leading inputs, those that are reached if these operands are; all that follow
    count as reached."""
    return [(*mask[:consts], *[True] * (len(g.ins) - consts)) for g in graphs]


def _identity(x: Any) -> Any:
    return (id(x.frame), x.number) if isinstance(x, Tracer) else id(x)


def rewired_together(graphs: Sequence[Graph], extras: Sequence[Sequence]) -> tuple[list[Graph], list]:
    """Graphs that take one set of operands and, in front of these, further inputs of their own: made to take the
    further inputs of all of them, which come second."""
    counts, made = [len(extra) for extra in extras], []
    for k, graph in enumerate(graphs):
        ins: list[Place] = []
        for j, other in enumerate(graphs):
            ins.extend(range(counts[k]) if j == k else other.in_types[: counts[j]])
        made.append(rewired(graph, [*ins, *range(counts[k], len(graph.ins))], range(len(graph.outs))))
    return made, [a for extra in extras for a in extra]


def lean(graphs: Sequence[Graph], consts: int) -> tuple[list[Graph], tuple[bool, ...]]:
    """The graphs without dead equations and without those of their leading inputs that none of them reads; and which
    of these inputs stay."""
    graphs = [dce(g) for g in graphs]
    used = {a for g in graphs for e in g.eqns for a in e.ins} | {o for g in graphs for o in g.outs}
    stay = tuple([i in used for i in range(consts)])
    kept = [k for k, s in enumerate(stay) if s]
    return [rewired(g, [*kept, *range(consts, len(g.ins))], range(len(g.outs))) for g in graphs], stay
