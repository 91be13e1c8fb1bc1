"""Functions that pick elements: `where`, `take` and its relatives, `nonzero`, `select`, `choose`."""

from __future__ import annotations

from typing import Any

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array, of_value
from functorch_lite.config import config
from functorch_lite.errors import NonConcreteBooleanIndexError
from functorch_lite.numpy.dispatch import REFUSED, truth
from functorch_lite.numpy.indexing import getitem, lax_reshape, wrapped
from functorch_lite.numpy.pieces import How, known
from functorch_lite.numpy.promote import (
    PYTHON,
    as_array,
    asarray,
    canonical_axis,
    convert,
    one_count,
    operand,
    promote_dtypes,
    promote_shapes,
)
from functorch_lite.trace import Tracer, at, tracing, typeof

__all__ = [
    "argwhere", "compress", "extract", "flatnonzero", "nonzero", "select", "take", "where",
]  # fmt: skip


def no_out(name: str, out) -> None:
    """Refuse the argument `out`: arrays are immutable."""
    if out is not None:
        raise ValueError(f"{name}: out= at {at()} is not possible, as arrays never change; use the result")


def integers(name: str, x, what: str = "indices"):
    """An operand of integers. Raises TypeError for others."""
    x = as_array(name, x)
    if not dtypes.is_integer(typeof(x).dtype):
        raise TypeError(f"{name}: {what} are integers, got {typeof(x)} at {at()}; convert them with astype")
    return x


# ---- by a condition ----


def where(condition, x=None, y=None, /, *, size=None, fill_value=None):
    """The elements of `x` where `condition` holds, else those of `y`; with one argument, `nonzero(condition)`.

    condition, x, y: arrays or numbers that broadcast together -> their common shape, in the common dtype of x and y.
    A derivative passes only through the elements that were chosen. size, fill_value: as in `nonzero`.
    """
    if x is None and y is None:
        return nonzero(condition, size=size, fill_value=fill_value)
    if x is None or y is None:
        raise ValueError(f"where: takes both x and y, or neither, at {at()}")
    if size is not None or fill_value is not None:
        raise ValueError(f"where: size and fill_value go with one argument, got three at {at()}; leave them out")
    if not tracing and type(condition) is Array:
        made = _host_where(condition._value, x, y)
        if made is not None:
            return made
    condition = truth("where", condition)
    condition = as_array("where", condition)
    x, y = promote_dtypes("where", x, y)
    if condition.ndim:
        condition, x, y = promote_shapes("where", condition, x, y)
    else:
        x, y = promote_shapes("where", x, y)
    if type(x) in PYTHON and type(y) in PYTHON:
        x = lax.full(condition.shape, x, weak=type(x) is not bool)
    return lax.select(condition, x, y)


def _host_where(condition, x, y):
    """By NumPy, where the operands have one dtype; else None."""
    if condition.dtype.kind != "b":
        return None
    x, y = [v._value if type(v) is Array else v for v in (x, y)]
    types = {type(v) for v in (x, y)}
    dtype = next((v.dtype for v in (x, y) if isinstance(v, (np.ndarray, np.generic))), None)
    if dtype is None or not types <= {np.ndarray, float, int, dtype.type}:
        return None
    if (float in types and dtype.kind != "f") or (int in types and dtype.kind not in "iuf"):
        return None
    try:
        made = np.where(condition, x, y)
    except REFUSED:
        return None
    return of_value(made) if made.dtype is dtype else None


def select(condlist, choicelist, default=0):
    """For each element, the first of `choicelist` whose condition holds, else `default`.

    condlist, choicelist: equally long sequences of arrays that broadcast together.
    """
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(
            f"select: got {len(condlist)} conditions and {len(choicelist)} choices at {at()}; give one choice for each"
        )
    *choices, result = promote_dtypes("select", *choicelist, default)
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        if not dtypes.is_bool(typeof(operand("select", condition)).dtype):
            raise TypeError(
                f"select: conditions are booleans, got {typeof(condition)} at {at()}; compare with a number"
            )
        result = where(condition, choice, result)
    return result


def nonzero(a, *, size=None, fill_value=None):
    """The positions of the elements that are not 0: one integer array per axis, in row-major order.

    size: the length of the results, needed where `a` is traced with its type only; missing ones are `fill_value` (an
    integer, or one per axis), by default 0. Raises NonConcreteBooleanIndexError without it.
    """
    a = _mask("nonzero", a)
    if not a.ndim:
        raise ValueError(f"nonzero: {typeof(a)} at {at()} has no axes; use `atleast_1d`")
    if size is None:
        found = np.nonzero(_mask_values(a, "nonzero"))
        return tuple([asarray(i, index_dtype(n)) for i, n in zip(found, a.shape, strict=True)])
    size, fills = one_count("nonzero", "size", size), _fills(fill_value, a.ndim)
    flat = lax_reshape(a, (a.size,))
    dtype = index_dtype(a.size)
    if not a.size or not size:
        return tuple([lax.full((size,), f, dtype) for f in fills])
    rank = lax.cumsum(lax.convert_element_type(flat, dtype), 0)
    slot = lax.select(flat, lax.sub(rank, 1), lax.full(flat.shape, size, dtype))  # `size` is out of bounds: dropped
    position = asarray(lax.full((size,), 0, dtype)).at[slot].set(lax.iota(dtype, a.size), mode="drop")
    total = lax.index_in_dim(rank, a.size - 1, keepdims=False)
    there = lax.lt(lax.iota(dtype, size), lax.broadcast_in_dim(total, (size,), ()))
    return tuple([
        lax.select(there, i, lax.full((size,), f, dtype))
        for i, f in zip(split_index(position, a.shape), fills, strict=True)
    ])  # fmt: skip


def _mask(name, x) -> Any:
    """`x != 0`; what is no tracer stays in NumPy, so that its numbers are known in every trace."""
    x = as_array(name, x)
    return truth(name, x) if isinstance(x, Tracer) else np.asarray(x) != 0


def _mask_values(a, name) -> np.ndarray:
    value = known(a)
    if value is None:
        raise NonConcreteBooleanIndexError(
            f"{name}: how many elements of {typeof(a)} are not 0 is unknown at {at()}, as only its type is traced; "
            f"use `{name}(..., size=n)`, or `where(mask, x, y)`"
        )
    return value


def _fills(fill_value, ndim):
    if fill_value is None:
        return (0,) * ndim
    given = fill_value if isinstance(fill_value, (tuple, list)) else (fill_value,) * ndim
    if len(given) != ndim:
        raise ValueError(f"nonzero: got {len(given)} fill values for {ndim} axes at {at()}; give one, or one per axis")
    return tuple([int(np.asarray(v)) for v in given])


def index_dtype(n: int) -> np.dtype:
    return config.default_int if n < 2**31 else np.dtype(np.int64)


def split_index(flat, shape) -> list:
    """The coordinates of positions in a row-major array of `shape`."""
    coordinates = []
    for n in reversed(shape[1:]):
        coordinates.append(lax.rem(flat, n))
        flat = lax.div(flat, n)
    return [flat, *reversed(coordinates)]


def flatnonzero(a, *, size=None, fill_value=None):
    """The positions of the elements of `ravel(a)` that are not 0. size, fill_value: as in `nonzero`."""
    a = _mask("flatnonzero", a)
    return nonzero(lax_reshape(a, (a.size,)), size=size, fill_value=fill_value)[0]


def argwhere(a, *, size=None, fill_value=None):
    """The positions of the elements that are not 0, one row each. size, fill_value: as in `nonzero`.

    a: (...) -> integers (number of them, a.ndim).
    """
    a = _mask("argwhere", a)
    if not a.ndim:
        found = nonzero(lax_reshape(a, (1,)), size=size, fill_value=fill_value)[0]
        return lax.full((*found.shape, 0), 0, found.dtype)
    found = nonzero(a, size=size, fill_value=fill_value)
    columns = [lax.reshape(i, (*i.shape, 1)) for i in found]
    return columns[0] if len(columns) == 1 else lax.concatenate(columns, 1)


def compress(condition, a, axis=None, *, size=None, fill_value=0, out=None):
    """The slices of `a` along `axis` (of `ravel(a)` if None) for which `condition` holds.

    condition: (m,) booleans, all False beyond the size of the axis. size, fill_value: as in `nonzero`, needed where
    `condition` is traced with its type only.
    """
    no_out("compress", out)
    condition, a = _mask("compress", condition), as_array("compress", a)
    if condition.ndim != 1:
        raise ValueError(f"compress: the condition has one axis, got {typeof(condition)} at {at()}")
    if axis is None:
        a, axis = lax_reshape(a, (a.size,)), 0
    axis = canonical_axis("compress", axis, a.ndim)
    n = a.shape[axis]
    if condition.shape[0] > n:
        surplus = known(condition[n:])
        if surplus is None or np.any(surplus):
            raise ValueError(f"compress: {typeof(condition)} exceeds axis {axis} of {typeof(a)} at {at()}; cut it")
        condition = condition[:n]
    (positions,) = nonzero(condition, size=size, fill_value=None if size is None else n)
    how = How("clip" if size is None else "fill", fill_value)
    return getitem(a, (slice(None),) * axis + (positions,), how)


def extract(condition, arr, *, size=None, fill_value=0):
    """The elements of `ravel(arr)` for which `ravel(condition)` holds. size, fill_value: as in `compress`."""
    condition = _mask("extract", condition)
    return compress(lax_reshape(condition, (condition.size,)), arr, size=size, fill_value=fill_value)


# ---- by position ----


def take(a, indices, axis=None, out=None, mode=None, unique_indices=False, indices_are_sorted=False, fill_value=None):
    """The elements of `a` at `indices` along `axis` (of `ravel(a)` if None).

    indices: integers of any shape, which replaces the axis. mode: what happens out of bounds. None raises IndexError
    in eager mode and is "fill" in compiled programs, and beside a `fill_value`, by default NaN or the least or largest
    integer; "wrap" counts around; "clip" uses the nearest position, and 0 for negative ones.
    """
    no_out("take", out)
    mode = None if mode == "raise" else mode  # NumPy's word, and what it hands to the method
    mode = "fill" if mode is None and fill_value is not None else mode
    if mode not in (None, "fill", "wrap", "clip"):
        raise ValueError(f"take: mode {mode!r} at {at()} is unknown; use None, 'fill', 'wrap' or 'clip'")
    a = as_array("take", a)
    if axis is None:
        a, axis = lax_reshape(a, (a.size,)), 0
    axis = canonical_axis("take", axis, a.ndim)
    if type(indices) is not int:
        indices = integers("take", indices)
    if mode == "wrap":
        indices, mode = modulo(indices, a.shape[axis]), "clip"
    how = How(mode, fill_value, indices_are_sorted, unique_indices, wrap=mode != "clip", otherwise="fill")
    return getitem(a, (slice(None),) * axis + (indices,), how)


def modulo(i, n):
    """`i mod n`, never negative."""
    n = max(n, 1)
    if not isinstance(i, Tracer):
        return np.mod(np.asarray(i), n)
    i = convert("take", i, np.dtype(np.int32)) if dtypes.iinfo(i.dtype).bits < 32 else i
    return wrapped(lax.rem(i, n), n)
