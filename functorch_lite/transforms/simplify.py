"""Remove what is not needed: dead equations, repeated ones, and those whose record knows a simpler form."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

from functorch_lite.ir import Eqn, Graph, Lit, Primitive, compact, eqn_effects, infer
from functorch_lite.transforms.common import rewrite


def indexed(graph: Graph) -> Graph:
    """The graph as derived from itself: every equation comes from the one with its index."""
    return graph.sourced(tuple(range(len(graph.eqns))))


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
def simplify(graph: Graph) -> Graph:
    """Equal, repeated and trivial computations once, dead ones not at all.

    A `simplify` rule returns None, an operand that the result equals, or (prim, operands, params) that compute it.
    """
    types, same, first, eqns = graph.types, {}, {}, list(graph.eqns)  # None: not needed
    makes: dict[int, Eqn] = {}  # the equations that rules look through
    telling: set[int] = set()  # the results of those that tell what they do
    for k, eqn in enumerate(graph.eqns):
        prim, ins, params, outs = eqn
        if same and not same.keys().isdisjoint(ins):
            ins = tuple([same.get(a, a) for a in ins])
            eqns[k] = eqn = Eqn(prim, ins, params, outs)
        rule = prim.simplify
        if rule is not None and (prim.literals is None or _worthwhile(ins, telling)):
            eqn, equal = _simpler(eqn, types, makes)
            if equal is not None:
                same[outs[0]] = equal
                eqns[k] = None
                continue
            prim, ins, params, outs = eqns[k] = eqn
        if not prim.many or not eqn_effects(eqn):
            found = first.setdefault((prim, ins, params), outs)
            if found is not outs and all([types[a] is types[b] for a, b in zip(found, outs, strict=True)]):
                same.update(zip(outs, found, strict=True))
                eqns[k] = None
                continue
        if not prim.many:
            if prim.tells:
                telling.add(outs[0])
            if prim.tells or prim.simplify is not None:
                makes[outs[0]] = eqn
    return _live(graph, eqns, tuple([same.get(o, o) for o in graph.outs]))


def _worthwhile(ins, telling) -> bool:
    """Whether a rule of an elementwise operation may find something: a literal, one operand twice, or one that tells
    what it is."""
    if len(ins) == 2:
        a, b = ins
        return a == b or type(a) is Lit or type(b) is Lit or a in telling or b in telling
    return Lit in map(type, ins) or not telling.isdisjoint(ins) or (len(ins) > 2 and ins[-1] == ins[-2])


def _simpler(eqn: Eqn, types, makes) -> tuple[Eqn, int | None]:
    """The equation after its rules, and the value it is equal to, if any."""

    def view(a):
        if type(a) is Lit:
            return a
        made = makes.get(a)
        return Value(a, types[a], made, lambda: [view(i) for i in made.ins])

    out = types[eqn.outs[0]]
    for _ in range(8):  # each step removes an operation, so a few are enough
        rule = eqn.prim.simplify
        better = rule(*map(view, eqn.ins), **dict(eqn.params)) if rule is not None else None
        if better is None:
            break
        if type(better) is Value:
            if better.type is out:
                return eqn, better.number
            break
        if type(better) is not tuple:
            break
        prim, operands, params = better
        atoms = tuple([v.number if type(v) is Value else v for v in operands])
        new = Eqn(prim, atoms, tuple(params.items()), eqn.outs)
        made = infer(prim, tuple([a.type if type(a) is Lit else types[a] for a in atoms]), new.params)[0]
        if made.vary != out.vary:  # a constant varies over no axis
            break
        assert made.strong() is out.strong(), new
        eqn = new
    return eqn, None


def _live(graph: Graph, eqns: list, outs: tuple) -> Graph:
    """The graph with those of these equations on which a result or an effect depends."""
    live = set(outs)
    for k in range(len(eqns) - 1, -1, -1):
        eqn = eqns[k]
        if eqn is None:
            continue
        prim, ins, _, results = eqn
        if not prim.many:
            if results[0] not in live:
                eqns[k] = None
                continue
        elif live.isdisjoint(results) and not eqn_effects(eqn):
            eqns[k] = None
            continue
        elif prim.dce is not None:
            _, ins, _, _ = eqns[k] = prim.dce(eqn, tuple([o in live for o in results]))
        live.update(ins)
    if all(map(operator.is_, eqns, graph.eqns)):
        return indexed(graph)
    kept = [k for k, eqn in enumerate(eqns) if eqn is not None]
    return compact(graph.types, graph.ins, [eqns[k] for k in kept], outs, kept, graph.names)


@rewrite
def dce(graph: Graph) -> Graph:
    """Drop the equations on which neither a result nor an effect depends, also inside nested graphs."""
    return _live(graph, list(graph.eqns), graph.outs)
