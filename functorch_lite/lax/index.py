"""Gather, scatter, slices whose start is data, and sorting, with the names and arguments of `jax.lax`."""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np

from functorch_lite import dtypes
from functorch_lite.array import Array
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import index as p
from functorch_lite.prims import sort as order
from functorch_lite.prims.shape import reshape, transpose
from functorch_lite.prims.slicing import slice as static_slice
from functorch_lite.trace import at, current_frame, typeof

__all__ = [
    "GatherDimensionNumbers",
    "GatherScatterMode",
    "ScatterDimensionNumbers",
    "dynamic_index_in_dim",
    "dynamic_slice",
    "dynamic_slice_in_dim",
    "dynamic_update_index_in_dim",
    "dynamic_update_slice",
    "dynamic_update_slice_in_dim",
    "gather",
    "scatter",
    "scatter_add",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "scatter_sub",
    "sort",
    "sort_key_val",
    "top_k",
]


class GatherDimensionNumbers(NamedTuple):
    """How the axes of the operand, the indices and the result of `gather` correspond; all are tuples of ints.

    offset_dims: axes of the result along which slices lie; collapsed_slice_dims: axes of the operand whose slice size
    is 1 and which the result lacks; start_index_map: the operand axis of each component of an index vector;
    operand_batching_dims, start_indices_batching_dims: pairs of axes that run together.
    """

    offset_dims: tuple[int, ...]
    collapsed_slice_dims: tuple[int, ...]
    start_index_map: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    start_indices_batching_dims: tuple[int, ...] = ()


class ScatterDimensionNumbers(NamedTuple):
    """How the axes of the operand, the indices and the updates of a scatter correspond; all are tuples of ints.

    update_window_dims: axes of the updates along which windows lie; inserted_window_dims: axes of the operand that
    windows lack; scatter_dims_to_operand_dims: the operand axis of each component of an index vector;
    operand_batching_dims, scatter_indices_batching_dims: pairs of axes that run together.
    """

    update_window_dims: tuple[int, ...]
    inserted_window_dims: tuple[int, ...]
    scatter_dims_to_operand_dims: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    scatter_indices_batching_dims: tuple[int, ...] = ()


class GatherScatterMode(enum.Enum):
    """What becomes of windows that are not inside the operand.

    CLIP: they are moved inside. FILL_OR_DROP: `gather` gives the fill value, a scatter leaves them out.
    PROMISE_IN_BOUNDS: the caller vouches that there are none.
    """

    CLIP = "clip"
    FILL_OR_DROP = "fill"
    PROMISE_IN_BOUNDS = "promise"

    @staticmethod
    def from_any(mode) -> GatherScatterMode:
        """The mode of a member, a name, or None (which is "fill")."""
        if isinstance(mode, GatherScatterMode):
            return mode
        found = _MODES.get(mode)
        if found is None:
            raise ValueError(f"unknown mode {mode!r} at {at()}; use 'clip', 'fill', 'drop' or 'promise_in_bounds'")
        return found


_MODES = {
    None: GatherScatterMode.FILL_OR_DROP,
    "fill": GatherScatterMode.FILL_OR_DROP,
    "drop": GatherScatterMode.FILL_OR_DROP,
    "clip": GatherScatterMode.CLIP,
    "promise_in_bounds": GatherScatterMode.PROMISE_IN_BOUNDS,
}
_SCATTER = {"clip": "clip", "fill": "drop", "promise": "promise"}


def _dims(numbers):
    return tuple([tuple(axes) for axes in numbers])


def gather(operand, start_indices, dimension_numbers, slice_sizes, *, unique_indices=False, indices_are_sorted=False,
           mode=None, fill_value=None):  # fmt: skip
    """The slices of `operand` at the positions that the vectors along the last axis of `start_indices` give.

    mode: of `GatherScatterMode`, or its name; by default what is out of bounds gives `fill_value`, which is by default
    NaN, the least signed or the greatest unsigned integer, or True.
    """
    mode = GatherScatterMode.from_any(mode).value
    return p.gather(operand, start_indices, _dims(dimension_numbers), slice_sizes, mode, fill_value, unique_indices,
                    indices_are_sorted)  # fmt: skip


def _scatter(op, doc):
    def scatter(operand, scatter_indices, updates, dimension_numbers, *, indices_are_sorted=False,
                unique_indices=False, mode=None):  # fmt: skip
        mode = _SCATTER[GatherScatterMode.from_any(mode).value]
        return op(operand, scatter_indices, updates, _dims(dimension_numbers), mode, unique_indices, indices_are_sorted)

    scatter.__name__ = scatter.__qualname__ = op.__name__
    scatter.__doc__ = doc
    return scatter


scatter = _scatter(p.scatter, """`operand` with the windows that the index vectors point at replaced by `updates`.

    Where windows overlap, one of them remains. By default what is out of bounds is left out.
    """)
scatter_add = _scatter(p.scatter_add, "`operand` with the `updates` added to the windows of the index vectors.")
scatter_mul = _scatter(p.scatter_mul, "`operand` with the windows of the index vectors multiplied by `updates`.")
scatter_min = _scatter(p.scatter_min, "The minimum of `operand` and the `updates` in the windows of the index vectors.")
scatter_max = _scatter(p.scatter_max, "The maximum of `operand` and the `updates` in the windows of the index vectors.")


def scatter_sub(operand, scatter_indices, updates, dimension_numbers, **keywords):
    """`operand` with the `updates` subtracted from the windows that the index vectors point at."""
    return scatter_add(operand, scatter_indices, e.neg(updates), dimension_numbers, **keywords)


# ---- slices ----


def _wrapped(start, n):
    """A start that counts from the end if it is negative."""
    if isinstance(start, (int, np.integer)):
        return start + n if start < 0 else start
    type_ = typeof(start)
    if type_.ndim or dtypes.kind(type_.dtype) != "i":
        return start  # unsigned; or the primitive tells what is wrong
    if type(start) is Array and current_frame() is None:
        return int(start) + n if int(start) < 0 else start
    if n > dtypes.iinfo(type_.dtype).max:
        start = e.convert(start, np.dtype(np.int32 if n < 2**31 else np.int64))
    return e.select(e.lt(start, 0), e.add(start, n), start)


def _starts(name, operand, starts, wrap):
    """One start per axis: of a sequence, or of a vector."""
    type_ = typeof(operand)
    if not isinstance(starts, (tuple, list)):
        vector = typeof(starts)
        if vector.ndim != 1:
            raise TypeError(f"{name}: start indices are one integer per axis of {type_}, got {vector} at {at()}")
        starts = [reshape(static_slice(starts, (k,), (k + 1,)), ()) for k in range(vector.shape[0])]
    if not wrap or len(starts) != type_.ndim:
        return starts  # the primitive tells what is wrong
    return [_wrapped(start, n) for start, n in zip(starts, type_.shape, strict=True)]


def dynamic_slice(operand, start_indices, slice_sizes, *, allow_negative_indices=True):
    """The slice of `operand` of static sizes that begins at `start_indices`, which may be data.

    start_indices: one integer without axes per axis, or a vector of them; negative ones count from the end, unless
    they are not allowed. A slice that would stick out is moved inside.
    """
    starts = _starts("dynamic_slice", operand, start_indices, allow_negative_indices)
    return p.dynamic_slice(operand, starts, slice_sizes)


def dynamic_update_slice(operand, update, start_indices, *, allow_negative_indices=True):
    """`operand` with the slice that begins at `start_indices` replaced by `update`; see `dynamic_slice`."""
    starts = _starts("dynamic_update_slice", operand, start_indices, allow_negative_indices)
    return p.dynamic_update_slice(operand, update, starts)


def _axis(name, type_, axis):
    if not -type_.ndim <= axis < type_.ndim:
        raise ValueError(f"{name}: {axis} is no axis of {type_}, at {at()}; it has {type_.ndim}")
    return axis % type_.ndim


def _at_axis(type_, axis, start):
    return [start if k == axis else 0 for k in range(type_.ndim)]


def dynamic_slice_in_dim(operand, start_index, slice_size, axis=0, *, allow_negative_indices=True):
    """`slice_size` positions of one axis from `start_index` on; see `dynamic_slice`."""
    type_ = typeof(operand)
    axis = _axis("dynamic_slice_in_dim", type_, axis)
    sizes = [slice_size if k == axis else n for k, n in enumerate(type_.shape)]
    starts = _at_axis(type_, axis, start_index)
    return dynamic_slice(operand, starts, sizes, allow_negative_indices=allow_negative_indices)


def dynamic_index_in_dim(operand, index, axis=0, keepdims=True, *, allow_negative_indices=True):
    """One position of one axis; with `keepdims` the axis remains, of size 1. See `dynamic_slice`."""
    type_ = typeof(operand)
    axis = _axis("dynamic_index_in_dim", type_, axis)
    y = dynamic_slice_in_dim(operand, index, 1, axis, allow_negative_indices=allow_negative_indices)
    return y if keepdims else reshape(y, (*type_.shape[:axis], *type_.shape[axis + 1 :]))


def dynamic_update_slice_in_dim(operand, update, start_index, axis, *, allow_negative_indices=True):
    """`operand` with the positions of one axis from `start_index` on replaced; see `dynamic_slice`."""
    type_ = typeof(operand)
    axis = _axis("dynamic_update_slice_in_dim", type_, axis)
    starts = _at_axis(type_, axis, start_index)
    return dynamic_update_slice(operand, update, starts, allow_negative_indices=allow_negative_indices)


def dynamic_update_index_in_dim(operand, update, index, axis, *, allow_negative_indices=True):
    """`operand` with one position of one axis replaced; `update` may lack that axis. See `dynamic_slice`."""
    type_, shape = typeof(operand), typeof(update).shape
    axis = _axis("dynamic_update_index_in_dim", type_, axis)
    if len(shape) == type_.ndim - 1:
        update = reshape(update, (*shape[:axis], 1, *shape[axis:]))
    return dynamic_update_slice_in_dim(operand, update, index, axis, allow_negative_indices=allow_negative_indices)


# ---- sorting ----


def sort(operand, dimension=-1, is_stable=True, num_keys=1):
    """An array, or a sequence of arrays of one shape by the first `num_keys` of them, in order along `dimension`.

    -0.0 equals 0.0, NaN comes last, and complex numbers compare by their real part first. With `is_stable`, rows whose
    keys are equal keep their order.
    """
    many = isinstance(operand, (tuple, list))
    xs = list(operand) if many else [operand]
    if not xs:
        raise TypeError(f"sort: there are no operands, at {at()}; give one array or more")
    made = order.sort(xs, _axis("sort", typeof(xs[0]), dimension), num_keys, is_stable)
    return tuple(made) if many else made[0]


def sort_key_val(keys, values, dimension=-1, is_stable=True):
    """`keys` in order along `dimension`, and `values` moved along with them."""
    return sort((keys, values), dimension, is_stable)


def top_k(operand, k, *, axis=-1):
    """The `k` largest elements along `axis`, largest first, and their positions (int32); of equal ones the first first.

    NaN is the largest, and 0.0 exceeds -0.0.
    """
    type_ = typeof(operand)
    axis = _axis("top_k", type_, axis)
    if axis == type_.ndim - 1:
        return tuple(order.top_k(operand, k))
    axes = tuple([type_.ndim - 1 if a == axis else axis if a == type_.ndim - 1 else a for a in range(type_.ndim)])
    return tuple([transpose(y, axes) for y in order.top_k(transpose(operand, axes), k)])
