"""`while_loop`: a graph run on carried values as long as another graph says so.

Operands: constants, then what the carried values start from. Results: the carried values at the end. In reverse mode
its first half is a `record`, which keeps some of the states it goes through, and its second half a `replay`, which
comes through all of them once more.
"""

from __future__ import annotations

from functorch_lite.control import tangents
from functorch_lite.control.halves import halves
from functorch_lite.control.rows import acts, all_batched, chosen, one_by_one
from functorch_lite.control.turns import (
    While,
    batched_carry,
    check_types,
    kept_carry,
    mapped_loop,
    rewired_loop,
    started,
    while_loop,
    with_tangents,
    without,
)
from functorch_lite.ir import Eqn, Primitive
from functorch_lite.prims.linear import is_linear
from functorch_lite.trace import at
from functorch_lite.transforms.common import pick, spread
from functorch_lite.transforms.depends import depends, grown, members, through, union


def _infer(*types, **params):
    loop = While(**params)
    check_types(loop, types)
    return loop.carried


def _jvp(xs, ts, **params):
    loop = While(**params)
    n, m = loop.consts, len(loop.carried)
    both, active = with_tangents(loop, [t is not None for t in ts])
    made = while_loop(both, tangents.operands(xs, ts, active, (n, m)))
    return made[:m], spread(made[m:], active[n:])


def _vmap(size, xs, batched, *, axis_name=None, **params):
    loop = While(**params)
    mask, ragged = batched_carry(loop, size, batched, axis_name)
    n, flags = loop.consts, mask[loop.consts :]
    if ragged and acts(loop.cond, loop.body):
        return one_by_one(while_p, size, xs, batched, **params), flags
    given = [*xs[:n], *all_batched(xs[n:], [b or not f for b, f in zip(batched[n:], flags, strict=True)], size)]
    if size == 0 and ragged:
        return given[n:], flags
    wide = mapped_loop(loop, size, mask, ragged, axis_name)
    if not ragged:
        return while_loop(wide, given), flags
    runs, safe = started(wide, given, mask)
    return [chosen(runs, y, x) for y, x in zip(while_loop(wide, safe), given[n:], strict=True)], flags


def _partition(eqn, known, types):
    parts = halves(While(**dict(eqn.params)), tuple(known))
    return (None, eqn) if parts is None else parts.equations(eqn, types)


def _transpose(cts, *xs, **params):
    """First run what does not depend on the linear operands; what is left is linear in them."""
    linear = tuple(map(is_linear, xs))
    parts = halves(While(**params), tuple([not x for x in linear]))
    if parts is None:
        raise TypeError(f"while_loop: how long the loop runs depends on what it is transposed in, at {at()}; only "
                        "linear functions have a transpose")  # fmt: skip
    return parts.transpose(cts, xs)


def _dce(eqn, live):
    """Without carried values that nobody reads, and without what only they needed."""
    loop = While(**dict(eqn.params))
    kept = kept_carry(loop, live)
    stay, lean = without(loop, kept)
    return Eqn(while_p, pick(eqn.ins, stay), tuple(lean.params().items()), pick(eqn.outs, kept))


def _depends(smooth, **params):
    loop = While(**params)
    n, m = loop.consts, len(loop.carried)
    inside = through(depends(loop.body, smooth), n, m)
    if smooth:
        return inside
    tested = depends(loop.cond)[0]
    tested |= union([s for i, s in enumerate(inside) if tested >> (n + i) & 1])
    return [s | tested for s in inside]


def _reaches(mapping, mask, **params):
    loop = While(**params)
    n = loop.consts
    mask = grown(depends(loop.body), n, len(loop.carried), mask)
    if mapping and (loop.lead or depends(loop.cond)[0] & members(mask)):  # rows stop each for itself
        mask = (*mask[:n], *[True] * len(loop.carried))
    return [mask, mask]


def _rewire(eqn, graphs, extras):
    wider = rewired_loop(While(**dict(eqn.params)), graphs, extras)
    return Eqn(while_p, (*extras[0], *extras[1], *eqn.ins), tuple(wider.params().items()), eqn.outs)


while_p = Primitive(
    "while_loop",
    params=While._fields,
    many=True,
    infer=_infer,
    jvp=_jvp,
    partition=_partition,
    transpose=_transpose,
    vmap=_vmap,
    dce=_dce,
    depends=_depends,
    reaches=_reaches,
    rewire=_rewire,
)
