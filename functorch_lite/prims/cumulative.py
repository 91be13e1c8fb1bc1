"""Running sums, products, extrema, and the linear recurrence that is the derivative of those that are not linear."""

from __future__ import annotations

from collections.abc import Callable

from functorch_lite import dtypes
from functorch_lite.errors import ShapeError
from functorch_lite.ir import Primitive, array_type
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.linear import is_linear
from functorch_lite.prims.shape import batch
from functorch_lite.prims.slicing import pad
from functorch_lite.trace import at, bind, typeof


def shifted(x, value, axis, reverse):
    """Element i is element i - 1 of `x` along `axis` (i + 1 in reverse), and `value` where there is none."""
    config = [(0, 0, 0)] * typeof(x).ndim
    config[axis] = (-1, 1, 0) if reverse else (1, -1, 0)
    return pad(x, value, config)


def cumulative(name, admits, jvp, transpose=None) -> tuple[Primitive, Callable]:
    """The record of a running reduction, from the first element to each one; in `reverse`, from the last one."""

    def infer(x, *, axis, reverse):
        if dtypes.kind(x.dtype) not in admits:
            raise TypeError(f"{name}: does not take {dtypes.short(x.dtype)} ({x}), at {at()}; convert it")
        if not 0 <= axis < x.ndim:
            raise ShapeError(f"{name}: {axis} is no axis of {x}, at {at()}")
        return x

    def apply(x, axis, reverse=False):
        return bind(prim, x, axis=axis, reverse=bool(reverse))

    apply.__name__ = apply.__qualname__ = name
    prim = Primitive(
        name,
        params=("axis", "reverse"),
        infer=infer,
        jvp=(jvp,),
        transpose=transpose,
        vmap=lambda size, xs, batched, *, axis, reverse: apply(xs[0], axis + 1, reverse),
        simplify=lambda x, *, axis, reverse: x if x.shape[axis] == 1 else None,
    )
    return prim, apply


cumsum_p, cumsum = cumulative(
    "cumsum", "iufc",
    lambda t, y, x, *, axis, reverse: cumsum(t, axis, reverse),
    lambda ct, x, *, axis, reverse: (cumsum(ct, axis, not reverse),))  # fmt: skip

cumprod_p, cumprod = cumulative(
    "cumprod", "iufc",
    lambda t, y, x, *, axis, reverse: recurrence(x, e.mul(t, shifted(y, 1, axis, reverse)), axis, reverse))  # fmt: skip


def _jvp_extremum(t, y, x, *, axis, reverse):
    """Elements that tie for the extremum share its tangent equally, as those of `reduce_max` do."""
    type_ = typeof(x)
    stays = e.convert(e.eq(shifted(y, 0, axis, reverse), y), type_.dtype)
    hit = e.eq(x, y)
    count = recurrence(stays, e.convert(hit, type_.dtype), axis, reverse)
    return e.div(recurrence(stays, e.select(hit, t, 0), axis, reverse), count)


cummax_p, cummax = cumulative("cummax", "iuf", _jvp_extremum)
cummin_p, cummin = cumulative("cummin", "iuf", _jvp_extremum)


def _jvp_cumlogsumexp(t, y, x, *, axis, reverse):
    """y[i] = log(exp(y[i-1]) + exp(x[i])): the weights of both tangents are at most 1."""
    lowest = float(dtypes.finfo(x.dtype).min)
    finite = e.max_(y, lowest)  # where all are -inf, the weights are 0
    before = shifted(y, float("-inf"), axis, reverse)
    return recurrence(e.exp(e.sub(before, finite)), e.mul(t, e.exp(e.sub(x, finite))), axis, reverse)


cumlogsumexp_p, cumlogsumexp = cumulative("cumlogsumexp", "f", _jvp_cumlogsumexp)


# ---- the linear recurrence ----


def _infer_recurrence(a, b, *, axis, reverse):
    if a.shape != b.shape or a.dtype != b.dtype or not dtypes.is_inexact(a.dtype):
        raise TypeError(f"recurrence: takes two arrays of floats of one type, got {a} and {b}, at {at()}; convert them")
    if not 0 <= axis < a.ndim:
        raise ShapeError(f"recurrence: {axis} is no axis of {a}, at {at()}")
    return array_type(a.shape, a.dtype)


def _jvp_recurrence(ts, y, a, b, *, axis, reverse):
    t, s = ts
    if t is not None:
        part = e.mul(t, shifted(y, 0, axis, reverse))
        s = part if s is None else e.add(s, part)
    return recurrence(a, s, axis, reverse)


def _transpose_recurrence(ct, a, b, *, axis, reverse):
    assert is_linear(b), "the recurrence is linear in its second operand"
    return None, recurrence(shifted(a, 0, axis, not reverse), ct, axis, not reverse)


def _vmap_recurrence(size, xs, batched, *, axis, reverse):
    a, b = [x if m else batch(x, size) for x, m in zip(xs, batched, strict=True)]
    return recurrence(a, b, axis + 1, reverse)


recurrence_p = Primitive(
    "recurrence",
    params=("axis", "reverse"),
    infer=_infer_recurrence,
    jvp=_jvp_recurrence,
    transpose=_transpose_recurrence,
    vmap=_vmap_recurrence,
    simplify=lambda a, b, *, axis, reverse: b if b.shape[axis] == 1 else None,
)


def recurrence(a, b, axis, reverse=False):
    """y[i] = a[i] * y[i-1] + b[i] along `axis`, from y = 0; in reverse, y[i] = a[i] * y[i+1] + b[i]."""
    return bind(recurrence_p, a, b, axis=axis, reverse=bool(reverse))
