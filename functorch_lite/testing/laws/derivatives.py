"""Laws of first derivatives: they are limits of differences, adjoint to each other, and linear."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.api.forward import jvp as jvp_of
from functorch_lite.api.forward import linearize as linearize_of
from functorch_lite.api.jacobians import jacfwd, jacrev
from functorch_lite.api.reverse import linear_transpose, value_and_grad
from functorch_lite.api.reverse import vjp as vjp_of
from functorch_lite.numpy import real
from functorch_lite.numpy import sum as sum_of
from functorch_lite.prims.elementwise import convert
from functorch_lite.testing import report
from functorch_lite.testing.bounds import SAFETY, Bound, rounding
from functorch_lite.testing.differences import along, analytic, one_sided
from functorch_lite.testing.differences import complex_step as step_of
from functorch_lite.testing.laws.common import Problem, arrays, bound_of, law, pairing, together


def pushed(p: Problem):
    """(floats..., tangents...) -> the tangents of the results, as a function of leaves."""
    n = len(p.floats)
    return lambda *leaves: list(jvp_of(p.varying, leaves[:n], leaves[n:])[1])


def pulled(p: Problem):
    """(floats..., cotangents...) -> the cotangents of the arguments, as a function of leaves."""
    n = len(p.floats)
    return lambda *leaves: list(vjp_of(p.varying, *leaves[:n])[1](list(leaves[n:])))


def tangent_names(p: Problem) -> list[str]:
    return [f"the tangent of {p.where(k)}" for k in p.with_floats()]


def cotangent_names(p: Problem) -> list[str]:
    return [f"the cotangent of argument leaf {i}" for i in p.active]


def noise_of(p: Problem, inputs: bool) -> list[float]:
    """How far rounding carries each float result; with `inputs`, that of the arguments too."""
    made = rounding(p.varying, p.floats, inputs=inputs)
    return [float(np.max(s, initial=0.0)) / SAFETY for s in made.sizes]


def _smooth_enough(p: Problem, ts, noise) -> None:
    k = one_sided(p.varying, p.floats, ts, noise)
    if k is not None:
        p.steady()
        where = p.where(p.with_floats()[k])
        raise report.NotDifferentiableError(
            f"law {p.law}: `{p.name}` is not differentiable at these arguments: from the two sides {where} has "
            "different slopes; choose arguments away from the kink", law=p.law, where=where)  # fmt: skip


class _Limits:
    """What differences say of `p` along `ts`, as a bound."""

    def __init__(self, p: Problem, ts):
        _smooth_enough(p, ts, noise_of(p, inputs=False))
        self.limit = along(p.varying, p.floats, ts, noise_of(p, inputs=True))
        self.values = [v for v in self.limit.values if v is not None]
        for k, value in zip(p.with_floats(), self.limit.values, strict=True):
            if value is None:
                p.steady()
                raise report.NotDifferentiableError(
                    f"law {p.law}: `{p.name}` is not finite next to these arguments, at {p.where(k)}; choose arguments "
                    "away from the edge of its domain", law=p.law, where=p.where(k))  # fmt: skip

    def bound(self) -> Bound:
        sizes = [np.asarray(SAFETY * e) for e in self.limit.errors]
        return _Differences(sizes, 0)


class _Differences(Bound):
    """The error of extrapolated differences, which says so."""

    def said(self, dtype) -> str:
        return "what extrapolating differences to step 0 leaves open"


def _check_finite(p: Problem, what: str, values) -> None:
    for k, y in zip(p.with_floats(), values, strict=True):
        if not np.all(np.isfinite(y)):
            rows = [("where", p.where(k)), ("got", report.short(y)), ("want", "finite numbers, as the function is")]
            p.fail(what, rows, p.where(k))


@law("derivative")
def jvp(p: Problem):
    """Forward mode is the limit of difference quotients."""
    ts = p.tangents()
    p.finite()
    values, got = jvp_of(p.varying, p.floats, ts)
    _check_results(p, "the value of jvp(f) and f", values)
    got = arrays(got)
    made = _Limits(p, ts)
    kinds = [y.dtype for y, s in zip(p.ys, p.smooth, strict=True) if s]
    for k, (a, d) in enumerate(zip(got, kinds, strict=True)):
        if a.dtype != d:
            p.fail("the dtype of a tangent", [("got", dtypes.short(a.dtype)), ("want", dtypes.short(d))], p.where(k))
    wide = [y.astype(v.dtype) for y, v in zip(got, made.values, strict=True)]
    _check_finite(p, "the tangent of jvp(f)", wide)
    p.agree("jvp(f) and differences of f", wide, made.values, made.bound, tangent_names(p))


def _check_results(p: Problem, what: str, values) -> None:
    want = [y for y, s in zip(p.ys, p.smooth, strict=True) if s]
    names = [p.where(k) for k in p.with_floats()]
    p.agree(what, values, want, bound_of(p.varying, p.floats), names)


@law("derivative")
def vjp(p: Problem):
    """Reverse mode pairs with differences: <ct, df(t)> = <vjp(ct), t>."""
    ts, cts = p.tangents(3), p.cotangents(4)
    p.finite()
    values, back = vjp_of(p.varying, *p.floats)
    _check_results(p, "the value of vjp(f) and f", values)
    pulled_cts = arrays(back(cts))
    for i, ct in zip(p.active, pulled_cts, strict=True):
        if ct.dtype != p.xs[i].dtype or ct.shape != p.xs[i].shape:
            rows = [("got", report.short(ct)), ("want", str(p.xs[i].type))]
            p.fail(f"the type of the cotangent of argument leaf {i}", rows)
    made = _Limits(p, ts)
    left, right = pairing(cts, made.values), pairing(pulled_cts, ts)
    open_ = sum([e * float(np.sum(np.abs(ct))) for e, ct in zip(made.limit.errors, cts, strict=True)])
    eps = max([float(dtypes.finfo(x.dtype).eps) for x in p.floats])
    open_ += eps * sum([float(np.sum(np.abs(_wide(a) * _wide(b)))) for a, b in zip(pulled_cts, ts, strict=True)])
    bound = lambda: _Differences([np.asarray(SAFETY * open_)], 0)
    p.agree("<vjp(f)(ct), t> and <ct, differences of f>", [np.float64(right)], [np.float64(left)], bound,
            ["the pairing of cotangents and tangents"])  # fmt: skip


@law("derivative")
def complex_step(p: Problem):
    """Of an analytic function of reals, forward mode is the imaginary part of f(x + iht) / h, to the last digits."""
    ts = p.tangents(5)
    graph = p.graph()
    if graph is None or not analytic(graph) or any(dtypes.is_complex(x.dtype) for x in p.floats):
        return
    if any(dtypes.real_of(x.dtype).itemsize < 4 for x in p.floats):
        return
    try:
        want = step_of(p.varying, p.floats, ts)
    except (TypeError, ValueError):
        return  # it says itself that it takes reals
    _, got = jvp_of(p.varying, p.floats, ts)
    wide = [y.astype(np.float64) for y in arrays(got)]
    p.agree("jvp(f) and the complex step", wide, want, bound_of(pushed(p), [*p.floats, *ts]), tangent_names(p))


@law("derivative")
def adjoint(p: Problem):
    """Reverse mode is the transpose of forward mode: <ct, jvp(t)> = <vjp(ct), t>, to rounding."""
    ts, cts = p.tangents(6), p.cotangents(7)
    push, pull = pushed(p), pulled(p)
    forward, back = push(*p.floats, *ts), pull(*p.floats, *cts)
    left, right = pairing(cts, arrays(forward)), pairing(arrays(back), ts)

    def bound():
        one, two = rounding(push, [*p.floats, *ts]), rounding(pull, [*p.floats, *cts])
        size = _weighed(one.sizes, cts) + _weighed(two.sizes, ts)
        eps = max([float(dtypes.finfo(x.dtype).eps) for x in p.floats])
        size += SAFETY * eps * (_weighed(arrays(forward), cts) + _weighed(arrays(back), ts))
        return Bound([np.asarray(size)], max(one.equations, two.equations))

    p.agree("<vjp(f)(ct), t> and <ct, jvp(f)(t)>", [np.float64(right)], [np.float64(left)], bound,
            ["the pairing of cotangents and tangents"])  # fmt: skip


def _wide(x) -> np.ndarray:
    return np.asarray(x).astype(np.complex128)


def _weighed(sizes, by) -> float:
    with np.errstate(all="ignore"):
        total = sum([np.sum(np.abs(_wide(a)) * np.abs(_wide(b))) for a, b in zip(sizes, by, strict=True)])
    return float(np.abs(total))


def _linear(p: Problem, what: str, fun, first, second, names) -> None:
    """fun(2 a - b/2) = 2 fun(a) - fun(b)/2, and fun(0) = 0."""
    mixed = [_combined(a, b) for a, b in zip(first, second, strict=True)]
    want = [_combined(a, b) for a, b in zip(arrays(fun(*first)), arrays(fun(*second)), strict=True)]

    def bound():
        parts = [rounding(fun, v, inputs=True) for v in (mixed, first, second)]
        sizes = [2 * (a + b + c) for a, b, c in zip(*[q.sizes for q in parts], strict=True)]
        return Bound(sizes, parts[0].equations)

    p.agree(f"{what} of 2a - b/2, and twice that of a less half that of b", fun(*mixed), want, bound, names)
    zeros = [np.zeros_like(np.asarray(x)) for x in first]
    nothing = [np.zeros_like(y) for y in want]
    p.agree(f"{what} of zeros, and zeros", fun(*zeros), nothing, lambda: rounding(fun, zeros), names)


def _combined(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return np.asarray(2 * _narrow(a) - _narrow(b) / 2).astype(a.dtype)


def _narrow(x):
    return x.astype(np.complex128 if dtypes.is_complex(x.dtype) else np.float64)


@law("derivative")
def jvp_linear(p: Problem):
    """Forward mode is linear in the tangent."""
    push = pushed(p)
    _linear(p, "jvp(f)", lambda *ts: push(*p.floats, *ts), p.tangents(8), p.tangents(9), tangent_names(p))


@law("derivative")
def vjp_linear(p: Problem):
    """Reverse mode is linear in the cotangent."""
    pull = pulled(p)
    _linear(p, "vjp(f)", lambda *cts: pull(*p.floats, *cts), p.cotangents(10), p.cotangents(11), cotangent_names(p))


@law("derivative")
def linearize(p: Problem):
    """linearize(f) gives f, and then jvp(f) for any tangent, computed once or not."""
    push = pushed(p)
    values, linear = linearize_of(p.varying, *p.floats)
    _check_results(p, "the value of linearize(f) and f", values)
    for salt in (12, 13):
        ts = p.tangents(salt)
        p.agree("linearize(f)(t) and jvp(f)(t)", linear(*ts), push(*p.floats, *ts),
                bound_of(push, [*p.floats, *ts]), tangent_names(p))  # fmt: skip


@law("derivative")
def grad(p: Problem):
    """value_and_grad of the results, weighed and added, is vjp(f) of the weights; aux is what f gives."""
    weights = p.cotangents(16)

    def total(*floats):
        ys = p.flat(*p.merged(floats))
        smooth = [y for y, s in zip(ys, p.smooth, strict=True) if s]
        return sum([sum_of(real(w * y)) for w, y in zip(weights, smooth, strict=True)]), ys

    numbers = tuple(range(len(p.floats)))
    (value, aux), got = value_and_grad(total, argnums=numbers, has_aux=True)(*p.floats)
    alone = lambda *xs: total(*xs)[0]
    want = lambda *xs: [alone(*xs), *vjp_of(alone, *xs)[1](np.ones((), np.asarray(value).dtype))]
    names = ["the value", *cotangent_names(p)]
    p.agree("value_and_grad and vjp", [value, *got], want(*p.floats), bound_of(want, p.floats), names)
    p.agree("the aux of value_and_grad and f", aux, p.ys, bound_of(p.flat, p.xs))


@law("derivative")
def jacobian(p: Problem):
    """The columns of jacfwd(f) are jvp(f) of unit tangents, and jacrev(f) is the same."""
    if any(dtypes.is_complex(x.dtype) for x in [*p.floats, *[y for y, s in zip(p.ys, p.smooth, strict=True) if s]]):
        return
    numbers = tuple(range(len(p.floats)))
    push, ts = pushed(p), p.tangents(17)
    blocks = jacfwd(p.varying, numbers)(*p.floats)
    along = [sum([times(b, t) for b, t in zip(row, ts, strict=True)]) for row in blocks]
    along = [np.asarray(a).astype(y.dtype) for a, y in zip(along, arrays(push(*p.floats, *ts)), strict=True)]

    def bound():
        one = rounding(push, [*p.floats, *ts])
        terms = [sum([times(np.abs(b), np.abs(t)) for b, t in zip(row, ts, strict=True)]) for row in blocks]
        size = [SAFETY * float(dtypes.finfo(a.dtype).eps) * t for a, t in zip(along, terms, strict=True)]
        return Bound([a + b for a, b in zip(one.sizes, size, strict=True)], one.equations)

    p.agree("jacfwd(f) times t and jvp(f)(t)", along, push(*p.floats, *ts), bound, tangent_names(p))
    kinds = [np.promote_types(x.dtype, a.dtype) for a in along for x in p.floats]  # the two modes have one each
    flat = lambda rows: [convert(b, d) for b, d in zip([b for row in rows for b in row], kinds, strict=True)]
    forward, back = [lambda *xs, op=op: flat(op(p.varying, numbers)(*xs)) for op in (jacfwd, jacrev)]
    names = [f"the block of {p.where(k)} and argument leaf {i}" for k in p.with_floats() for i in p.active]
    p.agree("jacrev(f) and jacfwd(f)", back(*p.floats), flat(blocks),
            lambda: together(rounding(forward, p.floats), rounding(back, p.floats)), names)  # fmt: skip


def times(block, t) -> np.ndarray:
    """A block of a Jacobian times a tangent."""
    t = np.asarray(t)
    return np.tensordot(np.asarray(block).astype(np.float64), t.astype(np.float64), t.ndim)


@law("derivative")
def transpose_twice(p: Problem):
    """The transpose of the linear part of f is vjp(f), and the transpose of that is jvp(f) again."""
    ts, cts = p.tangents(14), p.cotangents(15)
    push, pull = pushed(p), pulled(p)
    _, linear = linearize_of(p.varying, *p.floats)
    once = linear_transpose(lambda *ts: list(linear(*ts)), *ts)
    back = lambda *cts: list(once(list(cts)))
    p.agree("the transpose of linearize(f) and vjp(f)", back(*cts), pull(*p.floats, *cts),
            bound_of(pull, [*p.floats, *cts]), cotangent_names(p))  # fmt: skip
    twice = linear_transpose(back, *cts)
    p.agree("the transpose of the transpose and jvp(f)", twice(list(ts)), push(*p.floats, *ts),
            bound_of(push, [*p.floats, *ts]), tangent_names(p))  # fmt: skip
