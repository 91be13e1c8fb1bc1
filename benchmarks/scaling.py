"""Every pass in linear time: seconds for 20,000 equations by seconds for 2,000."""

from __future__ import annotations

import time

import functorch_lite as fl
import functorch_lite.numpy as fnp
from benchmarks.harness import Row

SMALL, LARGE, BOUND = 2_000, 20_000, 12.0


def chain(equations):
    def f(x):
        for _ in range(equations // 2):
            x = fnp.sin(x) * x
        return fnp.sum(x)

    return f


ACTIONS = {
    "make_graph(f)": lambda f, x, xs: fl.make_graph(f)(x),
    "make_graph(grad(f))": lambda f, x, xs: fl.make_graph(fl.grad(f))(x),
    "make_graph(jvp of f)": lambda f, x, xs: fl.make_graph(lambda x: fl.jvp(f, (x,), (x,)))(x),
    "make_graph(vmap(f))": lambda f, x, xs: fl.make_graph(fl.vmap(f))(xs),
    "make_graph(vmap(grad(f)))": lambda f, x, xs: fl.make_graph(fl.vmap(fl.grad(f)))(xs),
    "eager grad(f)": lambda f, x, xs: fl.grad(f)(x),
    "jit(grad(f)).lower": lambda f, x, xs: fl.jit(fl.grad(f)).lower(x),
}


def best(action, equations, x, xs, rounds=3):
    """The shortest of a few runs: what the work costs when nothing else interferes. No two programs are equal."""
    taken = []
    for turn in range(rounds):
        f, start = chain(equations + 2 * turn), time.perf_counter()
        action(f, x, xs)
        taken.append(time.perf_counter() - start)
    return min(taken)


def run(bench):
    x = fnp.arange(4, dtype="float32")
    xs = fnp.stack([x, x + 1])
    for work, action in ACTIONS.items():
        try:
            small, large = best(action, SMALL, x, xs), best(action, LARGE, x, xs)
        except Exception as e:
            bench.fail(work, BOUND, e)
            continue
        medians = {"ours": large, "a tenth of it": small}
        bench.add(Row(bench.group, work, medians, BOUND, against="a tenth of it"))
