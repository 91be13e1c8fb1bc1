"""Reductions along axes: sums, products, extremes, tests, means, and their cumulative and NaN-ignoring relatives.

Floats of 16 bits and fewer are summed in float32 and rounded once.
"""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array, of_value
from functorch_lite.config import config
from functorch_lite.numpy.dispatch import BOOL, NUMBERS, REFUSED, quietly, truth
from functorch_lite.numpy.promote import (
    INEXACT,
    as_array,
    canonical_axes,
    canonical_axis,
    convert,
    promote,
    promote_dtypes,
    promote_shapes,
    user_dtype,
)
from functorch_lite.numpy.selecting import no_out
from functorch_lite.numpy.ufuncs import add, divide, maximum, minimum, multiply, sqrt, subtract
from functorch_lite.prims.reduce import reduce_prod
from functorch_lite.prims.shape import broadcast, reduce_sum, reshape
from functorch_lite.trace import Tracer, at, tracing, typeof

# fmt: off
__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "average", "count_nonzero", "max", "mean", "min", "prod", "ptp",
    "std", "sum", "var",
]
# fmt: on

FLOAT32 = np.dtype(np.float32)
_add_up: Any = np.add.reduce
_EXACT = "fdFD"  # type characters of the dtypes in which NumPy accumulates as we do
_INTEGERS = {np.dtype(np.int32): np.int32, np.dtype(np.int64): np.int64}


def _kind(x) -> str:
    return dtypes.kind(typeof(x).dtype)


def keep(result, shape: tuple[int, ...], axes: tuple[int, ...]):
    """A reduced array with the reduced axes put back, of size 1."""
    return reshape(result, tuple([1 if i in axes else n for i, n in enumerate(shape)]))


def spread(result, shape: tuple[int, ...], axes: tuple[int, ...]):
    """A reduced array repeated along the reduced axes."""
    return broadcast(result, shape, tuple([i for i in range(len(shape)) if i not in axes]))


def masked(name: str, x, where, value):
    """`x` with `value` where `where` is false; the result has the shape in which both meet."""
    if where is None:
        return x
    mask, x = promote_shapes(name, as_array(name, truth(name, where)), x)
    return lax.select(mask, x, value)


def accumulator(dtype: np.dtype) -> np.dtype:
    """The dtype in which floats of `dtype` are summed."""
    return FLOAT32 if dtypes.is_float(dtype) and dtype.itemsize < 4 else dtype


def widened(x):
    """`x` in the dtype in which it is summed."""
    dtype = typeof(x).dtype
    wide = accumulator(dtype)
    return x if wide == dtype else lax.convert_element_type(x, wide)


def sum_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of a sum: booleans and narrow integers count in the default integer, unsigned ones in its like."""
    return _sum_dtype(dtype, config.default_int)


@functools.lru_cache(None)
def _sum_dtype(dtype, default):
    kind = dtypes.kind(dtype)
    if kind == "b" or (kind in "iu" and dtypes.iinfo(dtype).bits < 8 * default.itemsize):
        return np.dtype(f"u{default.name}") if kind == "u" else default
    return dtype


# ---- sum and prod ----


def _folding(name: str, lower: Callable, kernel: Any, combine: Callable, start: int, doc: str) -> Callable:
    """`sum` or `prod`: `start` is the result of no elements, `combine` joins it with `initial`."""

    def fold(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None, promote_integers=True):
        if type(a) is Array and not tracing and dtype is out is initial is where is None:
            value = a._value
            given = value.dtype
            if given.char in _EXACT or (given in _INTEGERS and promote_integers and sum_dtype(given) is given):
                try:
                    return of_value(quietly(kernel.reduce, value, axis, given, None, keepdims))
                except REFUSED:
                    pass
        elif type(a) is Tracer and dtype is out is initial is where is None and a.type.dtype.char in _EXACT:
            axes = canonical_axes(name, axis, a.type.ndim)
            result = lower(a, axes)
            return keep(result, a.type.shape, axes) if keepdims else result
        no_out(name, out)
        a = as_array(name, a)
        result_dtype = user_dtype(name, dtype)
        if result_dtype is None:
            result_dtype = sum_dtype(typeof(a).dtype) if promote_integers else typeof(a).dtype
        elif not promote_integers:
            raise TypeError(f"{name}: dtype and promote_integers=False exclude each other, at {at()}; give one of them")
        x = masked(name, convert(name, a, accumulator(result_dtype)), where, start)
        shape = typeof(x).shape
        axes = canonical_axes(name, axis, len(shape))
        result = lower(x, axes)
        result = keep(result, shape, axes) if keepdims else result
        result = result if initial is None else combine(result, convert(name, initial, result_dtype))
        return convert(name, result, result_dtype)

    fold.__name__ = fold.__qualname__ = name
    fold.__doc__ = doc
    return fold


_FOLD = """
    a: any shape -> the remaining axes, of size 1 with `keepdims`. The dtype is that of `a`; integers narrower than the
    default one become that, unless `promote_integers` is off or `dtype` says otherwise. where: a mask that broadcasts;
    initial: one more element, in the dtype of the result. Raises AxisError for an axis that `a` does not have.
    """
sum = _folding("sum", reduce_sum, np.add, add, 0, f"The sum over axes; over all if `axis` is None.\n{_FOLD}")
prod = _folding(
    "prod", reduce_prod, np.multiply, multiply, 1, f"The product over axes; over all if `axis` is None.\n{_FOLD}")


# ---- max and min ----


def _extreme(name: str, lower: Callable, on_bool: Callable, kernel: Any, combine: Callable, sign: int) -> Callable:
    def extreme(a, axis=None, out=None, keepdims=False, initial=None, where=None):
        if type(a) is Array and not tracing and out is initial is where is None:
            value = a._value
            try:
                result = quietly(kernel.reduce, value, axis, None, None, keepdims)
                if result.dtype is value.dtype:
                    return of_value(result)
            except REFUSED:
                pass
        no_out(name, out)
        if where is not None and initial is None:
            raise ValueError(f"{name}: a mask may leave nothing, at {at()}; give `initial` with `where`")
        x = as_array(name, a)
        x = masked(name, x, where, lowest(typeof(x).dtype, sign))
        shape = typeof(x).shape
        axes = canonical_axes(name, axis, len(shape))
        if 0 in [shape[i] for i in axes]:
            if initial is not None:
                rest = [n for i, n in enumerate(shape) if i not in axes]
                kept = [1 if i in axes else n for i, n in enumerate(shape)]
                nothing = lax.full(kept if keepdims else rest, lowest(typeof(x).dtype, sign), typeof(x).dtype)
                return combine(nothing, convert(name, initial, typeof(x).dtype))
            raise ValueError(f"{name}: {typeof(x)} has no elements along {axes} at {at()}, and {name} no identity; "
                             "give `initial`")  # fmt: skip
        if _kind(x) == "c":
            result = _extreme_complex(x, axes, lower, lowest(dtypes.real_of(typeof(x).dtype), sign))
        else:
            result = (on_bool if _kind(x) == "b" else lower)(x, axes)
        result = keep(result, shape, axes) if keepdims else result
        return result if initial is None else combine(result, convert(name, initial, typeof(x).dtype))

    extreme.__name__ = extreme.__qualname__ = name
    extreme.__doc__ = f"""The {"largest" if sign > 0 else "smallest"} element over axes; over all if `axis` is None.

    a: any shape -> the remaining axes, of size 1 with `keepdims`, in the same dtype. NaN if there is one; equal
    elements share the derivative. Raises ValueError for no elements without `initial`, or for `where` without it.
    """
    return extreme


def _extreme_complex(x, axes, lower, never):
    """The extreme by real part, then by imaginary part; NaN if either part of an element is."""
    real, imag = lax.real(x), lax.imag(x)
    first = lower(real, axes)
    hit = lax.eq(real, spread(first, typeof(x).shape, axes))
    second = lower(lax.select(hit, imag, never), axes)
    nan = lax.ne(lower(imag, axes), lower(imag, axes))
    return lax.complex(lax.select(nan, math.nan, first), second)


def lowest(dtype: np.dtype, sign: int):
    """The Python number that never is the maximum (sign 1) or the minimum (-1)."""
    kind = dtypes.kind(dtype)
    if kind == "b":
        return sign < 0
    if kind in "iu":
        info = dtypes.iinfo(dtype)
        return int(info.min if sign > 0 else info.max)
    return -sign * math.inf


max = _extreme("max", lax.reduce_max, lax.reduce_or, np.maximum, maximum, 1)
min = _extreme("min", lax.reduce_min, lax.reduce_and, np.minimum, minimum, -1)
amax, amin = max, min


def ptp(a, axis=None, out=None, keepdims=False):
    """The range over axes: max - min."""
    no_out("ptp", out)
    return subtract(max(a, axis, None, keepdims), min(a, axis, None, keepdims))


# ---- any and all ----


def _test(name: str, lower: Callable, kernel: Any, start: bool, doc: str) -> Callable:
    def test(a, axis=None, out=None, keepdims=False, *, where=None):
        if type(a) is Array and not tracing and out is where is None:
            try:
                result = kernel.reduce(a._value, axis, None, None, keepdims)
                if result.dtype is BOOL:
                    return of_value(result)
            except REFUSED:
                pass
        no_out(name, out)
        x = masked(name, as_array(name, truth(name, a)), where, start)
        shape = typeof(x).shape
        axes = canonical_axes(name, axis, len(shape))
        result = lower(x, axes)
        return keep(result, shape, axes) if keepdims else result

    test.__name__ = test.__qualname__ = name
    test.__doc__ = doc
    return test


any = _test("any", lax.reduce_or, np.logical_or, False, "Whether any element over axes is nonzero; False of none.")
all = _test("all", lax.reduce_and, np.logical_and, True, "Whether all elements over axes are nonzero; True of none.")


def count_nonzero(a, axis=None, keepdims=False):
    """How many elements over axes are nonzero, in the default integer dtype."""
    return sum(truth("count_nonzero", a), axis, keepdims=keepdims)


# ---- where an extreme is ----


def index_dtype(n: int) -> np.dtype:
    """The default integer dtype, or int64 where it cannot count to `n`."""
    return config.default_int if n < 1 << 31 else np.dtype(np.int64)


def _position(name: str, lower: Callable, kernel: Callable, doc: str) -> Callable:
    def position(a, axis=None, out=None, keepdims=None):
        if type(a) is Array and not tracing and not keepdims and out is None and a._value.dtype.kind in "biuf":
            value = a._value
            try:
                return of_value(kernel(value, axis).astype(index_dtype(value.size)))
            except REFUSED:
                pass
        no_out(name, out)
        x = as_array(name, a)
        shape = typeof(x).shape
        if axis is None:
            x, along = lax.reshape(x, (typeof(x).size,)), 0
        else:
            along = canonical_axis(name, axis, len(shape))
        if typeof(x).shape[along] == 0:
            raise ValueError(f"attempt to get {name} of an empty sequence, {typeof(a)} at {at()}; test its size first")
        if _kind(x) == "b":
            x = lax.convert_element_type(x, np.dtype(np.int8))
        result = lower(x, along, index_dtype(typeof(x).size))
        return keep(result, shape, tuple(range(len(shape))) if axis is None else (along,)) if keepdims else result

    position.__name__ = position.__qualname__ = name
    position.__doc__ = doc
    return position


argmax = _position("argmax", lax.argmax, np.argmax, "The index of the first largest element along an axis, or in "
                   "row-major order if `axis` is None; of the first NaN if there is one.")  # fmt: skip
argmin = _position("argmin", lax.argmin, np.argmin, "The index of the first smallest element along an axis, or in "
                   "row-major order if `axis` is None; of the first NaN if there is one.")  # fmt: skip


# ---- means ----


def _count(shape, axes) -> float:
    return float(math.prod([shape[i] for i in axes]))


def _prepared(name, a, axis, dtype, where):
    """(operand in the dtype of computation, dtype of the result, axes, number of elements: a float or an array)."""
    result_dtype = user_dtype(name, dtype)
    (a,) = promote_dtypes(name, a, rule=INEXACT)
    a = as_array(name, a)
    if result_dtype is None:
        result_dtype = typeof(a).dtype
    x = convert(name, a, accumulator(result_dtype if dtypes.is_inexact(result_dtype) else typeof(a).dtype))
    if where is not None:
        where, x = promote_shapes(name, as_array(name, truth(name, where)), x)
    shape = typeof(x).shape
    axes = canonical_axes(name, axis, len(shape))
    if where is None:
        count = _count(shape, axes)
    else:
        count = lax.reduce_sum(lax.convert_element_type(where, dtypes.real_of(typeof(x).dtype)), axes)
    return x, result_dtype, axes, count, where


def mean(a, axis=None, dtype=None, out=None, keepdims=False, *, where=None):
    """The mean over axes; over all if `axis` is None.

    a: any shape -> the remaining axes, of size 1 with `keepdims`, as floats. where: a mask that broadcasts. The mean of
    no elements is NaN.
    """
    if type(a) is Array and not tracing and dtype is out is where is None:
        value = a._value
        if value.dtype.char in _EXACT:
            try:
                total = quietly(_add_up, value, axis, None, None, keepdims)
                result = quietly(np.true_divide, total, value.size // total.size)
                if result.dtype is value.dtype:
                    return of_value(result)
            except (*REFUSED, ZeroDivisionError):
                pass
    no_out("mean", out)
    if type(a) is Tracer and dtype is where is None and a.type.dtype.char in _EXACT:
        axes = canonical_axes("mean", axis, a.type.ndim)
        result = lax.div(reduce_sum(a, axes), _count(a.type.shape, axes))
        return keep(result, a.type.shape, axes) if keepdims else result
    x, result_dtype, axes, count, where = _prepared("mean", a, axis, dtype, where)
    result = divide(lax.reduce_sum(masked("mean", x, where, 0), axes), count)
    result = keep(result, typeof(x).shape, axes) if keepdims else result
    return convert("mean", result, result_dtype)


def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, mean=None, correction=None):
    """The variance over axes: the mean squared distance from the mean, with n - ddof (at least 0) in place of n.

    a: any shape -> the remaining axes, of size 1 with `keepdims`, as real floats. mean: the mean where it is known,
    with its axes kept; correction: another name of `ddof`. Source: the two-pass formula.
    """
    if type(a) is Array and not tracing and dtype is out is where is mean is correction is None:
        value = a._value
        if value.dtype.char in "fd":
            try:
                result = quietly(_host_var, value, axis, ddof, keepdims)
                if result.dtype is value.dtype:
                    return of_value(result)
            except (*REFUSED, ZeroDivisionError):
                pass
    no_out("var", out)
    if correction is not None:
        if ddof:
            raise ValueError(f"var: ddof and correction are the same thing, got both at {at()}; give one of them")
        ddof = correction
    if type(a) is Tracer and dtype is where is mean is None and a.type.dtype.char in "fd" and type(ddof) in NUMBERS:
        return _traced_var(a, canonical_axes("var", axis, a.type.ndim), ddof, keepdims)
    x, result_dtype, axes, count, where = _prepared("var", a, axis, dtype, where)
    shape = typeof(x).shape
    if mean is None:
        center = spread(divide(lax.reduce_sum(masked("var", x, where, 0), axes), count), shape, axes)
    else:
        x, center = promote("var", INEXACT, x, mean)
    d = lax.sub(x, center)
    squares = lax.real(lax.mul(d, lax.conj(d))) if _kind(d) == "c" else lax.square(d)
    total = lax.reduce_sum(masked("var", squares, where, 0), axes)
    result = divide(total, _freedom(count, ddof))
    result = keep(result, shape, axes) if keepdims else result
    return convert("var", result, dtypes.real_of(result_dtype))


def _freedom(count, ddof):
    """The degrees of freedom: a number where both are."""
    plain = type(count) in NUMBERS and type(ddof) in NUMBERS
    return builtins.max(count - ddof, 0.0) if plain else maximum(subtract(count, ddof), 0)


def _traced_var(x, axes, ddof, keepdims):
    shape = x.type.shape
    n = _count(shape, axes)
    d = lax.sub(x, spread(lax.div(reduce_sum(x, axes), n), shape, axes))
    result = lax.div(reduce_sum(lax.square(d), axes), _freedom(n, ddof))
    return keep(result, shape, axes) if keepdims else result


def _host_var(value, axis, ddof, keepdims):
    total = _add_up(value, axis, None, None, True)
    d = value - total / (value.size // total.size)
    d *= d
    return np.true_divide(_add_up(d, axis, None, None, keepdims), _freedom(value.size // total.size, ddof))


def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, mean=None, correction=None):
    """The standard deviation over axes: the square root of `var`, which takes the same arguments."""
    no_out("std", out)
    return sqrt(var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction))


def average(a, axis=None, weights=None, returned=False, keepdims=False):
    """The mean over axes weighted by `weights`: sum(a * weights) / sum(weights).

    weights: of the shape of `a`, or of the averaged axes. With `returned`, (average, sum of the weights).
    """
    a = as_array("average", a)
    if weights is None:
        found = mean(a, axis, keepdims=keepdims)
        count = typeof(a).size / builtins.max(typeof(found).size, 1)
        return (found, lax.full(typeof(found).shape, count, typeof(found).dtype)) if returned else found
    a, weights = promote_dtypes("average", a, as_array("average", weights), rule=INEXACT)
    shape = typeof(a).shape
    axes = canonical_axes("average", axis, len(shape))
    if typeof(weights).shape != shape:
        if axis is None or typeof(weights).shape != tuple([shape[i] for i in axes]):
            raise ValueError(f"average: weights of {typeof(weights)} fit neither {typeof(a)} nor its axes at {at()}; "
                             "give one for each element of the averaged axes")  # fmt: skip
        weights = lax.broadcast_in_dim(weights, shape, axes)
    total = sum(weights, axes, keepdims=keepdims)
    found = divide(sum(multiply(a, weights), axes, keepdims=keepdims), total)
    return (found, total) if returned else found
