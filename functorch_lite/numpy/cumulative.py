"""Cumulative sums and products, and the reductions that ignore NaN."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array, of_value
from functorch_lite.numpy.dispatch import REFUSED, quietly, truth
from functorch_lite.numpy.promote import as_array, canonical_axes, canonical_axis, convert, user_dtype
from functorch_lite.numpy.reductions import (
    accumulator,
    all,
    argmax,
    argmin,
    lowest,
    max,
    min,
    prod,
    sum,
    sum_dtype,
    var,
)
from functorch_lite.numpy.reductions import mean as mean_of
from functorch_lite.numpy.selecting import no_out
from functorch_lite.numpy.selecting import where as choose
from functorch_lite.numpy.ufuncs import greater, isnan, logical_and, sqrt
from functorch_lite.trace import at, tracing, typeof

# fmt: off
__all__ = [
    "cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "nanargmax", "nanargmin", "nancumprod", "nancumsum",
    "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar",
]
# fmt: on

# ---- running sums and products ----


def _running(name: str, lower: Callable, kernel: np.ufunc, doc: str) -> Callable:
    def running(a, axis=None, dtype=None, out=None):
        if type(a) is Array and not tracing and dtype is None and out is None and a._value.dtype.char in "fd":
            value = a._value
            try:
                return of_value(quietly(kernel.accumulate, value.ravel() if axis is None else value, axis or 0))
            except REFUSED:
                pass
        no_out(name, out)
        a = as_array(name, a)
        result_dtype = sum_dtype(typeof(a).dtype) if dtype is None else user_dtype(name, dtype)
        x = convert(name, a, accumulator(result_dtype))
        if axis is None:
            x, axis = lax.reshape(x, (typeof(x).size,)), 0
        axis = canonical_axis(name, axis, typeof(x).ndim)
        return convert(name, lower(x, axis), result_dtype)

    running.__name__ = running.__qualname__ = name
    running.__doc__ = doc + """

    a: any shape -> the same, or a vector if `axis` is None, in the dtype of a sum unless `dtype` is given.
    """
    return running


cumsum = _running("cumsum", lax.cumsum, np.add, "The sum of the elements up to each one, along an axis.")
cumprod = _running("cumprod", lax.cumprod, np.multiply, "The product of the elements up to each one, along an axis.")


def _with_initial(name, running, x, axis, dtype, include_initial, start):
    x = as_array(name, x)
    ndim = typeof(x).ndim
    if axis is None:
        if ndim != 1:
            raise ValueError(f"{name}: {typeof(x)} has {ndim} axes at {at()}; say which with axis=")
        axis = 0
    axis = canonical_axis(name, axis, ndim)
    made = running(x, axis, dtype)
    if not include_initial:
        return made
    t = typeof(made)
    first = lax.full(tuple([1 if i == axis else n for i, n in enumerate(t.shape)]), start, t.dtype)
    return lax.concatenate([first, made], axis)


def cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False):
    """`cumsum` by the array API standard: `axis` may be left out for vectors; `include_initial` puts a 0 first."""
    return _with_initial("cumulative_sum", cumsum, x, axis, dtype, include_initial, 0)


def cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False):
    """`cumprod` by the array API standard: `axis` may be left out for vectors; `include_initial` puts a 1 first."""
    return _with_initial("cumulative_prod", cumprod, x, axis, dtype, include_initial, 1)


# ---- without NaN ----


def _without_nan(name, a, value, axis):
    """`a` with NaN replaced, and where it was; None if `a` can hold none. Refuses a wrong axis under this name."""
    a = as_array(name, a)
    canonical_axes(name, axis, typeof(a).ndim)
    if not dtypes.is_inexact(typeof(a).dtype):
        return a, None
    missing = isnan(a)
    return lax.select(missing, value, a), missing


def nansum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """`sum` over the elements that are not NaN."""
    return sum(_without_nan("nansum", a, 0, axis)[0], axis, dtype, out, keepdims, initial, where)


def nanprod(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """`prod` over the elements that are not NaN."""
    return prod(_without_nan("nanprod", a, 1, axis)[0], axis, dtype, out, keepdims, initial, where)


def nancumsum(a, axis=None, dtype=None, out=None):
    """`cumsum` with NaN counted as 0."""
    return cumsum(_without_nan("nancumsum", a, 0, axis)[0], axis, dtype, out)


def nancumprod(a, axis=None, dtype=None, out=None):
    """`cumprod` with NaN counted as 1."""
    return cumprod(_without_nan("nancumprod", a, 1, axis)[0], axis, dtype, out)


def _nan_extreme(name: str, extreme: Callable, sign: int) -> Callable:
    def ignoring(a, axis=None, out=None, keepdims=False, initial=None, where=None):
        found, missing = _without_nan(name, a, lowest_of(a, sign), axis)
        result = extreme(found, axis, out, keepdims, initial, where)
        if missing is None or initial is not None:
            return result
        return choose(all(missing, axis, keepdims=keepdims), math.nan, result)

    ignoring.__name__ = ignoring.__qualname__ = name
    ignoring.__doc__ = f"`{extreme.__name__}` over the elements that are not NaN; NaN if all are."
    return ignoring


def lowest_of(a, sign: int):
    """What takes the place of NaN in the maximum (sign 1) or minimum (-1) of `a`."""
    return lowest(typeof(as_array("nanmax", a)).dtype, sign)


nanmax = _nan_extreme("nanmax", max, 1)
nanmin = _nan_extreme("nanmin", min, -1)


def _nan_position(name: str, position: Callable, sign: int) -> Callable:
    def ignoring(a, axis=None, out=None, keepdims=None):
        found, missing = _without_nan(name, a, lowest_of(a, sign), axis)
        result = position(found, axis, out, keepdims)
        return result if missing is None else choose(all(missing, axis, keepdims=bool(keepdims)), -1, result)

    ignoring.__name__ = ignoring.__qualname__ = name
    ignoring.__doc__ = f"`{position.__name__}` among the elements that are not NaN; -1 if all are."
    return ignoring


nanargmax = _nan_position("nanargmax", argmax, 1)
nanargmin = _nan_position("nanargmin", argmin, -1)


def _present(name, a, where, axis):
    """A mask of the elements that count, or None if all do."""
    a = as_array(name, a)
    canonical_axes(name, axis, typeof(a).ndim)
    if not dtypes.is_inexact(typeof(a).dtype):
        return a, where
    present = lax.eq(a, a)
    return a, present if where is None else logical_and(present, truth(name, where))


def nanmean(a, axis=None, dtype=None, out=None, keepdims=False, where=None):
    """`mean` over the elements that are not NaN; NaN if all are."""
    a, where = _present("nanmean", a, where, axis)
    return mean_of(a, axis, dtype, out, keepdims, where=where)


def nanvar(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=None, mean=None):
    """`var` over the elements that are not NaN; NaN where no more than `ddof` are left."""
    a, where = _present("nanvar", a, where, axis)
    result = var(a, axis, dtype, out, ddof, keepdims, where=where, mean=mean)
    if where is None:
        return result
    enough = greater(sum(where, axis, keepdims=keepdims), ddof)
    return choose(enough, result, math.nan)


def nanstd(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=None, mean=None):
    """`std` over the elements that are not NaN; NaN where no more than `ddof` are left."""
    return sqrt(nanvar(a, axis, dtype, out, ddof, keepdims, where, mean))
