"""Graphs that choose or loop, where what decides varies over a named axis: then everything inside varies as well.

So no collective runs in a branch or a turn that only some of the rows take: the sums over an axis that reverse mode
adds for values that do not vary stand outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functorch_lite.errors import AxisNameError
from functorch_lite.ir import Graph, nested
from functorch_lite.prims.collective import axis_index_p, vary, vary_p
from functorch_lite.trace import at, inline, typeof
from functorch_lite.transforms.common import rebuild, rewrite

Axes = tuple[str, ...]


def over(given: Axes, further: Axes) -> Axes:
    """The axes of both."""
    return tuple(sorted({*given, *further}))


@rewrite
def varied(graph: Graph, ins: tuple[Axes, ...], outs: tuple[Axes, ...]) -> Graph:
    """The graph with inputs and results that vary over further axes, given for each of them."""
    types = [t.varying(over(t.vary, axes)) for t, axes in zip(graph.in_types, ins, strict=True)]
    more = [set(axes) - set(t.vary) for t, axes in zip(graph.out_types, outs, strict=True)]
    if types == graph.in_types and not any(more):
        return graph

    def body(*xs):
        return [vary(y, axes) for y, axes in zip(inline(graph, xs), outs, strict=True)]

    return rebuild(body, types, "vary")


def fitted(graphs: Sequence[Graph], operands: Sequence, fixed: int, carried: int = 0) -> list[Graph]:
    """The graphs of an equation with inputs that vary as its operands do.

    With `carried`, the first results of the first graph become the inputs after the `fixed` ones, and the second graph
    is the predicate of the loop: what is carried varies as what it becomes, and all of it as the predicate does.
    """
    given = [typeof(x).vary for x in operands]
    wanted = [over(t.vary, axes) for t, axes in zip(graphs[0].in_types, given, strict=True)]
    while True:
        graphs = [varied(g, tuple(wanted), ((),) * len(g.outs)) for g in graphs]
        before, outs = list(wanted), graphs[0].out_types
        decides = graphs[1].out_types[0].vary if carried and len(graphs) > 1 else ()
        for k in range(carried):
            wanted[fixed + k] = over(over(wanted[fixed + k], outs[k].vary), decides)
        if wanted == before:
            break
    if not carried:
        return graphs
    back = [*[tuple(wanted[fixed + k]) for k in range(carried)], *[()] * (len(outs) - carried)]
    return [varied(graphs[0], ((),) * len(operands), tuple(back)), *graphs[1:]]


def any_varies(operands: Sequence, *graphs: Graph) -> bool:
    """Whether named axes matter to an equation that is being recorded."""
    return any([typeof(x).vary for x in operands]) or any([t.vary for g in graphs for t in g.out_types])


def everywhere(graph: Graph, axes: Axes) -> Graph:
    """The graph with all inputs and results varying over `axes`."""
    return varied(graph, (axes,) * len(graph.ins), (axes,) * len(graph.outs)) if axes else graph


def all_varying(xs: Sequence, axes: Axes) -> list:
    """The operands varying over `axes`."""
    return [vary(x, axes) for x in xs] if axes else list(xs)


def check_local(what: str, graphs: Sequence[Graph], axes: Axes, who: Any) -> None:
    """Raise AxisNameError if a graph has a collective over an axis over which it is decided whether it runs."""
    for axis in axes:
        if any(_communicates(inner, axis) for g in graphs for inner in (g, *nested(g))):
            raise AxisNameError(
                f"{what}: {who} has a collective over {axis!r}, but {_DECIDES[what]} varies over that axis, at {at()}, "
                "so that not all rows would take part; decide by a value that is the same for all, as by `psum` or "
                "`pmax`, or use `where`")


def _communicates(graph: Graph, axis: str) -> bool:
    """Whether rows of the axis wait for one another in one of the equations."""
    named = [eqn for eqn in graph.eqns if eqn.prim.names_axis is not None and eqn.prim not in (vary_p, axis_index_p)]
    return any(axis in eqn.prim.names_axis(**dict(eqn.params)) for eqn in named)


_DECIDES = {"cond": "the predicate", "switch": "the index", "while_loop": "the predicate", "fori_loop": "the bound"}
