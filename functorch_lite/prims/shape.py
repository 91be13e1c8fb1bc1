"""Primitives that make constants and move elements without computing."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.ir import Lit, Primitive, array_type, literal
from functorch_lite.prims.linear import shape_of
from functorch_lite.trace import at, bind, typeof

# ---- constants ----

full_p = Primitive(
    "full",
    params=("shape", "value", "weak"),
    infer=lambda *, shape, value, weak: array_type(shape, value.dtype, weak),
    jvp=(),
    vmap=None,  # it has no operand
    weak=(),
)


def full(shape, value, dtype=None, weak=False):
    """An array of `shape` filled with a Python scalar."""
    dtype = dtypes.scalar_dtype(type(value)) if dtype is None else dtypes.canonical(dtype)
    return bind(full_p, shape=tuple(shape), value=literal(value, dtype), weak=weak)


def zeros_like(type_, value=0):
    """A constant of a type."""
    return bind(full_p, shape=type_.shape, value=literal(value, type_.dtype), weak=False)


# ---- one operand ----


def _refilled(x, shape):
    """A moved or repeated constant is a constant."""
    constant = x.made_by(full_p)
    return constant and (full_p, (), {**constant, "shape": shape})


def _infer_reshape(x, *, shape):
    if int(np.prod(shape, dtype=object)) != x.size or any(n < 0 for n in shape):
        raise ValueError(f"reshape: {x} has {x.size} elements, which do not fill the shape {shape}, at {at()}")
    return array_type(shape, x.dtype)


def _simplify_reshape(x, *, shape):
    if x.shape == shape:
        return x
    if x.made_by(reshape_p):
        return reshape_p, x.operands(), {"shape": shape}
    return _refilled(x, shape)


reshape_p = Primitive(
    "reshape",
    params=("shape",),
    infer=_infer_reshape,
    jvp=(lambda t, y, x, *, shape: reshape(t, shape),),
    transpose=lambda ct, x, *, shape: (reshape(ct, x.shape),),
    vmap=lambda size, xs, batched, *, shape: reshape(xs[0], (size, *shape)),
    simplify=_simplify_reshape,
)


def reshape(x, shape):
    """The elements of `x` in row-major order, in another shape."""
    return bind(reshape_p, x, shape=tuple(shape))


def _infer_transpose(x, *, axes):
    if sorted(axes) != list(range(x.ndim)):
        raise ValueError(f"transpose: {axes} is no permutation of the {x.ndim} axes of {x}, at {at()}")
    return array_type(tuple([x.shape[a] for a in axes]), x.dtype)


def _simplify_transpose(x, *, axes):
    if axes == tuple(range(len(axes))):
        return x
    inner = x.made_by(transpose_p)
    if inner:
        return transpose_p, x.operands(), {"axes": tuple([inner["axes"][a] for a in axes])}
    return _refilled(x, tuple([x.shape[a] for a in axes]))


transpose_p = Primitive(
    "transpose",
    params=("axes",),
    infer=_infer_transpose,
    jvp=(lambda t, y, x, *, axes: transpose(t, axes),),
    transpose=lambda ct, x, *, axes: (transpose(ct, tuple([axes.index(i) for i in range(len(axes))])),),
    vmap=lambda size, xs, batched, *, axes: transpose(xs[0], (0, *[a + 1 for a in axes])),
    simplify=_simplify_transpose,
)


def transpose(x, axes):
    """Result axis i is operand axis `axes[i]`."""
    return bind(transpose_p, x, axes=tuple(axes))


def _infer_broadcast(x, *, shape, axes):
    if len(axes) != x.ndim or list(axes) != sorted(set(axes)) or not all(0 <= a < len(shape) for a in axes):
        raise ValueError(f"broadcast: axes {axes} do not place {x} in the shape {shape}, at {at()}")
    if any(n != shape[a] and n != 1 for n, a in zip(x.shape, axes, strict=True)):
        raise ValueError(f"broadcast: {x} does not fit the shape {shape} at axes {axes}, at {at()}")
    return array_type(shape, x.dtype)


def _transpose_broadcast(ct, x, *, shape, axes):
    small = x.shape
    gone = tuple([i for i, n in enumerate(shape) if i not in axes or small[axes.index(i)] != n])
    return (reshape(reduce_sum(ct, gone), small) if gone else ct,)


broadcast_p = Primitive(
    "broadcast",  # operand axis i becomes result axis axes[i], in order; a size-1 axis may grow
    params=("shape", "axes"),
    infer=_infer_broadcast,
    jvp=(lambda t, y, x, *, shape, axes: broadcast(t, shape, axes),),
    transpose=_transpose_broadcast,
    vmap=lambda size, xs, batched, *, shape, axes: broadcast(xs[0], (size, *shape), (0, *[a + 1 for a in axes])),
    simplify=lambda x, *, shape, axes: x if x.shape == shape else _refilled(x, shape),
)


def broadcast(x, shape, axes=None):
    """Place operand axis i at result axis `axes[i]` (in order; default: the last ones), repeating along the others."""
    if axes is None:
        n = typeof(x).ndim
        axes = range(len(shape) - n, len(shape))
    return bind(broadcast_p, x, shape=tuple(shape), axes=tuple(axes))


def batch(x, size):
    """Repeat `x` along a new leading axis."""
    shape = shape_of(x)
    return broadcast(x, (size, *shape), tuple(range(1, len(shape) + 1)))


# ---- sums: the transpose of broadcast, so they share a file ----


def _infer_reduce(name):
    def infer(x, *, axes):
        if len(set(axes)) != len(axes) or not all(0 <= a < x.ndim for a in axes):
            raise ValueError(f"{name}: axes {axes} are not axes of {x}, at {at()}")
        return array_type(tuple([n for i, n in enumerate(x.shape) if i not in axes]), x.dtype)

    return infer


def _kept(ndim, axes):
    return tuple([i for i in range(ndim) if i not in axes])


reduce_sum_p = Primitive(
    "reduce_sum",
    params=("axes",),
    infer=_infer_reduce("reduce_sum"),
    jvp=(lambda t, y, x, *, axes: reduce_sum(t, axes),),
    transpose=lambda ct, x, *, axes: (broadcast(ct, x.shape, _kept(x.ndim, axes)),),
    vmap=lambda size, xs, batched, *, axes: reduce_sum(xs[0], tuple([a + 1 for a in axes])),
    simplify=lambda x, *, axes: x if not axes else None,
)


def reduce_sum(x, axes):
    """The sum over `axes`, in the dtype of `x`."""
    return bind(reduce_sum_p, x, axes=tuple(axes))


def is_literal(x, value) -> bool:
    """Whether an operand seen by a `simplify` rule is this constant."""
    return type(x) is Lit and x.value == value
