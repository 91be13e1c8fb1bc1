"""Sorting, and searching in what is sorted. All sorts are stable; NaN comes last, complex numbers by real part."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array, of_value
from functorch_lite.config import config
from functorch_lite.numpy.indexing import getitem, lax_reshape
from functorch_lite.numpy.pieces import How
from functorch_lite.numpy.promote import as_array, canonical_axis, convert, promote_dtypes, said, user_dtype
from functorch_lite.numpy.selecting import index_dtype, take, where
from functorch_lite.numpy.shape import immutable
from functorch_lite.trace import at, tracing, typeof

__all__ = [
    "argpartition", "argsort", "digitize", "lexsort", "partition", "searchsorted", "sort", "sort_complex",
]  # fmt: skip

_HOST_KINDS = frozenset("biufc")  # what NumPy sorts as we do


def on_host(x) -> bool:
    """Whether NumPy may answer at once."""
    return type(x) is Array and not tracing and x._value.dtype.kind in _HOST_KINDS


def _check(name, kind, order):
    if order is not None:
        raise ValueError(f"{name}: order={order!r} at {at()} is for structured arrays; leave it out")
    if kind not in (None, "quicksort", "mergesort", "heapsort", "stable"):
        raise ValueError(f"{name}: kind={kind!r} at {at()} is unknown; leave it out, every sort is stable")


def _along(name, a, axis):
    a = as_array(name, a)
    if axis is None:
        return lax_reshape(a, (a.size,)), 0
    if not a.ndim:
        raise ValueError(f"{name}: {typeof(a)} at {at()} has no axis; use axis=None")
    return a, canonical_axis(name, axis, a.ndim)


# ---- sorting ----


def sort(a, axis=-1, *, kind=None, order=None, stable=True, descending=False):
    """The elements in order along `axis` (of `ravel(a)` if None).

    descending: the exact reverse, so NaN comes first. kind, stable: accepted; every sort is stable.
    """
    _check("sort", kind, order)
    if on_host(a) and not descending and type(axis) is int:
        value = a._value
        if -value.ndim <= axis < value.ndim:
            return of_value(np.sort(value, axis, "stable"))
    a, axis = _along("sort", a, axis)
    made = lax.sort(a, dimension=axis, is_stable=stable)
    return lax.rev(made, (axis,)) if descending else made


def argsort(a, axis=-1, *, kind=None, order=None, stable=True, descending=False, dtype=None):
    """The positions that put the elements in order along `axis` (of `ravel(a)` if None).

    descending: from the largest; equal elements keep their order. The result is of the default integer dtype.
    """
    _check("argsort", kind, order)
    dtype = user_dtype("argsort", dtype)
    if on_host(a) and not descending and type(axis) is int:
        value = a._value
        if -value.ndim <= axis < value.ndim:
            return of_value(np.argsort(value, axis, "stable").astype(dtype or index_dtype(value.size)))
    a, axis = _along("argsort", a, axis)
    n = a.shape[axis]
    keys = lax.rev(a, (axis,)) if descending else a
    made = _order(keys, axis, dtype or index_dtype(n))
    return lax.sub(n - 1, lax.rev(made, (axis,))) if descending else made


def _order(a, axis, dtype):
    positions = lax.broadcasted_iota(dtype, a.shape, axis)
    return lax.sort((a, positions), dimension=axis, is_stable=True, num_keys=1)[1]


def lexsort(keys, axis=-1):
    """The positions that sort by several keys along `axis`: the last is the first that counts.

    keys: a sequence of arrays of one shape, or an array of them.
    """
    if not isinstance(keys, Iterable):
        raise TypeError(f"lexsort: takes a sequence of keys, got {said(keys)} at {at()}; put it into a list")
    keys = [as_array("lexsort", k) for k in (immutable(keys) if isinstance(keys, (np.ndarray, Array)) else keys)]
    if not keys:
        raise ValueError(f"lexsort: needs at least one key, got none at {at()}")
    if any([k.shape != keys[0].shape for k in keys]):
        raise ValueError(
            f"lexsort: the keys {', '.join([str(typeof(k)) for k in keys])} have different shapes, at {at()}"
        )
    if not keys[0].ndim:
        return lax.full((), 0, config.default_int)
    axis = canonical_axis("lexsort", axis, keys[0].ndim)
    positions = lax.broadcasted_iota(index_dtype(keys[0].shape[axis]), keys[0].shape, axis)
    return lax.sort((*keys[::-1], positions), dimension=axis, is_stable=True, num_keys=len(keys))[-1]


def sort_complex(a):
    """`sort` along the last axis, as complex numbers."""
    a = sort(a)
    return convert("sort_complex", a, dtypes.complex_of(a.dtype))


def partition(a, kth, axis=-1):
    """The elements arranged so that position `kth` along `axis` is the one of a sorted array, smaller ones before it.

    They are sorted altogether, which is one such arrangement.
    """
    a, axis = _along("partition", a, axis)
    _kth("partition", a, kth, axis)
    return sort(a, axis)


def argpartition(a, kth, axis=-1):
    """The positions that arrange the elements as `partition` does."""
    a, axis = _along("argpartition", a, axis)
    _kth("argpartition", a, kth, axis)
    return argsort(a, axis)


def _kth(name, a, kth, axis):
    for k in np.atleast_1d(kth).tolist():
        canonical_axis(f"{name} (kth, axis {axis} of {typeof(a)})", k, a.shape[axis])


# ---- searching ----

_FEW = 64  # up to here all comparisons at once are cheaper than a search


def searchsorted(a, v, side="left", sorter=None, *, method="scan"):
    """Where each element of `v` would go in the sorted `a`: before equal ones ("left") or after them ("right").

    a: (n,), v: any shape -> integers of the shape of v. sorter: the order that sorts `a`. method: "scan" and
    "scan_unrolled" halve the range, "compare_all" compares with all, "sort" sorts both together.
    """
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side={side!r} at {at()} is unknown; use 'left' or 'right'")
    if method not in ("scan", "scan_unrolled", "compare_all", "sort"):
        raise ValueError(f"searchsorted: method={method!r} at {at()} is unknown; use 'scan', 'compare_all' or 'sort'")
    if on_host(a) and sorter is None and a._value.ndim == 1:
        other = v._value if type(v) is Array else v
        if (type(other) is float and a._value.dtype.kind == "f") or getattr(other, "dtype", None) is a._value.dtype:
            return of_value(np.searchsorted(a._value, other, side).astype(index_dtype(a._value.size)))
    a, v = promote_dtypes("searchsorted", as_array("searchsorted", a), as_array("searchsorted", v))
    if a.ndim != 1:
        raise ValueError(f"searchsorted: takes a sorted array of one axis, got {typeof(a)} at {at()}")
    if sorter is not None:
        a = take(a, sorter)
    n = a.shape[0]
    if not n:
        return lax.full(v.shape, 0, index_dtype(n))
    search = {"compare_all": _compare_all, "sort": _by_sorting}.get(method, _compare_all if n <= _FEW else _halve)
    if not dtypes.is_float(a.dtype):
        return search(a, v, side, index_dtype(n))
    return _with_nan(search, a, v, side, index_dtype(n))


def _with_nan(search, a, v, side, dtype):
    """NaN is larger than everything, and equal to itself."""
    n = a.shape[0]
    nan = lax.ne(a, a)
    numbers = lax.sub(n, lax.reduce_sum(lax.convert_element_type(nan, dtype), (0,)))
    found = search(lax.select(nan, lax.full(a.shape, float("inf"), a.dtype), a), v, side, dtype)
    numbers = lax.broadcast_in_dim(numbers, v.shape, ())
    at_nan = numbers if side == "left" else lax.full(v.shape, n, dtype)
    return lax.select(lax.ne(v, v), at_nan, lax.min(found, numbers))


def _before(a, v, side):
    return lax.lt(a, v) if side == "left" else lax.le(a, v)


def _compare_all(a, v, side, dtype):
    wide = (*v.shape, a.shape[0])
    a = lax.broadcast_in_dim(a, wide, (v.ndim,))
    v = lax.broadcast_in_dim(v, wide, tuple(range(v.ndim)))
    return lax.reduce_sum(lax.convert_element_type(_before(a, v, side), dtype), (len(wide) - 1,))


def _halve(a, v, side, dtype):
    """Binary search in steps of falling powers of two, over `a` filled up with its last element."""
    n = a.shape[0]
    steps = [1 << k for k in reversed(range(n.bit_length()))]
    last = lax.index_in_dim(a, n - 1, keepdims=False)
    a = lax.pad(a, last, [(0, sum(steps) - n, 0)])
    found = lax.full(v.shape, 0, dtype)
    how = How("promise_in_bounds", wrap=False)
    for step in steps:
        ahead = _before(getitem(a, lax.add(found, step - 1), how), v, side)
        found = lax.select(ahead, lax.add(found, step), found)
    return lax.min(found, n)


def _by_sorting(a, v, side, dtype):
    """The place of each query in the sorted union, less the queries before it."""
    n, m = a.shape[0], v.size
    flat = lax_reshape(v, (m,))
    both = lax.concatenate([flat, a] if side == "left" else [a, flat], 0)
    order = _order(both, 0, dtype)
    places = lax.full((n + m,), 0, dtype)
    places = immutable(places).at[order].set(lax.iota(dtype, n + m), unique_indices=True, mode="promise_in_bounds")
    mine = lax.slice_in_dim(places, 0, m) if side == "left" else lax.slice_in_dim(places, n, n + m)
    among = immutable(lax.full((m,), 0, dtype)).at[_order(flat, 0, dtype)].set(
        lax.iota(dtype, m), unique_indices=True, mode="promise_in_bounds")  # fmt: skip
    return lax_reshape(lax.sub(mine, among), v.shape)


def digitize(x, bins, right=False, *, method=None):
    """The bin of each element of `x`: the number of edges at or below it (strictly below if `right`).

    bins: (n,) rising or falling edges; if they fall, bins are counted from the other end.
    """
    x, bins = as_array("digitize", x), as_array("digitize", bins)
    if bins.ndim != 1:
        raise ValueError(f"digitize: edges have one axis, got {typeof(bins)} at {at()}")
    n = bins.shape[0]
    if not n:
        return lax.full(x.shape, 0, index_dtype(0))
    method = method or "scan"
    side = "left" if right else "right"
    rising = searchsorted(bins, x, side, method=method)
    if n == 1:
        return rising
    falling = lax.sub(n, searchsorted(lax.rev(bins, (0,)), x, side, method=method))
    up = lax.ge(getitem(bins, -1), getitem(bins, 0))
    return where(up, rising, falling)


# ---- what sets are made with ----


def first_of_each(rows, equal_nan=True):
    """For rows sorted along axis 0, whether each differs from the one before.

    rows: a list of arrays (n,), which together make the rows -> booleans (n,).
    """
    n = rows[0].shape[0] if rows else 0
    new = None
    for x in rows:
        before, after = lax.slice_in_dim(x, 0, n - 1), lax.slice_in_dim(x, 1, n)
        differ = lax.ne(before, after)
        if equal_nan and dtypes.is_inexact(x.dtype):
            both = lax.bitwise_and(lax.ne(before, before), lax.ne(after, after))
            differ = lax.bitwise_and(differ, lax.bitwise_not(both))
        new = differ if new is None else lax.bitwise_or(new, differ)
    start = lax.full((1,), True, np.dtype(bool))
    return start if n == 1 else lax.concatenate([start, new], 0)


def is_member(element, test_elements, method="auto"):
    """Whether each element equals one of (m,) `test_elements`, both of one dtype."""
    m = test_elements.shape[0]
    if not m or not element.size:
        return lax.full(element.shape, False, np.dtype(bool))
    if method == "compare_all" or (method == "auto" and m <= _FEW):
        wide = (*element.shape, m)
        a = lax.broadcast_in_dim(element, wide, tuple(range(element.ndim)))
        b = lax.broadcast_in_dim(test_elements, wide, (element.ndim,))
        return lax.reduce_or(lax.eq(a, b), (element.ndim,))
    known = sort(test_elements)
    place = searchsorted(known, element, method="sort" if method == "sort" else "scan")
    return lax.eq(getitem(known, place, How("clip", wrap=False)), element)
