"""Elements picked and written at positions along an axis, of the raveled array, under a mask, on the diagonal."""

from __future__ import annotations

import numpy as np

from functorch_lite import lax
from functorch_lite.array import Array, of_value
from functorch_lite.numpy.dispatch import REFUSED, filled, truth
from functorch_lite.numpy.indexing import getitem, lax_reshape, python_scalar, widened, wrapped
from functorch_lite.numpy.pieces import How, Pick, checked, demanded, mode_name, within
from functorch_lite.numpy.promote import as_array, asarray, canonical_axis, convert, promote_dtypes, promote_shapes
from functorch_lite.numpy.selecting import index_dtype, integers, modulo, no_out, take, where
from functorch_lite.prims.index import fill_of
from functorch_lite.trace import at, tracing, typeof

__all__ = ["choose", "fill_diagonal", "place", "put", "put_along_axis", "take_along_axis"]


def take_along_axis(arr, indices, axis=-1, mode=None, fill_value=None, *, wrap_negative_indices=None):
    """For each position of `indices`, the element of `arr` that it names along `axis`.

    arr and indices have equally many axes and broadcast together except along `axis`, where the result has the size
    of `indices`; axis None takes from `ravel(arr)`. mode, fill_value: as in `x.at[...].get`, and "one_hot", 0 outside.
    """
    arr, indices = as_array("take_along_axis", arr), integers("take_along_axis", indices)
    if axis is None:
        if indices.ndim != 1:
            raise ValueError(f"take_along_axis: with axis=None indices have one axis, got {typeof(indices)} at {at()}")
        arr, axis = lax_reshape(arr, (arr.size,)), 0
    axis = canonical_axis("take_along_axis", axis, arr.ndim)
    others = [(m, n) for k, (m, n) in enumerate(zip(arr.shape, indices.shape)) if k != axis]
    if arr.ndim != indices.ndim or any([m != n and 1 not in (m, n) for m, n in others]):
        raise ValueError(
            f"take_along_axis: {typeof(arr)} and {typeof(indices)} do not broadcast beside axis {axis}, at {at()}; "
            "reshape one of them"
        )
    if mode == "one_hot":
        mode, fill_value = "fill", 0  # what a product with one-hot vectors gives
    mode = "fill" if mode is None and fill_value is not None else mode_name(mode)
    wrap = wrap_negative_indices is not False
    if mode is None and wrap and not tracing and type(arr) is Array:
        try:
            return of_value(np.take_along_axis(arr._value, np.asarray(indices), axis))
        except (IndexError, *REFUSED):
            pass  # the general way raises our error
    return _gather_along(arr, indices, axis, How(mode, fill_value, wrap=wrap))


def _gather_along(arr, indices, axis, how):
    """One gather in which the axes of equal size run together; an axis of size 1 serves all of the other's."""
    type_, n = typeof(arr), arr.shape[axis]
    indices = checked(type_, axis, indices, how)
    mode = how.mode or ("promise_in_bounds" if within([Pick(axis, indices)], type_) else "fill")
    pairs = enumerate(zip(arr.shape, indices.shape))
    shape = tuple([b if k == axis or a == 1 else a for k, (a, b) in pairs])
    fill = python_scalar(how.fill_value)
    if 0 in shape or not n:
        return lax.full(shape, fill_of(type_.dtype) if fill is None else fill, type_.dtype)
    windows = [k for k in range(arr.ndim) if k != axis and indices.shape[k] == 1 != arr.shape[k]]
    single = [k for k in range(arr.ndim) if k != axis and arr.shape[k] == 1 != indices.shape[k]]
    paired = [k for k in range(arr.ndim) if k != axis and k not in windows and k not in single]
    place = {k: i for i, k in enumerate(k for k in range(arr.ndim) if k not in single)}
    batch = [k for k in range(arr.ndim) if k not in windows]
    numbers = lax.GatherDimensionNumbers(
        offset_dims=tuple(windows),
        collapsed_slice_dims=(place[axis],),
        start_index_map=(place[axis],),
        operand_batching_dims=tuple([place[k] for k in paired]),
        start_indices_batching_dims=tuple([batch.index(k) for k in paired]),
    )
    if isinstance(indices, np.ndarray):
        indices = indices.astype(np.int32) if n < 2**31 and np.abs(indices).max() < 2**31 else indices
    else:
        indices = wrapped(indices, n) if how.wrap else widened(indices, n)
    indices = lax_reshape(indices, (*[indices.shape[k] for k in batch], 1))
    arr = lax_reshape(arr, tuple([m for k, m in enumerate(arr.shape) if k not in single]))
    sizes = tuple([m if k in windows else 1 for k, m in enumerate(type_.shape) if k not in single])
    return lax.gather(arr, indices, numbers, sizes, mode=mode, fill_value=fill if mode == "fill" else None)


def _mesh(indices, axis, shape):
    """Index arrays that name, for each position of `indices`, itself except along `axis`."""
    mesh = []
    for k in range(len(shape)):
        if k == axis:
            mesh.append(indices)
        elif shape[k] == 1:
            mesh.append(np.zeros([1] * len(shape), np.int32))
        else:
            mesh.append(np.arange(shape[k], dtype=np.int32).reshape([-1 if j == k else 1 for j in range(len(shape))]))
    return tuple(mesh)


def not_in_place(name: str, inplace: bool) -> None:
    if inplace:
        raise ValueError(f"{name}: arrays never change, at {at()}; give inplace=False and use the result")


def put_along_axis(arr, indices, values, axis, inplace=True, *, mode=None):
    """A copy of `arr` with `values` at `indices` along `axis`, the inverse of `take_along_axis`; for inplace=False."""
    not_in_place("put_along_axis", inplace)
    arr, indices = asarray(arr), integers("put_along_axis", indices)
    if axis is None:
        flat = lax_reshape(arr, (arr.size,)).at[indices].set(values, mode=mode)
        return lax_reshape(flat, arr.shape)
    axis = canonical_axis("put_along_axis", axis, arr.ndim)
    shape = [1 if n == 1 and k != axis else m for k, (m, n) in enumerate(zip(arr.shape, indices.shape))]
    ones = [k for k, (m, n) in enumerate(zip(arr.shape, indices.shape)) if k != axis and n == 1 and m > 1]
    if ones:  # every position along those axes
        wide = tuple([m if k in ones else n for k, (m, n) in enumerate(zip(arr.shape, indices.shape))])
        indices = lax.broadcast_in_dim(indices, wide, tuple(range(arr.ndim)))
        shape = list(arr.shape)
    return arr.at[_mesh(indices, axis, shape)].set(values, mode=mode)


def put(a, ind, v, mode=None, *, inplace=True):
    """A copy of `a` with the values `v` (repeated as needed) at positions `ind` of `ravel(a)`; needs inplace=False."""
    not_in_place("put", inplace)
    a, ind, v = asarray(a), integers("put", ind), as_array("put", v)
    ind, v = lax_reshape(ind, (ind.size,)), lax_reshape(v, (v.size,))
    if not a.size or not ind.size or not v.size:
        return a
    if mode == "wrap":
        ind, mode = modulo(ind, a.size), "clip"
    if v.size not in (1, ind.size):
        v = take(v, np.arange(ind.size) % v.size)
    flat = lax_reshape(a, (a.size,)).at[ind].set(v, mode=None if mode == "raise" else mode)
    return lax_reshape(flat, a.shape)


def place(arr, mask, vals, *, inplace=True):
    """A copy of `arr` with the first values of `vals` (repeated as needed) where `mask` holds; needs inplace=False."""
    not_in_place("place", inplace)
    arr, mask, vals = asarray(arr), as_array("place", truth("place", mask)), as_array("place", vals)
    if mask.size != arr.size:
        raise ValueError(f"place: {typeof(mask)} is no mask of {typeof(arr)}, at {at()}; give one of that shape")
    if not vals.size:
        raise ValueError(f"place: there are no values to insert, at {at()}")
    flat = lax_reshape(mask, (mask.size,))
    rank = lax.sub(lax.cumsum(lax.convert_element_type(flat, index_dtype(arr.size)), 0), 1)
    values = getitem(lax_reshape(vals, (vals.size,)), _modulo_positive(rank, vals.size), How("clip", wrap=False))
    return where(lax_reshape(mask, arr.shape), convert("place", lax_reshape(values, arr.shape), arr.dtype), arr)


def _modulo_positive(i, n):
    return lax.rem(lax.max(i, 0), n)


def fill_diagonal(a, val, wrap=False, *, inplace=True):
    """A copy of `a` with `val` (repeated as needed) on its main diagonal; needs inplace=False.

    wrap: in a tall matrix the diagonal starts again after n + 1 rows.
    """
    not_in_place("fill_diagonal", inplace)
    a, val = asarray(a), as_array("fill_diagonal", val)
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) > 1):
        raise ValueError(f"fill_diagonal: {typeof(a)} at {at()} has no diagonal; give a matrix, or equal sizes")
    if a.ndim == 2:
        step, stop = a.shape[1] + 1, a.size if wrap else min(a.shape[1] ** 2, a.size)
    else:
        step, stop = 1 + int(np.cumprod(a.shape[:-1]).sum()), a.size
    count = len(range(0, stop, step))
    values = lax_reshape(val, (val.size,))
    if val.size != 1 and val.size != count:
        values = take(values, np.arange(count) % val.size)
    return lax_reshape(lax_reshape(a, (a.size,)).at[0:stop:step].set(values), a.shape)


def choose(a, choices, out=None, mode="raise"):
    """For each element k of `a`, the element of `choices[k]` at the same place.

    a: integers; choices: arrays that broadcast with it. mode: "raise" checks and needs known numbers, "wrap" counts
    around, "clip" uses the nearest.
    """
    no_out("choose", out)
    a = integers("choose", a)
    arrays = list(choices) if isinstance(choices, (list, tuple)) else list(asarray(choices))
    arrays = filled(*promote_dtypes("choose", *arrays)) if len(arrays) > 1 else [as_array("choose", v) for v in arrays]
    if mode == "raise":
        value = demanded(a, "the value (which mode='raise' checks; use mode='clip' or 'wrap')")
        if value.size and not (value.min() >= 0 and value.max() < len(arrays)):
            raise ValueError(
                f"choose: invalid entry in the indices {typeof(a)} at {at()}: there are {len(arrays)} choices"
            )
    elif mode == "wrap":
        a = modulo(a, len(arrays))
    elif mode != "clip":
        raise ValueError(f"choose: mode {mode!r} at {at()} is unknown; use 'raise', 'wrap' or 'clip'")
    a, *arrays = promote_shapes("choose", as_array("choose", a), *arrays)
    shape = typeof(a).shape
    stacked = lax.concatenate([lax.reshape(v, (1, *shape)) for v in arrays], 0)
    return take_along_axis(stacked, lax.reshape(a, (1, *shape)), 0, "clip", wrap_negative_indices=False)[0]
