"""`call`: a graph as one equation. This is what a jitted function is inside anything else."""

from __future__ import annotations

from functorch_lite.control.varied import any_varies, fitted
from functorch_lite.ir import Eqn, Primitive, applied, compact, intern
from functorch_lite.prims.linear import is_linear
from functorch_lite.trace import bind
from functorch_lite.transforms import jvp as jvp_pass
from functorch_lite.transforms import partition as partition_pass
from functorch_lite.transforms import simplify as simplify_pass
from functorch_lite.transforms import transpose as transpose_pass
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import pick, spread
from functorch_lite.transforms.depends import depends


def _jvp(xs, ts, *, graph, name):
    new, mask = jvp_pass.jvp(graph, tuple([t is not None for t in ts]))
    outs = _derived(new, [*xs, *[t for t in ts if t is not None]], name)
    return outs[: len(mask)], spread(outs[len(mask) :], mask)


def _partition(eqn, known, types):
    params = dict(eqn.params)
    part = partition_pass.partition(params["graph"], known)
    known_ins, known_outs = pick(eqn.ins, known), pick(eqn.outs, part.known)
    start = len(types)
    types.extend(part.first.out_types[len(known_outs) :])
    first_outs = (*known_outs, *range(start, len(types)))
    second_ins = (*part.forward(known_ins, first_outs), *pick(eqn.ins, known, False))
    name = ("name", params["name"])
    first = Eqn(call_p, known_ins, (("graph", intern(part.first)), name), first_outs)
    second = Eqn(call_p, second_ins, (("graph", intern(part.second)), name), pick(eqn.outs, part.known, False))
    return [half if half.outs or half.params[0][1].effects else None for half in (first, second)]


def _transpose(cts, *xs, graph, name):
    linear = tuple([is_linear(x) for x in xs])
    new, mask = transpose_pass.transpose(graph, linear, tuple([ct is not None for ct in cts]))
    outs = _derived(new, [*pick(xs, linear, False), *[ct for ct in cts if ct is not None]], name)
    wanted = iter(spread(outs, mask))
    return [next(wanted) if is_wanted else None for is_wanted in linear]


def _vmap(size, xs, batched, *, graph, name, axis_name=None):
    new, mask = vmap_pass.vmap(graph, size, batched, axis_name)
    return _derived(new, xs, name), mask


def _dce(eqn, live):
    """Without the results that are not live, what only they need, and the operands that nothing reads."""
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
    return Eqn(call_p, pick(eqn.ins, keep), (("graph", intern(new)), ("name", params["name"])), pick(eqn.outs, live))


def _rewire(eqn, graphs, extras):
    (graph,), (extra,) = graphs, extras
    return Eqn(call_p, (*extra, *eqn.ins), (("graph", intern(graph)), ("name", dict(eqn.params)["name"])), eqn.outs)


call_p = Primitive(
    "call",
    params=("graph", "name"),
    many=True,
    infer=lambda *types, graph, name: applied(graph, types),
    jvp=_jvp,
    partition=_partition,
    transpose=_transpose,
    vmap=_vmap,
    dce=_dce,
    depends=lambda smooth, *, graph, name: depends(graph, smooth),
    reaches=lambda mapping, mask, **_: [mask],
    rewire=_rewire,
)


def call(graph, args, name):
    """Apply `graph` as one equation; returns the list of its results."""
    if any_varies(args, graph):
        (graph,) = fitted([graph], args, len(args))
    return bind(call_p, *args, graph=intern(graph), name=name)


def _derived(graph, args, name):
    """Apply a graph that a pass made."""
    return call(simplify_pass.simplify(graph), args, name)
