"""Arrays as sets: `unique` and its relatives.

How many elements the result has depends on the numbers. Without `size` they must be known to Python; with it the
result has that many, the missing ones filled, and everything can be compiled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from functorch_lite import lax
from functorch_lite.array import of_value
from functorch_lite.numpy.indexing import getitem, lax_reshape
from functorch_lite.numpy.pieces import How
from functorch_lite.numpy.promote import as_array, canonical_axis, convert, one_count, promote_dtypes
from functorch_lite.numpy.selecting import index_dtype, nonzero, where
from functorch_lite.numpy.shape import broadcast_to, immutable, moveaxis
from functorch_lite.numpy.sorting import first_of_each, is_member, on_host, searchsorted
from functorch_lite.trace import at, typeof

__all__ = [
    "in1d", "intersect1d", "isin", "setdiff1d", "setxor1d", "union1d", "unique", "unique_all", "unique_counts",
    "unique_inverse", "unique_values",
]  # fmt: skip


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Any
    inverse_indices: Any


def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True, size=None,
           fill_value=None, sorted=True):  # fmt: skip
    """The distinct elements of `ar` in order, or its distinct slices along `axis`.

    return_index adds the first position of each, return_inverse for every element the position of its value (in the
    shape of `ar`), return_counts how often each occurs. equal_nan: whether all NaN are one value. size: the length of
    the result, needed where `ar` is traced with its type only; missing ones are `fill_value`, by default the least
    value, with count 0. Results are sorted whether asked for or not.
    """
    ar = as_array("unique", ar)
    if size is None and on_host(ar):
        return _unique_on_host(ar._value, (return_index, return_inverse, return_counts), axis, equal_nan)
    found = _unique(ar, axis, equal_nan, size, fill_value, return_inverse)
    wanted = (True, return_index, return_inverse, return_counts)
    made = [part for part, want in zip(found, wanted, strict=True) if want]
    return made[0] if len(made) == 1 else tuple(made)


def _unique_on_host(value, flags, axis, equal_nan):
    value = np.asarray(value)
    if axis is not None:
        axis = canonical_axis("unique", axis, value.ndim)
    made = np.unique(value, *flags, axis=axis, equal_nan=equal_nan)
    if not any(flags):
        return of_value(made)
    dtype = index_dtype(value.size)
    return of_value(made[0]), *[of_value(part.astype(dtype)) for part in made[1:]]


def unique_all(x, /, *, size=None, fill_value=None):
    """The distinct elements with first positions, inverse and counts; every NaN is a value of its own."""
    return UniqueAll(*unique(x, True, True, True, equal_nan=False, size=size, fill_value=fill_value))


def unique_counts(x, /, *, size=None, fill_value=None):
    """The distinct elements and how often each occurs; every NaN is a value of its own."""
    return UniqueCounts(*unique(x, return_counts=True, equal_nan=False, size=size, fill_value=fill_value))


def unique_inverse(x, /, *, size=None, fill_value=None):
    """The distinct elements and for every element the position of its value; every NaN is a value of its own."""
    return UniqueInverse(*unique(x, return_inverse=True, equal_nan=False, size=size, fill_value=fill_value))


def unique_values(x, /, *, size=None, fill_value=None):
    """The distinct elements; every NaN is a value of its own."""
    return unique(x, equal_nan=False, size=size, fill_value=fill_value)


def _unique(ar, axis, equal_nan, size, fill_value, want_inverse):
    """(values, first positions, inverse or None, counts)."""
    if axis is None:
        rows, inverse_shape = lax_reshape(ar, (ar.size,)), ar.shape
    else:
        axis = canonical_axis("unique", axis, ar.ndim)
        rows = as_array("unique", moveaxis(ar, axis, 0))
        inverse_shape = (rows.shape[0],)
    n, rest = rows.shape[0], rows.shape[1:]
    size = size if size is None else one_count("unique", "size", size)
    dtype = index_dtype(max(n, size or 0))
    width = int(np.prod(rest, dtype=int))
    columns = [getitem(lax_reshape(rows, (n, width)), (slice(None), k)) for k in range(width)] if rest else [rows]
    if not n:
        return _unique_of_none(rows, size, fill_value, dtype, inverse_shape)
    if not columns:  # slices without elements are all equal
        columns = [lax.full((n,), 0, dtype)]
    *keys, order = lax.sort((*columns, lax.iota(dtype, n)), dimension=0, is_stable=True, num_keys=len(columns))
    new = first_of_each(keys, equal_nan)
    starts = nonzero(new)[0] if size is None else nonzero(new, size=size + 1, fill_value=n)[0]
    ends = starts if size is not None else lax.concatenate([starts, lax.full((1,), n, dtype)], 0)
    count = typeof(ends).shape[0] - 1
    counts = lax.sub(lax.slice_in_dim(ends, 1, count + 1), lax.slice_in_dim(ends, 0, count))
    starts = lax.slice_in_dim(ends, 0, count)
    there = lax.lt(starts, n)
    first = getitem(order, where(there, starts, 0) if size is not None else starts, How("clip", wrap=False))
    values = getitem(rows, first, How("clip", wrap=False))
    if size is not None and fill_value is not None:
        fill = broadcast_to(convert("unique", fill_value, rows.dtype), (count, *rest))
        values = where(lax_reshape(there, (count, *(1,) * len(rest))), values, fill)
    inverse = None
    if want_inverse:
        rank = lax.sub(lax.cumsum(lax.convert_element_type(new, dtype), 0), 1)
        empty = immutable(lax.full((n,), 0, dtype))
        inverse = empty.at[order].set(rank, unique_indices=True, mode="promise_in_bounds")
        inverse = lax_reshape(inverse, inverse_shape)
    return (values if axis is None else moveaxis(values, 0, axis)), first, inverse, counts


def _unique_of_none(rows, size, fill_value, dtype, inverse_shape):
    if size and fill_value is None:
        raise ValueError(
            f"unique: {typeof(rows)} at {at()} is empty, so there is nothing to fill up with; give fill_value"
        )
    shape = (size or 0, *rows.shape[1:])
    values = (
        lax.full(shape, 0, rows.dtype) if not size else broadcast_to(convert("unique", fill_value, rows.dtype), shape)
    )
    nothing = lax.full((size or 0,), 0, dtype)
    return values, nothing, lax.full(inverse_shape, 0, dtype), nothing


# ---- two sets ----


def isin(element, test_elements, assume_unique=False, invert=False, *, method="auto"):
    """Whether each element of `element` is one of `test_elements`; NaN is none. invert: whether it is not.

    method: "compare_all", "binary_search", "sort", or "auto", which takes the first for few test elements.
    """
    if method not in ("auto", "compare_all", "binary_search", "sort"):
        raise ValueError(f"isin: method {method!r} at {at()} is unknown; use 'auto', 'compare_all' or 'binary_search'")
    element, tests = promote_dtypes("isin", as_array("isin", element), as_array("isin", test_elements))
    found = is_member(element, lax_reshape(tests, (tests.size,)), method)
    return lax.bitwise_not(found) if invert else found


def in1d(ar1, ar2, assume_unique=False, invert=False):
    """`isin` of the raveled arrays."""
    ar1 = as_array("in1d", ar1)
    return isin(lax_reshape(ar1, (ar1.size,)), ar2, assume_unique, invert)


def _flat_pair(name, ar1, ar2):
    pair = promote_dtypes(name, as_array(name, ar1), as_array(name, ar2))
    return [lax_reshape(x, (x.size,)) for x in pair]


def _sorted_with(x):
    """(elements in order, their positions, whether each is the first of its value)."""
    n = x.shape[0]
    if not n:
        return x, lax.full((0,), 0, index_dtype(0)), lax.full((0,), False, np.dtype(bool))
    keys, order = lax.sort((x, lax.iota(index_dtype(n), n)), dimension=0, is_stable=True, num_keys=1)
    return keys, order, first_of_each([keys])


def _kept(values, mask, size, fill_value):
    """The values where the mask holds, `size` of them; missing ones are `fill_value`, by default the first value."""
    if not values.shape[0]:
        if not size:
            return immutable(values), None
        return broadcast_to(convert("set", fill_value or 0, values.dtype), (size,)), None
    (which,) = nonzero(mask, size=size, fill_value=None if size is None else values.shape[0])
    made = getitem(values, which, How("clip", wrap=False))
    if size:
        first = getitem(made, slice(0, 1)) if fill_value is None else convert("set", fill_value, values.dtype)
        made = where(lax.lt(which, values.shape[0]), made, first)
    return made, which


def union1d(ar1, ar2, *, size=None, fill_value=None):
    """The distinct elements of both, in order. size, fill_value: as in `unique`."""
    return unique(lax.concatenate(_flat_pair("union1d", ar1, ar2), 0), size=size, fill_value=fill_value)


def intersect1d(ar1, ar2, assume_unique=False, return_indices=False, *, size=None, fill_value=None):
    """The distinct elements that are in both, in order; with return_indices also their first positions in each.

    size, fill_value: as in `unique`; missing positions are the sizes of the arrays.
    """
    ar1, ar2 = _flat_pair("intersect1d", ar1, ar2)
    keys, order, first = _sorted_with(ar1)
    values, which = _kept(keys, lax.bitwise_and(first, is_member(keys, ar2)), size, fill_value)
    if not return_indices:
        return values
    if which is None:
        nothing = lax.full(values.shape, 0, index_dtype(0))
        return values, nothing, nothing
    return values, _position(order, which, ar1.size), _first_in(ar2, values, which, ar1.size)


def _position(order, which, n):
    return where(lax.lt(which, n), getitem(order, which, How("clip", wrap=False)), n)


def _first_in(ar, values, which, n):
    from_sorted, order, _ = _sorted_with(ar)
    if not ar.size:
        return lax.full(values.shape, 0, index_dtype(0))
    place = searchsorted(from_sorted, values)
    return where(lax.lt(which, n), getitem(order, place, How("clip", wrap=False)), ar.size)


def setdiff1d(ar1, ar2, assume_unique=False, *, size=None, fill_value=None):
    """The distinct elements of `ar1` that are not in `ar2`, in order (as they stand if assume_unique).

    size, fill_value: as in `unique`, but filled with 0 by default.
    """
    ar1 = as_array("setdiff1d", ar1)
    given = typeof(ar1).dtype
    ar1, ar2 = _flat_pair("setdiff1d", ar1, ar2)
    fill_value = 0 if fill_value is None else fill_value
    if assume_unique:
        left = _kept(ar1, lax.bitwise_not(is_member(ar1, ar2)), size, fill_value)[0]
        return lax.convert_element_type(left, given)
    keys, _, first = _sorted_with(ar1)
    left = _kept(keys, lax.bitwise_and(first, lax.bitwise_not(is_member(keys, ar2))), size, fill_value)[0]
    return lax.convert_element_type(left, given)


def setxor1d(ar1, ar2, assume_unique=False, *, size=None, fill_value=None):
    """The distinct elements that are in exactly one of both, in order. size, fill_value: as in `unique`."""
    pair = _flat_pair("setxor1d", ar1, ar2)
    values, masks = [], []
    for mine, other in (pair, pair[::-1]):
        keys, _, first = _sorted_with(mine)
        values.append(keys)
        masks.append(lax.bitwise_and(first, lax.bitwise_not(is_member(keys, other))))
    out = lax.bitwise_not(lax.concatenate(masks, 0))
    out, keys = lax.sort((out, lax.concatenate(values, 0)), dimension=0, is_stable=True, num_keys=2)
    return _kept(keys, lax.bitwise_not(out), size, fill_value)[0]
