"""The host function of `scan`: a Python loop over the turns, at first; a long one that comes again is compiled."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from functorch_lite.array import backend
from functorch_lite.config import config
from functorch_lite.control import scan as p
from functorch_lite.host.execute import plan
from functorch_lite.host.registry import host
from functorch_lite.ir import Eqn, Graph

LONG = 300  # equations run: a Python loop over so many takes longer than a call of a compiled one


class _Inside(threading.local):
    """Whether this thread runs a loop in Python: however often the loops inside it run, that is one run."""

    loop = False


_inside = _Inside()


def again(steps: float, prim, in_types, out_types, params: dict, python: Callable) -> Callable:
    """`python`, the first time; from the second time on the equation compiled, if it runs more than a few equations."""
    ran = False

    def fun(*values):
        nonlocal ran
        if ran and steps > LONG and not _inside.loop and not config.jit_disabled:
            return backend.run_values(_alone(prim, in_types, out_types, params), values)
        outer, _inside.loop = _inside.loop, True
        try:
            made = python(*values)
        finally:
            _inside.loop = outer
        ran = ran or not outer
        return made

    return fun


def _alone(prim, in_types, out_types, params: dict) -> Graph:
    """A graph of one equation."""
    n, m = len(in_types), len(out_types)
    outs = tuple(range(n, n + m))
    eqn = Eqn(prim, tuple(range(n)), tuple(params.items()), outs)
    return Graph((*in_types, *out_types), eqn.ins, (eqn,), outs, (None,))


def equations(graph: Graph) -> int:
    """How many equations a run of the graph takes, of graphs inside it roughly."""
    return len(graph.eqns)


@host(p.scan_p)
def _scan(in_types, out_types, **params):
    loop = p.Loop(**params)
    n, m, length = loop.consts, loop.carry, loop.length
    turns = range(length - 1, -1, -1) if loop.reverse else range(length)
    rows = [(t.shape, t.dtype) for t in out_types[m:]]
    body = plan(loop.graph)

    def python(*values):
        shared, carried, arrays = values[:n], values[n : n + m], values[n + m :]
        stacks = [np.empty(shape, dtype) for shape, dtype in rows]
        for t in turns:
            made = body([*shared, *carried, *[x[t] for x in arrays]])
            carried = made[:m]
            for stack, row in zip(stacks, made[m:], strict=True):
                stack[t] = row
        return [*carried, *stacks]

    return again(length * equations(loop.graph), p.scan_p, in_types, out_types, params, python)
