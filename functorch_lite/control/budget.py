"""Reverse mode in bounded memory: the parts that a plan computes twice become equations `remat`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from functorch_lite.control.call import call, call_p
from functorch_lite.control.chunks import chunk_sizes, chunked
from functorch_lite.control.cond import cond_p
from functorch_lite.control.loops import CHEAP, REPEATED
from functorch_lite.control.remat import opened, remat_p
from functorch_lite.control.scan import Loop, scan_p
from functorch_lite.ir import Eqn, Graph, compact, intern, subgraphs
from functorch_lite.prims.contract import dot_p
from functorch_lite.prims.contract import split as terms
from functorch_lite.prims.naming import name_p
from functorch_lite.prims.shape import reshape_p
from functorch_lite.prims.slicing import pad_p, slice_p
from functorch_lite.transforms import budget, reverse
from functorch_lite.transforms.common import again, read, rebuild, rewrite, via, visit
from functorch_lite.transforms.simplify import indexed, simplify

# Times in picoseconds of a core: what matters is how they compare.
_PER_FLOP, _PER_SIMPLE, _PER_FUNCTION, _START = 20, 400, 1500, 2e7
_MARGIN = 0.1  # by how much the model of compiled programs may be wrong


def _compiled(eqn: Eqn) -> str | None:
    """What XLA's CPU compiler makes part of the loops that read it."""
    prim = eqn.prim
    if prim in REPEATED:
        return "repeat"
    if prim is reshape_p:
        return "view"
    if prim in CHEAP or prim in (name_p, slice_p, pad_p):
        return "cheap"
    if prim.many:
        return None
    if prim.literals:
        return "dear"
    return "end" if prim.name.startswith("reduce") else None


def _work(graph: Graph, eqn: Eqn) -> float:
    """How long an equation takes."""
    params, size = dict(eqn.params), sum([graph.types[o].size for o in eqn.outs])
    if eqn.prim is dot_p:
        sizes: dict[str, int] = {}
        for term, a in zip(terms(params["spec"]), (*eqn.ins, *eqn.outs), strict=True):
            sizes.update(zip(term, graph.types[a].shape, strict=True))
        return _PER_FLOP * 2 * math.prod(sizes.values())
    inner = sum([_whole(g) for g in subgraphs(eqn.params)])
    return inner * params.get("length", 1) if inner else size * (_PER_SIMPLE if eqn.prim in CHEAP else _PER_FUNCTION)


@rewrite
def _whole(graph: Graph) -> float:
    return sum([_work(graph, eqn) for eqn in graph.eqns])


_eager = lambda eqn: "view" if eqn.prim is reshape_p else None
_turns = lambda eqn: eqn.prim not in (call_p, remat_p, cond_p)
_keeps = lambda eqn: eqn.prim is dot_p
_COMPILED = budget.Model(_compiled, _turns, _work, _keeps, _START, 0)
_EAGER = budget.Model(_eager, _turns, _work, _keeps, _START, 1 << 16)  # below, the NumPy executor frees nothing early


def outlined(graph: Graph, stretches: Sequence[budget.Stretch]) -> Graph:
    """The graph with an equation `remat` in place of each stretch; sources are indices of its equations."""
    reads: dict[int, int] = {a: k for k, eqn in enumerate(graph.eqns) for a in eqn.ins if type(a) is int}
    reads.update(dict.fromkeys([o for o in graph.outs if type(o) is int], len(graph.eqns)))
    eqns, sources, done = [], [], 0
    for start, stop, keep, inner in stretches:
        eqns.extend(graph.eqns[done:start])
        sources.extend(range(done, start))
        inside = graph.eqns[start:stop]
        made = [o for eqn in inside for o in eqn.outs]
        ins = sorted({a for eqn in inside for a in eqn.ins if type(a) is int}.difference(made))
        outs = [o for o in made if reads.get(o, -1) >= stop]
        part = compact(graph.types, ins, inside, outs, range(start, stop))
        if inner:
            cuts = [0, *[k - start for k in inner], stop - start]
            part = outlined(part, [budget.Stretch(a, b, False, ()) for a, b in pairwise(cuts)])
        params = {"graph": intern(part), "policy": "dots" if keep else None, "prevent_cse": True, "replay": False}
        eqns.append(Eqn(remat_p, tuple(ins), (*params.items(), ("name", "stretch")), tuple(outs)))
        sources.append(start)
        done = stop
    eqns.extend(graph.eqns[done:])
    sources.extend(range(done, len(graph.eqns)))
    return compact(graph.types, graph.ins, eqns, graph.outs, sources)


# ---- loops ----

_LEVELS = 4


@rewrite
def lean(graph: Graph, level: int) -> Graph:
    """The graph with loops that save less: 0: as they are; 1: what goes into a turn; 2: that of the first turn of some
    chunks, and of the turns of one chunk; 3: so with chunks of chunks."""
    if level == 0 or all(not _shrinks(eqn) for eqn in graph.eqns):
        return indexed(graph)

    def body(*args):
        env = dict(zip(graph.ins, args, strict=True))
        for eqn, params in visit(graph):
            if _shrinks(eqn):
                loop = Loop(**params)._replace(remat=True)
                sizes = chunk_sizes((None, "sqrt", "binomial")[level - 1], loop.length)
                ys = chunked(loop, read(env, eqn.ins), sizes)
            else:
                ys = again(graph, eqn, env)
            env.update(zip(eqn.outs, ys if eqn.prim.many else [ys], strict=True))
        return read(env, graph.outs)

    return rebuild(body, graph.in_types, "grad")


def _shrinks(eqn: Eqn) -> bool:
    params = dict(eqn.params)
    return eqn.prim is scan_p and params["length"] > 1 and not params["remat"]


# ---- the search ----


@rewrite
def value_and_grad(graph: Graph, active: tuple[bool, ...], limit: int, compiled: bool) -> tuple[Graph, int]:
    """`reverse.value_and_grad` that holds no more than `limit` bytes if it can be; and how many it holds.

    Arguments and results are not counted. compiled: whether XLA will run it, or NumPy.
    """
    model, bound = (_COMPILED, limit * (1 - _MARGIN)) if compiled else (_EAGER, limit)
    flat = opened(indexed(graph))
    flat = via(simplify(flat), flat)
    made, needs = _measured(flat, active, model)
    for level in range(_LEVELS if any(map(_shrinks, flat.eqns)) else 1):
        if needs <= bound:
            break
        part = lean(flat, level)
        found, least = _searched(part, active, model, bound)
        if least < needs:
            made, needs = via(found, part), least
    return via(made, flat), math.ceil(needs / (1 - _MARGIN)) if compiled else needs


def in_one_call(graph: Graph) -> Graph:
    """The graph as one call, which runs compiled."""
    return rebuild(lambda *xs: call(graph, xs, "grad"), graph.in_types, "grad")


def _measured(graph: Graph, active, model: budget.Model) -> tuple[Graph, int]:
    made = reverse.value_and_grad(graph, active)
    return made, budget.peak(made, model)


def _searched(graph: Graph, active, model: budget.Model, bound: float) -> tuple[Graph, int]:
    """The fastest plan that holds no more than `bound` bytes, or the one that holds least; and what it holds."""
    plans = budget.plans(graph, active, model)
    tried: dict[int, tuple[Graph, int]] = {}
    low, high = 0, len(plans)
    while low < high:
        k = (low + high) // 2
        part = outlined(graph, plans[k].stretches)
        made, needs = _measured(part, active, model)
        tried[k] = via(made, part), needs
        low, high = (low, k) if needs <= bound else (k + 1, high)
    made, needs = tried[low] if low in tried else min(tried.values(), key=lambda row: row[1])
    return via(made, graph), needs
