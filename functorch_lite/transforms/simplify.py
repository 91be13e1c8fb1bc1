"""Remove what is not needed: dead equations, repeated ones, and those whose record knows a simpler form."""

from __future__ import annotations

from typing import Any, NamedTuple

from functorch_lite.ir import Eqn, Graph, Lit, Primitive, compact, eqn_effects, infer
from functorch_lite.transforms.common import rewrite


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
def simplify(graph: Graph) -> Graph:
    """Equal, repeated and trivial computations once, dead ones not at all.

    A `simplify` rule returns None, an operand that the result equals, or (prim, operands, params) that compute it.
    """
    types, same, first, kept = graph.types, {}, {}, []
    makes: dict[int, Eqn] = {}  # the equations that rules look through
    for k, old in enumerate(graph.eqns):
        prim, ins, params, outs = eqn = old
        if same and not same.keys().isdisjoint(ins):
            ins = tuple([same.get(a, a) for a in ins])
            eqn = Eqn(prim, ins, params, outs)
        if prim.simplify is not None and (prim.literals is None or _telling(ins, makes)):
            eqn, equal = _simpler(eqn, types, makes)
            if equal is not None:
                same[outs[0]] = equal
                continue
            prim, ins, params, outs = eqn
        if not prim.many or not eqn_effects(eqn):
            found = first.setdefault((prim, ins, params), outs)
            if found is not outs and all([types[a] is types[b] for a, b in zip(found, outs, strict=True)]):
                same.update(zip(outs, found, strict=True))
                continue
        kept.append((eqn, k))
        if not prim.many and (prim.simplify is not None or prim.tells):
            makes[outs[0]] = eqn
    outs = tuple([same.get(o, o) for o in graph.outs]) if same else graph.outs
    kept, unchanged = _live(kept, outs)
    if unchanged and len(kept) == len(graph.eqns) and all([eqn is graph.eqns[k] for eqn, k in kept]):
        return indexed(graph)
    return compact(types, graph.ins, [e for e, _ in kept], outs, [k for _, k in kept], graph.names)


def _telling(ins, makes) -> bool:
    """Whether a rule of an elementwise operation may find something: a literal, one operand twice, or one that tells
    what it is."""
    if len(ins) > 1 and ins[-1] == ins[-2]:
        return True
    for a in ins:
        if type(a) is Lit or (a in makes and makes[a].prim.tells):
            return True
    return False


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


def _live(pairs, outs) -> tuple[list, bool]:
    """The equations on which a result or an effect depends, and whether these are all, as they were."""
    live, kept, unchanged = set(outs), [], True
    for pair in reversed(pairs):
        eqn = pair[0]
        if eqn.prim.many:
            if live.isdisjoint(eqn.outs) and not eqn_effects(eqn):
                unchanged = False
                continue
            if eqn.prim.dce is not None:
                less = eqn.prim.dce(eqn, tuple([o in live for o in eqn.outs]))
                if less is not eqn:
                    eqn, pair, unchanged = less, (less, pair[1]), False
        elif eqn.outs[0] not in live:
            unchanged = False
            continue
        live.update(eqn.ins)
        kept.append(pair)
    kept.reverse()
    return kept, unchanged


@rewrite
def dce(graph: Graph) -> Graph:
    """Drop the equations on which neither a result nor an effect depends, also inside nested graphs."""
    kept, unchanged = _live([(eqn, k) for k, eqn in enumerate(graph.eqns)], graph.outs)
    if unchanged:
        return indexed(graph)
    return compact(graph.types, graph.ins, [e for e, _ in kept], graph.outs, [k for _, k in kept], graph.names)
