"""Equations and graphs without their effects: what is run again must not act again."""

from __future__ import annotations

from functorch_lite.ir import Eqn, Graph, compact, eqn_effects, intern, subgraphs


def silent(eqn: Eqn) -> Eqn | None:
    """The equation without effects; None if one of its results depends on them."""
    if not eqn_effects(eqn):
        return eqn
    if eqn.prim.effects or eqn.prim.rewire is None:
        return None
    inside = subgraphs(eqn.params)
    graphs = [g for g in map(silenced, inside) if g is not None]
    if len(graphs) < len(inside):
        return None
    return eqn.prim.rewire(eqn, [intern(g) for g in graphs], [()] * len(graphs))


def silenced(graph: Graph) -> Graph | None:
    """The graph without the equations that have effects and what follows from their results; None if a result does."""
    kept, sources, lost = [], [], set()
    for eqn, source in zip(graph.eqns, graph.sources, strict=True):
        quiet = silent(eqn)
        if quiet is None or not lost.isdisjoint(quiet.ins):
            lost.update(eqn.outs)
        else:
            kept.append(quiet)
            sources.append(source)
    if not lost.isdisjoint(graph.outs):
        return None
    return compact(graph.types, graph.ins, kept, graph.outs, sources)
