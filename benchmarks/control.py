"""Loops and branches: compiled, eager for the first time and again, traced; and memory under a budget."""

from __future__ import annotations

import functools
import time

import numpy

import functorch_lite as fl
import functorch_lite.numpy as fnp
from benchmarks.harness import Row, peer
from benchmarks.jit import LIBRARIES, race

jax = peer("jax")
STEPS, WIDTH = 1000, 64


def gru(fl, np):
    """(weights, xs) -> the sum of all states of a GRU over STEPS steps."""

    def cell(w, h, x):
        z = fl.nn.sigmoid(x @ w["xz"] + h @ w["hz"])
        r = fl.nn.sigmoid(x @ w["xr"] + h @ w["hr"])
        n = np.tanh(x @ w["xn"] + (r * h) @ w["hn"])
        return (1 - z) * n + z * h

    def f(w, xs):
        def body(h, x):
            h = cell(w, h, x)
            return h, np.sum(h)

        return np.sum(fl.lax.scan(body, np.zeros((8, WIDTH), "float32"), xs)[1])

    return f


def gru_inputs(np):
    rng = numpy.random.default_rng(0)
    draw = lambda *shape: np.asarray((rng.standard_normal(shape) / numpy.sqrt(WIDTH)).astype("float32"))
    return {k + g: draw(WIDTH, WIDTH) for k in "xh" for g in "zrn"}, draw(STEPS, 8, WIDTH)


def gru_forward(fl, np):
    f, args = fl.jit(gru(fl, np)), gru_inputs(np)
    return lambda: float(f(*args))


def gru_grad(fl, np):
    f, args = fl.jit(fl.value_and_grad(gru(fl, np))), gru_inputs(np)
    return lambda: float(f(*args)[0])


def newton(fl, np):
    """Roots of x**3 = a for many a, by while_loop."""

    def f(a):
        step = lambda x: x - (x**3 - a) / (3 * x * x)
        return fl.lax.while_loop(lambda x: np.max(np.abs(x**3 - a)) > 1e-3, step, np.ones_like(a) * 3)

    g, a = fl.jit(f), np.asarray(numpy.linspace(1, 20, 1000).astype("float32"))
    return lambda: g(a).block_until_ready()


def uniform_cond(fl, np):
    """vmap of a cond whose predicate turns out the same for all rows; the branch not taken is the dear one."""

    def row(p, x):
        return fl.lax.cond(p > 0, lambda x: x + 1, lambda x: np.linalg.norm(x @ x) * np.tanh(x @ x @ x), x)

    f = fl.jit(fl.vmap(row))
    p, x = np.ones(32, "float32"), np.ones((32, 64, 64), "float32")
    return lambda: f(p, x).block_until_ready()


def small_scan(fl, np):
    x = np.zeros(3, "float32")
    return lambda body: fl.lax.scan(body, x, None, length=100)[0]


def small_fori(fl, np):
    x = np.zeros(3, "float32")
    return lambda body: fl.lax.fori_loop(0, 100, body, x)


BODIES = {"scan": lambda np: lambda c, _: (np.sin(c) + 1.0, None), "fori_loop": lambda np: lambda i, c: np.sin(c) + 1.0}
LOOPS = {"scan": small_scan, "fori_loop": small_fori}


def repeated(make, body_of, library, module):
    """A call of a loop with one function, the same every time."""
    run, body = make(library, module), body_of(module)
    return lambda: numpy.asarray(run(body))


def eager_loops(bench):
    for name, make in LOOPS.items():
        taken = {}
        for who, (library, module) in LIBRARIES.items():
            run, times = make(library, module), []
            for _ in range(8):  # every call with a function made anew
                start = time.perf_counter()
                numpy.asarray(run(BODIES[name](module)))
                times.append(time.perf_counter() - start)
            taken[who] = times[1:]
        bench.measured(f"eager {name}, 100 steps, fresh lambda", 0.1, taken)
        race(bench, f"eager {name}, 100 steps, same function", 1.5, functools.partial(repeated, make, BODIES[name]))


def traced(bench):
    taken = {}
    for who, (library, module) in LIBRARIES.items():
        args, times = gru_inputs(module), []
        for k in range(7):
            f = library.jit(library.grad(lambda w, xs, k=k: gru(library, module)(w, xs) * (k + 1.5)))  # noqa: B023
            start = time.perf_counter()
            f.lower(*args)
            times.append(time.perf_counter() - start)
        taken[who] = times[1:]
    bench.measured("trace + lower of grad(scan of a GRU)", 0.35, taken)


def budget(bench):
    """A network of 64 layers: memory and time of its gradient, with and without a budget."""
    layers, width, batch = 64, 256, 512
    rng = numpy.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape)
    ws = [fnp.asarray((draw(width, width) / numpy.sqrt(width)).astype("float32")) for _ in range(layers)]
    x = fnp.asarray(draw(batch, width).astype("float32"))

    def loss(ws, x):
        for w in ws:
            x = fnp.tanh(x @ w)
        return fnp.sum(x * x)

    limit = 16 << 20
    try:
        plain, bounded = fl.jit(fl.grad(loss)), fl.jit(fl.grad(loss, memory=f"{limit >> 20}MB"))
        used = [f.lower(ws, x).compile().memory_analysis().temp_size_in_bytes for f in (plain, bounded)]
    except Exception as e:
        bench.fail("memory of grad over 64 layers, budget 16 MB", 1.0, e)
        return
    medians = {"ours": used[1] / limit, "budget": 1.0, "unbounded": used[0] / limit}
    name = "memory of grad over 64 layers, budget 16 MB"
    bench.add(Row(bench.group, name, medians, 1.0, against="budget", unit="ratio"))
    wait = lambda f: lambda: [g.block_until_ready() for g in f(ws, x)]
    bench.race("time of it against no budget", 1.35, against="unbounded", ours=wait(bounded), unbounded=wait(plain))


def run(bench):
    race(bench, f"GRU by scan, {STEPS} steps, forward", 1.0, gru_forward)
    race(bench, f"GRU by scan, {STEPS} steps, value and grad", 1.0, gru_grad)
    race(bench, "Newton's method by while_loop", 1.0, newton)
    race(bench, "vmapped cond, uniform predicate", 0.6, uniform_cond)
    if jax:
        eager_loops(bench)
        traced(bench)
    budget(bench)
