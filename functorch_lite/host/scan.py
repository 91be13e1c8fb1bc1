"""The host function of `scan`: a Python loop over the turns, at first; a long one that comes again is compiled."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from functorch_lite.array import backend
from functorch_lite.config import config
from functorch_lite.control import scan as p
from functorch_lite.control.loops import running
from functorch_lite.host.execute import plan
from functorch_lite.host.progress import closing
from functorch_lite.host.registry import host
from functorch_lite.ir import Eqn, Graph
from functorch_lite.prims.progress import EVENT

LONG = 100  # equations run: a Python loop over so many takes longer than a call of a compiled one
_PATIENCE = 0.1  # seconds: about what it takes to compile a loop


def again(steps: float, prim, in_types, out_types, params: dict, python: Callable) -> Callable:
    """`python`, the first time; from the second time on the equation compiled, if it runs more than a few equations.

    For a fresh function, whose equation may be an old one all the same, that waits until it would have paid.
    """
    ran, spent = False, 0.0

    def fun(*values):
        nonlocal ran, spent
        patient = running.fresh and spent < _PATIENCE
        if ran and steps > LONG and not (running.inside or patient or config.jit_disabled):
            return backend.run_values(_alone(prim, in_types, out_types, params), values)
        outer, running.inside = running.inside, True
        start = time.perf_counter()
        try:
            made = python(*values)
        finally:
            running.inside = outer
        if not outer:
            ran, spent = True, spent + time.perf_counter() - start
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

    python = closing(python) if EVENT in loop.graph.effects else python
    return again(length * equations(loop.graph), p.scan_p, in_types, out_types, params, python)
