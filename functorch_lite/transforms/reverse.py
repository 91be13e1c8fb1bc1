"""Derivatives as graphs: forward mode simplified, its two halves, and reverse mode, the transpose of the second."""

from __future__ import annotations

from typing import NamedTuple

from functorch_lite.ir import Graph
from functorch_lite.prims.shape import zeros_like
from functorch_lite.trace import inline
from functorch_lite.transforms.common import pick, rebuild, rewrite, spread, via, within
from functorch_lite.transforms.jvp import jvp
from functorch_lite.transforms.partition import Partition, partition
from functorch_lite.transforms.simplify import simplify
from functorch_lite.transforms.transpose import transpose


class Linearized(NamedTuple):
    """The two halves of forward mode: what the primals decide, and what is linear in the tangents."""

    halves: Partition
    active: tuple[bool, ...]  # which results have a tangent


def simplified(graph: Graph) -> Graph:
    """The end of a pass that makes a graph."""
    return via(within(simplify, graph), graph)


@rewrite
def pushforward(graph: Graph, active: tuple[bool, ...]) -> tuple[Graph, tuple[bool, ...]]:
    """(x..., t of active x...) -> (y..., t of active y...), simplified; and which y are active."""
    both, out_active = within(jvp, graph, active)
    return simplified(both), out_active


@rewrite
def linearize(graph: Graph, active: tuple[bool, ...]) -> Linearized:
    """first: (x...) -> (y..., residuals...); second: (residuals..., t of active x...) -> (t of active y...)."""
    return _halves(pushforward(graph, active), active)


def _halves(pushed: tuple[Graph, tuple[bool, ...]], active: tuple[bool, ...]) -> Linearized:
    both, out_active = pushed
    known = (True,) * len(active) + (False,) * sum(active)
    late = (False,) * len(out_active) + (True,) * sum(out_active)
    halves = within(partition, both, known, late)
    return Linearized(halves._replace(first=via(halves.first, both), second=via(halves.second, both)), out_active)


@rewrite
def backward(graph: Graph, active: tuple[bool, ...], given: tuple[bool, ...]) -> tuple[Graph, tuple[bool, ...]]:
    """The transpose of the second half: (residuals..., ct of given active y...) -> (ct of active x...), and a mask."""
    second = linearize(graph, active).halves.second
    linear = (False,) * (len(second.ins) - sum(active)) + (True,) * sum(active)
    back, mask = within(transpose, second, linear, given)
    return simplified(via(back, second)), mask


@rewrite
def value_and_grad(graph: Graph, active: tuple[bool, ...]) -> Graph:
    """(x...) -> (y, aux...) becomes (x...) -> (y, aux..., dy/dx of active x...)."""
    halves, out_active = _halves(within(jvp, graph, active), active)  # only the whole is simplified, once
    given = tuple([k == 0 for k, a in enumerate(out_active) if a])
    linear = (*[False] * len(halves.residuals), *[True] * sum(active))
    back, mask = within(transpose, halves.second, linear, given)
    back = via(back, halves.second)

    def body(*xs):
        results = inline(halves.first, xs)
        seed = [zeros_like(graph.out_types[0], 1)] if out_active[0] else []
        cts = spread(inline(back, [*halves.forward(xs, results), *seed]), mask)
        wanted = pick(graph.in_types, active)
        grads = [zeros_like(t) if ct is None else ct for ct, t in zip(cts, wanted, strict=True)]
        return [*results[: len(graph.outs)], *grads]

    return simplified(rebuild(body, graph.in_types, "grad"))
