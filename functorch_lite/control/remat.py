"""`remat`: a graph as one equation, of which reverse mode saves little and computes the rest again.

Partition splits it in two: the first half gives the results and what the policy says is saved, the second starts from
that and computes again what else it needs. A half that computes something again is a `replay`: compiled, it is kept
apart from the first computation, which XLA would otherwise take for the same and keep its results.

A policy is a value: None saves nothing, "everything" all; "dots" saves products, "dots_no_batch" those without batch
axes; ("only", name...) saves what has one of these names, ("named_except", name...) what has another one,
("all_except", name...) all that has none of them; ("either", p, q) what p or q saves. A `Chosen` asks a function of
the user, about (primitive, *types of operands, **parameters); a graph that holds it is open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from functorch_lite.control.call import call_p
from functorch_lite.control.loops import resaved
from functorch_lite.control.varied import any_varies, fitted
from functorch_lite.ir import Eqn, Graph, Lit, Primitive, Token, applied, compact, intern
from functorch_lite.prims.contract import dot_p
from functorch_lite.prims.contract import split as terms
from functorch_lite.prims.linear import is_linear
from functorch_lite.prims.naming import name_p
from functorch_lite.silent import silent
from functorch_lite.trace import bind
from functorch_lite.transforms import jvp as jvp_pass
from functorch_lite.transforms import partition as partition_pass
from functorch_lite.transforms import transpose as transpose_pass
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import pick, rewrite, spread, via
from functorch_lite.transforms.depends import depends
from functorch_lite.transforms.partition import Partition
from functorch_lite.transforms.simplify import dce, simplify


class Chosen(Token):
    """A policy that is a Python function."""

    __slots__ = ("fun",)

    def __init__(self, fun: Callable):
        self.fun = fun

    def __repr__(self) -> str:
        return f"<policy `{getattr(self.fun, '__name__', type(self.fun).__name__)}`>"


def saves(policy, prim: Primitive, types: Sequence, params: dict, names: Sequence[str] = ()) -> bool:
    """Whether a policy saves what an operation gives; `names`: those that its result gets."""
    if prim is name_p:
        names = (params["name"],)
    if policy is None or policy == "everything":
        return policy is not None
    if isinstance(policy, Chosen):
        return bool(policy.fun(prim, *types, **params)) or any(policy.fun(name_p, *types[:1], name=n) for n in names)
    if policy == "dots":
        return prim is dot_p
    if policy == "dots_no_batch":
        return prim is dot_p and not set.intersection(*map(set, terms(params["spec"])))
    kind, *rest = policy
    if kind == "either":
        return any(saves(p, prim, types, params, names) for p in rest)
    if kind == "only":
        return any(n in rest for n in names)
    if kind == "named_except":
        return any(n not in rest for n in names)
    assert kind == "all_except", policy
    return all(n not in rest for n in names)


def _keep(policy, graph: Graph) -> Callable[[int, Eqn], bool]:
    """Whether a value of `graph` is saved, given the equation that makes it.

    A named value is the one it was before it got the name, so that one is saved in its place.
    """
    names: dict[int, list[str]] = {}
    before: dict[int, Any] = {}  # a named value -> what it was without a name
    for eqn in graph.eqns:
        if eqn.prim is name_p:
            (a,), (o,) = eqn.ins, eqn.outs
            before[o] = before.get(a, a)
            names.setdefault(before[o], []).append(dict(eqn.params)["name"])

    def keep(value: int, eqn: Eqn) -> bool:
        if silent(eqn) is None:
            return True
        types = [a.type if type(a) is Lit else graph.types[a] for a in eqn.ins]
        return eqn.prim is not name_p and saves(policy, eqn.prim, types, dict(eqn.params), names.get(value, ()))

    return keep


def opened(graph: Graph) -> Graph:
    """The graph with the equations of the functions it calls in place of the calls, and the lines of both."""
    if all(eqn.prim is not call_p for eqn in graph.eqns):
        return graph
    types, eqns, sources = list(graph.in_types), [], []

    def emit(eqn: Eqn, of: Graph, number: list, source) -> None:
        start = len(types)
        types.extend([of.types[o] for o in eqn.outs])
        number.extend(range(start, len(types)))
        ins = tuple([a if type(a) is Lit else number[a] for a in eqn.ins])
        eqns.append(Eqn(eqn.prim, ins, eqn.params, tuple(range(start, len(types)))))
        sources.append(source)

    outer = list(graph.ins)
    for eqn, source in zip(graph.eqns, graph.sources, strict=True):
        if eqn.prim is not call_p:
            emit(eqn, graph, outer, source)
            continue
        called = opened(dict(eqn.params)["graph"])
        inner = [outer[a] for a in eqn.ins]
        for e, s in zip(called.eqns, called.sources, strict=True):
            emit(e, called, inner, source if s is None or type(s) is int else s)
        outer.extend([inner[o] for o in called.outs])
    outs = tuple([outer[o] for o in graph.outs])
    return Graph(tuple(types), graph.ins, tuple(eqns), outs, tuple(sources), graph.names)


# ---- the record ----


def split(graph: Graph, known: tuple[bool, ...], policy) -> tuple[Partition, bool]:
    """The two halves, and whether the second computes something again."""
    return (_split.__wrapped__ if isinstance(policy, Token) else _split)(graph, known, policy)


@rewrite
def _split(graph: Graph, known: tuple[bool, ...], policy) -> tuple[Partition, bool]:
    if policy not in (None, "everything"):
        graph = opened(graph)
    whole = partition_pass.partition(graph, known)
    if policy == "everything":
        return _traced_back(whole, graph), False
    free = [True] * len(whole.first.ins)
    part = resaved(whole, lambda first, wanted, free: _keep(policy, first), free, "checkpoint")
    return _traced_back(part, graph), part is not whole


def _traced_back(part: Partition, graph: Graph) -> Partition:
    """The halves with the lines of the graph they come from, as far as it is known which equation that was."""
    return part._replace(first=via(part.first, graph), second=via(part.second, graph))


def _partition(eqn, known, types):
    params = dict(eqn.params)
    part, again = split(params["graph"], tuple(known), params["policy"])
    first, second = part.first, part.second
    known_ins, outs = pick(eqn.ins, known), pick(eqn.outs, part.known)
    start = len(types)
    types.extend(first.out_types[len(outs) :])
    outs = (*outs, *range(start, len(types)))
    rest = (*part.forward(known_ins, outs), *pick(eqn.ins, known, False))
    unknown = pick(eqn.outs, part.known, False)
    replay = params["replay"] or again
    early = _equation(eqn, first, known_ins, outs, replay=replay)
    late = _equation(eqn, second, rest, unknown, replay=replay)
    return early if outs or first.effects else None, late if unknown or second.effects else None


def _equation(eqn, graph: Graph, ins, outs, **changed) -> Eqn:
    params = {**dict(eqn.params), "graph": intern(via(simplify(graph), graph)), **changed}
    return Eqn(remat_p, tuple(ins), tuple(params.items()), tuple(outs))


def _apply(new: Graph, graph: Graph, args, params) -> list:
    """Apply `new`, which a pass made of `graph`."""
    new = via(via(simplify(new), new), graph)
    return bind(remat_p, *args, graph=intern(new), **params)


def _jvp(xs, ts, *, graph, **params):
    new, mask = jvp_pass.jvp(graph, tuple([t is not None for t in ts]))
    outs = _apply(new, graph, [*xs, *[t for t in ts if t is not None]], params)
    return outs[: len(mask)], spread(outs[len(mask) :], mask)


def _transpose(cts, *xs, graph, **params):
    linear = tuple([is_linear(x) for x in xs])
    new, mask = transpose_pass.transpose(graph, linear, tuple([ct is not None for ct in cts]))
    outs = _apply(new, graph, [*pick(xs, linear, False), *[ct for ct in cts if ct is not None]], params)
    wanted = iter(spread(outs, mask))
    return [next(wanted) if is_wanted else None for is_wanted in linear]


def _vmap(size, xs, batched, *, graph, axis_name=None, **params):
    new, mask = vmap_pass.vmap(graph, size, batched, axis_name)
    return _apply(new, graph, xs, params), mask


def _dce(eqn, live):
    """Without the results that are not live, what only they need, and the operands that nothing reads."""
    graph = dict(eqn.params)["graph"]
    fewer = compact(graph.types, graph.ins, graph.eqns, pick(graph.outs, live), graph.sources)
    new = dce(fewer)
    used = {a for e in new.eqns for a in e.ins} | set(new.outs)
    keep = tuple([i in used for i in new.ins])
    if all(live) and all(keep) and len(new.eqns) == len(graph.eqns):
        return eqn
    new = compact(new.types, pick(new.ins, keep), new.eqns, new.outs, new.sources)
    return _equation(eqn, new, pick(eqn.ins, keep), pick(eqn.outs, live))


def _rewire(eqn, graphs, extras):
    (graph,), (extra,) = graphs, extras
    return Eqn(remat_p, (*extra, *eqn.ins), (("graph", intern(graph)), *eqn.params[1:]), eqn.outs)


remat_p = Primitive(
    "remat",
    params=("graph", "policy", "prevent_cse", "replay", "name"),
    many=True,
    infer=lambda *types, graph, **_: applied(graph, types),
    jvp=_jvp,
    partition=_partition,
    transpose=_transpose,
    vmap=_vmap,
    dce=_dce,
    depends=lambda smooth, *, graph, **_: depends(graph, smooth),
    reaches=lambda mapping, mask, **_: [mask],
    rewire=_rewire,
)


def remat(graph: Graph, args: Sequence, policy, prevent_cse: bool, name: str) -> list:
    """Apply `graph` as one equation; returns the list of its results."""
    if any_varies(args, graph):
        (graph,) = fitted([graph], args, len(args))
    return bind(remat_p, *args, graph=intern(graph), policy=policy, prevent_cse=prevent_cse, replay=False, name=name)
