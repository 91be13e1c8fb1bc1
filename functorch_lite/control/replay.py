"""`replay`: run over the turns of a recorded loop once more, with values that depend linearly on one another.

Operands: constants; the arrays of kept states that a `record` made; its two counts; then values of which the first
`shared` belong to all rows, the others have the rows of the loop. Results: these values after the last turn. From turn
to turn `linear` takes the constants, the state before the turn and the values to the values, and `step` the constants
and the state to the next state. With `reverse` the turns come backward, which the kept states make possible.

The turns that a row did not take leave its values as they are; the count of all rows tells which turns were kept. The
transpose of a `replay` is one in the other direction: shared values that stay as they are become sums over all turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from functorch_lite.control import schedule, tangents
from functorch_lite.control.cond import switch
from functorch_lite.control.loops import rewired
from functorch_lite.control.record import put, slots_first, split_in_place
from functorch_lite.control.rows import all_batched, all_of, chosen, first_of, like_row, mapped, one_by_one
from functorch_lite.control.schedule import I32
from functorch_lite.control.turns import loop_while
from functorch_lite.control.varied import any_varies, fitted
from functorch_lite.ir import ArrayType, Eqn, Graph, Primitive, agree, compact, core, intern
from functorch_lite.prims.elementwise import add, and_, convert, eq, ge, gt, lt, select, sub
from functorch_lite.prims.index import dynamic_slice, dynamic_update_slice
from functorch_lite.prims.linear import is_linear
from functorch_lite.prims.reduce import reduce_or
from functorch_lite.prims.shape import broadcast, full, iota, reshape, zeros_like
from functorch_lite.prims.slicing import slice as slice_
from functorch_lite.trace import bind, inline, typeof
from functorch_lite.transforms import transpose as transpose_pass
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import pick, rebuild, rewrite, spread
from functorch_lite.transforms.depends import depends, grown, needed, through, union
from functorch_lite.transforms.simplify import dce, simplify


class Replay(NamedTuple):
    """The parameters of `replay`; `consts` and `shared` count operands."""

    step: Graph
    linear: Graph
    consts: int
    shared: int
    reverse: bool

    def params(self) -> dict:
        return self._replace(step=intern(simplify(self.step)), linear=intern(simplify(self.linear)))._asdict()

    @property
    def states(self) -> int:
        return len(self.step.outs)

    @property
    def values(self) -> list[ArrayType]:
        return self.linear.in_types[self.consts + self.states :]

    def parts(self, items: Sequence) -> tuple[list, list, list, list]:
        """Operands as constants, kept states, the two counts, values."""
        n, k = self.consts, self.consts + self.states
        return list(items[:n]), list(items[n:k]), list(items[k : k + 2]), list(items[k + 2 :])


def replay(rep: Replay, operands: Sequence) -> list:
    """Apply a second run as one equation; returns the list of its results."""
    if any_varies(operands, rep.step, rep.linear):
        n, s, v = rep.consts, rep.states, len(rep.values)
        consts, slots, _, values = rep.parts(operands)
        (step,) = fitted([rep.step], [*consts, *slots], n, s)
        (linear,) = fitted([rep.linear], [*consts, *slots, *values], n + s, v)
        rep = rep._replace(step=step, linear=linear)
    return bind(replay_p, *operands, **rep.params())


def _infer(*types, **params):
    rep = Replay(**params)
    consts, slots, (count, span), values = rep.parts(types)
    states = [t.with_shape(t.shape[1:]) for t in slots]
    wide = [k.varying(t.vary) for k, t in zip(slots, rep.step.in_types[rep.consts :], strict=True)]
    agree([*rep.linear.in_types[: rep.consts], *wide, count, span, *rep.values], types)
    assert core(rep.step.in_types) == core([*consts, *states]), (types, rep.step)
    assert core(rep.linear.in_types) == core([*consts, *states, *values]), (types, rep.linear)
    assert core(rep.step.out_types) == core(states) and core(rep.linear.out_types) == core(values), rep
    assert span.shape == () and all([t.shape[: count.ndim] == count.shape for t in values[rep.shared :]]), types
    return [x.varying(t.vary) for x, t in zip(values, rep.values, strict=True)]


# ---- what it means, in terms of a plain loop ----


class Run:
    """One turn of a second run, recorded in the frame being traced."""

    def __init__(self, rep: Replay, operands: Sequence):
        self.rep = rep
        self.consts, self.kept, (self.count, self.span), self.values = rep.parts(operands)
        self.rows = bool(typeof(self.count).shape)
        self.turns = self.span if self.rows else self.count  # how many there are to run

    def _of_rows(self, k):
        return broadcast(k, typeof(self.count).shape, ())

    def step(self, k, states) -> list:
        """The states after turn k; rows that do not take the next turn stay where they can be computed."""
        made = inline(self.rep.step, [*self.consts, *states])
        if not self.rows:
            return made
        runs = gt(self.count, self._of_rows(add(k, 1)))
        return [chosen(runs, y, x) for x, y in zip(states, made, strict=True)]

    def linear(self, k, states, values) -> list:
        """The values after turn k."""
        n, reverse = self.rep.shared, self.rep.reverse
        if not self.rows:
            return inline(self.rep.linear, [*self.consts, *states, *values])
        runs = gt(self.count, self._of_rows(k))
        zero = lambda x: zeros_like(typeof(x).strong())
        given = [*values[:n], *[chosen(runs, x, zero(x)) if reverse else x for x in values[n:]]]
        made = inline(self.rep.linear, [*self.consts, *states, *given])
        return [*made[:n], *[chosen(runs, y, x) for x, y in zip(values[n:], made[n:], strict=True)]]


@rewrite
def expanded(step: Graph, linear: Graph, consts: int, shared: int, reverse: bool, slots: tuple, counts: tuple) -> Graph:
    """The graph that computes a `replay`, whose kept states and whose two counts have these types."""
    rep = Replay(step, linear, consts, shared, reverse)
    types = [*linear.in_types[:consts], *slots, *counts, *rep.values]
    run = _forward if not reverse else _backward if slots else _countdown
    return rebuild(lambda *operands: run(Run(rep, operands)), types, "replay")


def expansion(rep: Replay, types: Sequence[ArrayType]) -> Graph:
    """`expanded` for operands of these types."""
    _, slots, counts, _ = rep.parts(types)
    return expanded(*rep, tuple(slots), tuple(counts))


def _forward(run: Run) -> list:
    """From the first state on, beside the values."""
    n = run.rep.states

    def turn(k, *values):
        return [add(k, 1), *run.step(k, values[:n]), *run.linear(k, values[:n], values[n:])]

    start = [_taken(x, 0) for x in run.kept]
    return loop_while(lambda k, *_: lt(k, run.turns), turn, [full((), 0, I32), *start, *run.values])[1 + n :]


def _countdown(run: Run) -> list:
    """The turns backward where no state is needed."""
    turn = lambda k, *values: [sub(k, 1), *run.linear(k, [], values)]
    return loop_while(lambda k, *_: ge(k, 0), turn, [sub(run.turns, 1), *run.values])[1:]


def _backward(run: Run) -> list:
    """The turns backward. The kept turns lie on a stack: entry i is turn `turns[i]`, at the place `places[i]`."""
    n, slots = run.rep.states, typeof(run.kept[0]).shape[0] - 1
    a = schedule.digits(slots)
    last = sub(run.turns, 1)
    j = schedule.stride(sub(run.span, 1), a)
    entries = iota(I32, (slots + 1,), 0)
    entry_j = broadcast(j, (slots + 1,), ())
    turns = schedule.shift_left(entries, entry_j)
    places = select(lt(entries, 1 << a), schedule.place(entries, entry_j, a), entries)

    def turn(k, top, turns, *rest):
        kept, values = rest[:n], rest[n:]
        here = _entry(turns, top)
        states = [_taken(x, _entry(places, top)) for x in kept]
        states, top, turns, kept = _come_to(run, k, (here, top, states, turns, kept), places, slots)
        values = run.linear(k, states, values)
        top = sub(top, convert(eq(_entry(turns, top), k), I32))
        return [sub(k, 1), top, turns, *kept, *values]

    start = [last, schedule.shift_right_logical(last, j), turns, *run.kept, *run.values]
    return loop_while(lambda k, *_: ge(k, 0), turn, start)[3 + n :]


def _come_to(run: Run, k, start, places, slots: int):
    """The states before turn k, by way of the nearest kept turn below; others are kept on the way if there is room."""
    n, (here, top, states, turns, kept) = run.rep.states, start

    def turn(here, top, after, turns, *rest):
        states, kept = run.step(here, rest[:n]), rest[n:]
        here = add(here, 1)
        keep = and_(eq(here, after), lt(here, k))
        top = add(top, convert(keep, I32))
        where = select(keep, _entry(places, top), slots)
        turns = dynamic_update_slice(turns, reshape(here, (1,)), (select(keep, top, slots),))
        free = sub(slots - 1, top)
        after = select(keep, add(here, schedule.distance(sub(k, here), free)), after)
        return [here, top, after, turns, *states, *[put(x, where, y) for x, y in zip(kept, states, strict=True)]]

    after = add(here, schedule.distance(sub(k, here), sub(slots - 1, top)))
    made = loop_while(lambda here, *_: lt(here, k), turn, [here, top, after, turns, *states, *kept])
    return made[4 : 4 + n], made[1], made[3], made[4 + n :]


def _entry(x, i):
    return reshape(dynamic_slice(x, (i,), (1,)), ())


def _taken(kept, i):
    """One state of an array of states."""
    shape = typeof(kept).shape[1:]
    return reshape(dynamic_slice(kept, (i, *[0] * len(shape)), (1, *shape)), shape)


# ---- the transforms ----


def _jvp(xs, ts, **params):
    rep = Replay(**params)
    n, s, q, v = rep.consts, rep.states, rep.shared, len(rep.values)
    consts, slots, counts, values = rep.parts(xs)
    tc, tk, _, tv = rep.parts(ts)
    states = grown(depends(rep.step, True), n, s, [t is not None for t in (*tc, *tk)])
    active = grown(depends(rep.linear, True), n + s, v, (*states, *[t is not None for t in tv]))
    made = active[n + s :]
    if not any(active[: n + s]):
        given = [zeros_like(typeof(x).strong()) if t is None else t for x, t in zip(values, tv, strict=True)]
        tangents_out = replay(rep, [*consts, *slots, *counts, *given])
        return replay(rep, xs), [t if m else None for t, m in zip(tangents_out, made, strict=True)]
    step = tangents.pushed(rep.step, states, (n, s), states[n:], (s,))
    linear = tangents.pushed(rep.linear, active, (n, s, q, v - q), made, (q, v - q))
    more = sum(made[:q])
    both = rep._replace(step=step, linear=linear, consts=n + sum(states[:n]), shared=q + more)
    head = tangents.operands([*consts, *slots], [*tc, *tk], states, (n, s))
    outs = replay(both, [*head, *counts, *tangents.operands(values, tv, made, (q, v - q))])
    ys = [*outs[:q], *outs[q + more : more + v]]
    return ys, spread([*outs[q : q + more], *outs[more + v :]], made)


def _transpose(cts, *xs, **params):
    return transposed(Replay(**params), cts, xs)


def transposed(rep: Replay, cts, xs) -> list:
    """The rule of transposition; it takes all values for linear."""
    base = rep.consts + rep.states
    v = len(rep.values)
    carried = needed(depends(rep.linear), base, v, [ct is not None for ct in cts])
    back, mask = transpose_pass.transpose(rep.linear, (*[False] * base, *[True] * v), carried)
    types = [t.strong() for t in rep.values]
    outs = [t if k is None else k for k, t, c in
            zip(spread(range(len(back.outs)), mask), types, carried, strict=True) if c]  # fmt: skip
    linear = rewired(back, range(len(back.ins)), outs)
    reverse = rep._replace(linear=linear, shared=sum(carried[: rep.shared]), reverse=not rep.reverse)
    seeds = [zeros_like(t) if ct is None else ct for ct, t, c in zip(cts, types, carried, strict=True) if c]
    found = spread(replay(reverse, [*xs[: base + 2], *seeds]) if any(carried) else [], carried)
    return [*[None] * (base + 2), *[ct if is_linear(x) else None for ct, x in zip(found, xs[base + 2 :], strict=True)]]


def _vmap(size, xs, batched, *, axis_name=None, **params):
    rep = Replay(**params)
    n, s, q, v = rep.consts, rep.states, rep.shared, len(rep.values)
    consts, slots, (count, span), values = rep.parts(xs)
    bc, bk, (of_count, of_span), bv = rep.parts(batched)
    if size == 0:
        return all_batched(values, bv, size), (True,) * v
    if of_span:
        return _vmap_spans(size, xs, batched, params, axis_name), (True,) * v
    ragged = of_count or (typeof(count).shape != () and any(batched))
    states = (*bc, *[True] * s) if ragged else vmap_pass.kept_batched(rep.step, size, n, s, (*bc, *bk), axis_name)
    rows = (*bv[:q], *[b or ragged for b in bv[q:]])
    mask = vmap_pass.kept_batched(rep.linear, size, n + s, v, (*states, *rows), axis_name)
    step = mapped(rep.step, size, states, states[n:], axis_name)
    linear = mapped(rep.linear, size, mask, mask[n + s :], axis_name)
    slots = [slots_first(x, b, size) if m else x for x, b, m in zip(slots, bk, states[n:], strict=True)]
    values = all_batched(values, [b or not m for b, m in zip(bv, mask[n + s :], strict=True)], size)
    if ragged:
        count = all_batched([count], [of_count], size)[0]
        runs = gt(count, zeros_like(typeof(count)))
        runs = reduce_or(runs, range(1, typeof(runs).ndim))
        k = first_of(runs)
        consts = [like_row(x, runs, k) if b else x for x, b in zip(consts, bc, strict=True)]
    wide = rep._replace(step=step, linear=linear)
    return replay(wide, [*consts, *slots, count, span, *values]), mask[n + s :]


def _vmap_spans(size, xs, batched, params, axis_name) -> list:
    """Rows that differ in what they kept go one after the other. Those that were recorded together do not differ."""
    at = len(xs) - len(Replay(**params).values) - 1
    first = lambda x: reshape(slice_(x, (0,), (1,)), ())

    def alike(*args):
        given = [first(x) if i == at else x for i, x in enumerate(args)]
        ys, mask = _vmap(size, given, [b and i != at for i, b in enumerate(batched)], axis_name=axis_name, **params)
        return all_batched(ys, mask, size)

    types, span = [typeof(x) for x in xs], xs[at]
    apart = lambda *args: one_by_one(replay_p, size, args, batched, **params)
    graphs = [rebuild(apart, types, "vmap"), rebuild(alike, types, "vmap")]
    return switch(convert(all_of(eq(span, first(span))), I32), graphs, xs)


def _partition(eqn, known, types):
    """What is linear in its values alone stays as it is; else by way of the plain loop that it stands for."""
    rep = Replay(**dict(eqn.params))
    consts, slots, counts, values = rep.parts(known)
    if not all(counts):
        return None, eqn
    base = rep.consts + rep.states
    unknown = grown(depends(rep.linear), base, len(values), [not k for k in (*consts, *slots, *values)])
    if all(consts) and all(slots) and all(unknown[base:]):
        return None, eqn
    return split_in_place(expansion(rep, [types[a] for a in eqn.ins]), eqn, known, types)


def _dce(eqn, live):
    rep = Replay(**dict(eqn.params))
    n, s, q, v = rep.consts, rep.states, rep.shared, len(rep.values)
    kept = needed(depends(rep.linear), n + s, v, live)
    linear = dce(rewired(rep.linear, range(n + s + v), [k for k, keep in enumerate(kept) if keep]))
    used = {a for e in linear.eqns for a in e.ins} | set(linear.outs)
    states = needed(depends(rep.step), n, s, [n + i in used for i in range(s)])
    step = dce(rewired(rep.step, range(n + s), [k for k, keep in enumerate(states) if keep]))
    used |= {a for e in step.eqns for a in e.ins} | set(step.outs)
    stay = (*[i in used for i in range(n)], *states)
    step = compact(step.types, pick(step.ins, stay), step.eqns, step.outs, step.sources)
    linear = compact(linear.types, pick(linear.ins, (*stay, *kept)), linear.eqns, linear.outs, linear.sources)
    lean = Replay(step, linear, sum(stay[:n]), sum(kept[:q]), rep.reverse)
    operands = pick(eqn.ins, (*stay, True, True, *kept))
    return Eqn(replay_p, operands, tuple(lean.params().items()), pick(eqn.outs, kept))


def _depends(smooth, **params):
    rep = Replay(**params)
    n, s, v = rep.consts, rep.states, len(rep.values)
    base = n + s
    states = through(depends(rep.step, smooth), n, s)
    counts = 0 if smooth else 3 << base
    made = []
    for found in through(depends(rep.linear, smooth), base, v):
        before = union([r for i, r in enumerate(states) if found >> (n + i) & 1])
        made.append(found & ((1 << base) - 1) | before | counts | found >> base << (base + 2))
    return made


def _rewire(eqn, graphs, extras):
    """Both graphs take the further inputs of both, as constants."""
    rep, (step, linear), (a, b) = Replay(**dict(eqn.params)), graphs, map(len, extras)
    first, second = step.in_types[:a], linear.in_types[:b]
    step = rewired(step, [*range(a), *second, *range(a, len(step.ins))], range(len(step.outs)))
    linear = rewired(linear, [*first, *range(b), *range(b, len(linear.ins))], range(len(linear.outs)))
    wider = rep._replace(step=step, linear=linear, consts=rep.consts + a + b)
    return Eqn(replay_p, (*extras[0], *extras[1], *eqn.ins), tuple(wider.params().items()), eqn.outs)


replay_p = Primitive(
    "replay",
    params=Replay._fields,
    many=True,
    infer=_infer,
    jvp=_jvp,
    partition=_partition,
    transpose=_transpose,
    vmap=_vmap,
    dce=_dce,
    depends=_depends,
    rewire=_rewire,
)
