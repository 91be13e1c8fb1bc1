"""`record`: a `while_loop` that also counts its turns and keeps the state before some of them (see `schedule`).

Operands: those of the loop. Results: the carried values at the end; how many turns every row took; how many turns were
run for all rows together; then, per carried value that is stored, an array of `slots + 1` states along axis 0, of which
the last one is for writing what is not kept. What is stored is what the body was computed on: of a row that has
stopped, its last operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from functorch_lite.control import schedule, tangents
from functorch_lite.control.loops import rewired
from functorch_lite.control.rows import acts, all_batched, any_of, chosen, one_by_one
from functorch_lite.control.schedule import I32
from functorch_lite.control.turns import (
    While,
    batched_carry,
    check_types,
    kept_carry,
    loop_while,
    mapped_loop,
    rewired_loop,
    started,
    with_tangents,
    without,
)
from functorch_lite.control.varied import any_varies, fitted
from functorch_lite.ir import ArrayType, Eqn, Graph, Primitive, array_type, intern
from functorch_lite.prims.elementwise import add, and_, convert, select
from functorch_lite.prims.index import dynamic_update_slice
from functorch_lite.prims.shape import batch, full, reshape, reshape_p, transpose, zeros_like
from functorch_lite.trace import bind, inline, typeof
from functorch_lite.transforms.common import pick, rebuild, rewrite, spread
from functorch_lite.transforms.depends import depends, through, union
from functorch_lite.transforms.partition import partition
from functorch_lite.transforms.simplify import simplify

NUMBER = array_type((), I32)


class Record(NamedTuple):
    """The parameters of `record`: those of a loop; which carried values are stored; how many states are kept."""

    cond: Graph
    body: Graph
    consts: int
    stored: tuple[bool, ...]
    slots: int

    @property
    def loop(self) -> While:
        return While(self.cond, self.body, self.consts)

    def of(self, loop: While) -> Record:
        return self._replace(cond=loop.cond, body=loop.body, consts=loop.consts)

    def params(self) -> dict:
        return self._replace(cond=intern(simplify(self.cond)), body=intern(simplify(self.body)))._asdict()

    @property
    def out_types(self) -> list[ArrayType]:
        carried = self.loop.carried
        kept = [kept_type(t, self.slots) for t in pick(carried, self.stored)]
        vary = self.cond.out_types[0].vary
        return [*carried, array_type(self.loop.lead, I32, False, vary), NUMBER.varying(vary), *kept]


def kept_type(type_: ArrayType, slots: int) -> ArrayType:
    """The type of the array that keeps states of a type."""
    return type_.strong().with_shape((slots + 1, *type_.shape))


def record(rec: Record, operands: Sequence) -> list:
    """Apply a loop that keeps states as one equation; returns the list of its results."""
    if any_varies(operands, rec.body, rec.cond):
        body, cond = fitted([rec.body, rec.cond], operands, rec.consts, len(rec.body.outs))
        rec = rec._replace(cond=cond, body=body)
    return bind(record_p, *operands, **rec.params())


def _infer(*types, **params):
    rec = Record(**params)
    check_types(rec.loop, types)
    return rec.out_types


# ---- what it means, in terms of a plain loop ----


def expanded(rec: Record) -> Graph:
    """The graph that computes a `record` by a loop whose predicate has no axes."""
    return _expanded(rec.body, *rec)


def plain(loop: While) -> Graph:
    """The graph that computes a `while_loop` by one whose predicate has no axes."""
    m = len(loop.carried)
    graph = expanded(Record(loop.cond, loop.body, loop.consts, (False,) * m, schedule.LEAST))
    return simplify(rewired(graph, range(len(graph.ins)), range(m)))


@rewrite
def _expanded(_, cond: Graph, body: Graph, consts: int, stored: tuple[bool, ...], slots: int) -> Graph:
    rec = Record(cond, body, consts, stored, slots)
    lead, carried = rec.loop.lead, rec.loop.carried
    n, m, a = consts, len(carried), schedule.digits(slots)

    def whole(*operands):
        fixed, start = operands[:n], list(operands[n:])
        kept = [zeros_like(t) for t in rec.out_types[m + 2 :]]
        number, rows = full((), 0, I32), [inline(cond, operands)[0], full(lead, 0, I32), *start] if lead else []

        def test(k, *values):
            return any_of(values[m]) if lead else inline(cond, [*fixed, *values[:m]])[0]

        def turn(k, *values):
            now, (runs, count, *last) = values[:m], values[m : m + len(rows)] or (None, None)
            held = values[m + len(rows) :]
            if lead:
                now = [chosen(runs, x, y) for x, y in zip(now, last, strict=True)]
            if held:
                held = _stored(k, held, pick(now, stored), a, slots)
            made = inline(body, [*fixed, *now])
            if lead:
                more = and_(runs, inline(cond, [*fixed, *made])[0])
                made = [*made, more, add(count, convert(runs, I32)), *now]
            return [add(k, 1), *made, *held]

        k, *values = loop_while(test, turn, [number, *start, *rows, *kept])
        return [*values[:m], values[m + 1] if lead else k, k, *values[m + len(rows) :]]

    return rebuild(whole, body.in_types, "while")


def _stored(k, kept, states, a: int, slots: int) -> list:
    """The arrays of kept states with those of turn k, if it is one to keep."""
    j = schedule.stride(k, a)
    where = select(schedule.is_kept(k, j), schedule.place(schedule.shift_right_logical(k, j), j, a), slots)
    return [put(x, where, y) for x, y in zip(kept, states, strict=True)]


def put(kept, where, state):
    """The array of states with one of them replaced."""
    shape = typeof(state).shape
    return dynamic_update_slice(kept, reshape(state, (1, *shape)), (where, *[0] * len(shape)))


# ---- the transforms ----


def _jvp(xs, ts, **params):
    rec = Record(**params)
    n, m, q = rec.consts, len(rec.stored), sum(rec.stored)
    both, active = with_tangents(rec.loop, [t is not None for t in ts])
    carried = active[n:]
    stored = (*rec.stored, *pick(rec.stored, carried))
    made = record(rec.of(both)._replace(stored=stored), tangents.operands(xs, ts, active, (n, m)))
    k = m + sum(carried)
    ys = [*made[:m], *made[k : k + 2 + q]]
    return ys, [*spread(made[m:k], carried), None, None, *spread(made[k + 2 + q :], pick(carried, rec.stored))]


def _vmap(size, xs, batched, *, axis_name=None, **params):
    rec = Record(**params)
    n, m = rec.consts, len(rec.stored)
    mask, ragged = batched_carry(rec.loop, size, batched, axis_name)
    flags, held = mask[n:], pick(mask[n:], rec.stored)
    if ragged and acts(rec.cond, rec.body):
        return one_by_one(record_p, size, xs, batched, **params), (True,) * len(rec.out_types)
    given = [*xs[:n], *all_batched(xs[n:], [b or not f for b, f in zip(batched[n:], flags, strict=True)], size)]
    wide = mapped_loop(rec.loop, size, mask, ragged, axis_name)
    if not ragged:
        made = record(rec.of(wide), given)
        ys = [*made[: m + 2], *[_swapped(y) if f else y for y, f in zip(made[m + 2 :], held, strict=True)]]
        return ys, (*flags, False, False, *held)
    if size == 0:
        return [zeros_like(t.with_shape((0, *t.shape))) for t in rec.out_types], (True,) * len(rec.out_types)
    runs, safe = started(wide, given, mask)
    made = record(rec.of(wide), safe)
    ends = [chosen(runs, y, x) for y, x in zip(made[:m], given[n:], strict=True)]
    count = chosen(runs, made[m], zeros_like(typeof(made[m])))
    return [*ends, count, made[m + 1], *map(_swapped, made[m + 2 :])], (*flags, True, False, *held)


def _swapped(x):
    """The axes of rows and of kept states in the other order."""
    return transpose(x, (1, 0, *range(2, typeof(x).ndim)))


def slots_first(x, batched: bool, size: int):
    """An array of states of many rows, states along axis 0."""
    return _swapped(x if batched else batch(x, size))


def _partition(eqn, known, types):
    """By way of the plain loop that it stands for."""
    return split_in_place(expanded(Record(**dict(eqn.params))), eqn, known, types)


def split_in_place(graph: Graph, eqn: Eqn, known, types: list) -> tuple[list[Eqn], list[Eqn]]:
    """The equations of the two halves of a graph, in place of an equation that computes it."""
    part = partition(graph, tuple(known))
    given, outs = pick(eqn.ins, known), pick(eqn.outs, part.known)
    start = len(types)
    types.extend(part.first.out_types[len(outs) :])
    outs = (*outs, *range(start, len(types)))
    rest = (*part.forward(given, outs), *pick(eqn.ins, known, False))
    unknown = pick(eqn.outs, part.known, False)
    return _spliced(part.first, given, outs, types), _spliced(part.second, rest, unknown, types)


def _spliced(graph: Graph, ins: Sequence[int], outs: Sequence[int], types: list) -> list[Eqn]:
    """The equations of a graph on values of another one: its inputs are `ins`, its results get the numbers `outs`."""
    number = dict(zip(graph.ins, ins, strict=True))
    wanted = {o: out for o, out in zip(graph.outs, outs, strict=True) if o >= len(graph.ins)}
    made = []
    for prim, operands, params, results in graph.eqns:
        for o in results:
            number[o] = wanted[o] if o in wanted else len(types)
            if o not in wanted:
                types.append(graph.types[o])
        made.append(Eqn(prim, tuple([number[a] if type(a) is int else a for a in operands]), params,
                        tuple([number[o] for o in results])))  # fmt: skip
    same = [(number[o], out) for o, out in zip(graph.outs, outs, strict=True) if number[o] != out]
    return [*made, *[Eqn(reshape_p, (a,), (("shape", types[a].shape),), (out,)) for a, out in same]]


def _dce(eqn, live):
    rec = Record(**dict(eqn.params))
    m = len(rec.stored)
    held = spread(live[m + 2 :], rec.stored)
    kept = kept_carry(rec.loop, [a or bool(b) for a, b in zip(live[:m], held, strict=True)])
    stay, lean = without(rec.loop, kept)
    stored = tuple([bool(h) for h in pick(held, kept)])
    outs = (*pick(eqn.outs[:m], kept), *eqn.outs[m : m + 2], *pick(eqn.outs[m + 2 :], live[m + 2 :]))
    return Eqn(record_p, pick(eqn.ins, stay), tuple(rec.of(lean)._replace(stored=stored).params().items()), outs)


def _depends(smooth, **params):
    rec = Record(**params)
    n, m = rec.consts, len(rec.stored)
    inside = through(depends(rec.body, smooth), n, m)
    tested = 0
    if not smooth:
        tested = depends(rec.cond)[0]
        tested |= union([s for i, s in enumerate(inside) if tested >> (n + i) & 1])
    return [*[s | tested for s in inside], tested, tested, *[s | tested for s in pick(inside, rec.stored)]]


def _rewire(eqn, graphs, extras):
    rec = Record(**dict(eqn.params))
    wider = rec.of(rewired_loop(rec.loop, graphs, extras))
    return Eqn(record_p, (*extras[0], *extras[1], *eqn.ins), tuple(wider.params().items()), eqn.outs)


record_p = Primitive(
    "record",
    params=Record._fields,
    many=True,
    infer=_infer,
    jvp=_jvp,
    partition=_partition,
    vmap=_vmap,
    dce=_dce,
    depends=_depends,
    rewire=_rewire,
)
