"""Price of one operation of the user's: to trace it, to lower it, and to trace, differentiate and lower it.

Programs differ in length from round to round, so that no cache of whole programs answers for the work.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np

import functorch_lite as fl
import functorch_lite.numpy as fnp
from benchmarks.harness import peer

jax = peer("jax")
LENGTH, ROUNDS = 500, 7


def numpy_chain(np, length):
    def f(x):
        for _ in range(length):
            x = np.sin(x) * x
        return np.sum(x)

    return f


def lax_chain(lax, length):
    def f(x):
        for _ in range(length):
            x = lax.mul(lax.sin(x), x)
        return lax.reduce_sum(x, axes=(0,)) if hasattr(lax, "reduce_sum") else x

    return f


def trace(library, f, x):
    return library.jit(f).trace(x)


def graph(library, f, x):
    return library.make_jaxpr(f)(x)


def lower(library, f, x):
    """Only the lowering is timed: what is returned is called after the clock has started."""
    traced = trace(library, f, x)
    return lambda: traced.lower()


def grad_and_lower(library, f, x):
    return library.jit(library.value_and_grad(f)).trace(x).lower()


def race(bench, work, target, chains, action, prepared=False):
    """Seconds per source operation; chains: contestant -> (library, length -> function, argument)."""
    taken = {name: [] for name in chains}
    try:
        for turn in range(ROUNDS + 1):
            length = LENGTH + turn
            for name, (library, chain, x) in chains.items():
                f = chain(length)
                act = action(library, f, x) if prepared else partial(action, library, f, x)
                start = time.perf_counter()  # not before: what the other left in `act` is freed above, on nobody's time
                act()
                if turn:  # the first turn warms memo tables that the library keeps for good
                    taken[name].append((time.perf_counter() - start) / (2 * length + 1))
    except Exception as e:
        return bench.fail(work, target, e)
    return bench.measured(work, target, taken)


def run(bench):
    n = np.arange(4, dtype=np.float32)
    in_numpy = {"ours": (fl, lambda k: numpy_chain(fnp, k), fnp.asarray(n))}
    in_lax = {"ours": (fl, lambda k: lax_chain(fl.lax, k), fnp.asarray(n))}
    if jax:
        x = jax.numpy.asarray(n)
        in_numpy["jax"] = (jax, lambda k: numpy_chain(jax.numpy, k), x)
        in_lax["jax"] = (jax, lambda k: lax_chain(jax.lax, k), x)
    race(bench, "make_graph per operation, numpy style", 0.15, in_numpy, graph)
    race(bench, "make_graph per operation, lax style", 0.25, in_lax, graph)
    race(bench, "jit(f).trace per operation, numpy style", None, in_numpy, trace)
    race(bench, "lowering per operation", 0.2, in_numpy, lower, prepared=True)
    race(bench, "value_and_grad traced and lowered per operation", 0.2, in_numpy, grad_and_lower)
