"""Reverse mode in bounded memory: how much a graph holds while it runs, and which parts of it to compute twice.

The equations of a graph are cut into stretches. Reverse mode saves what a stretch needs, as always, or saves what goes
into it and computes it again; or it saves, beside that, what is dear to compute. A plan is the choice that takes the
least time of those whose memory, by a model of sizes, stays below a bound: dynamic programming over the cuts.
Source: Chen, Xu, Zhang & Guestrin, arXiv:1604.06174 (2016); Herrmann et al., arXiv:1911.13214 (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from functorch_lite.ir import ArrayType, Eqn, Graph, subgraphs
from functorch_lite.trace import inline
from functorch_lite.transforms.common import pick, rebuild, rewrite
from functorch_lite.transforms.reverse import linearize

_CUTS = 64  # at most: a plan takes time that grows with their square
_FRONT = 40  # choices kept per cut
_STEP = 0.93  # from the bound of one plan to that of the next


class Model(NamedTuple):
    """How a graph is run.

    fuses(eqn): "cheap" where the result is made where it is read, if need be several times; "repeat": so too, and what
    it reads is small; "view": the result is what it reads; "dear": made where it is read, if that is one place; "end":
    only what it reads is made there; None: all is stored.
    turns(eqn): whether its graphs run turn after turn, each of which hands its results to the next.
    work(graph, eqn): how long an equation of it takes. keeps(eqn): whether it is dear enough to save its result even in
    a stretch that is computed twice. start: how long it takes to begin a stretch. small: values of fewer bytes than
    this are freed at the end only.
    """

    fuses: Callable[[Eqn], str | None]
    turns: Callable[[Eqn], bool]
    work: Callable[[Graph, Eqn], float]
    keeps: Callable[[Eqn], bool]
    start: float
    small: int


def nbytes(type_: ArrayType) -> int:
    return type_.size * type_.dtype.itemsize


# ---- what a graph holds ----


class Lives(NamedTuple):
    """last[v]: the index of the last equation for which value v must be there. stored[v]: False where it is made where
    it is read."""

    last: list[int]
    stored: list[bool]


@rewrite
def lives(graph: Graph, model: Model) -> Lives:
    """When each value is there."""
    n = len(graph.types)
    kinds = [model.fuses(eqn) for eqn in graph.eqns]
    readers: list[list[int]] = [[] for _ in range(n)]
    small = set()  # values that are repetitions of smaller ones
    for k, eqn in enumerate(graph.eqns):
        for a in {a for a in eqn.ins if type(a) is int}:
            readers[a].append(k)
        if kinds[k] == "repeat":
            small.update(eqn.outs)
    stored, last, results = [True] * n, [-1] * n, _results(graph, model)
    for k in range(len(graph.eqns) - 1, -1, -1):
        eqn, when = graph.eqns[k], k
        if kinds[k] not in (None, "end") and results.isdisjoint(eqn.outs):
            (o,) = eqn.outs
            rank = graph.types[o].ndim
            large = [a for a in eqn.ins if type(a) is int and a not in small and graph.types[a].ndim >= rank]
            several = len(readers[o]) == 1 or (kinds[k] != "dear" and len(large) <= 1)
            if kinds[k] == "view" or (several and all(kinds[r] is not None for r in readers[o])):
                stored[o], when = False, max(last[o], k)
        for a in eqn.ins:
            if type(a) is int:
                last[a] = max(last[a], when)
    tiny = [nbytes(t) < model.small for t in graph.types]
    return Lives([len(graph.eqns) - 1 if t else k for k, t in zip(last, tiny, strict=True)], stored)


def _results(graph: Graph, model: Model) -> set:
    """The values that are results, or that a result is a view of."""
    results = set(graph.outs)
    for eqn in reversed(graph.eqns):
        if model.fuses(eqn) == "view" and not results.isdisjoint(eqn.outs):
            results.update(eqn.ins)
    return results


@rewrite
def peak(graph: Graph, model: Model) -> int:
    """The most bytes held at once, without inputs and results."""
    last, stored = lives(graph, model)
    results, sizes = _results(graph, model), [nbytes(t) for t in graph.types]
    counted = [s and v not in results and v >= len(graph.ins) for v, s in enumerate(stored)]
    ends: list[list[int]] = [[] for _ in graph.eqns]
    for v, c in enumerate(counted):
        if c and last[v] >= 0:
            ends[last[v]].append(v)
    held = most = 0
    for k, eqn in enumerate(graph.eqns):
        made = sum([sizes[o] for o in eqn.outs if counted[o]])
        freed = sum([sizes[v] for v in ends[k]])
        inside = max([_inside(g, eqn, model) for g in subgraphs(eqn.params)], default=0)
        if model.fuses(eqn) is None:  # its operands are there until its results are
            most = max(most, held + made + inside)
        held += made - freed
        most = max(most, held)
        held -= sum([sizes[o] for o in eqn.outs if counted[o] and last[o] < 0])
    return most


def _inside(graph: Graph, eqn: Eqn, model: Model) -> int:
    """What a graph in an equation holds; that of a loop has its results beside those of the turn before."""
    return peak(graph, model) + (sum([nbytes(t) for t in graph.out_types]) if model.turns(eqn) else 0)


# ---- what its equations cost in reverse mode ----


class Costs(NamedTuple):
    """What is known of the stretches between cuts; arrays over cuts are sums up to there.

    cuts: indices of equations, from 0 to their number. saved: bytes that reverse mode saves. kept: bytes of what is
    dear. work, dear: time of all, and of what is dear. passes: the most bytes that pass from one equation to later
    ones, in the stretch after each cut. given[i, j]: bytes that the stretch from cut i to cut j takes from earlier
    ones.
    """

    cuts: tuple[int, ...]
    saved: np.ndarray
    kept: np.ndarray
    work: np.ndarray
    dear: np.ndarray
    passes: np.ndarray
    given: np.ndarray


@rewrite
def costs(graph: Graph, active: tuple[bool, ...], model: Model) -> Costs:
    """What reverse mode of `graph` costs, stretch by stretch."""
    n = len(graph.eqns)
    saved, kept, work, dear = np.zeros((4, n))
    first, residuals = _saved(graph, active, model)
    for k, eqn in enumerate(first.eqns):
        at = first.sources[k]
        took = model.work(first, eqn)
        work[at] += took
        if model.keeps(eqn):
            dear[at] += took
            kept[at] += sum([nbytes(first.types[o]) for o in eqn.outs])
        saved[at] += sum([nbytes(first.types[o]) for o in eqn.outs if o in residuals])
    passing = _passing(graph)
    cuts = _cuts(saved, passing)
    up_to = lambda x: np.concatenate([[0], np.cumsum(x)])[list(cuts)]
    passes = np.array([passing[a : b + 1].max() for a, b in pairwise(cuts)])
    return Costs(cuts, up_to(saved), up_to(kept), up_to(work), up_to(dear), passes, _given(graph, cuts))


def _saved(graph: Graph, active, model: Model) -> tuple[Graph, set[int]]:
    """The first half of the linearized graph, and which of its values are stored for the second."""
    halves, _ = linearize(graph, active)
    first, second = halves.first, halves.second
    wanted = pick(graph.in_types, active)

    def body(*xs):
        known = xs[: len(first.ins)]
        return inline(second, [*halves.forward(known, inline(first, known)), *xs[len(first.ins) :]])

    whole = rebuild(body, [*first.in_types, *[t.strong() for t in wanted]], "grad")
    _, stored = lives(whole, model)
    origin = {o: eqn for eqn in whole.eqns for o in eqn.outs}
    todo = [a for eqn in whole.eqns[len(first.eqns) :] for a in eqn.ins if type(a) is int]
    seen, found = set(), set()
    limit = len(first.types) + sum(active)  # the values of the first half, after the tangents, which are inputs
    while todo:
        v = todo.pop()
        if v in seen or v >= limit or v not in origin:
            continue
        seen.add(v)
        if stored[v]:
            found.add(v - sum(active))
        else:
            todo.extend([a for a in origin[v].ins if type(a) is int])
    return first, found


def _passing(graph: Graph) -> np.ndarray:
    """Per place between equations, how many bytes pass from before it to after it."""
    change = np.zeros(len(graph.eqns) + 2)
    last = _last_readers(graph)
    for k, eqn in enumerate(graph.eqns):
        for o in eqn.outs:
            if last.get(o, -1) > k:
                change[k + 1] += nbytes(graph.types[o])
                change[last[o] + 1] -= nbytes(graph.types[o])
    return np.cumsum(change)[:-1]


def _last_readers(graph: Graph) -> dict[int, int]:
    return {a: k for k, eqn in enumerate(graph.eqns) for a in eqn.ins if type(a) is int}


def _cuts(saved: np.ndarray, passing: np.ndarray) -> tuple[int, ...]:
    """Where to cut: of places with about as much saved before them, the one where least passes."""
    n = len(saved)
    share = np.cumsum(saved + saved.sum() / (10 * n) + 1.0)
    group = np.minimum((share / share[-1] * (_CUTS - 1)).astype(int), _CUTS - 2)
    best: dict[int, int] = {}
    for k in range(1, n):
        g = group[k - 1]
        if g not in best or passing[k] < passing[best[g]]:
            best[g] = k
    return (0, *sorted(best.values()), n)


def _given(graph: Graph, cuts: tuple[int, ...]) -> np.ndarray:
    """given[i, j]: bytes of the values made before cut i that equations between cuts i and j read."""
    stretch = np.searchsorted(cuts, np.arange(len(graph.eqns)), side="right") - 1
    size = len(cuts)
    given = np.zeros((size, size))
    readers: dict[int, list[int]] = {}
    for k, eqn in enumerate(graph.eqns):
        for a in eqn.ins:
            if type(a) is int:
                readers.setdefault(a, []).append(int(stretch[k]))
    for k, eqn in enumerate(graph.eqns):
        for o in eqn.outs:
            i = int(stretch[k]) + 1
            for read in sorted(set(readers.get(o, ()))):
                if read >= i:  # for every stretch that begins after the reader before this one
                    given[i : read + 1, read + 1] += nbytes(graph.types[o])
                    i = read + 1
    return np.cumsum(given, axis=1)


# ---- the plan ----


class Stretch(NamedTuple):
    """Equations from `start` up to `stop` that are computed twice; `keep`: save what is dear. `inner`: where the second
    computation is cut again, its parts being computed a third time."""

    start: int
    stop: int
    keep: bool
    inner: tuple[int, ...]


class Plan(NamedTuple):
    """What to compute twice, and how long that takes in addition."""

    stretches: tuple[Stretch, ...]
    time: float


@rewrite
def plans(graph: Graph, active: tuple[bool, ...], model: Model) -> tuple[Plan, ...]:
    """Plans from the fastest to the one that holds least."""
    known, found = costs(graph, active, model), [Plan((), 0.0)]
    ways = [_ways(known, j, model.start) for j in range(1, len(known.cuts))]
    bound = known.saved[-1] + 2 * known.passes.max(initial=0)
    while bound >= 1 and (best := plan(known, ways, bound)) is not None:
        if best.stretches != found[-1].stretches:
            found.append(best)
        bound *= _STEP
    return tuple(found)


def plan(costs: Costs, ways: Sequence[np.ndarray], bound: float) -> Plan | None:
    """The fastest plan that holds no more than `bound` bytes; None if there is none."""
    size = len(costs.cuts)
    # all choices so far, which nothing beats at their cut: bytes held, time taken, cut
    held, time, cut = np.zeros(1), np.zeros(1), np.zeros(1, int)
    back = [(-1, 0)]  # per choice, the one before it and how the stretch between is treated
    for j, (stays, inside, extra) in enumerate(ways, 1):
        now = held + stays[:, cut]
        kind, before = np.nonzero(now + inside[:, cut] <= bound)
        now, took = now[kind, before], time[before] + extra[kind, cut[before]]
        best = _front(now, took)
        back.extend(zip(before[best].tolist(), kind[best].tolist(), strict=True))
        held, time = np.concatenate([held, now[best]]), np.concatenate([time, took[best]])
        cut = np.concatenate([cut, np.full(len(best), j)])
    last = np.flatnonzero(cut == size - 1)
    return _read(costs, int(last[0]), time, cut, back) if len(last) else None


def _ways(costs: Costs, j: int, start: float) -> np.ndarray:
    """[what][kind, i] of the stretch from cut i < j to cut j, kind being a way to treat it: bytes that stay after it,
    bytes needed beside those when its backward part runs, time taken in addition."""
    i = np.arange(j)
    saved, work, dear = [x[j] - x[:j] for x in (costs.saved, costs.work, costs.dear)]
    kept, given, none = costs.kept[j] - costs.kept[:j], costs.given[:j, j], np.full(j, np.inf)
    moving = 2 * np.maximum.accumulate(costs.passes[:j][::-1])[::-1]
    inner, parts = np.transpose([_inner(costs, k, j) for k in range(j)])
    once = [np.where(i == j - 1, saved, none), moving, 0 * work]
    twice = [given, saved + moving, work + start]
    partly = [np.where(dear > 0, given + kept, none), saved + moving, work - dear + start]
    thrice = [np.where(parts > 1, given, none), inner + moving, 2 * work + (parts + 1) * start]
    return np.stack([once, twice, partly, thrice], axis=1)


def _inner(costs: Costs, i: int, j: int) -> tuple[float, int]:
    """What the second computation of a stretch holds if it is cut again, and in how many parts."""
    cuts = [i, *_parts(i, j), j]
    most = max([costs.saved[b] - costs.saved[a] for a, b in pairwise(cuts)])
    return most + sum([costs.given[a, b] for a, b in pairwise(cuts[1:])]), len(cuts) - 1


def _parts(i: int, j: int) -> list[int]:
    """Cuts within a stretch, that make about as many parts as each has stretches."""
    count = round((j - i) ** 0.5)
    return sorted({i + (j - i) * k // count for k in range(1, count)} - {i})


def _front(held: np.ndarray, time: np.ndarray) -> np.ndarray:
    """The choices that no other one beats in both, the fastest first, thinned out."""
    order = np.lexsort((held, time))
    least = np.minimum.accumulate(held[order])
    chosen = order[np.concatenate([[True], least[1:] < least[:-1]])] if len(order) else order
    if len(chosen) > _FRONT:
        chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, _FRONT).astype(int))]
    return chosen


def _read(costs: Costs, choice: int, time, cut, back) -> Plan:
    """The plan that ends with a choice."""
    total, found = float(time[choice]), []
    while cut[choice]:
        before, kind = back[choice]
        i, j = int(cut[before]), int(cut[choice])
        if kind:
            inner = tuple([costs.cuts[c] for c in _parts(i, j)]) if kind == 3 else ()
            found.append(Stretch(costs.cuts[i], costs.cuts[j], kind == 2, inner))
        choice = before
    return Plan(tuple(reversed(found)), total)
