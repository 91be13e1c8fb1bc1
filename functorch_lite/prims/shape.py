"""Primitives that make constants and move elements without computing."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.errors import ShapeError
from functorch_lite.ir import Lit, Primitive, array_type, literal
from functorch_lite.prims.linear import shape_of
from functorch_lite.trace import at, bind, typeof


def given_dtype(dtype) -> np.dtype:
    """A dtype argument of the user. Raises TypeError for what is none."""
    try:
        return dtypes.canonical(dtype)
    except TypeError as error:
        raise TypeError(f"{error}, at {at()}") from None


# ---- constants ----

full_p = Primitive(
    "full",
    params=("shape", "value", "weak"),
    infer=lambda *, shape, value, weak: array_type(shape, value.dtype, weak),
    jvp=(),
    vmap=None,  # it has no operand
    weak=(),
    tells=True,
)


def full(shape, value, dtype=None, weak=False):
    """An array of `shape` filled with a Python scalar. Raises OverflowError for an integer that does not fit."""
    dtype = dtypes.scalar_dtype(type(value)) if dtype is None else given_dtype(dtype)
    try:
        value = literal(value, dtype)
    except OverflowError as error:
        raise OverflowError(f"{error}, at {at()}; give a dtype that does") from None
    return bind(full_p, shape=tuple(shape), value=value, weak=weak)


def zeros_like(type_, value=0):
    """A constant of a type."""
    return bind(full_p, shape=type_.shape, value=literal(value, type_.dtype), weak=False)


def _infer_iota(*, dtype, shape, dimension):
    if not 0 <= dimension < len(shape):
        raise ShapeError(f"iota: {dimension} is no axis of the shape {shape}, at {at()}")
    if dtypes.is_bool(dtype):
        raise TypeError(f"iota: there are no bools to count in, at {at()}; choose a dtype of numbers")
    return array_type(shape, dtype)


def _simplify_iota(*, dtype, shape, dimension):
    return (full_p, (), {"shape": shape, "value": literal(0, dtype), "weak": False}) if shape[dimension] == 1 else None


iota_p = Primitive(
    "iota",
    params=("dtype", "shape", "dimension"),
    infer=_infer_iota,
    jvp=(),
    vmap=None,  # it has no operand
    simplify=_simplify_iota,
    weak=(),
)


def iota(dtype, shape, dimension):
    """Each element is its position along the axis `dimension`."""
    return bind(iota_p, dtype=given_dtype(dtype), shape=tuple(shape), dimension=dimension)


# ---- one operand ----


def refilled(x, shape):
    """A moved or repeated constant is a constant."""
    constant = x.made_by(full_p)
    return constant and (full_p, (), {**constant, "shape": shape})


def _infer_reshape(x, *, shape):
    if int(np.prod(shape, dtype=object)) != x.size or any(n < 0 for n in shape):
        raise ShapeError(f"reshape: {x} has {x.size} elements, which do not fill the shape {shape}, at {at()}")
    return array_type(shape, x.dtype)


def _simplify_reshape(x, *, shape):
    if x.shape == shape:
        return x
    if x.made_by(reshape_p):
        return reshape_p, x.operands(), {"shape": shape}
    return refilled(x, shape)


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
        raise ShapeError(f"transpose: {axes} is no permutation of the {x.ndim} axes of {x}, at {at()}")
    return array_type(tuple([x.shape[a] for a in axes]), x.dtype)


def _simplify_transpose(x, *, axes):
    if axes == tuple(range(len(axes))):
        return x
    inner = x.made_by(transpose_p)
    if inner:
        return transpose_p, x.operands(), {"axes": tuple([inner["axes"][a] for a in axes])}
    return refilled(x, tuple([x.shape[a] for a in axes]))


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
        raise ShapeError(f"broadcast: axes {axes} do not place {x} in the shape {shape}, at {at()}")
    if any(n != shape[a] and n != 1 for n, a in zip(x.shape, axes, strict=True)):
        raise ShapeError(f"broadcast: {x} does not fit the shape {shape} at axes {axes}, at {at()}")
    return array_type(shape, x.dtype)


def _transpose_broadcast(ct, x, *, shape, axes):
    small = x.shape
    gone = tuple([i for i, n in enumerate(shape) if i not in axes or small[axes.index(i)] != n])
    return (reshape(reduce_sum(ct, gone), small) if gone else ct,)


def _simplify_broadcast(x, *, shape, axes):
    if x.shape == shape:
        return x
    inner = x.made_by(broadcast_p)
    if inner:
        return broadcast_p, x.operands(), {"shape": shape, "axes": tuple([axes[a] for a in inner["axes"]])}
    if x.made_by(reshape_p):
        (small,) = x.operands()
        kept = [a for n, a in zip(x.shape, axes, strict=True) if n != 1]
        if 1 not in small.shape and [n for n in x.shape if n != 1] == list(small.shape):  # it only added axes of size 1
            return broadcast_p, [small], {"shape": shape, "axes": tuple(kept)}
    return refilled(x, shape)


broadcast_p = Primitive(
    "broadcast",  # operand axis i becomes result axis axes[i], in order; a size-1 axis may grow
    params=("shape", "axes"),
    infer=_infer_broadcast,
    jvp=(lambda t, y, x, *, shape, axes: broadcast(t, shape, axes),),
    transpose=_transpose_broadcast,
    vmap=lambda size, xs, batched, *, shape, axes: broadcast(xs[0], (size, *shape), (0, *[a + 1 for a in axes])),
    simplify=_simplify_broadcast,
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


def _infer_rev(x, *, axes):
    if list(axes) != sorted(set(axes)) or not all(0 <= a < x.ndim for a in axes):
        raise ShapeError(f"rev: {axes} are not distinct axes of {x}, at {at()}")
    return x


def _simplify_rev(x, *, axes):
    axes = tuple([a for a in axes if x.shape[a] > 1])
    if not axes:
        return x
    inner = x.made_by(rev_p)
    if inner:
        return rev_p, x.operands(), {"axes": tuple(sorted({*axes} ^ {*inner["axes"]}))}
    return refilled(x, x.shape)


rev_p = Primitive(
    "rev",
    params=("axes",),
    infer=_infer_rev,
    jvp=(lambda t, y, x, *, axes: rev(t, axes),),
    transpose=lambda ct, x, *, axes: (rev(ct, axes),),
    vmap=lambda size, xs, batched, *, axes: rev(xs[0], [a + 1 for a in axes]),
    simplify=_simplify_rev,
)


def rev(x, axes):
    """The elements of `x` in the opposite order along `axes`."""
    return bind(rev_p, x, axes=tuple(sorted(axes)))


# ---- sums: the transpose of broadcast, so they share a file ----


def infer_reduce(name, admits):
    """The type rule of reductions of the kinds of dtype in `admits`."""

    def infer(x, *, axes):
        if dtypes.kind(x.dtype) not in admits:
            raise TypeError(f"{name}: does not take {dtypes.short(x.dtype)} ({x}), at {at()}; convert it")
        if len(set(axes)) != len(axes) or not all(0 <= a < x.ndim for a in axes):
            raise ShapeError(f"{name}: axes {axes} are not axes of {x}, at {at()}")
        return array_type(tuple([n for i, n in enumerate(x.shape) if i not in axes]), x.dtype)

    return infer


def kept(ndim, axes):
    """The axes that a reduction over `axes` leaves."""
    return tuple([i for i in range(ndim) if i not in axes])


def _simplify_sum(x, *, axes):
    if not axes:
        return x
    if all(x.shape[a] == 1 for a in axes):
        return reshape_p, (x,), {"shape": tuple([x.shape[a] for a in kept(x.ndim, axes)])}
    inner = x.made_by(reduce_sum_p)
    if inner and dtypes.is_integer(x.dtype):  # a float of 16 bits rounds once more where there are two sums
        left = kept(x.operands()[0].ndim, inner["axes"])
        return reduce_sum_p, x.operands(), {"axes": tuple(sorted([*inner["axes"], *[left[a] for a in axes]]))}
    return None


reduce_sum_p = Primitive(
    "reduce_sum",
    params=("axes",),
    infer=infer_reduce("reduce_sum", "iufc"),
    jvp=(lambda t, y, x, *, axes: reduce_sum(t, axes),),
    transpose=lambda ct, x, *, axes: (broadcast(ct, x.shape, kept(x.ndim, axes)),),
    vmap=lambda size, xs, batched, *, axes: reduce_sum(xs[0], tuple([a + 1 for a in axes])),
    simplify=_simplify_sum,
)


def reduce_sum(x, axes):
    """The sum over `axes`, in the dtype of `x`."""
    return bind(reduce_sum_p, x, axes=tuple(axes))


def is_literal(x, value) -> bool:
    """Whether an operand seen by a `simplify` rule is this constant."""
    return type(x) is Lit and x.value == value
