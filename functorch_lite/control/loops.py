"""What loops share: their bodies with inputs and results in another order, and the values that a split one saves.

The inputs of a body are constants, then carried values, then (of a scan) one row of each array it runs over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from functorch_lite.ir import ArrayType, Eqn, Graph, Lit, compact, literal
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import select as s
from functorch_lite.prims.progress import Displays
from functorch_lite.prims.shape import broadcast_p, full_p, iota_p, reshape_p, transpose_p
from functorch_lite.silent import silent
from functorch_lite.trace import inline
from functorch_lite.transforms.common import pick, rebuild, via
from functorch_lite.transforms.partition import Partition
from functorch_lite.transforms.simplify import dce

# Cheaper to compute again than to store and load: XLA makes them part of the loop that reads them.
CHEAP = {
    e.add_p, e.sub_p, e.mul_p, e.neg_p, e.square_p, e.convert_p, e.abs_p, e.sign_p, e.max_p, e.min_p,
    s.eq_p, s.ne_p, s.lt_p, s.le_p, s.gt_p, s.ge_p, s.and_p, s.or_p, s.xor_p, s.not_p, e.select_p,
    full_p, iota_p, broadcast_p, reshape_p, transpose_p,
}  # fmt: skip
REPEATED = {full_p, iota_p, broadcast_p}  # what they make is larger than what they read

Place = int | ArrayType


class Running(threading.local):
    """How loops of this thread are being run.

    inside: in Python, so that the loops inside are parts of one run, however often they run themselves. fresh: for a
    function that was not seen before, and that may never be seen again. displays: those of the loops run in Python.
    """

    inside = False
    fresh = False

    def __init__(self):
        self.displays = Displays()


running = Running()


def rewired(graph: Graph, ins: Sequence[Place], outs: Sequence[Place]) -> Graph:
    """`graph` with other inputs and results, in these orders.

    ins: positions of inputs, or the types of new ones, which nothing reads. outs: positions of results; ~i: the input
    that was at position i; a type: zeros.
    """
    types, eqns, sources = list(graph.types), list(graph.eqns), list(graph.sources)

    def new(type_: ArrayType) -> int:
        types.append(type_)
        return len(types) - 1

    zeros: dict[ArrayType, int] = {}
    for place in outs:
        if isinstance(place, ArrayType) and place not in zeros:
            zeros[place] = new(place.varying(()))
            params = (("shape", place.shape), ("value", literal(0, place.dtype)), ("weak", place.weak))
            eqns.append(Eqn(full_p, (), params, (zeros[place],)))
            sources.append(None)
    numbers = [new(i) if isinstance(i, ArrayType) else graph.ins[i] for i in ins]
    results = [zeros[o] if isinstance(o, ArrayType) else graph.outs[o] if o >= 0 else graph.ins[~o] for o in outs]
    return compact(types, numbers, eqns, results, sources)


def nbytes(type_: ArrayType) -> int:
    return type_.size * type_.dtype.itemsize


# ---- what is saved between the two halves of a loop ----


def split_at(graph: Graph, wanted: Iterable[int], stop: Callable[[int, Eqn], bool]) -> tuple[list[int], list[int]]:
    """Walk back from values to those where `stop(value, equation that makes it)` says so, and to inputs.

    Returns these values and the indices of the equations passed, both in order.
    """
    origin = {o: k for k, eqn in enumerate(graph.eqns) for o in eqn.outs}
    todo, seen, leaves, passed = list(wanted), set(), set(), set()
    while todo:
        v = todo.pop()
        if v in seen:
            continue
        seen.add(v)
        k = origin.get(v)
        if k is None or stop(v, graph.eqns[k]):
            leaves.add(v)
        else:
            passed.add(k)
            todo.extend([a for a in graph.eqns[k].ins if type(a) is int])
    return sorted(leaves), sorted(passed)


def everything(graph: Graph, wanted: Sequence[int], free: set[int]) -> Callable:
    """Save inputs only, and what effects returned: all else is computed again."""
    return lambda v, eqn: silent(eqn) is None


def cheaply(graph: Graph, wanted: Sequence[int], free: set[int]) -> Callable:
    """Save what is dear to compute; what is cheap is computed again where that makes the saved values no larger."""
    origin = {o: eqn for eqn in graph.eqns for o in eqn.outs}
    saved = {v for v in wanted if v not in free}
    size = lambda values: sum([nbytes(graph.types[v]) for v in values])
    for v in range(len(graph.types) - 1, -1, -1):
        if v in saved:
            new = _cheap_leaves(origin, v, saved, free)
            if new is not None and size(new) <= size([v]):
                saved.discard(v)
                saved |= new
    return lambda v, eqn: v in saved or v in free


def _cheap_leaves(origin, value: int, saved: set[int], free: set[int]) -> set[int] | None:
    """What must be saved in addition to compute a value by cheap equations; None if it cannot be, or by many only."""
    if value not in origin or origin[value].prim not in CHEAP:
        return None
    todo, seen, leaves = list(origin[value].ins), set(), set()
    while todo:
        v = todo.pop()
        if type(v) is Lit or v in seen or v in saved or v in free:
            continue
        seen.add(v)
        if len(seen) > 32:
            return None
        if v in origin and origin[v].prim in CHEAP:
            todo.extend(origin[v].ins)
        else:
            leaves.add(v)
    return leaves


def resaved(
    part: Partition, choose: Callable, free: Sequence[bool], transform: str, free_outs: Sequence[bool] | None = None
) -> Partition:
    """The same split with other residuals: the second half computes the old ones from what `choose` saves.

    free, free_outs: which known inputs and which known results (by default all) cost nothing to hand over.
    """
    first, second = part.first, part.second
    known_outs = first.outs[: sum(part.known)]
    wanted = [first.outs[r] if r >= 0 else ~r for r in part.residuals]
    costless = {i for i, f in zip(first.ins, free, strict=True) if f}
    costless.update(known_outs if free_outs is None else pick(known_outs, free_outs))
    saved, passed = split_at(first, wanted, choose(first, wanted, costless))
    if not passed:
        return part
    again = [silent(first.eqns[k]) for k in passed]
    assert None not in again, "what an effect returned is saved"
    cone = compact(first.types, saved, again, wanted, [first.sources[k] for k in passed])
    n = len(saved)

    def body(*args):
        return inline(second, [*inline(cone, args[:n]), *args[n:]])

    types = [first.types[v] for v in saved] + second.in_types[len(wanted) :]
    fresh = [v for v in saved if v >= len(first.ins) and v not in known_outs]
    place = {v: k for k, v in enumerate((*known_outs, *fresh))} | {i: ~i for i in first.ins}
    lean = compact(first.types, first.ins, first.eqns, (*known_outs, *fresh), first.sources)
    later = rebuild(body, types, transform)
    return Partition(via(dce(lean), lean), later, part.known, tuple([place[v] for v in saved]))
