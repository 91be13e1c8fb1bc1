"""Functions that join, split, repeat, insert and delete."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from functorch_lite import lax
from functorch_lite.array import Array, of_value
from functorch_lite.errors import ShapeError
from functorch_lite.numpy.indexing import getitem, lax_reshape
from functorch_lite.numpy.pieces import How, demanded
from functorch_lite.numpy.promote import (
    as_array,
    canonical_axis,
    canonical_shape,
    convert,
    one_count,
    one_integer,
    promote_dtypes,
    user_dtype,
)
from functorch_lite.numpy.selecting import integers, no_out
from functorch_lite.numpy.shape import atleast_1d, atleast_2d, atleast_3d, broadcast_to, immutable
from functorch_lite.trace import Tracer, at, tracing, typeof

__all__ = [
    "array_split", "block", "column_stack", "concat", "concatenate", "dsplit", "dstack", "hsplit",
    "hstack", "repeat", "split", "stack", "tile", "unstack", "vsplit", "vstack",
]  # fmt: skip


# ---- joining ----


def _sequence(name, arrays) -> list:
    """The operands of a joining function; an array stands for its slices along axis 0."""
    if isinstance(arrays, (np.ndarray, Array)):
        if not arrays.ndim:
            raise TypeError(f"{name}: takes a sequence of arrays, got {typeof(arrays)} at {at()}; put it into a list")
        arrays = list(immutable(arrays))
    try:
        made = [as_array(name, x) for x in arrays]
    except TypeError as error:
        if hasattr(arrays, "__iter__"):
            raise
        raise TypeError(f"{name}: takes a sequence of arrays, got {type(arrays).__name__} at {at()}") from error
    if not made:
        raise ShapeError(f"{name}: needs at least one array, got none at {at()}")
    return made


def _one_dtype(name, arrays, dtype) -> list:
    if dtype is not None:
        given: Any = user_dtype(name, dtype)
        return [convert(name, x, given) for x in arrays]
    return promote_dtypes(name, *arrays) if len(arrays) > 1 else arrays


def concatenate(arrays, axis=0, dtype=None):
    """The arrays one after the other along `axis`; with axis=None, their raveled elements.

    arrays: a sequence of equal shapes but for that axis -> the sum of the sizes along it, in the common dtype.
    """
    arrays = _sequence("concatenate", arrays)
    if axis is None:
        arrays, axis = [lax_reshape(x, (x.size,)) for x in arrays], 0
    first = arrays[0]
    if not first.ndim:
        raise ShapeError(f"concatenate: {typeof(first)} at {at()} has no axis to join along; use `stack`")
    axis = canonical_axis("concatenate", axis, first.ndim)
    for x in arrays:
        if x.ndim != first.ndim or any([m != n for k, (m, n) in enumerate(zip(x.shape, first.shape)) if k != axis]):
            raise ShapeError(
                f"concatenate: {typeof(first)} and {typeof(x)} differ beside axis {axis}, at {at()}; reshape one"
            )
    arrays = _one_dtype("concatenate", arrays, dtype)
    return immutable(arrays[0]) if len(arrays) == 1 else joined(arrays, axis)


def joined(arrays, axis):
    """Arrays of one dtype, and of one shape but for the axis."""
    if not tracing and all([type(x) is Array for x in arrays]):
        return of_value(np.concatenate([x._value for x in arrays], axis))
    return lax.concatenate(arrays, axis)


def concat(arrays, /, *, axis=0):
    """`concatenate(arrays, axis)`."""
    return concatenate(arrays, axis)


def stack(arrays, axis=0, out=None, dtype=None):
    """The arrays, all of one shape, one after the other along a new axis."""
    no_out("stack", out)
    arrays = _sequence("stack", arrays)
    first = arrays[0]
    axis = canonical_axis("stack", axis, first.ndim + 1)
    for x in arrays:
        if x.shape != first.shape:
            raise ShapeError(f"stack: {typeof(first)} and {typeof(x)} at {at()} have different shapes; give equal ones")
    arrays = _one_dtype("stack", arrays, dtype)
    new = (*first.shape[:axis], 1, *first.shape[axis:])
    parts = [lax_reshape(x, new) for x in arrays]
    return immutable(parts[0]) if len(parts) == 1 else joined(parts, axis)


def unstack(x, /, *, axis=0) -> tuple:
    """The slices of `x` along `axis`, without it."""
    x = as_array("unstack", x)
    if not x.ndim:
        raise ValueError(f"unstack: {typeof(x)} at {at()} has no axes")
    axis = canonical_axis("unstack", axis, x.ndim)
    return tuple([getitem(x, (slice(None),) * axis + (k,)) for k in range(x.shape[axis])])


def _joined(name, tup, at_least, axis, dtype):
    made = at_least(*_sequence(name, tup))
    return concatenate(made if isinstance(made, list) else [made], axis, dtype)


def hstack(tup, dtype=None):
    """Joined along the second axis; along the first where there is only one."""
    arrays = _sequence("hstack", tup)
    return _joined("hstack", arrays, atleast_1d, 0 if arrays[0].ndim < 2 else 1, dtype)


def vstack(tup, dtype=None):
    """Joined along the first axis; arrays of one axis are rows."""
    return _joined("vstack", tup, atleast_2d, 0, dtype)


def dstack(tup, dtype=None):
    """Joined along the third axis."""
    return _joined("dstack", tup, atleast_3d, 2, dtype)


def column_stack(tup):
    """Joined along the second axis; arrays of one axis are columns."""
    arrays = _sequence("column_stack", tup)
    return concatenate([lax_reshape(x, (x.size, 1)) if x.ndim < 2 else x for x in arrays], 1)


def block(arrays):
    """Joined from nested lists of blocks: the innermost lists along the last axis, outer ones along those before.

    Blocks get leading axes of size 1 until all have equally many, at least as many as the lists are deep.
    """
    depth = _depth(arrays)
    wide = max([depth, *[x.ndim for x in _blocks(arrays)]])
    return _block(arrays, depth, wide)


def _depth(arrays) -> int:
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise ValueError(f"block: got an empty list at {at()}; leave it out")
    depths = {_depth(x) for x in arrays}
    if len(depths) > 1:
        raise ValueError(f"block: the lists at {at()} are nested to different depths; wrap single blocks in lists")
    return 1 + depths.pop()


def _blocks(arrays) -> list:
    return [b for x in arrays for b in _blocks(x)] if isinstance(arrays, list) else [as_array("block", arrays)]


def _block(arrays, depth, wide):
    if not isinstance(arrays, list):
        x = as_array("block", arrays)
        return immutable(lax_reshape(x, (1,) * (wide - x.ndim) + x.shape))
    return concatenate([_block(x, depth - 1, wide) for x in arrays], wide - depth)


# ---- splitting ----


def array_split(ary, indices_or_sections, axis=0) -> list:
    """Parts along `axis`: so many, as equal as possible, or cut before the given positions."""
    return _split("array_split", ary, indices_or_sections, axis)


def split(ary, indices_or_sections, axis=0) -> list:
    """Parts along `axis`: so many equal ones, or cut before the given positions."""
    return _split("split", ary, indices_or_sections, axis, equal=True)


def hsplit(ary, indices_or_sections) -> list:
    """Split along the second axis; along the first where there is only one."""
    ary = as_array("hsplit", ary)
    return _split("hsplit", ary, indices_or_sections, 0 if ary.ndim < 2 else 1, equal=True)


def vsplit(ary, indices_or_sections) -> list:
    """Split along the first axis."""
    return _split("vsplit", ary, indices_or_sections, 0, equal=True)


def dsplit(ary, indices_or_sections) -> list:
    """Split along the third axis."""
    return _split("dsplit", ary, indices_or_sections, 2, equal=True)


def _split(name, ary, where_to_cut, axis, equal=False):
    ary = as_array(name, ary)
    axis = canonical_axis(name, axis, ary.ndim)
    n = ary.shape[axis]
    if isinstance(where_to_cut, (tuple, list)) or (isinstance(where_to_cut, (np.ndarray, Array)) and where_to_cut.ndim):
        cuts = [0, *[one_integer(name, "a position", k) for k in where_to_cut], n]
    else:
        parts = one_integer(name, "the number of parts", where_to_cut)
        if parts <= 0:
            raise ValueError(f"{name}: the number of parts is at least 1, got {parts} at {at()}")
        if equal and n % parts:
            raise ValueError(
                f"{name}: axis {axis} of {typeof(ary)} has no {parts} equal parts, at {at()}; use `array_split`"
            )
        small, more = divmod(n, parts)
        cuts = [k * small + min(k, more) for k in range(parts + 1)]
    return [getitem(ary, (slice(None),) * axis + (slice(a, b),)) for a, b in itertools.pairwise(cuts)]


# ---- repeating ----


def tile(A, reps):
    """`A` laid out `reps` times along its axes: an integer for the last, or one per axis."""
    A = as_array("tile", A)
    reps = canonical_shape("tile", reps)
    n = max(A.ndim, len(reps))
    sizes, reps = (1,) * (n - A.ndim) + A.shape, (1,) * (n - len(reps)) + reps
    made = tuple([size * r for size, r in zip(sizes, reps)])
    grown = [k for k in range(n) if reps[k] != 1]
    if all([sizes[k] == 1 for k in grown]):  # nothing lies between the copies
        return broadcast_to(lax_reshape(A, sizes), made)
    axes, shape = [], []
    for k in range(n):
        if reps[k] != 1:
            shape.append(reps[k])
        axes.append(len(shape))
        shape.append(sizes[k])
    return lax.reshape(lax.broadcast_in_dim(A, tuple(shape), tuple(axes[n - A.ndim :])), made)


def repeat(a, repeats, axis=None, *, total_repeat_length=None, out_sharding=None):
    """Each element of `a` (each slice along `axis`) `repeats` times: an integer, or one for each of them.

    total_repeat_length: the size of the result, needed where `repeats` is traced with its type only; a longer result
    ends in copies of the last element, a shorter one is cut.
    """
    a = as_array("repeat", a)
    if axis is None:
        a, axis = lax_reshape(a, (a.size,)), 0
    axis = canonical_axis("repeat", axis, a.ndim)
    n = a.shape[axis]
    repeats = repeats if isinstance(repeats, int) else integers("repeat", repeats, "repeats")
    count = 1 if isinstance(repeats, int) else typeof(repeats).size
    if count not in (1, n) or np.ndim(repeats) > 1:
        raise ValueError(
            f"repeat: {typeof(repeats)} does not fit axis {axis} of {typeof(a)}, at {at()}; give {n} or one"
        )
    if total_repeat_length is not None:
        total_repeat_length = one_count("repeat", "total_repeat_length", total_repeat_length)
    value = None if isinstance(repeats, Tracer) and total_repeat_length is not None else _counts(repeats)
    if value is not None and total_repeat_length is None and value.size == 1:
        return _repeat_each(a, int(value.reshape(())), axis)
    if value is not None:
        which = np.repeat(np.arange(n), (value if value.size == n else value.reshape(())).astype(np.int64))
        if total_repeat_length is not None:
            which = np.concatenate([which, np.full(max(total_repeat_length - which.size, 0), max(n - 1, 0))])
            which = which[:total_repeat_length].astype(int)
    else:
        which = _which(repeats, n, total_repeat_length)
    how = How("clip", indices_are_sorted=True, wrap=False)
    return getitem(a, (slice(None),) * axis + (which,), how)


def _counts(repeats) -> np.ndarray:
    value = demanded(repeats, "the size of the result of `repeat` (give total_repeat_length=n): the value")
    if value.size and value.min() < 0:
        raise ValueError(f"repeat: counts are at least 0, got {value.min()} at {at()}")
    return value


def _repeat_each(a, times, axis):
    made = (*a.shape[:axis], a.shape[axis] * times, *a.shape[axis + 1 :])
    if times == 1:
        return immutable(a)
    wide = (*a.shape[: axis + 1], times, *a.shape[axis + 1 :])
    axes = [k for k in range(len(wide)) if k != axis + 1]
    return lax.reshape(lax.broadcast_in_dim(a, wide, tuple(axes)), made)


def _which(repeats, n, total):
    """The element at each of `total` places: every element starts a step at the sum of the counts before it."""
    repeats = broadcast_to(convert("repeat", lax_reshape(repeats, (repeats.size,)), np.dtype(np.int32)), (n,))
    if not n:
        return np.zeros(total, np.int32)
    ends = lax.cumsum(repeats, 0)
    steps = immutable(lax.full((total,), 0, np.dtype(np.int32))).at[ends].add(1, mode="drop")
    return lax.cumsum(steps, 0)
