"""Reductions other than the sum, which shares a file with its transpose: products, extrema, logic, positions."""

from __future__ import annotations

import math
from collections.abc import Callable

from functorch_lite import dtypes
from functorch_lite.errors import ShapeError
from functorch_lite.ir import Primitive, array_type
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.cumulative import cumprod, shifted
from functorch_lite.prims.shape import (
    broadcast,
    given_dtype,
    infer_reduce,
    kept,
    reduce_sum,
    reshape,
    reshape_p,
    transpose,
)
from functorch_lite.trace import at, bind, typeof


def reduction(name, admits, jvp=None, empty=True) -> tuple[Primitive, Callable]:
    """The record of a reduction by an associative operation; without `empty`, of at least one element."""
    infer_any = infer_reduce(name, admits)

    def infer(x, *, axes):
        out = infer_any(x, axes=axes)
        if not empty and out.size and not x.size:
            raise ShapeError(f"{name}: {x} has no elements along {axes}, at {at()}; nothing has no extremum")
        return out

    def simplify(x, *, axes):
        if not axes:
            return x
        if all(x.shape[a] == 1 for a in axes):
            return reshape_p, (x,), {"shape": tuple([x.shape[a] for a in kept(x.ndim, axes)])}
        return None

    def apply(x, axes):
        return bind(prim, x, axes=tuple(axes))

    apply.__name__ = apply.__qualname__ = name
    prim = Primitive(
        name,
        params=("axes",),
        infer=infer,
        jvp=(jvp,),
        vmap=lambda size, xs, batched, *, axes: apply(xs[0], [a + 1 for a in axes]),
        simplify=simplify,
    )
    return prim, apply


def _jvp_prod(t, y, x, *, axes):
    """Each tangent times the product of all other elements, which are left of it or right of it."""
    shape, order = typeof(x).shape, (*kept(typeof(x).ndim, axes), *axes)
    rest = [shape[a] for a in kept(len(shape), axes)]
    n, last = math.prod([shape[a] for a in axes]), len(rest)
    x, t = [reshape(transpose(v, order), (*rest, n)) for v in (x, t)]
    left = cumprod(shifted(x, 1, last, False), last)
    right = cumprod(shifted(x, 1, last, True), last, True)
    return reduce_sum(e.mul(t, e.mul(left, right)), (last,))


def _jvp_extremum(t, y, x, *, axes):
    """Elements that tie share the tangent equally."""
    type_ = typeof(x)
    hit = e.eq(x, broadcast(y, type_.shape, kept(type_.ndim, axes)))
    count = reduce_sum(e.convert(hit, type_.dtype), axes)
    return e.div(reduce_sum(e.select(hit, t, 0), axes), count)


reduce_prod_p, reduce_prod = reduction("reduce_prod", "iufc", _jvp_prod)
reduce_max_p, reduce_max = reduction("reduce_max", "biuf", _jvp_extremum, empty=False)
reduce_min_p, reduce_min = reduction("reduce_min", "biuf", _jvp_extremum, empty=False)
reduce_and_p, reduce_and = reduction("reduce_and", "biu")
reduce_or_p, reduce_or = reduction("reduce_or", "biu")
reduce_xor_p, reduce_xor = reduction("reduce_xor", "biu")


# ---- where the extremum is ----


def position(name) -> tuple[Primitive, Callable]:
    """The record of `argmax` and `argmin`."""

    def infer(x, *, axis, dtype):
        if dtypes.is_complex(x.dtype):
            raise TypeError(f"{name}: {dtypes.short(x.dtype)} has no order ({x}), at {at()}; take a real part")
        if dtypes.kind(dtype) not in "iu":
            raise TypeError(f"{name}: a position is an integer, no {dtypes.short(dtype)}, at {at()}; choose another")
        if not 0 <= axis < x.ndim:
            raise ShapeError(f"{name}: {axis} is no axis of {x}, at {at()}")
        if not x.shape[axis]:
            raise ShapeError(f"{name}: {x} has no elements along axis {axis}, at {at()}; nothing has no extremum")
        return array_type((*x.shape[:axis], *x.shape[axis + 1 :]), dtype, False, x.vary)

    def apply(x, axis, dtype):
        return bind(prim, x, axis=axis, dtype=given_dtype(dtype))

    apply.__name__ = apply.__qualname__ = name
    prim = Primitive(
        name,
        params=("axis", "dtype"),
        infer=infer,
        jvp=(None,),
        vmap=lambda size, xs, batched, *, axis, dtype: apply(xs[0], axis + 1, dtype),
        weak=(),
    )
    return prim, apply


argmax_p, argmax = position("argmax")
argmin_p, argmin = position("argmin")
