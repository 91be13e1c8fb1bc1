"""`cond`: one of several graphs, chosen by an index while the program runs.

Operands: the index, an int32 from 0 to the number of graphs - 1, then those of every graph. Results: those of the
graph that was chosen; all graphs have the same types.
"""

from __future__ import annotations

from collections.abc import Sequence

from functorch_lite.control.loops import Place, cheaply, resaved, rewired
from functorch_lite.control.rows import (
    I32,
    acts,
    all_of,
    any_of,
    chosen,
    first_of,
    like_row,
    mapped,
    one_by_one,
    unnamed,
)
from functorch_lite.control.varied import any_varies, fitted, varied
from functorch_lite.ir import Eqn, Graph, Primitive, agree, array_type, compact, core, intern, joint, nested
from functorch_lite.prims.elementwise import convert, eq, select
from functorch_lite.prims.linear import is_linear
from functorch_lite.prims.pointwise import BOOL
from functorch_lite.prims.shape import broadcast, full_p, reshape, zeros_like
from functorch_lite.prims.slicing import pad_p
from functorch_lite.prims.slicing import slice as slice_
from functorch_lite.trace import bind, inline, typeof
from functorch_lite.transforms import jvp as jvp_pass
from functorch_lite.transforms import partition as partition_pass
from functorch_lite.transforms import transpose as transpose_pass
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import pick, rebuild, rewrite, spread
from functorch_lite.transforms.depends import depends, union
from functorch_lite.transforms.partition import Partition
from functorch_lite.transforms.simplify import dce, simplify


def switch(index, branches: Sequence[Graph], operands: Sequence) -> list:
    """Apply the graph at `index` (int32, within range) as one equation; returns the list of its results."""
    if any_varies([index, *operands], *branches):
        branches = fitted(branches, operands, len(operands))
        vary = [joint([typeof(index), *[b.out_types[k] for b in branches]]) for k in range(len(branches[0].outs))]
        branches = [varied(b, ((),) * len(operands), tuple(vary)) for b in branches]
    return bind(cond_p, index, *operands, branches=tuple([intern(simplify(b)) for b in branches]))


def _infer(index, *types, branches):
    first = branches[0]
    assert (index.shape, index.dtype) == ((), I32), index
    for branch in branches:
        agree([index, *branch.in_types], [index, *types])
        assert core(branch.out_types) == core(first.out_types), (branch.out_types, first.out_types)
    weak = [all([b.out_types[k].weak for b in branches]) for k in range(len(first.outs))]
    vary = [joint([index, *[b.out_types[k] for b in branches]]) for k in range(len(first.outs))]
    outs = [t if w else t.strong() for t, w in zip(first.out_types, weak, strict=True)]
    return [t.varying(v) for t, v in zip(outs, vary, strict=True)]


def _any(masks) -> tuple[bool, ...]:
    return tuple([any(flags) for flags in zip(*masks, strict=True)])


def _filled(graph: Graph, mask, union, before: int = 0) -> Graph:
    """The graph with zeros for the results that only other branches have: `mask` says which of `union` it has.

    The first `before` results are in every branch.
    """
    own = spread(range(before, len(graph.outs)), mask)
    outs = [t if k is None else k for k, t in zip(own, union, strict=True) if t is not None]
    return rewired(graph, range(len(graph.ins)), [*range(before), *outs])


# ---- derivatives ----


def _jvp(xs, ts, *, branches):
    active = tuple([t is not None for t in ts[1:]])
    made = [jvp_pass.jvp(b, active) for b in branches]
    n, mask = len(branches[0].outs), _any([m for _, m in made])
    types = [t.strong() if m else None for t, m in zip(branches[0].out_types, mask, strict=True)]
    graphs = [_filled(new, own, types, n) for new, own in made]
    outs = switch(xs[0], graphs, [*xs[1:], *[t for t in ts[1:] if t is not None]])
    return outs[:n], spread(outs[n:], mask)


def _transpose(cts, index, *xs, branches):
    linear, given = tuple([is_linear(x) for x in xs]), tuple([ct is not None for ct in cts])
    made = [transpose_pass.transpose(b, linear, given) for b in branches]
    mask, wanted = _any([m for _, m in made]), pick(branches[0].in_types, linear)
    types = [t.strong() if m else None for t, m in zip(wanted, mask, strict=True)]
    graphs = [_filled(new, own, types) for new, own in made]
    outs = switch(index, graphs, [*pick(xs, linear, False), *[ct for ct in cts if ct is not None]])
    found = iter(spread(outs, mask))
    return [None, *[next(found) if is_wanted else None for is_wanted in linear]]


# ---- splitting ----


def _partition(eqn, known, types):
    branches = dict(eqn.params)["branches"]
    if not known[0]:
        return None, eqn
    parts = split(branches, tuple(known[1:]))
    operands, outs = pick(eqn.ins[1:], known[1:]), pick(eqn.outs, parts[0].known)
    firsts, seconds, places, saved = joined(parts)
    start = len(types)
    types.extend(saved)
    first_outs = (*outs, *range(start, len(types)))
    handed = [first_outs[p] if p >= 0 else operands[~p] for p in places]
    unknown = pick(eqn.outs, parts[0].known, False)
    early = Eqn(cond_p, (eqn.ins[0], *operands), _params(firsts), first_outs)
    late = Eqn(cond_p, (eqn.ins[0], *handed, *pick(eqn.ins[1:], known[1:], False)), _params(seconds), unknown)
    return early if first_outs or _effects(firsts) else None, late if unknown or _effects(seconds) else None


def _params(branches):
    return (("branches", tuple([intern(simplify(b)) for b in branches])),)


def _effects(branches) -> set[str]:
    return {kind for b in branches for kind in b.effects}


def split(branches: Sequence[Graph], known: tuple[bool, ...]) -> list[Partition]:
    """The branches in two halves; a result is known if it is in all of them."""
    late: tuple[bool, ...] = (False,) * len(branches[0].outs)
    while True:
        parts = [partition_pass.partition(b, known, late) for b in branches]
        more = tuple([not k for k in map(all, zip(*[p.known for p in parts], strict=True))])
        if more == late:
            break
        late = more
    return [resaved(p, cheaply, [True] * len(p.first.ins), "cond") for p in parts]


def joined(parts: Sequence[Partition]) -> tuple[list[Graph], list[Graph], list[int], list]:
    """The halves of all branches with the same types: (first, second, residuals, types of new results of first).

    `residuals` are as those of a `Partition`. New ones of different branches share a place if they have one type:
    only one branch fills it.
    """
    n = sum(parts[0].known)
    shared = sorted({r for p in parts for r in p.residuals if r < n}, reverse=True)
    saved: list = []
    filled: list[dict[int, int]] = []  # per branch: result of its first half -> place among the new ones
    for p in parts:
        free, mine = list(range(len(saved))), {}
        for r in range(n, len(p.first.outs)):
            t = p.first.out_types[r].strong()
            place = next((k for k in free if saved[k] is t), len(saved))
            if place == len(saved):
                saved.append(t)
            else:
                free.remove(place)
            mine[r] = place
        filled.append(mine)
    places = [*shared, *range(n, n + len(saved))]
    ins, outs = parts[0].first.in_types, parts[0].first.out_types
    residual_types = [saved[p - n] if p >= n else outs[p] if p >= 0 else ins[~p] for p in places]
    firsts, seconds = [], []
    for p, mine in zip(parts, filled, strict=True):
        new: list[Place] = [*saved]
        for r, place in mine.items():
            new[place] = r
        firsts.append(rewired(p.first, range(len(p.first.ins)), [*range(n), *new]))
        at = {(mine[r] + n if r >= n else r): k for k, r in enumerate(p.residuals)}
        rest = range(len(p.residuals), len(p.second.ins))
        order = [at[q] if q in at else t for q, t in zip(places, residual_types, strict=True)]
        seconds.append(rewired(p.second, [*order, *rest], range(len(p.second.outs))))
    return firsts, seconds, places, saved


# ---- many at once ----


def _vmap(size, xs, batched, *, branches, axis_name=None):
    flags = tuple(batched[1:])
    if batched[0]:
        return _vmap_rows(size, xs, flags, branches, axis_name)
    mask = _any([vmap_pass.vmap(b, size, flags, axis_name)[1] for b in branches])
    return switch(xs[0], [mapped(b, size, flags, mask, axis_name) for b in branches], xs[1:]), mask


def _vmap_rows(size, xs, batched, branches, axis_name):
    """Every row chooses for itself. A branch is computed if any row takes it, and acts for the rows that do."""
    out = (True,) * len(branches[0].outs)
    if size == 0:
        return [zeros_like(t.with_shape((0, *t.shape))) for t in branches[0].out_types], out
    collective = axis_name is not None and any(vmap_pass.mentions(b, axis_name) for b in branches)
    if axis_name is not None and not collective:
        branches = tuple([unnamed(b, axis_name) for b in branches])
    if acts(*branches):
        return one_by_one(cond_p, size, xs, (True, *batched), branches=branches), out
    if collective or all(map(_pointwise, branches)):
        return _all_of_them(xs[0], xs[1:], [mapped(b, size, batched, out, axis_name) for b in branches]), out
    if any(map(_branches, branches)):
        return _one_after_the_other(xs[0], xs[1:], batched, branches, size), out
    return _one_or_some(size, xs, batched, branches), out


def _all_of_them(index, operands, branches) -> list:
    """Every branch for all rows."""
    made: list = []
    for i, branch in enumerate(branches):
        ys = inline(simplify(branch), operands)
        made = [chosen(eq(index, i), y, z) for y, z in zip(ys, made, strict=True)] if i else ys
    return made


def _one_or_some(size, xs, batched, branches) -> list:
    """One branch as it is if all rows take it. Their code is there twice, so it must not choose in turn."""
    out = (True,) * len(branches[0].outs)

    def mixed(index, *operands):
        return _one_after_the_other(index, operands, batched, branches, size)

    graphs = [mapped(b, size, batched, out) for b in branches]
    index, types = xs[0], [array_type((size,), I32), *graphs[0].in_types]
    graphs = [rewired(g, [types[0], *range(len(g.ins))], range(len(g.outs))) for g in graphs]
    first = reshape(slice_(index, (0,), (1,)), ())
    same = all_of(eq(index, broadcast(first, (size,))))
    return switch(select(same, first, len(branches)), [*graphs, rebuild(mixed, types, "vmap")], xs)


def _one_after_the_other(index, operands, batched, branches, size) -> list:
    """The branches that any row takes, each for its rows."""
    made: list = []
    for i, branch in enumerate(branches):
        rows = eq(index, i)
        given = [rows, *operands, *made]
        made = switch(convert(any_of(rows), I32), _guarded(branch, size, batched, i > 0), given)
    return made


def _branches(graph: Graph) -> bool:
    """Whether a graph chooses between branches at any depth."""
    return any(eqn.prim is cond_p for g in (graph, *nested(graph)) for eqn in g.eqns)


def _pointwise(branch: Graph) -> bool:
    """Whether a branch is little work, element by element: cheaper to do for all rows than to ask whether to.

    Reverse mode keeps the infinite derivatives of rows that do not take it out: see the masks in `prims.select`.
    """
    prims = {eqn.prim for eqn in branch.eqns}
    return len(branch.eqns) <= 16 and all([p is full_p or (p.literals and p is not pad_p) for p in prims])


@rewrite
def _guarded(branch: Graph, size: int, batched: tuple[bool, ...], after: bool) -> tuple[Graph, Graph]:
    """(skip, run): from the rows that take the branch, its operands, and with `after` the results of other branches.

    The rows that do not take it get the operands of one that does: what cannot be computed of theirs, or its
    derivative, or would never end, is not computed.
    """
    n, outs = len(branch.ins), len(branch.outs)
    new = mapped(branch, size, batched, (True,) * outs)

    def run(rows, *args):
        k = first_of(rows)
        operands = [like_row(x, rows, k) if b else x for x, b in zip(args[:n], batched, strict=True)]
        ys = inline(new, operands)
        return [chosen(rows, y, z) for y, z in zip(ys, args[n:], strict=True)] if after else ys

    made = [t.strong() for t in new.out_types]
    types = [array_type((size,), BOOL), *new.in_types, *(made if after else [])]
    runs = rebuild(run, types, "vmap")
    kept: list[Place] = [~(1 + n + k) for k in range(outs)] if after else list(made)
    skips = rewired(compact(runs.types, runs.ins, [], [], []), range(len(runs.ins)), kept)
    return skips, runs


# ---- the rest ----


def _dce(eqn, live):
    branches = dict(eqn.params)["branches"]
    kept = [k for k, keep in enumerate(live) if keep]
    lean = [dce(rewired(b, range(len(b.ins)), kept)) for b in branches]
    used = {a for b in lean for e in b.eqns for a in e.ins} | {o for b in lean for o in b.outs}
    stay = [i for i in branches[0].ins if i in used]
    lean = [compact(b.types, stay, b.eqns, b.outs, b.sources) for b in lean]
    operands = (eqn.ins[0], *[eqn.ins[1 + i] for i in stay])
    return Eqn(cond_p, operands, (("branches", tuple(map(intern, lean))),), pick(eqn.outs, live))


def _depends(smooth, *, branches):
    index = 0 if smooth else 1
    sets = [depends(b, smooth) for b in branches]
    return [index | union(of) << 1 for of in zip(*sets, strict=True)]


def _rewire(eqn, graphs, extras):
    """Every branch takes the further inputs of all of them."""
    wider = []
    for k, graph in enumerate(graphs):
        own = len(extras[k])
        ins: list[Place] = []
        for j, other in enumerate(graphs):
            ins.extend(range(own) if j == k else other.in_types[: len(extras[j])])
        ins.extend(range(own, len(graph.ins)))
        wider.append(intern(rewired(graph, ins, range(len(graph.outs)))))
    more = [a for extra in extras for a in extra]
    return Eqn(cond_p, (eqn.ins[0], *more, *eqn.ins[1:]), (("branches", tuple(wider)),), eqn.outs)


cond_p = Primitive(
    "cond",
    params=("branches",),
    many=True,
    infer=_infer,
    jvp=_jvp,
    partition=_partition,
    transpose=_transpose,
    vmap=_vmap,
    dce=_dce,
    depends=_depends,
    reaches=lambda mapping, mask, *, branches: [mask[1:]] * len(branches),
    rewire=_rewire,
)
