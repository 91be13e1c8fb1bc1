"""Which inputs each result of a graph depends on: what fixed points of masks over loops are found from.

A set of inputs is an int, input i being bit i, so that to join sets costs one operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from functorch_lite.dtypes import is_inexact
from functorch_lite.ir import Eqn, Graph, Lit, eqn_effects
from functorch_lite.transforms.common import rewrite


class Depends(tuple):
    """Per result, the set of inputs it depends on; and that on which the effects do."""

    effects: int = 0


@rewrite
def depends(graph: Graph, smooth: bool = False) -> Depends:
    """The sets of all results. With `smooth`, only the paths on which a derivative may be other than zero count."""
    types, sets = graph.types, [1 << i for i in range(len(graph.ins))]
    effects = 0
    for eqn in graph.eqns:
        operands = [0 if type(a) is Lit else sets[a] for a in eqn.ins]
        made = of_equation(eqn, operands, smooth)
        if smooth:
            made = [s if is_inexact(types[o].dtype) else 0 for s, o in zip(made, eqn.outs, strict=True)]
        sets.extend(made)
        if eqn_effects(eqn):
            effects |= union(operands)
    found = Depends([0 if type(o) is Lit else sets[o] for o in graph.outs])
    found.effects = effects
    return found


def of_equation(eqn: Eqn, operands: Sequence[int], smooth: bool) -> list[int]:
    """The sets of the results of an equation, given those of its operands."""
    prim = eqn.prim
    if prim.depends is not None:
        per_result = prim.depends(smooth, **dict(eqn.params))
        return [union([s for i, s in enumerate(operands) if bits >> i & 1]) for bits in per_result]
    if smooth and not prim.many and not callable(prim.jvp):
        operands = [s for s, rule in zip(operands, prim.jvp, strict=True) if rule is not None]
    return [union(operands)] * len(eqn.outs)


def union(sets: Iterable[int]) -> int:
    """All members of these sets."""
    joined = 0
    for s in sets:
        joined |= s
    return joined


def members(mask: Iterable[bool]) -> int:
    """The set of the positions where a mask is true."""
    return sum([1 << i for i, m in enumerate(mask) if m])


def contains(s: int, size: int) -> tuple[bool, ...]:
    """The mask of a set, over this many positions."""
    return tuple([bool(s >> i & 1) for i in range(size)])


def through(sets: Sequence[int], start: int, carry: int) -> list[int]:
    """The sets of the results of a loop, of which the first `carry` are carried: at inputs `start` and following.

    A carried result depends on what it starts from, and on all that a later turn brings into it.
    """
    reach = [s | 1 << (start + i) for i, s in enumerate(sets[:carry])]
    for k in range(carry):
        bit = 1 << (start + k)
        reach = [s | reach[k] if s & bit else s for s in reach]
    return [*reach, *[s | union([reach[k] for k in range(carry) if s >> (start + k) & 1]) for s in sets[carry:]]]


def grown(sets: Sequence[int], start: int, carry: int, mask: Iterable[bool]) -> tuple[bool, ...]:
    """A mask over the inputs of a loop body, grown until a carried input has it where what is carried into it does."""
    found = tuple(mask)
    known = members(found)
    inside = through(sets, start, carry)
    return tuple([m or (start <= i < start + carry and bool(inside[i - start] & known)) for i, m in enumerate(found)])


def needed(sets: Sequence[int], start: int, carry: int, live: Iterable[bool]) -> tuple[bool, ...]:
    """A mask over the results of a loop body, grown until what a live result reads from the last turn is live too."""
    found = tuple(live)
    inside = through(sets, start, carry)
    used = union([s for s, m in zip(inside, found, strict=True) if m])
    return tuple([m or (i < carry and bool(used >> (start + i) & 1)) for i, m in enumerate(found)])
