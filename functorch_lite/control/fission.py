"""Products that need not wait for their turn: a loop computes them for all rows at once, before or after it.

A product of a row and a constant, such as the input of a recurrent cell and its weights, is one large product instead
of many small ones; so is, by transposing, the derivative with respect to the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from functorch_lite.control.loops import nbytes, split_at
from functorch_lite.ir import Graph, Lit, compact, eqn_effects
from functorch_lite.prims.contract import dot_p
from functorch_lite.trace import run
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import rewrite, via
from functorch_lite.transforms.simplify import simplify

RATIO = 4  # of the sizes of a constant and of what is computed with it in a turn: from it on, moving the product pays
_SMALL = 1 << 25  # bytes: what may be stored for all turns without asking whether it is more than there was


class Fission(NamedTuple):
    """A body in three parts. Positions are those of the inputs and results of the whole body.

    before: (constants in `reads`, rows in `rows`) -> one row of each further operand that `body` runs over.
    after: (constants in `after_reads`, rows that the body returns in addition) -> the results in `late`, in place of
    which the body returns those rows.
    """

    before: Graph
    reads: tuple[int, ...]
    rows: tuple[int, ...]
    body: Graph
    after: Graph
    after_reads: tuple[int, ...]
    late: tuple[int, ...]


@rewrite
def fission(graph: Graph, consts: int, carry: int, length: int) -> Fission | None:
    """The parts of a body, if there are products to move."""
    if length < 2 or not any(eqn.prim is dot_p for eqn in graph.eqns):
        return None
    still, rows = set(range(consts)), set(range(consts + carry, len(graph.ins)))
    for eqn in graph.eqns:
        ins = [a for a in eqn.ins if type(a) is not Lit]
        if not eqn_effects(eqn) and all(a in still or a in rows for a in ins):
            (rows if any(a in rows for a in ins) else still).update(eqn.outs)
    early = [eqn.outs[0] for eqn in graph.eqns if _movable(graph, eqn, still, rows, length)]
    late = _late(graph, carry, still, rows, length)
    return _parts(graph, consts, carry, early, late, still) if early or late else None


def _movable(graph: Graph, eqn, still, rows, length) -> bool:
    """Whether an equation is a product of a row and a constant whose results may be stored for all turns."""
    if eqn.prim is not dot_p or eqn.outs[0] not in rows:
        return False
    constant, row = sorted(eqn.ins, key=lambda a: a in rows)
    if constant not in still:
        return False
    size = nbytes(graph.types[eqn.outs[0]])
    return _gains(graph, constant, row, eqn.outs[0]) and (
        size * length <= _SMALL or size <= 2 * nbytes(graph.types[row]))


def _gains(graph: Graph, constant: int, row: int, out: int) -> bool:
    """Whether a product spends its time on reading the constant, which one large product reads once."""
    row_and_out = nbytes(graph.types[row]) + nbytes(graph.types[out])
    return nbytes(graph.types[constant]) >= RATIO * row_and_out


def _late(graph: Graph, carry: int, still, rows, length) -> dict[int, int]:
    """Results that are products of a constant and of what may be stored instead: place -> index of the equation."""
    origin = {eqn.outs[0]: k for k, eqn in enumerate(graph.eqns) if eqn.prim is dot_p}
    used = {a for eqn in graph.eqns for a in eqn.ins} | set(graph.outs[:carry])
    stored, found = set(graph.outs[carry:]), {}
    for place, out in enumerate(graph.outs[carry:], carry):
        if out in used or out not in origin or out in rows or graph.outs.count(out) > 1:
            continue
        ins = graph.eqns[origin[out]].ins
        constant, moving = [a for a in ins if a in still], [a for a in ins if a not in still]
        if len(moving) == 1 and _gains(graph, constant[0], moving[0], out):
            size = nbytes(graph.types[moving[0]])
            if moving[0] in stored or size * length <= _SMALL or size <= nbytes(graph.types[out]):
                found[place] = origin[out]
    return found


def _parts(graph: Graph, consts: int, carry: int, early: list[int], late: dict[int, int], still) -> Fission:
    outs, moved = list(graph.outs), set(early)
    given, cone = split_at(graph, early, lambda v, eqn: False)
    before = _part(graph, given, cone, early)
    moving = [next(a for a in graph.eqns[k].ins if a not in still) for k in late.values()]
    for place, v in zip(late, moving, strict=True):
        outs[place] = v
    stays = [k for k, eqn in enumerate(graph.eqns) if moved.isdisjoint(eqn.outs)]
    body = _part(graph, [*graph.ins, *early], stays, outs)
    products = [graph.outs[place] for place in late]
    leaves, cone = split_at(graph, products, lambda v, eqn: v in moving)
    fixed = [v for v in leaves if v not in moving]
    after = _part(graph, [*fixed, *moving], cone, products)
    reads, rows = [i for i in given if i < consts], [i for i in given if i >= consts]
    return Fission(before, tuple(reads), tuple(rows), via(simplify(body), body), after, tuple(fixed), tuple(late))


def _part(graph: Graph, ins, indices, outs) -> Graph:
    return compact(graph.types, ins, [graph.eqns[k] for k in indices], outs, [graph.sources[k] for k in indices])


def early_rows(parts: Fission, operands: Sequence, length: int) -> list:
    """What the loop runs over in addition."""
    if not parts.before.outs:
        return []
    given = [operands[i] for i in (*parts.reads, *parts.rows)]
    return run(_over_rows(parts.before, len(parts.reads), length), given)


def with_late(parts: Fission, operands: Sequence, results: list, length: int) -> list:
    """The results of the whole loop, given those of the loop over `body`."""
    if parts.late:
        given = [*[operands[i] for i in parts.after_reads], *[results[k] for k in parts.late]]
        made = run(_over_rows(parts.after, len(parts.after_reads), length), given)
        results = list(results)
        for k, y in zip(parts.late, made, strict=True):
            results[k] = y
    return results


@rewrite
def _over_rows(graph: Graph, consts: int, length: int) -> Graph:
    """The graph for all rows at once."""
    mask = (*[False] * consts, *[True] * (len(graph.ins) - consts))
    many, _ = vmap_pass.vmap(graph, length, mask)
    return via(via(simplify(many), many), graph)
