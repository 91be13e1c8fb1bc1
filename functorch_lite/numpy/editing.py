"""Functions that insert and delete, and arrays put together from runs of positions."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.numpy.indexing import getitem, lax_reshape
from functorch_lite.numpy.joining import concatenate
from functorch_lite.numpy.pieces import How, known
from functorch_lite.numpy.promote import as_array, canonical_axis, convert
from functorch_lite.numpy.selecting import where
from functorch_lite.numpy.shape import broadcast_to, moveaxis, ravel
from functorch_lite.trace import Tracer, at, typeof

__all__ = ["append", "delete", "insert"]


def append(arr, values, axis=None):
    """`values` after `arr` along `axis`; both raveled if None."""
    if axis is None:
        return concatenate([ravel(arr), ravel(values)])
    return concatenate([arr, values], axis)


def delete(arr, obj, axis=None, *, assume_unique_indices=False):
    """Without the slices at `obj` (an integer, slice, integers or a mask) along `axis` (of `ravel(arr)` if None).

    Traced indices must be one integer, or distinct ones with assume_unique_indices=True.
    """
    arr = as_array("delete", arr)
    if axis is None:
        arr, axis = lax_reshape(arr, (arr.size,)), 0
    axis = canonical_axis("delete", axis, arr.ndim)
    n = arr.shape[axis]
    whole = (slice(None),) * axis
    if isinstance(obj, Tracer) and known(obj) is None:
        return getitem(arr, (*whole, _left(obj, n, assume_unique_indices)), How("clip", wrap=False))
    keep = np.ones(n, bool)
    keep[_host_obj("delete", obj, n, axis, arr)] = False
    return _runs(arr, np.nonzero(keep)[0], axis)


def _as_numpy(obj) -> np.ndarray:
    if isinstance(obj, (list, tuple)):
        return np.asarray(obj) if obj else np.zeros(0, int)
    return np.asarray(known(obj))


def _host_obj(name, obj, n, axis, arr):
    """An index along one axis, checked."""
    if isinstance(obj, slice):
        return obj
    value = _as_numpy(obj)
    if value.dtype.kind == "b":
        if value.shape != (n,):
            raise IndexError(
                f"{name}: a mask of shape {value.shape} does not fit axis {axis} of {typeof(arr)}, at {at()}"
            )
        return value
    if value.dtype.kind not in "iu":
        raise IndexError(f"{name}: positions are integers, a slice or a mask, got {value.dtype} at {at()}")
    if value.size and not (-n <= value.min() and value.max() < n):
        bad = value.min() if value.min() < -n else value.max()
        raise IndexError(f"{name}: index {bad} is out of bounds for axis {axis} of {typeof(arr)}, at {at()}")
    return value


def _left(obj, n, unique):
    """The positions that stay, where `obj` is traced."""
    if obj.ndim and not unique and obj.size > 1:
        obj.concrete(
            what="for `delete`, which needs distinct indices (promise with assume_unique_indices=True), the value"
        )
    obj = lax_reshape(convert("delete", obj, np.dtype(np.int32)), (obj.size,))
    gone = lax.sort(where(lax.lt(obj, 0), lax.add(obj, n), obj))
    gone = lax.sub(gone, lax.iota(np.dtype(np.int32), obj.size))  # how many stay before it
    stay = lax.iota(np.dtype(np.int32), n - obj.size)
    wide = (obj.size, n - obj.size)
    before = lax.ge(lax.broadcast_in_dim(stay, wide, (1,)), lax.broadcast_in_dim(gone, wide, (0,)))
    return lax.add(stay, lax.reduce_sum(lax.convert_element_type(before, np.dtype(np.int32)), (0,)))


def runs(which) -> list[tuple[int, int, int]]:
    """Positions as (first, count, step) with step 1, 0 or -1, as few as possible."""
    made, k = [], 0
    which = np.asarray(which)
    while k < which.size:
        rest = which[k:]
        step = int(rest[1] - rest[0]) if rest.size > 1 else 1
        if abs(step) > 1:
            count, step = 1, 1
        else:
            ends = np.nonzero(np.diff(rest) != step)[0]
            count = int(ends[0]) + 1 if ends.size else rest.size
        made.append((int(rest[0]), count, step))
        k += count
    return made


def picked(x, axis, first, count, step):
    """One run of positions along an axis, by slicing, reversing or repeating."""
    whole = (slice(None),) * axis
    if step == 0:
        one = getitem(x, (*whole, slice(first, first + 1)))
        return broadcast_to(one, (*x.shape[:axis], count, *x.shape[axis + 1 :]))
    stop = first + count * step
    return getitem(x, (*whole, slice(first, stop if stop >= 0 else None, step)))


_FEW = 8  # pieces: more are one gather


def _runs(x, which, axis):
    """The slices at known positions: joined runs if there are few, else a gather."""
    found = runs(which)
    if not found:
        return picked(x, axis, 0, 0, 1)
    if len(found) > _FEW:
        return getitem(x, (slice(None),) * axis + (which,))
    return concatenate([picked(x, axis, *run) for run in found], axis)


def insert(arr, obj, values, axis=None):
    """`values` before the positions `obj` of `arr` along `axis` (of `ravel(arr)` if None).

    obj: an integer, slice, integers or a mask. values: broadcast to one slice per position; with a
    single integer several slices may go in at that place.
    """
    arr, values = as_array("insert", arr), as_array("insert", values)
    if axis is None:
        arr, axis = lax_reshape(arr, (arr.size,)), 0
    axis = canonical_axis("insert", axis, arr.ndim)
    n = arr.shape[axis]
    positions = _positions(obj, n, axis, arr)
    values = lax_reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
    if positions.size == 1:
        if positions.ndim == 0:
            values = moveaxis(values, 0, axis)
        count = values.shape[axis]
    else:
        count = positions.size
    values = broadcast_to(convert("insert", values, arr.dtype), (*arr.shape[:axis], count, *arr.shape[axis + 1 :]))
    both = lax.concatenate([arr, values], axis)
    if isinstance(positions, np.ndarray):
        order = np.argsort(
            _keys(np.arange(n), np.broadcast_to(positions.reshape(-1), (count,)), np.concatenate), kind="stable"
        )
        return _runs(both, order, axis)
    positions = broadcast_to(lax_reshape(positions, (positions.size,)), (count,))
    join = lambda parts: lax.concatenate([as_array("insert", x) for x in parts], 0)
    keys = _keys(np.arange(n), convert("insert", positions, np.dtype(np.int64)), join)
    _, order = lax.sort((keys, lax.iota(np.dtype(np.int32), n + count)), num_keys=1)
    return getitem(both, (slice(None),) * axis + (order,), How("clip", wrap=False))


def _keys(old, positions, join):
    """Numbers whose stable order puts what is inserted at k before the old element k."""
    return join([old * 2 + 1, positions * 2])


def _positions(obj, n, axis, arr):
    """Where to insert, from 0 to n: an ndarray if known to Python."""
    if isinstance(obj, Tracer) and known(obj) is None:
        if not dtypes.is_integer(obj.dtype):
            raise TypeError(f"insert: positions are integers, got {obj.type} at {at()}; use `nonzero(mask, size=n)`")
        obj = convert("insert", obj, np.dtype(np.int64))
        return where(lax.lt(obj, 0), lax.add(obj, n), obj)
    if isinstance(obj, slice):
        return np.arange(*obj.indices(n))
    value = _as_numpy(obj)
    if value.dtype.kind == "b":
        value = np.nonzero(value)[0]
    if value.dtype.kind not in "iu" or value.ndim > 1:
        raise IndexError(f"insert: positions are integers, a slice or a mask, got {value.dtype}{value.shape} at {at()}")
    if value.size and not (-n <= value.min() and value.max() <= n):
        bad = value.min() if value.min() < -n else value.max()
        raise IndexError(f"insert: index {bad} is out of bounds for axis {axis} of {typeof(arr)}, at {at()}")
    return np.where(value < 0, value + n, value)
