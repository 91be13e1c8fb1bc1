"""`scan`: a graph run `length` times, over the rows of some operands, carrying values from turn to turn.

Operands: constants, what the carried values start from, and arrays with the rows along axis 0. Results: the carried
values after the last turn, and one array per further result of the graph, with its rows along axis 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from functorch_lite.control.call import call_p
from functorch_lite.control.fission import Fission, early_rows, fission, with_late
from functorch_lite.control.loops import REPEATED, cheaply, everything, resaved, rewired
from functorch_lite.control.remat import opened
from functorch_lite.control.varied import any_varies, fitted
from functorch_lite.ir import ArrayType, Eqn, Graph, Lit, Primitive, agree, compact, core, eqn_effects, intern
from functorch_lite.prims.linear import is_linear
from functorch_lite.prims.shape import batch, transpose, zeros_like
from functorch_lite.trace import bind, inline, run, typeof
from functorch_lite.transforms import jvp as jvp_pass
from functorch_lite.transforms import transpose as transpose_pass
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import pick, rebuild, rewrite, spread, via
from functorch_lite.transforms.depends import depends, grown, needed, through, union
from functorch_lite.transforms.partition import Partition, partition
from functorch_lite.transforms.simplify import dce, indexed, simplify


class Loop(NamedTuple):
    """The parameters of `scan`.

    consts, carry: how many of the inputs of the graph are such; the others are rows. reverse: from the last row to the
    first. unroll: how many turns are compiled as one. remat: a derivative saves what goes into a turn and computes the
    turn again.
    """

    graph: Graph
    consts: int
    carry: int
    length: int
    reverse: bool
    unroll: int
    remat: bool

    def params(self) -> tuple:
        return tuple(self._replace(graph=intern(self.graph))._asdict().items())

    @property
    def rows(self) -> int:
        return len(self.graph.ins) - self.consts - self.carry

    def parts(self, items: Sequence) -> tuple[tuple, tuple, tuple]:
        """Inputs or operands as constants, carried values, rows."""
        n, m = self.consts, self.consts + self.carry
        return tuple(items[:n]), tuple(items[n:m]), tuple(items[m:])


def stacked(type_: ArrayType, length: int) -> ArrayType:
    """The type of the array whose rows have this type."""
    return type_.with_shape((length, *type_.shape))


def _infer(*types, **params):
    loop = Loop(**params)
    rows = loop.graph.in_types[loop.consts + loop.carry :]
    wanted = [*loop.graph.in_types[: loop.consts + loop.carry], *[stacked(t, loop.length) for t in rows]]
    if core(types) != core(wanted):
        raise TypeError(f"scan: takes {', '.join(map(str, wanted))}, got {', '.join(map(str, types))}")
    outs = loop.graph.out_types
    started = loop.graph.in_types[loop.consts : loop.consts + loop.carry]
    if core(outs[: loop.carry]) != core(started):
        raise TypeError(f"scan: carries {', '.join(map(str, started))}, got {', '.join(map(str, outs[: loop.carry]))}")
    agree(wanted, types)
    return [*started, *[stacked(t, loop.length) for t in outs[loop.carry :]]]


# ---- what need not be in the loop ----


class Normal(NamedTuple):
    """A body without what does not change from turn to turn. Positions are those of the operands of the loop."""

    before: Graph  # what is computed once, from the operands in `reads`
    reads: tuple[int, ...]
    body: Graph
    consts: tuple[int, ...]  # the constants of `body`, before those that `before` computes
    hoisted: int  # how many of the latter there are
    carry: tuple[int, ...]
    xs: tuple[int, ...]
    outs: tuple[tuple[str, int], ...]  # per result where it comes from: "carry", "ys", "operand", "row", "once"


_MOST = 2000  # equations that a body may have with those of the functions it calls in place of the calls


@rewrite
def opened_size(graph: Graph) -> int:
    """How many equations the graph has with those of the functions it calls in place of the calls."""
    inner = [opened_size(dict(eqn.params)["graph"]) for eqn in graph.eqns if eqn.prim is call_p]
    return len(graph.eqns) - len(inner) + sum(inner)


@rewrite
def normal(graph: Graph, consts: int, carry: int) -> Normal:
    """Simplify a body, make carried values that never change constants, and take out what is the same in each turn.

    Functions that the body calls become part of it, so that the same is done inside of them.
    """
    lines, graph = graph.sources, indexed(graph)
    graph = opened(graph) if opened_size(graph) <= _MOST else graph
    graph = via(simplify(graph), graph)
    starts = range(consts, consts + carry)
    fixed = {i for i, o in zip(starts, graph.outs, strict=False) if i == o}
    still = {*range(consts), *fixed}  # what is the same in each turn
    ys = graph.outs[carry:]
    once, turn = [], []  # indices of equations
    for k, eqn in enumerate(graph.eqns):
        if not eqn_effects(eqn) and all(type(a) is Lit or a in still for a in eqn.ins):
            once.append(k)
            still.update(eqn.outs)
        else:
            turn.append(k)
    made = {o for k in once for o in graph.eqns[k].outs}
    inside = {a for k in turn for a in graph.eqns[k].ins} | set(graph.outs[:carry])
    outside = made.intersection(ys)
    before, sunk, crossing = [], set(), dict.fromkeys([y for y in ys if y in made])
    for k in reversed(once):
        prim, ins, _, outs = graph.eqns[k]
        if not inside.isdisjoint(outs):
            if prim in REPEATED or not ins:
                turn.append(k)
                inside.update(ins)
                sunk.update(outs)
            else:
                crossing.update(dict.fromkeys([o for o in outs if o in inside]))
                outside.update(outs)
        if not outside.isdisjoint(outs):
            before.append(k)
            outside.update(ins)
    moving = [i for i in starts if i not in fixed]
    xs = [i for i in range(consts + carry, len(graph.ins)) if i in inside]
    shared = [i for i in range(consts + carry) if i in still and i in inside]
    handed = [v for v in crossing if v in inside and v not in sunk]
    rows = list(dict.fromkeys([y for y in ys if y not in still and y not in graph.ins[consts + carry :]]))
    crossing = [*handed, *[v for v in crossing if v not in handed]]
    reads = [i for i in range(consts + carry) if i in outside]

    def place(value, is_carry, k):
        if is_carry:
            return ("operand", consts + k) if consts + k in fixed else ("carry", moving.index(consts + k))
        if value in rows:
            return "ys", rows.index(value)
        if value >= len(graph.ins):
            return "once", crossing.index(value)
        return ("row", value) if value in still else ("operand", value)

    outs = [place(o, k < carry, k) for k, o in enumerate(graph.outs)]
    results = [graph.outs[i - consts] for i in moving] + rows
    first = _part(graph, reads, sorted(before), crossing, graph.sources)
    lines = [lines[k] if type(k) is int else k for k in graph.sources]
    body = _part(graph, [*shared, *handed, *moving, *xs], sorted(turn), results, lines)
    return Normal(first, tuple(reads), body, tuple(shared), len(handed), tuple(moving), tuple(xs), tuple(outs))


def _part(graph: Graph, ins, indices, outs, sources) -> Graph:
    return compact(graph.types, ins, [graph.eqns[k] for k in indices], outs, [sources[k] for k in indices])


def scan(loop: Loop, operands: Sequence, sources: Sequence | None = None) -> list:
    """Run a loop, recorded or computed: what is the same in each turn is computed before it, once."""
    if any_varies(operands, loop.graph):
        loop = loop._replace(graph=fitted([loop.graph], operands, loop.consts, loop.carry)[0])
    form = normal(loop.graph, loop.consts, loop.carry)
    once = run(form.before, [operands[i] for i in form.reads], sources) if form.before.outs else []
    inner = loop._replace(graph=form.body, consts=len(form.consts) + form.hoisted, carry=len(form.carry))
    results: list = []
    if form.body.outs or form.body.effects:
        given = [operands[i] for i in form.consts] + once[: form.hoisted]
        given += [operands[i] for i in (*form.carry, *form.xs)]
        results = _apart(inner, given)
    made = []
    for kind, k in form.outs:
        if kind == "carry":
            made.append(results[k])
        elif kind == "ys":
            made.append(results[len(form.carry) + k])
        elif kind == "operand":
            made.append(operands[k])
        else:
            made.append(batch(operands[k] if kind == "row" else once[k], loop.length))
    return made


def _apart(loop: Loop, operands: Sequence) -> list:
    """Run a loop, but for the products that are better computed for all rows at once."""
    parts = _fission(loop)
    if parts is None:
        return bind(scan_p, *operands, **dict(loop.params()))
    rows = early_rows(parts, operands, loop.length)
    made = scan(loop._replace(graph=parts.body), [*operands, *rows], parts.body.sources)
    return with_late(parts, operands, made, loop.length)


def _fission(loop: Loop) -> Fission | None:
    """A loop that is computed again by derivatives keeps all inside: outside it would be stored for all turns."""
    return None if loop.remat or loop.graph.open else fission(loop.graph, loop.consts, loop.carry, loop.length)


# ---- forward mode ----


def _jvp(xs, ts, **params):
    loop = Loop(**params)
    graph, n, m = loop.graph, loop.consts, loop.carry
    active = grown(depends(graph, True), n, m, [t is not None for t in ts])
    new, mask = jvp_pass.jvp(graph, active)
    tangent = spread(range(len(graph.ins), len(new.ins)), active)  # per input, the input that is its tangent
    result = spread(range(len(graph.outs), len(new.outs)), mask)
    here = lambda part, items: [i for i in loop.parts(items)[part] if i is not None]
    carried = active[n : n + m]
    assert all(c or not made for c, made in zip(carried, mask[:m], strict=True)), "a tangent is carried unseen"
    places = range(len(graph.ins))
    ins = [i for part in range(3) for i in (*loop.parts(places)[part], *here(part, tangent))]
    moved = [graph.in_types[n + i].strong() if r is None else r for i, r in enumerate(result[:m]) if carried[i]]
    rows = [r for r in result[m:] if r is not None]
    outs = [*range(m), *moved, *range(m, len(graph.outs)), *rows]
    ts = [zeros_like(typeof(x)) if a and t is None else t for x, t, a in zip(xs, ts, active, strict=True)]
    given = [x for part in range(3) for x in (*loop.parts(xs)[part], *here(part, ts))]
    both = Loop(rewired(new, ins, outs), n + sum(active[:n]), m + len(moved), *loop[3:])
    made = scan(both, given)
    k, size = m + len(moved), len(graph.outs) - m
    ys = [*made[:m], *made[k : k + size]]
    return ys, [*spread(made[m:k], carried), *spread(made[k + size :], mask[m:])]


# ---- many at once ----


def _swapped(x):
    """Axes 0 and 1 in the other order: the mapped one, and that of the rows."""
    return transpose(x, (1, 0, *range(2, typeof(x).ndim)))


def _vmap(size, xs, batched, *, axis_name=None, **params):
    loop = Loop(**params)
    graph, n, m = loop.graph, loop.consts, loop.carry
    mask = vmap_pass.kept_batched(graph, size, n, m, batched, axis_name)
    new, out = vmap_pass.vmap(graph, size, mask, axis_name)
    carried = mask[n : n + m]
    if carried != out[:m]:
        new = _repeated(new, size, [a and not b for a, b in zip(carried, out[:m], strict=True)])
    shared, start, rows = loop.parts(xs)
    start = [batch(x, size) if c and not b else x for x, c, b in zip(start, carried, batched[n : n + m], strict=True)]
    rows = [_swapped(x) if b else x for x, b in zip(rows, batched[n + m :], strict=True)]
    made = scan(loop._replace(graph=new), [*shared, *start, *rows])
    ys = [_swapped(y) if b else y for y, b in zip(made[m:], out[m:], strict=True)]
    return [*made[:m], *ys], (*carried, *out[m:])


def _repeated(graph: Graph, size: int, which: Sequence[bool]) -> Graph:
    """The graph with some leading results repeated along a new axis 0."""
    flags = [*which, *[False] * (len(graph.outs) - len(which))]

    def body(*xs):
        return [batch(y, size) if r else y for y, r in zip(inline(graph, xs), flags, strict=True)]

    return rebuild(body, graph.in_types, "vmap")


# ---- splitting ----


class Split(NamedTuple):
    """A loop as two, one after the other: which operands the first takes, and which results it has.

    `residuals` are, as operands of the second loop, what the first hands over: its operand `~i` or its result i;
    `consts` counts those that are constants, the others are rows.
    """

    first: Loop
    second: Loop
    taken: tuple[bool, ...]
    known: tuple[bool, ...]
    residuals: tuple[int, ...]
    consts: int


def split(loop: Loop, known: tuple[bool, ...]) -> Split:
    """Split a loop by which operands are known."""
    return _split(loop.graph, loop.consts, loop.carry, known, loop[3:])


@rewrite
def _split(graph: Graph, consts: int, carry: int, known: tuple[bool, ...], rest: tuple) -> Split:
    loop = Loop(graph, consts, carry, *rest)
    unknown = grown(depends(graph), consts, carry, [not k for k in known])
    while True:
        known = tuple([not u for u in unknown])
        carried = known[consts : consts + carry]
        late = (*[not c for c in carried], *[False] * (len(graph.outs) - carry))
        part = partition(graph, known, late)
        if part.known[:carry] == carried:
            break
        stays = zip(unknown[consts : consts + carry], part.known[:carry], strict=True)
        unknown = (*unknown[:consts], *[u or not k for u, k in stays], *unknown[consts + carry :])
    ins = loop.parts(known)
    counts = [sum(p) for p in ins]
    free = [True] * counts[0] + [False] * counts[1] + [True] * counts[2]
    free_outs = [False] * sum(carried) + [True] * sum(part.known[carry:])
    part = resaved(part, everything if loop.remat else cheaply, free, "scan", free_outs)
    return _loops(loop, part, known, counts, [len(p) - sum(p) for p in ins])


def _loops(loop: Loop, part: Partition, taken, counts, unknown_counts) -> Split:
    """The two loops of a split body. Constants and rows are handed over as they are, all else as new rows."""
    n, m, _ = counts
    known_carry = sum(part.known[: loop.carry])
    ys = sum(part.known) - known_carry
    # values of the first body that become rows: carried ones, and those computed only to be handed over
    extra = list(dict.fromkeys(
        [r for r in part.residuals if (r < 0 and n <= ~r < n + m) or 0 <= r < known_carry or r >= known_carry + ys]))
    first = rewired(part.first, range(len(part.first.ins)), [*range(known_carry + ys), *extra])
    handed = {r: known_carry + ys + k for k, r in enumerate(extra)}
    places = [handed.get(r, r) for r in part.residuals]
    is_const = [r < 0 and ~r < n for r in part.residuals]
    order = [k for k, c in enumerate(is_const) if c], [k for k, c in enumerate(is_const) if not c]
    size, (a, b, c) = len(places), unknown_counts
    rest = [range(size, size + a), range(size + a, size + a + b), range(size + a + b, size + a + b + c)]
    ins = [*order[0], *rest[0], *rest[1], *order[1], *rest[2]]
    second = rewired(part.second, ins, range(len(part.second.outs)))
    return Split(
        Loop(first, n, m, *loop[3:]),
        Loop(second, len(order[0]) + a, b, *loop[3:]),
        taken,
        part.known,
        tuple([places[k] for k in (*order[0], *order[1])]),
        len(order[0]),
    )


def _arranged(loop: Loop, parts: Split, operands: Sequence, results: Sequence) -> list:
    """The operands of the second loop, given those of the whole one and the results of the first."""
    given = pick(operands, parts.taken)
    residuals = [results[r] if r >= 0 else given[~r] for r in parts.residuals]
    a, b, c = [pick(p, t, False) for p, t in zip(loop.parts(operands), loop.parts(parts.taken), strict=True)]
    return [*residuals[: parts.consts], *a, *b, *residuals[parts.consts :], *c]


def _partition(eqn, known, types):
    loop = Loop(**dict(eqn.params))
    parts = split(loop, tuple(known))
    first, second = parts.first, parts.second
    if not first.graph.outs:
        return None, eqn
    outs = pick(eqn.outs, parts.known)
    start = len(types)
    types.extend([stacked(t, loop.length) for t in first.graph.out_types[len(outs) :]])
    outs = (*outs, *range(start, len(types)))
    rest = tuple(_arranged(loop, parts, eqn.ins, outs))
    unknown = pick(eqn.outs, parts.known, False)
    early = Eqn(scan_p, pick(eqn.ins, parts.taken), first.params(), outs)
    late = Eqn(scan_p, rest, second.params(), unknown) if unknown or second.graph.effects else None
    return early, late


# ---- reverse mode ----


def _transpose(cts, *xs, **params):
    """Run the loop backward. Cotangents of carried values are carried, those of constants add up from turn to turn."""
    loop, linear = Loop(**params), tuple(map(is_linear, xs))
    reached = grown(depends(loop.graph), loop.consts, loop.carry, linear)
    if not all(loop.parts(reached)[1]):
        return _transpose_split(cts, xs, loop, linear)
    return _transpose_linear(cts, xs, loop, linear)


def _transpose_linear(cts, xs, loop: Loop, linear):
    """A loop of which all carried values are linear; products that can be are taken out of it before."""
    if _fission(loop) is None:
        return _backward(cts, xs, loop, linear)
    given = tuple([ct is not None for ct in cts])
    back, mask = transpose_pass.transpose(_whole(loop.graph, *loop[1:]), linear, given)
    made = inline(back, [*pick(xs, linear, False), *[ct for ct in cts if ct is not None]])
    found = iter(spread(made, mask))
    return [next(found) if wanted else None for wanted in linear]


@rewrite
def _whole(graph: Graph, *rest) -> Graph:
    """A loop, with what is taken out of it, as a graph."""
    loop = Loop(graph, *rest)
    own, rows = graph.in_types[: loop.consts + loop.carry], graph.in_types[loop.consts + loop.carry :]
    return rebuild(lambda *xs: scan(loop, xs), [*own, *[stacked(t, loop.length) for t in rows]], "scan")


def _transpose_split(cts, xs, loop: Loop, linear):
    """First run what does not depend on the linear operands: the loop that is left carries linear values only."""
    parts = split(loop, tuple([not x for x in linear]))
    results = bind(scan_p, *pick(xs, parts.taken), **dict(parts.first.params()))
    operands = _arranged(loop, parts, xs, results)
    found = _transpose_linear(pick(cts, parts.known, False), operands, parts.second, tuple(map(is_linear, operands)))
    of = {id(x): ct for x, ct in zip(operands, found, strict=True)}
    return [of.get(id(x)) if wanted else None for x, wanted in zip(xs, linear, strict=True)]


def _backward(cts, xs, loop: Loop, linear):
    graph, n, m = loop.graph, loop.consts, loop.carry
    reads = depends(graph)
    carried, given = _reached(reads, n, m, [ct is not None for ct in cts])
    if not any(carried) and not any(given):
        return [None] * len(xs)
    used = union([s for s, g in zip(reads, (*carried, *given), strict=True) if g])
    added = [i for i in range(n) if linear[i] and used >> i & 1]  # the constants whose cotangents are sums
    wider = rewired(graph, range(len(graph.ins)), [*range(len(graph.outs)), *[~i for i in added]])
    inside = (*linear[:n], *[True] * m, *linear[n + m :])
    back, mask = transpose_pass.transpose(wider, inside, (*carried, *given, *[True] * len(added)))
    return _run_backward(cts, xs, loop, linear, (carried, given, added, back, mask))


def _reached(reads, start: int, carry: int, given: Sequence[bool]) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Which carried values have a cotangent in some turn, and which other results have one."""
    carried, rows = list(given[:carry]), tuple(given[carry:])
    while True:
        used = union([s for s, g in zip(reads, (*carried, *rows), strict=True) if g])
        more = [c or bool(used >> (start + i) & 1) for i, c in enumerate(carried)]
        if more == carried:
            return tuple(carried), rows
        carried = more


def _run_backward(cts, xs, loop: Loop, linear, found):
    carried, given, added, back, mask = found
    graph, n, m = loop.graph, loop.consts, loop.carry
    fixed = [sum([not b for b in p]) for p in loop.parts(linear)]
    k, a, b, c = fixed[0], sum(carried), len(added), sum(given)
    rows = fixed[2]
    # inputs of `back`: constants, rows, then the cotangents of carried values, of rows, of constants so far
    base = k + rows
    ins = [*range(k), *range(base, base + a), *range(base + a + c, base + a + c + b), *range(k, base),
           *range(base + a, base + a + c)]  # fmt: skip
    place = iter(range(len(back.outs)))
    result = [next(place) if got else None for got in spread(mask, (*linear[:n], *[True] * m, *linear[n + m :]))]
    types = [t.strong() for t in graph.in_types]
    new = [types[n + i] if result[n + i] is None else result[n + i] for i in range(m) if carried[i]]
    of_rows = [r for r in result[n + m :] if r is not None]
    outs = [*new, *[result[i] for i in added], *of_rows]
    start = [ct if ct is not None else zeros_like(types[n + i]) for i, ct in enumerate(cts[:m]) if carried[i]]
    start += [zeros_like(types[i]) for i in added]
    shared, _, arrays = loop.parts(xs)
    operands = [*pick(shared, linear[:n], False), *start, *pick(arrays, linear[n + m :], False)]
    operands += [ct for ct in cts[m:] if ct is not None]
    reverse = loop._replace(graph=rewired(back, ins, outs), consts=k, carry=a + b, reverse=not loop.reverse)
    made = scan(reverse, operands)
    sums, carries = dict(zip(added, made[a : a + b], strict=True)), iter(made[:a])
    final = [next(carries) if c else None for c in carried]
    stacks = spread(made[a + b :], [r is not None for r in result[n + m :]])
    of_all = [*[sums.get(i) for i in range(n)], *final, *stacks]
    return [ct if wanted else None for ct, wanted in zip(of_all, linear, strict=True)]


# ---- the rest ----


def _dce(eqn, live):
    """Without results that nobody reads, what only they need, and operands that nothing reads."""
    loop = Loop(**dict(eqn.params))
    graph, n, m = loop.graph, loop.consts, loop.carry
    kept = _kept(graph, n, m, live)
    fewer = graph if all(kept) else rewired(graph, range(len(graph.ins)), [k for k, keep in enumerate(kept) if keep])
    new = dce(fewer)
    used = {a for e in new.eqns for a in e.ins} | set(new.outs)
    stay = tuple([(kept[i - n] if n <= i < n + m else i in used) for i in new.ins])
    if all(kept) and all(stay) and all([e is old for e, old in zip(new.eqns, graph.eqns, strict=False)]):
        if len(new.eqns) == len(graph.eqns):
            return eqn
    new = via(new, fewer)
    new = compact(new.types, pick(new.ins, stay), new.eqns, new.outs, new.sources)
    counts = [sum(p) for p in loop.parts(stay)]
    left = loop._replace(graph=new, consts=counts[0], carry=counts[1])
    return Eqn(scan_p, pick(eqn.ins, stay), left.params(), pick(eqn.outs, kept))


def _kept(graph: Graph, n: int, m: int, live) -> tuple[bool, ...]:
    """The live results, and the carried values that these or an effect need."""
    if all(live):
        return tuple(live)
    reads = depends(graph)
    acting = [bool(reads.effects >> (n + i) & 1) for i in range(m)]
    return needed(reads, n, m, [*[a or b for a, b in zip(live[:m], acting, strict=True)], *live[m:]])


def _depends(smooth, **params):
    loop = Loop(**params)
    return through(depends(loop.graph, smooth), loop.consts, loop.carry)


def _reaches(mapping, mask, **params):
    loop = Loop(**params)
    return [grown(depends(loop.graph), loop.consts, loop.carry, mask)]


def _rewire(eqn, graphs, extras):
    (graph,), (extra,) = graphs, extras
    loop = Loop(**dict(eqn.params))
    wider = loop._replace(graph=graph, consts=loop.consts + len(extra))
    return Eqn(scan_p, (*extra, *eqn.ins), wider.params(), eqn.outs)


scan_p = Primitive(
    "scan",
    params=Loop._fields,
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
