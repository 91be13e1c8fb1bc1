"""Functions with rules of their own.

`custom` is the open form, recorded when such a function is called: it holds the function as a graph, and its rules as
a token. Before a transform needs a rule, `transforms.close` traces it and puts a closed form in its place, which holds
the traced rule as a graph: `with_jvp`, `with_vjp` or `with_vmap`. A rule is used up by the transform it is for; what it
called itself is the business of the next one.
"""

from __future__ import annotations

from functorch_lite.control.call import call, call_p
from functorch_lite.dtypes import is_inexact
from functorch_lite.errors import CapturedError
from functorch_lite.ir import ArrayType, Eqn, Graph, Primitive, Token, applied, intern, is_open, subgraphs
from functorch_lite.prims.linear import is_linear
from functorch_lite.prims.shape import batch, zeros_like
from functorch_lite.trace import at, bind, inline, typeof
from functorch_lite.transforms import jvp as jvp_pass
from functorch_lite.transforms import transpose as transpose_pass
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import pick, rebuild, rewrite, spread
from functorch_lite.transforms.depends import depends


def _primal_jvp(graph, name, xs, ts):
    """Differentiate the function itself: what happens where it has no rule for the transform."""
    new, mask = jvp_pass.jvp(graph, tuple([t is not None for t in ts]))
    outs = call(new, [*xs, *[t for t in ts if t is not None]], name)
    return outs[: len(mask)], spread(outs[len(mask) :], mask)


def _primal_transpose(cts, *xs, graph, name, extras=0, **_):
    xs = xs[extras:]
    linear = tuple([is_linear(x) for x in xs])
    new, mask = transpose_pass.transpose(graph, linear, tuple([ct is not None for ct in cts]))
    outs = call(new, [*pick(xs, linear, False), *[ct for ct in cts if ct is not None]], name)
    wanted = iter(spread(outs, mask))
    return [*[None] * extras, *[next(wanted) if is_wanted else None for is_wanted in linear]]


def _primal_vmap(size, xs, batched, *, graph, extras, name, axis_name=None, **_):
    new, mask = vmap_pass.vmap(graph, size, batched[extras:], axis_name)
    return call(new, xs[extras:], name), mask


@rewrite
def _all_batched(graph: Graph, size: int, mask: tuple[bool, ...]) -> tuple[Graph, tuple[bool, ...]]:
    """A mapped graph with all of its results batched."""
    if all(mask):
        return graph, mask

    def body(*args):
        return [x if b else batch(x, size) for x, b in zip(inline(graph, args), mask, strict=True)]

    return rebuild(body, graph.in_types, "vmap"), (True,) * len(mask)


def _vmap_custom(size, xs, batched, *, graph, rule, name, axis_name=None):
    new, mask = vmap_pass.vmap(graph, size, batched, axis_name)
    if any(batched) and not vmap_pass.mentions(graph, axis_name):
        # the tangent of a result that is the same for all rows may still differ between them
        new, mask = _all_batched(new, size, mask)
    mapped = rule.mapped(size, batched, mask, axis_name)
    return bind(custom_p, *xs, graph=intern(new), rule=mapped, name=name), mask


@rewrite
def tangents_too(graph: Graph, active: tuple[bool, ...]) -> Graph:
    """(operands..., tangents of the active ones) -> (results..., tangents of all float results)."""
    new, mask = jvp_pass.jvp(graph, active)

    def body(*args):
        outs = inline(new, args)
        found = iter(outs[len(mask) :])
        tangents = [next(found) if m else zeros_like(t) for m, t in zip(mask, graph.out_types, strict=True)
                    if is_inexact(t.dtype)]  # fmt: skip
        return [*outs[: len(mask)], *tangents]

    return rebuild(body, new.in_types, "jvp")


def _jvp_custom(xs, ts, *, graph, rule, name):
    """A vmap rule serves the function with its tangents too, unless these are of what the function captured."""
    active = tuple([t is not None for t in ts])
    if not rule.maps or any(active[: rule.captured]):
        return _primal_jvp(graph, name, xs, ts)
    given, n = [t for t in ts if t is not None], len(graph.out_types)
    pushed = rule.pushed(active, n)
    made = bind(custom_p, *xs, *given, graph=intern(tangents_too(graph, active)), rule=pushed, name=name)
    tangents = iter(made[n:])
    return made[:n], [next(tangents) if is_inexact(t.dtype) else None for t in graph.out_types]


def _partition_custom(eqn, known, types):
    """The halves are no longer the function, and have no rules."""
    params = dict(eqn.params)
    plain = Eqn(call_p, eqn.ins, (("graph", params["graph"]), ("name", params["name"])), eqn.outs)
    split = call_p.partition
    assert split is not None
    return split(plain, known, types)


def _rewire_custom(eqn, graphs, extras):
    (graph,), (extra,), params = graphs, extras, dict(eqn.params)
    params["graph"], params["rule"] = intern(graph), params["rule"].after(len(extra)) if extra else params["rule"]
    return Eqn(custom_p, (*extra, *eqn.ins), tuple(params.items()), eqn.outs)


custom_p = Primitive(
    "custom",
    params=("graph", "rule", "name"),
    many=True,
    infer=lambda *types, graph, rule, name: applied(graph, types),
    jvp=_jvp_custom,
    partition=_partition_custom,
    transpose=_primal_transpose,
    vmap=_vmap_custom,
    depends=lambda smooth, *, graph, rule, name: depends(graph, smooth),
    reaches=lambda mapping, mask, **_: [mask],
    rewire=_rewire_custom,
)


# ---- closed for forward mode ----


def captured_error(name: str, type_: ArrayType) -> CapturedError:
    return CapturedError(f"`{name}` has its own derivative rule, but captured {type_}, which is differentiated here, "
                     f"at {at()}; pass it as an argument")  # fmt: skip


def _refuse_captured(xs, ts, active, extras, name):
    """Tangents of what the function captured have no place in its rule; for what the rule captured, none is asked."""
    for x, t, a in list(zip(xs, ts, active, strict=True))[extras:]:
        if t is not None and not a:
            raise captured_error(name, typeof(x))


def _jvp_with_jvp(xs, ts, *, graph, jvp, active, extras, name):
    _refuse_captured(xs, ts, active, extras, name)
    given = [zeros_like(x.type) if t is None else t for x, t, a in zip(xs, ts, active, strict=True) if a]
    outs = call(jvp, [*xs[: extras], *xs[extras:], *given], name)
    n = len(graph.out_types)
    tangents = iter(outs[n:])
    return outs[:n], [next(tangents) if is_inexact(t.dtype) else None for t in graph.out_types]


with_jvp_p = Primitive(
    "with_jvp",  # operands: what the rule captured, then those of `graph`; `jvp` takes the tangents of active ones last
    params=("graph", "jvp", "active", "extras", "name"),
    many=True,
    infer=lambda *types, graph, extras, **_: applied(graph, types, extras),
    jvp=_jvp_with_jvp,
    transpose=_primal_transpose,
    vmap=_primal_vmap,
)


# ---- closed for reverse mode ----


def _jvp_with_vjp(xs, ts, *, graph, fwd, bwd, active, extras, name):
    """The forward rule gives results and residuals; the tangents are linear in those of the operands, by `pullback`."""
    _refuse_captured(xs, ts, active, extras, name)
    outs = call(fwd, xs, name)
    n = len(graph.out_types)
    given = [zeros_like(x.type) if t is None else t for x, t, a in zip(xs, ts, active, strict=True) if a]
    tangents = iter(bind(pullback_p, *outs[n:], *given, bwd=bwd, residuals=len(outs) - n, name=name))
    return outs[:n], [next(tangents) if is_inexact(t.dtype) else None for t in graph.out_types]


with_vjp_p = Primitive(
    "with_vjp",  # operands: what the rule captured, then those of `graph`; fwd: (operands) -> (results, residuals)
    params=("graph", "fwd", "bwd", "active", "extras", "name"),
    many=True,
    infer=lambda *types, graph, extras, **_: applied(graph, types, extras),
    jvp=_jvp_with_vjp,
    transpose=_primal_transpose,
    vmap=_primal_vmap,
)


@rewrite
def pushforward_of(bwd, residuals: int, name: str):
    """(residuals..., ct of y...) -> (ct of x...) becomes (residuals..., t of x...) -> (t of y...): the transpose of a
    backward rule, which must be linear in its cotangents."""
    n = len(bwd.ins) - residuals
    linear = (*[False] * residuals, *[True] * n)
    try:
        new, mask = transpose_pass.transpose(bwd, linear, (True,) * len(bwd.outs))
    except TypeError as error:
        raise TypeError(f"forward mode through the vjp rule of `{name}`: {error.args[0].split(',')[0]}, so its "
                        "backward rule cannot be transposed; give it a jvp rule too") from None  # fmt: skip

    def body(*args):
        found = iter(inline(new, args))
        return [next(found) if m else zeros_like(t) for m, t in zip(mask, bwd.in_types[residuals:], strict=True)]

    types = [*bwd.in_types[:residuals], *[t.strong() for t in bwd.out_types]]
    return rebuild(body, types, "pushforward")


def _jvp_pullback(xs, ts, *, bwd, residuals, name):
    forward = pushforward_of(bwd, residuals, name)
    return _primal_jvp(forward, name, xs, ts)


def _transpose_pullback(cts, *xs, bwd, residuals, name):
    given = [zeros_like(t) if ct is None else ct for ct, t in zip(cts, bwd.in_types[residuals:], strict=True)]
    return [*[None] * residuals, *call(bwd, [*xs[:residuals], *given], name)]


def _vmap_pullback(size, xs, batched, *, bwd, residuals, name, axis_name=None):
    """All tangents are made batched, so that the cotangent of one that was not is summed by its own transpose."""
    new, mask = vmap_pass.vmap(bwd, size, (*batched[:residuals], *[True] * (len(bwd.ins) - residuals)), axis_name)

    new, _ = _all_batched(new, size, mask)
    xs = [*xs[:residuals], *[x if b else batch(x, size) for x, b in list(zip(xs, batched, strict=True))[residuals:]]]
    made = bind(pullback_p, *xs, bwd=intern(new), residuals=residuals, name=name)
    return made, (True,) * len(made)


def _rewire_pullback(eqn, graphs, extras):
    (bwd,), (extra,), params = graphs, extras, dict(eqn.params)
    params["bwd"], params["residuals"] = intern(bwd), params["residuals"] + len(extra)
    return Eqn(pullback_p, (*extra, *eqn.ins), tuple(params.items()), eqn.outs)


pullback_p = Primitive(
    "pullback",  # (residuals..., t of x...) -> (t of y...), linear in t; `bwd` is its transpose, as the user wrote it
    params=("bwd", "residuals", "name"),
    many=True,
    infer=lambda *types, bwd, residuals, name: bwd.in_types[residuals:],
    jvp=_jvp_pullback,
    transpose=_transpose_pullback,
    vmap=_vmap_pullback,
    rewire=_rewire_pullback,
)


# ---- closed for vmap ----


def _vmap_with_vmap(size, xs, batched, *, graph, mapped, out_batched, extras, name, axis_name=None):
    """Inside other graphs the rule may have been traced as if more were batched than is: that becomes so here. A rule
    that another `vmap` asked for, which then had no rows of the function, is not this one's."""
    rows = [*mapped.in_types[:extras], *graph.in_types]
    sizes = {wanted.shape[0] for row, wanted in zip(rows, mapped.in_types, strict=True) if wanted.ndim > row.ndim}
    if not sizes <= {size}:
        return _primal_vmap(size, xs, batched, graph=graph, extras=extras, name=name, axis_name=axis_name)
    given = []
    for x, b, row, wanted in zip(xs, batched, rows, mapped.in_types, strict=True):
        if b and wanted.ndim == row.ndim:
            raise TypeError(f"`{name}` has its own vmap rule, but captured a mapped value, at {at()}; pass it as an "
                            "argument")  # fmt: skip
        given.append(x if b or wanted.ndim == row.ndim else batch(x, size))
    return call(mapped, given, name), out_batched


with_vmap_p = Primitive(
    "with_vmap",  # operands: what the rule captured, then those of `graph`; `mapped` is what the rule made of it
    params=("graph", "mapped", "out_batched", "extras", "name"),
    many=True,
    infer=lambda *types, graph, extras, **_: applied(graph, types, extras),
    jvp=lambda xs, ts, *, graph, extras, name, **_: _primal_jvp(graph, name, xs[extras:], ts[extras:]),
    transpose=lambda cts, *xs, graph, extras, name, **_: [
        *[None] * extras, *_primal_transpose(cts, *xs[extras:], graph=graph, name=name)],
    vmap=_vmap_with_vmap,
)

CLOSED = (with_jvp_p, with_vjp_p, with_vmap_p)


def erase(graph: Graph) -> Graph:
    """The graph with functions in place of their rules: what is run and compiled."""
    return _erase(graph, {}) if graph.open else graph


def _erase(graph: Graph, memo: dict) -> Graph:
    if not graph.open:
        return graph
    if graph in memo:
        return memo[graph]
    eqns = []
    for eqn in graph.eqns:
        if is_open(eqn):
            params = dict(eqn.params)
            if eqn.prim is custom_p or eqn.prim in CLOSED:
                inner = (("graph", intern(_erase(params["graph"], memo))), ("name", params["name"]))
                eqn = Eqn(call_p, eqn.ins[params.get("extras", 0) :], inner, eqn.outs)
            else:
                graphs = [_erase(g, memo) for g in subgraphs(eqn.params)]
                eqn = eqn.prim.rewire(eqn, graphs, [()] * len(graphs))
                eqn = eqn._replace(params=tuple([(k, None if isinstance(v, Token) else v) for k, v in eqn.params]))
        eqns.append(eqn)
    made = memo[graph] = Graph(graph.types, graph.ins, tuple(eqns), graph.outs, graph.sources, graph.names)
    return made


def settle(graph: Graph) -> Graph:
    """The graph with what its rules called freed of rules in turn: for a transform after which none follows."""
    if not graph.open:
        return graph
    eqns = []
    for eqn in graph.eqns:
        if not is_open(eqn):
            eqns.append(eqn)
        elif eqn.prim in CLOSED:
            params = [(k, intern(erase(v)) if type(v) is Graph else v) for k, v in eqn.params]
            eqns.append(Eqn(eqn.prim, eqn.ins, tuple(params), eqn.outs))
        elif eqn.prim is custom_p:
            params = dict(eqn.params)
            inner = (("graph", intern(settle(params["graph"]))), ("name", params["name"]))
            eqns.append(Eqn(call_p, eqn.ins, inner, eqn.outs))
        else:
            graphs = [settle(g) for g in subgraphs(eqn.params)]
            eqns.append(eqn.prim.rewire(eqn, graphs, [()] * len(graphs)))
    return Graph(graph.types, graph.ins, tuple(eqns), graph.outs, graph.sources, graph.names)
