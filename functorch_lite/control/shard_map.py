"""`shard_map`: a graph that every device of a row of devices runs on its own part of the operands.

An operand is cut along one of its axes in as many equal parts as there are devices, or is the same on all of them;
results are joined likewise. The row of devices is a named axis inside the graph; what is the same on all devices does
not vary over it, and the sums that make cotangents the same stand in the graph, as the transposes of `vary`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functorch_lite.control.call import call_p
from functorch_lite.ir import ArrayType, Eqn, Graph, Primitive, compact, core, intern, nested
from functorch_lite.prims.collective import psum, vary
from functorch_lite.prims.linear import is_linear
from functorch_lite.prims.shape import batch, reshape, transpose
from functorch_lite.trace import bind, inline
from functorch_lite.transforms import jvp as jvp_pass
from functorch_lite.transforms import partition as partition_pass
from functorch_lite.transforms import simplify as simplify_pass
from functorch_lite.transforms import transpose as transpose_pass
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import pick, rebuild, rewrite, spread
from functorch_lite.transforms.depends import depends

Cuts = tuple[int | None, ...]  # per operand or result, the axis that is cut


def part_of(t: ArrayType, cut: int | None, size: int) -> ArrayType:
    """The type of the part of one device."""
    if cut is None:
        return t
    return t.with_shape((*t.shape[:cut], t.shape[cut] // size, *t.shape[cut + 1 :]))


def whole_of(t: ArrayType, cut: int | None, size: int) -> ArrayType:
    """The type of all parts together."""
    if cut is None:
        return t
    return t.with_shape((*t.shape[:cut], t.shape[cut] * size, *t.shape[cut + 1 :]))


def _infer(*types, graph, ins, outs, axis, count, devices, name):
    parts = [part_of(t, cut, count) for t, cut in zip(types, ins, strict=True)]
    assert core(parts) == core(graph.in_types), (types, ins, graph)
    made = [whole_of(t, cut, count) for t, cut in zip(graph.out_types, outs, strict=True)]
    return [_outside(t, axis) for t in made]


def _outside(t: ArrayType, axis: str) -> ArrayType:
    """The type where the row of devices has no name."""
    return t.varying(tuple([a for a in t.vary if a != axis]))


def shard_map(graph: Graph, args: Sequence, ins: Cuts, outs: Cuts, **params) -> list:
    """Apply `graph` on all devices as one equation; returns the list of its results, those not cut being the same.

    params: axis, the name of the row of devices; count, how many they are; devices, their numbers, or None for the
    first ones; name, that of the function.
    """
    graph = _closed(graph, outs, params["axis"])
    return bind(shard_map_p, *args, graph=intern(simplify_pass.simplify(graph)), ins=ins, outs=outs, **params)


@rewrite
def _closed(graph: Graph, outs: Cuts, axis: str) -> Graph:
    """The graph with results that are cut varying over the devices, as their cotangents do, and those that are not cut
    the same on all of them: of a cotangent, the parts are summed."""
    if all([(cut is None) != (axis in t.vary) for t, cut in zip(graph.out_types, outs, strict=True)]):
        return graph

    def result(y, cut):
        return vary(y, (axis,)) if cut is not None else psum(y, (axis,)) if axis in y.type.vary else y

    def body(*xs):
        return [result(y, cut) for y, cut in zip(inline(graph, xs), outs, strict=True)]

    return rebuild(body, graph.in_types, "shard_map")


def _jvp(xs, ts, *, graph, ins, outs, **params):
    active = tuple([t is not None for t in ts])
    new, mask = jvp_pass.jvp(graph, active)
    given = [*xs, *[t for t in ts if t is not None]]
    made = shard_map(new, given, (*ins, *pick(ins, active)), (*outs, *pick(outs, mask)), **params)
    return made[: len(outs)], spread(made[len(outs) :], mask)


def _partition(eqn, known, types):
    """What the second half needs of a device stays on it: its parts are joined along a new axis in between."""
    params = dict(eqn.params)
    graph, count, ins, outs = params["graph"], params["count"], params["ins"], params["outs"]
    part = partition_pass.partition(graph, known)
    n = sum(part.known)
    saved = part.first.out_types[n:]
    first = _with_axis(part.first, (), tuple(range(n, n + len(saved))))
    second = _with_axis(part.second, tuple([i for i, r in enumerate(part.residuals) if r >= n]), ())
    start = len(types)
    types.extend([_outside(whole_of(t.with_shape((1, *t.shape)), 0, count), params["axis"]) for t in saved])
    known_ins, known_outs = pick(eqn.ins, known), pick(eqn.outs, part.known)
    known_cuts, first_cuts = pick(ins, known), (*pick(outs, part.known), *[0] * len(saved))
    first_outs = (*known_outs, *range(start, len(types)))
    late_cuts = (*part.forward(known_cuts, first_cuts), *pick(ins, known, False))
    late_ins = (*part.forward(known_ins, first_outs), *pick(eqn.ins, known, False))
    late_outs = pick(eqn.outs, part.known, False)
    halves = (_equation(params, first, known_ins, known_cuts, first_outs, first_cuts),
              _equation(params, second, late_ins, late_cuts, late_outs, pick(outs, part.known, False)))  # fmt: skip
    return [half if half.outs or dict(half.params)["graph"].effects else None for half in halves]


def _equation(params: dict, graph: Graph, ins: tuple, cuts: Cuts, outs: tuple, out_cuts: Cuts) -> Eqn:
    made = {**params, "graph": intern(graph), "ins": cuts, "outs": out_cuts}
    return Eqn(shard_map_p, ins, tuple(made.items()), outs)


@rewrite
def _with_axis(graph: Graph, ins: tuple[int, ...], outs: tuple[int, ...]) -> Graph:
    """The graph with a new axis 0 of one element at some inputs, or at some results."""
    def body(*xs):
        given = [reshape(x, x.shape[1:]) if i in ins else x for i, x in enumerate(xs)]
        made = inline(graph, given)
        return [reshape(y, (1, *y.shape)) if i in outs else y for i, y in enumerate(made)]

    types = [t.with_shape((1, *t.shape)) if i in ins else t for i, t in enumerate(graph.in_types)]
    return rebuild(body, types, "partition")


def _transpose(cts, *xs, graph, ins, outs, **params):
    linear, given = tuple([is_linear(x) for x in xs]), tuple([ct is not None for ct in cts])
    new, mask = transpose_pass.transpose(graph, linear, given)
    operands = [*pick(xs, linear, False), *[ct for ct in cts if ct is not None]]
    cuts = (*pick(ins, linear, False), *pick(outs, given))
    found = iter(spread(shard_map(new, operands, cuts, pick(pick(ins, linear), mask), **params), mask))
    return [next(found) if is_wanted else None for is_wanted in linear]


def _vmap(size, xs, batched, *, graph, ins, outs, axis_name=None, **params):
    new, mask = vmap_pass.vmap(graph, size, batched, axis_name)
    return shard_map(new, xs, _moved(ins, batched), _moved(outs, mask), **params), mask


def _moved(cuts: Cuts, batched: Sequence[bool]) -> Cuts:
    return tuple([cut + b if cut is not None else None for cut, b in zip(cuts, batched, strict=True)])


def _dce(eqn, live):
    params = dict(eqn.params)
    graph = params["graph"]
    if not all(live):
        graph = compact(graph.types, graph.ins, graph.eqns, pick(graph.outs, live), graph.sources)
    new = simplify_pass.dce(graph)
    used = {a for e in new.eqns for a in e.ins} | set(new.outs)
    keep = tuple([i in used for i in new.ins])
    if all(live) and all(keep) and len(new.eqns) == len(graph.eqns):
        return eqn
    new = compact(new.types, pick(new.ins, keep), new.eqns, new.outs, new.sources)
    cuts, out_cuts = pick(params["ins"], keep), pick(params["outs"], live)
    return _equation(params, new, pick(eqn.ins, keep), cuts, pick(eqn.outs, live), out_cuts)


def _rewire(eqn, graphs, extras):
    """Further operands are the same on all devices."""
    (graph,), (extra,) = graphs, extras
    params = dict(eqn.params)
    cuts = (*[None] * len(extra), *params["ins"])
    return _equation(params, graph, (*extra, *eqn.ins), cuts, eqn.outs, params["outs"])


shard_map_p = Primitive(
    "shard_map",
    params=("graph", "ins", "outs", "axis", "count", "devices", "name"),
    many=True,
    infer=_infer,
    jvp=_jvp,
    partition=_partition,
    transpose=_transpose,
    vmap=_vmap,
    dce=_dce,
    depends=lambda smooth, *, graph, **_: depends(graph, smooth),
    reaches=lambda mapping, mask, **_: [mask],
    rewire=_rewire,
)


@rewrite
def on_one(graph: Graph, axis: str, size: int, ins: Cuts, outs: Cuts) -> Graph:
    """The graph of a `shard_map` run by a single device: its parts are the rows of a vmap."""

    def body(*xs):
        rows = [x if cut is None else _cut_rows(x, cut, size) for x, cut in zip(xs, ins, strict=True)]
        new, mask = vmap_pass.vmap(graph, size, tuple([cut is not None for cut in ins]), axis)
        made = zip(inline(new, rows), mask, outs, strict=True)
        return [y if cut is None else _joined_rows(y, b, cut, size) for y, b, cut in made]

    types = [whole_of(t, cut, size) for t, cut in zip(graph.in_types, ins, strict=True)]
    return rebuild(body, [_outside(t, axis) for t in types], "shard_map")


def _cut_rows(x, cut: int, size: int):
    """The parts along a new axis 0."""
    shape = x.shape
    x = reshape(x, (*shape[:cut], size, shape[cut] // size, *shape[cut + 1 :]))
    return transpose(x, (cut, *[i for i in range(x.ndim) if i != cut]))


def _joined_rows(y, batched: bool, cut: int, size: int):
    """The inverse of `_cut_rows`."""
    y = y if batched else batch(y, size)
    y = transpose(y, (*range(1, cut + 1), 0, *range(cut + 1, y.ndim)))
    return reshape(y, (*y.shape[:cut], size * y.shape[cut + 1], *y.shape[cut + 2 :]))


@rewrite
def devices_of(graph: Graph) -> tuple[int, tuple[int, ...] | None] | None:
    """How many devices a program needs, and which, at whatever depth it says so; None: it says nothing."""
    found = None
    for each in (graph, *nested(graph)):
        for eqn in each.eqns:
            if eqn.prim is shard_map_p:
                params = dict(eqn.params)
                found = max(found or (0, None), (params["count"], params["devices"]), key=lambda item: item[0])
    return found


@rewrite
def cuts_of(graph: Graph, count: int) -> Cuts:
    """Along which axis each input is cut where it is first used on so many devices."""
    found: dict[int, int | None] = {}
    for eqn in graph.eqns:
        params = dict(eqn.params)
        if eqn.prim is shard_map_p and params["count"] == count:
            cuts = params["ins"]
        elif eqn.prim is call_p:
            cuts = cuts_of(params["graph"], count)
        else:
            continue
        for a, cut in zip(eqn.ins, cuts, strict=True):
            if cut is not None:
                found.setdefault(a, cut)
    return tuple([found.get(i) for i in graph.ins])
