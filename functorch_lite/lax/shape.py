"""`lax`: constants, and what moves elements without computing. Axes may be negative."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from functorch_lite.errors import ConcretizationError, ShapeError
from functorch_lite.prims import shape as _p
from functorch_lite.prims import slicing as _s
from functorch_lite.prims.elementwise import convert
from functorch_lite.trace import SCALARS, at, typeof

__all__ = [
    "broadcast", "broadcast_in_dim", "broadcast_shapes", "broadcasted_iota", "collapse", "concatenate", "expand_dims",
    "full", "full_like", "index_in_dim", "iota", "pad", "reshape", "rev", "slice", "slice_in_dim", "split", "squeeze",
    "transpose", "zeros_like_array",
]  # fmt: skip


def one_int(name: str, x: Any) -> int:
    """An int from whatever stands for one. Raises TypeError, or ConcretizationError for a traced one."""
    try:
        return operator.index(x)
    except ConcretizationError:
        raise
    except TypeError:
        raise TypeError(f"{name}: expected an int, got {type(x).__name__} {x!r} at {at()}") from None


def ints(name: str, xs: Any) -> tuple[int, ...]:
    """A tuple of ints from a sequence of what stands for them, or from a single one."""
    if isinstance(xs, (int, np.integer)):
        return (int(xs),)
    return tuple([x if type(x) is int else one_int(name, x) for x in xs])


def axis_of(name: str, axis: Any, ndim: int) -> int:
    """An axis counted from the front. Raises ValueError."""
    axis = one_int(name, axis)
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{name}: {axis} is no axis of an array with {ndim}, at {at()}")
    return axis + ndim if axis < 0 else axis


def axes_of(name: str, axes: Any, ndim: int) -> tuple[int, ...]:
    """Distinct axes counted from the front. Raises ValueError."""
    found = tuple([axis_of(name, a, ndim) for a in ints(name, axes)])
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: an axis is named twice in {axes}, at {at()}")
    return found


# ---- constants ----


def full(shape, fill_value, dtype=None, *, weak=False):
    """An array of `shape` filled with one value.

    fill_value: a scalar, or an array that broadcasts to `shape`; dtype: by default that of the value.
    """
    shape = ints("full", shape)
    if type(fill_value) in SCALARS:
        return _p.full(shape, fill_value, dtype, weak)
    type_ = typeof(fill_value)
    value = convert(fill_value, type_.dtype if dtype is None else _p.given_dtype(dtype))
    return _p.broadcast(value, shape)


def full_like(x, fill_value, dtype=None, shape=None):
    """`full` with the shape and the dtype of `x` where none are given."""
    type_ = typeof(x)
    weak = dtype is None and type_.weak and type(fill_value) in SCALARS
    return full(type_.shape if shape is None else shape, fill_value, type_.dtype if dtype is None else dtype, weak=weak)


def zeros_like_array(x):
    """Zeros with the shape and the dtype of `x`."""
    return full_like(x, 0)


def iota(dtype, size):
    """0, 1, ... size - 1."""
    return _p.iota(dtype, (one_int("iota", size),), 0)


def broadcasted_iota(dtype, shape, dimension):
    """An array of `shape` in which each element is its position along one axis."""
    shape = ints("broadcasted_iota", shape)
    return _p.iota(dtype, shape, axis_of("broadcasted_iota", dimension, len(shape)))


# ---- shapes ----


def reshape(operand, new_sizes, dimensions=None):
    """The elements in row-major order, or with the axes in the order `dimensions`, in another shape.

    Raises ValueError if the sizes do not multiply to the number of elements.
    """
    if dimensions is not None:
        operand = transpose(operand, dimensions)
    return _p.reshape(operand, ints("reshape", new_sizes))


def transpose(operand, permutation):
    """Result axis i is operand axis permutation[i]."""
    return _p.transpose(operand, axes_of("transpose", permutation, typeof(operand).ndim))


def broadcast(operand, sizes):
    """Repeat an array along new leading axes of these sizes."""
    return _p.broadcast(operand, (*ints("broadcast", sizes), *typeof(operand).shape))


def broadcast_in_dim(operand, shape, broadcast_dimensions):
    """Place operand axis i at result axis broadcast_dimensions[i], in order, and repeat along the other axes.

    An axis of size 1 is repeated too. Raises ValueError if a size does not fit.
    """
    return _p.broadcast(operand, ints("broadcast_in_dim", shape), ints("broadcast_in_dim", broadcast_dimensions))


def broadcast_shapes(*shapes):
    """The shape to which arrays of these shapes broadcast. Raises ValueError if there is none."""
    shapes = [ints("broadcast_shapes", shape) for shape in shapes]
    n = max(map(len, shapes), default=0)
    made = []
    for sizes in zip(*[(1,) * (n - len(shape)) + shape for shape in shapes], strict=True):
        distinct = {size for size in sizes if size != 1}
        if len(distinct) > 1:
            raise ShapeError(f"the shapes {', '.join(map(str, shapes))} do not broadcast, at {at()}; reshape one")
        made.append(distinct.pop() if distinct else 1)
    return tuple(made)


def squeeze(array, dimensions):
    """Drop axes of size 1. Raises ValueError if one is not."""
    shape = typeof(array).shape
    axes = axes_of("squeeze", dimensions, len(shape))
    if any(shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze: not all of the axes {axes} of {typeof(array)} have size 1, at {at()}; reduce them")
    return _p.reshape(array, [n for i, n in enumerate(shape) if i not in axes])


def expand_dims(array, dimensions):
    """Add axes of size 1; `dimensions` are their places in the result."""
    shape, added = list(typeof(array).shape), ints("expand_dims", dimensions)
    for axis in sorted(axes_of("expand_dims", added, len(shape) + len(added))):
        shape.insert(axis, 1)
    return _p.reshape(array, shape)


def collapse(operand, start_dimension, stop_dimension=None):
    """Join the axes from `start_dimension` up to `stop_dimension` (default: all behind) into one."""
    shape = typeof(operand).shape
    n = len(shape)
    start, stop, _ = builtin_slice(start_dimension, stop_dimension).indices(n)
    joined = int(np.prod(shape[start:stop], dtype=object))
    return _p.reshape(operand, (*shape[:start], joined, *shape[max(start, stop) :]))


def rev(operand, dimensions):
    """The elements in the opposite order along some axes."""
    return _p.rev(operand, axes_of("rev", dimensions, typeof(operand).ndim))


# ---- parts ----

builtin_slice = slice


def pad(operand, padding_value, padding_config: Sequence[tuple[int, int, int]]):
    """Per axis (low, high, interior) copies of a value before, behind and between the elements.

    Negative `low` and `high` take elements away. padding_value: a scalar of the operand's dtype.
    """
    config = [ints("pad", each) for each in padding_config]
    if any(len(each) != 3 for each in config):
        raise ShapeError(f"pad: {padding_config} are no triples (low, high, interior), at {at()}")
    return _s.pad(operand, padding_value, config)


def slice(operand, start_indices, limit_indices, strides=None):
    """The elements from `start_indices` up to `limit_indices`, every `strides`-th, per axis.

    Raises ValueError if they leave the operand: use `dynamic_slice` for starts that are data.
    """
    strides = None if strides is None else ints("slice", strides)
    return _s.slice(operand, ints("slice", start_indices), ints("slice", limit_indices), strides)


def slice_in_dim(operand, start_index, limit_index, stride=1, axis=0):
    """`slice` along one axis; negative positions count from its end, None is its end."""
    shape = typeof(operand).shape
    axis = axis_of("slice_in_dim", axis, len(shape))
    start, limit = [0] * len(shape), list(shape)
    n = shape[axis]
    low, high = [
        default if i is None else one_int("slice_in_dim", i) for i, default in ((start_index, 0), (limit_index, n))]
    start[axis], limit[axis] = low + n if low < 0 else low, high + n if high < 0 else high
    strides = [1] * len(shape)
    strides[axis] = one_int("slice_in_dim", stride)
    return _s.slice(operand, start, limit, strides)


def index_in_dim(operand, index, axis=0, keepdims=True):
    """The elements at one position of an axis, which stays with size 1 if `keepdims`. Raises IndexError."""
    shape = typeof(operand).shape
    axis, index = axis_of("index_in_dim", axis, len(shape)), one_int("index_in_dim", index)
    if not -shape[axis] <= index < shape[axis]:
        raise IndexError(f"index_in_dim: {index} is out of bounds for axis {axis} of {typeof(operand)}, at {at()}")
    index %= shape[axis]
    made = slice_in_dim(operand, index, index + 1, 1, axis)
    return made if keepdims else squeeze(made, (axis,))


def concatenate(operands, dimension):
    """Arrays one after another along an axis; of one dtype, and of one shape but for that axis."""
    operands = list(operands)
    if not operands:
        raise ShapeError(f"concatenate: there are no arrays to join, at {at()}; give at least one")
    return _s.concatenate(operands, axis_of("concatenate", dimension, typeof(operands[0]).ndim))


def split(operand, sizes, axis=0):
    """Parts of these sizes along an axis. Raises ValueError if they do not add up to its size."""
    shape, sizes = typeof(operand).shape, ints("split", sizes)
    axis = axis_of("split", axis, len(shape))
    if sum(sizes) != shape[axis] or any(n < 0 for n in sizes):
        raise ShapeError(f"split: {sizes} do not add up to axis {axis} of {typeof(operand)}, at {at()}")
    parts, start, limit = [], [0] * len(shape), list(shape)
    for n in sizes:
        limit[axis] = start[axis] + n
        parts.append(_s.slice(operand, start, limit))
        start[axis] += n
    return parts
