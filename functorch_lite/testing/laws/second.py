"""Laws of second derivatives: symmetric, the same by every nesting of modes, and the derivative of the first."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.api.forward import jvp as jvp_of
from functorch_lite.api.jacobians import hessian as hessian_of
from functorch_lite.api.jacobians import hvp as hvp_of
from functorch_lite.api.reverse import vjp as vjp_of
from functorch_lite.numpy import real
from functorch_lite.numpy import sum as sum_of
from functorch_lite.testing.bounds import SAFETY, Bound, rounding
from functorch_lite.testing.laws import derivatives
from functorch_lite.testing.laws.common import Problem, arrays, bound_of, law, pairing, together
from functorch_lite.testing.laws.derivatives import times


def _scalar(p: Problem):
    """The results, weighed by fixed random numbers, as one real number: floats -> scalar."""
    weights = p.cotangents(20)

    def total(*floats):
        ys = p.varying(*floats)
        return sum([sum_of(real(w * y)) for w, y in zip(weights, ys, strict=True)])

    return total


def _gradient(fun):
    """floats -> the gradient of a scalar function, as a list: its transpose at 1, which does not conjugate."""

    def gradient(*floats):
        y, back = vjp_of(fun, *floats)
        return list(back(np.ones((), y.dtype)))

    return gradient


def forward_over_reverse(fun, n):
    return lambda *leaves: list(jvp_of(lambda *xs: _gradient(fun)(*xs), leaves[:n], leaves[n:])[1])


def reverse_over_forward(fun, n):
    return lambda *leaves: _gradient(lambda *xs: jvp_of(fun, xs, leaves[n:])[1])(*leaves[:n])


def reverse_over_reverse(fun, n):
    def product(*leaves):
        along = lambda *xs: sum([sum_of(real(g * t)) for g, t in zip(_gradient(fun)(*xs), leaves[n:], strict=True)])
        return _gradient(along)(*leaves[:n])

    return product


NESTINGS = {
    "forward over reverse": forward_over_reverse,
    "reverse over forward": reverse_over_forward,
    "reverse over reverse": reverse_over_reverse,
}


@law("second")
def hessian_symmetric(p: Problem):
    """<u, H v> = <v, H u>."""
    fun, n = _scalar(p), len(p.floats)
    u, v = p.tangents(21), p.tangents(22)
    product = forward_over_reverse(fun, n)
    one, two = pairing(u, arrays(product(*p.floats, *v))), pairing(v, arrays(product(*p.floats, *u)))

    def bound():
        a, b = rounding(product, [*p.floats, *v]), rounding(product, [*p.floats, *u])
        weights = [np.abs(np.asarray(t)) for t in (*u, *v)]
        size = sum([np.sum(s * w) for s, w in zip([*a.sizes, *b.sizes], weights, strict=True)])
        eps = float(np.finfo(np.float64).eps)
        return Bound([np.asarray(float(size) + SAFETY * eps * (abs(one) + abs(two)))], a.equations)

    p.agree("<u, H v> and <v, H u>", [np.float64(one)], [np.float64(two)], bound, ["the Hessian along two directions"])


@law("second")
def hvp(p: Problem):
    """The Hessian along a direction is the same by forward over reverse, reverse over forward and reverse twice."""
    fun, n = _scalar(p), len(p.floats)
    leaves = [*p.floats, *p.tangents(23)]
    made = {name: make(fun, n) for name, make in NESTINGS.items()}
    first, *rest = made
    want = made[first](*leaves)
    names = [f"the Hessian times a direction, argument leaf {i}" for i in p.active]
    for name in rest:

        def bound(name=name):
            return together(rounding(made[first], leaves), rounding(made[name], leaves))

        p.agree(f"{name} and {first}", made[name](*leaves), want, bound, names)


@law("second")
def hessian(p: Problem):
    """The Hessian, as `hessian` and `hvp` compute it, times a direction is forward over reverse."""
    if any(dtypes.is_complex(x.dtype) for x in p.floats):
        return
    fun, n = _scalar(p), len(p.floats)
    ts = p.tangents(25)
    numbers = tuple(range(n))
    product = forward_over_reverse(fun, n)
    want, bound = product(*p.floats, *ts), bound_of(product, [*p.floats, *ts])
    names = [f"the Hessian times a direction, argument leaf {i}" for i in p.active]
    made = hvp_of(lambda xs: fun(*xs), list(p.floats), list(ts))
    p.agree("hvp(f) and forward over reverse", made, want, bound, names)
    blocks = hessian_of(fun, numbers)(*p.floats)
    along = [sum([times(b, t) for b, t in zip(row, ts, strict=True)]) for row in blocks]
    along = [np.asarray(a).astype(x.dtype) for a, x in zip(along, p.floats, strict=True)]

    def wide():
        made = bound()
        terms = [sum([times(np.abs(b), np.abs(t)) for b, t in zip(row, ts, strict=True)]) for row in blocks]
        eps = [float(dtypes.finfo(x.dtype).eps) for x in p.floats]
        return Bound([a + SAFETY * e * t for a, e, t in zip(made.sizes, eps, terms, strict=True)], made.equations)

    p.agree("hessian(f) times a direction and forward over reverse", along, want, wide, names)


@law("second")
def second_order(p: Problem):
    """The gradient is a function to which the laws of first derivatives apply: jvp and adjoint, of vjp(f)."""
    pull, cts = derivatives.pulled(p), p.cotangents(24)
    p.finite()

    def gradient(*floats):
        return pull(*floats, *cts)

    gradient.__name__ = f"vjp({p.name})"
    inner = Problem(p.law, gradient, p.floats, p.tol, p.seed)
    for each in (derivatives.jvp, derivatives.adjoint):
        each.on(inner)
