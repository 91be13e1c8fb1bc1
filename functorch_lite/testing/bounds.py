"""How far rounding can carry a result: the bound to which laws hold two ways of computing one thing.

No tolerance of a law is a constant. A program is run again with every result of an equation, and every term of a sum,
changed by its own rounding error; the change that comes out is the condition of the program, cancellation inside it
included, times the precision of its dtypes, and grows with the number of equations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from functorch_lite import dtypes
from functorch_lite.array import asarray
from functorch_lite.ir import PRIMITIVES, Eqn, Graph, Lit, subgraphs
from functorch_lite.trace import alone, executor, trace

SAFETY = 32.0  # the runs are few and their signs random; two ways of computing may both be wrong, differently
_RUNS = 3

# Operations without rounding errors, by what they do: moving elements, comparing, choosing, whole numbers.
_EXACT = frozenset(
    "full iota reshape transpose broadcast rev eq ne lt le gt ge and or xor not select neg max min abs sign floor ceil "
    "round is_finite complex real imag conj clamp stop_gradient slice pad concatenate cummax cummin reduce_max "
    "reduce_min reduce_and reduce_or reduce_xor argmax argmin name gather scatter scatter_min scatter_max "
    "dynamic_slice dynamic_update_slice shift_left shift_right_logical shift_right_arithmetic population_count clz "
    "nextafter reduce_precision bitcast sort top_k threefry2x32 random_bits random_split random_fold_in relu".split()
)
# Operations that add or multiply many elements: the terms are changed, as the sum may be smaller than they are.
_SUMS = frozenset(
    "reduce_sum dot cumsum cumprod cumlogsumexp recurrence reduce_prod scatter_add scatter_mul softmax fft".split()
)
# Units in the last place that compiled code may be off, where that is more than a few.
_UNITS = {
    "sinh": 1024, "cosh": 1024, "exp2": 1024, "pow": 2048, "log": 256, "log1p": 256, "atanh": 256, "erfc": 128,
    "erf_inv": 128, "tanh": 128, "sin": 64, "cos": 64, "lgamma": 64, "digamma": 64, "tan": 32, "polygamma": 256,
    "zeta": 256, "softplus": 256, "logistic": 16, "expm1": 8, "exp": 8,
}  # fmt: skip


class Bound(NamedTuple):
    """Per result, the largest difference that rounding explains; and of how many equations."""

    sizes: list[np.ndarray]
    equations: int

    def said(self, dtype) -> str:
        n = self.equations
        return f"what rounding in {dtypes.short(dtype)} does to {n} equation{'s' * (n != 1)}"


def rounding(fun: Callable, leaves: Sequence, compiled: bool = False, inputs: bool = False) -> Bound:
    """The bound of `fun(*leaves) -> list of arrays`; `compiled`: for comparing with what XLA computes; `inputs`: the
    arguments are rounded too."""
    xs = [asarray(x) for x in leaves]
    graph, captured = trace(fun, [x.type for x in xs], xs, transform="bound", concrete=True)
    return of_graph(graph, [*captured, *xs], compiled, len(xs) if inputs else 0)


def of_graph(graph: Graph, args: Sequence, compiled: bool = False, rounded: int = 0) -> Bound:
    """The bound of a graph at these arguments, of which the last `rounded` are rounded."""
    run = _Noisy(compiled)
    with alone(), np.errstate(all="ignore"):
        values = [np.asarray(asarray(x)._value) for x in args]
        clean = run(graph, values, None)
        sizes = [np.zeros(np.shape(y)) for y in clean]
        run.count = 0
        for seed in range(_RUNS):
            rng, fixed = np.random.default_rng(seed), len(values) - rounded
            given = [run.changed(x, rng, 1) if i >= fixed else x for i, x in enumerate(values)]
            noisy = run(graph, given, rng)
            for i, (a, b) in enumerate(zip(noisy, clean, strict=True)):
                if dtypes.is_inexact(b.dtype):
                    change = np.abs(_wide(a) - _wide(b))
                    sizes[i] = np.maximum(sizes[i], np.where(np.isfinite(change), change, 0.0))
    count = run.count // _RUNS
    return Bound([_padded(s, y, count) for s, y in zip(sizes, clean, strict=True)], count)


def _padded(size, y, count) -> np.ndarray:
    """Room for what few runs did not show: the same relative to the result, and to the mean of its elements."""
    if not dtypes.is_inexact(y.dtype):
        return size
    eps, tiny = float(dtypes.finfo(y.dtype).eps), float(dtypes.finfo(y.dtype).tiny)
    magnitude = np.abs(_wide(y))
    magnitude = np.where(np.isfinite(magnitude), magnitude, 0.0)
    spread = np.mean(size) if size.size else 0.0
    return SAFETY * np.maximum(size, spread) + (4 + np.sqrt(count)) * eps * magnitude + 4 * tiny


def _wide(x) -> np.ndarray:
    return np.asarray(x).astype(np.complex128 if dtypes.is_complex(np.asarray(x).dtype) else np.float64)


class _Noisy:
    """Runs graphs on the host with rounding errors added; counts the equations."""

    def __init__(self, compiled: bool):
        self.compiled, self.count = compiled, 0

    def __call__(self, graph: Graph, values: Sequence, rng) -> list[np.ndarray]:
        env = dict(zip(graph.ins, values, strict=True))
        for eqn in graph.eqns:
            xs = [a.value if type(a) is Lit else env[a] for a in eqn.ins]
            env.update(zip(eqn.outs, self.equation(eqn, xs, rng), strict=True))
        return [env[o] for o in graph.outs]

    def equation(self, eqn: Eqn, xs: list, rng) -> list[np.ndarray]:
        prim, params = eqn.prim, dict(eqn.params)
        step = _STEPS.get(prim.name)
        if step is not None:
            return step(self, xs, rng, params)
        self.count += 1
        weight = 1 + sum(len(g.eqns) for g in subgraphs(eqn.params))
        name = prim.name
        if rng is not None and (name in _SUMS or prim.many):
            xs = [x if i in prim.scalars else self.changed(x, rng, weight) for i, x in enumerate(xs)]
        made = executor.bind(prim, xs, params)
        ys = [np.asarray(y._value) for y in (made if prim.many else [made])]
        if rng is None or name in _EXACT:
            return ys
        weight *= _UNITS.get(name, 1) if self.compiled else 1
        return [self.changed(y, rng, weight) for y in ys]

    def changed(self, x, rng, weight: float):
        """x with each element off by `weight` units, up or down."""
        if type(x) in (bool, int, float, complex) or not dtypes.is_inexact(np.asarray(x).dtype):
            return x
        x = np.asarray(x)
        eps = float(dtypes.finfo(x.dtype).eps)
        made = _wide(x) * (1 + weight * eps * rng.choice([-1.0, 1.0], size=x.shape))
        return np.asarray(made).astype(x.dtype)


def _call(run, xs, rng, params):
    return run(params["graph"], xs, rng)


def _rules(run, xs, rng, params):
    return run(params["graph"], xs[params["extras"] :], rng)


def _cond(run, xs, rng, params):
    return run(params["branches"][int(xs[0])], xs[1:], rng)


def _scan(run, xs, rng, params):
    n, m = params["consts"], params["consts"] + params["carry"]
    consts, carry, rows = xs[:n], list(xs[n:m]), xs[m:]
    turns = range(params["length"])
    made: list = [None] * params["length"]
    for k in reversed(turns) if params["reverse"] else turns:
        outs = run(params["graph"], [*consts, *carry, *[r[k] for r in rows]], rng)
        carry, made[k] = outs[: m - n], outs[m - n :]
    if not made:
        return _whole("scan", xs, params)
    return [*carry, *[np.stack(ys) for ys in zip(*made, strict=True)]]


def _while(run, xs, rng, params):
    if params["cond"].out_types[0].shape:
        return _whole("while_loop", xs, params)
    consts, carry = xs[: params["consts"]], list(xs[params["consts"] :])
    while run(params["cond"], [*consts, *carry], None)[0]:
        carry = run(params["body"], [*consts, *carry], rng)
    return carry


def _whole(name, xs, params):
    made = executor.bind(PRIMITIVES[name], xs, params)
    return [np.asarray(y._value) for y in made]


_STEPS = {"call": _call, "remat": _call, "custom": _call, "with_jvp": _rules, "with_vjp": _rules, "with_vmap": _rules,
          "cond": _cond, "scan": _scan, "while_loop": _while}  # fmt: skip
