"""Remove what is not needed: dead equations, repeated ones, and those whose record knows a simpler form."""

from __future__ import annotations

from typing import Any, NamedTuple

from functorch_lite.ir import Eqn, Graph, Lit, Primitive, compact, eqn_effects, infer
from functorch_lite.transforms.common import rewrite


@rewrite
def dce(graph: Graph) -> Graph:
    """Drop the equations on which neither a result nor an effect depends, also inside nested graphs."""
    live, kept = set(graph.outs), []
    for k in range(len(graph.eqns) - 1, -1, -1):
        eqn = graph.eqns[k]
        if live.isdisjoint(eqn.outs) and not eqn_effects(eqn):
            continue
        if eqn.prim.dce is not None and not live.issuperset(eqn.outs):
            eqn = eqn.prim.dce(eqn, tuple([o in live for o in eqn.outs]))
        live.update(eqn.ins)
        kept.append((eqn, k))
    if len(kept) == len(graph.eqns) and all(eqn is graph.eqns[k] for eqn, k in kept):
        return indexed(graph)
    kept.reverse()
    return compact(graph.types, graph.ins, [e for e, _ in kept], graph.outs, [k for _, k in kept], graph.names)


def indexed(graph: Graph) -> Graph:
    """The graph as derived from itself: every equation comes from the one with its index."""
    return Graph(graph.types, graph.ins, graph.eqns, graph.outs, tuple(range(len(graph.eqns))), graph.names)


class Value(NamedTuple):
    """An operand as a `simplify` rule sees it: its type, and the equation that makes it, if any, with its operands."""

    number: int
    type: Any
    eqn: Eqn | None
    operands: Any  # () -> the operands of `eqn`, as values

    shape = property(lambda self: self.type.shape)
    dtype = property(lambda self: self.type.dtype)
    ndim = property(lambda self: self.type.ndim)

    def made_by(self, prim: Primitive) -> dict | None:
        """The parameters of the equation that makes this value, if it is one of `prim`."""
        return dict(self.eqn.params) if self.eqn is not None and self.eqn.prim is prim else None


@rewrite
def cse(graph: Graph) -> Graph:
    """Apply the records' simplifications and compute equal things once; dead equations remain.

    A `simplify` rule returns None, an operand that the result equals, or (prim, operands, params) that compute it.
    """
    types, first, same, kept = list(graph.types), {}, {}, []
    makes: dict[int, Eqn] = {}

    def view(a):
        if type(a) is Lit:
            return a
        eqn = makes.get(a)
        return Value(a, types[a], eqn, lambda: [view(i) for i in eqn.ins])

    def atom(v):
        return v.number if type(v) is Value else v

    for k, old in enumerate(graph.eqns):
        eqn = Eqn(old.prim, tuple([same.get(a, a) for a in old.ins]), old.params, old.outs)
        for _ in range(8):  # each step removes an operation, so a few are enough
            rule = eqn.prim.simplify
            better = rule(*map(view, eqn.ins), **dict(eqn.params)) if rule is not None else None
            if better is None or type(better) is not tuple:
                break
            prim, operands, params = better
            eqn = Eqn(prim, tuple(map(atom, operands)), tuple(params.items()), old.outs)
            ins = tuple([a.type if type(a) is Lit else types[a] for a in eqn.ins])
            assert infer(prim, ins, eqn.params)[0].strong() is types[old.outs[0]].strong(), (old, eqn)
        if better is not None and type(better) is Value and better.type is types[old.outs[0]]:
            same[old.outs[0]] = better.number
            continue
        if not eqn_effects(eqn):
            outs = first.setdefault((eqn.prim, eqn.ins, eqn.params), eqn.outs)
            if outs is not eqn.outs and all(types[a] is types[b] for a, b in zip(outs, eqn.outs, strict=True)):
                same.update(zip(eqn.outs, outs, strict=True))
                continue
        kept.append((eqn, k))
        makes.update(dict.fromkeys(eqn.outs, eqn))
    outs = tuple([same.get(o, o) for o in graph.outs])
    return compact(types, graph.ins, [e for e, _ in kept], outs, [k for _, k in kept], graph.names)


@rewrite
def simplify(graph: Graph) -> Graph:
    """Equal, repeated and trivial computations once, dead ones not at all."""
    from_cse = cse(graph)
    made = dce(from_cse)
    sources = tuple([from_cse.sources[k] for k in made.sources])
    return Graph(made.types, made.ins, made.eqns, made.outs, sources, made.names)
