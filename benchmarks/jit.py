"""What a call of a compiled function costs when the work inside is small: by number of arguments and of results."""

from __future__ import annotations

import numpy

import functorch_lite as fl
import functorch_lite.numpy as fnp
from benchmarks.harness import peer

jax = peer("jax")
LIBRARIES = {"ours": (fl, fnp)} | ({"jax": (jax, jax.numpy)} if jax else {})


def race(bench, work, target, make, **options):
    """make(library, its numpy) -> a callable to time, for this library and for JAX."""
    made = {}
    for name, (library, module) in LIBRARIES.items():
        try:
            made[name] = make(library, module)
        except Exception as e:
            return bench.fail(work, target, e)
    return bench.race(work, target, **options, **made)


def two(fl, np):
    return fl.jit(lambda x, y: x * y + x), np.arange(8, dtype="float32"), np.arange(8, dtype="float32") + 1


def call_two(fl, np):
    f, x, y = two(fl, np)
    return lambda: f(x, y)


def eager_then_jit(fl, np):
    f, x, y = two(fl, np)
    return lambda: f(x + x, y)


def jit_then_eager(fl, np):
    f, x, y = two(fl, np)
    return lambda: f(x, y) + x


def read_one(fl, np):
    f, x, y = two(fl, np)
    return lambda: float(f(x, y)[0])


def host_argument(fl, np):
    f, x, _ = two(fl, np)
    y = numpy.ones(8, "float32")
    return lambda: f(x, y)


def flat(np):
    return {f"k{i:03d}": np.arange(8, dtype="float32") + i for i in range(100)}


def nested(np):
    return {f"layer{i}": {k: np.arange(8, dtype="float32") + i for k in "abcd"} for i in range(25)}


def many_out(tree):
    def make(fl, np):
        f, x = fl.jit(lambda t: fl.tree.map(lambda v: v + v, t)), tree(np)
        return lambda: f(x)

    return make


def one_out(tree):
    def make(fl, np):
        f, x = fl.jit(lambda t: sum(fl.tree.leaves(t))), tree(np)
        return lambda: f(x)

    return make


def run(bench):
    race(bench, "2 small arguments", 1.1, call_two)
    race(bench, "100 leaves in and out, flat dict", 1.15, many_out(flat))
    race(bench, "100 leaves in and out, nested dict", 1.15, many_out(nested))
    race(bench, "100 leaves in, one out", 1.0, one_out(flat))
    race(bench, "jit(f)(x + x, y)", None, eager_then_jit)
    race(bench, "jit(f)(x, y) + x", None, jit_then_eager)
    race(bench, "float(jit(f)(x, y)[0])", None, read_one)
    race(bench, "jit(f)(x, NumPy array)", None, host_argument)
