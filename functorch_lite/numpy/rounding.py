"""Rounding, bounds and closeness: elementwise functions of several operations."""

from __future__ import annotations

import math

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array, of_value
from functorch_lite.numpy.arithmetic import floor_divide, remainder
from functorch_lite.numpy.dispatch import BOOL, NUMBERS, REFUSED, by_numpy, filled, quietly
from functorch_lite.numpy.promote import (
    AS_IS,
    INEXACT,
    NUMBER,
    as_array,
    dtype_of,
    one_integer,
    promote,
    promote_dtypes,
)
from functorch_lite.numpy.selecting import where
from functorch_lite.numpy.ufuncs import (
    add,
    isfinite,
    isnan,
    less_equal,
    logical_and,
    logical_or,
    multiply,
    real_only,
    round_half_even,
)
from functorch_lite.trace import tracing, typeof

__all__ = ["allclose", "around", "array_equal", "array_equiv", "clip", "isclose", "nan_to_num", "round"]


def _kind(x) -> str:
    return dtypes.kind(dtype_of(x))


# ---- rounding ----


def round(a, decimals: int = 0):
    """Each element rounded to `decimals` places, ties to even; integers to tens, hundreds, ... if it is negative.

    a: any -> the same shape and dtype; more places than the dtype has change nothing.
    """
    decimals = one_integer("round", "the number of decimals", decimals)
    made = by_numpy(np.round, a, decimals) if -5 < decimals <= 0 else None  # otherwise NumPy may overflow
    if made is not None:
        return made
    a = as_array("round", a)
    kind = _kind(a)
    if kind in "biu":
        return a if decimals >= 0 else _round_integers(a, 10**-decimals)
    if decimals == 0:
        return round_half_even(a)
    if kind == "c":
        return lax.complex(round(lax.real(a), decimals), round(lax.imag(a), decimals))
    dtype = typeof(a).dtype
    wide = lax.convert_element_type(a, np.dtype(np.float32)) if dtype.itemsize < 4 else a
    if abs(decimals) >= -math.log10(dtypes.finfo(typeof(wide).dtype).tiny):  # 1 / factor is subnormal, or 0
        return a if decimals > 0 else lax.full_like(a, 0)
    factor = 10.0 ** abs(decimals)
    if decimals > 0:
        scaled = lax.mul(wide, factor)
        made = lax.div(round_half_even(scaled), factor)
        made = lax.select(lax.is_finite(scaled), made, lax.stop_gradient(wide))
    else:
        made = lax.mul(round_half_even(lax.div(wide, factor)), factor)
    return lax.convert_element_type(made, dtype) if wide is not a else made


around = round


def _round_integers(a, unit: int):
    if unit > dtypes.iinfo(dtype_of(a)).max:
        return lax.full(typeof(a).shape, 0, dtype_of(a))
    q, r = floor_divide(a, unit), remainder(a, unit)
    twice = lax.sub(lax.mul(r, 2), unit)  # its sign says on which side of the middle the element is
    up = lax.bitwise_or(lax.gt(r, unit // 2), lax.bitwise_and(lax.eq(twice, 0), lax.ne(lax.bitwise_and(q, 1), 0)))
    return lax.mul(lax.add(q, lax.convert_element_type(up, dtype_of(a))), unit)


# ---- choices ----


def clip(arr, /, min=None, max=None):
    """Each element, or the bound it is beyond.

    arr, min, max: real, and broadcast; None is no bound. At a bound, the derivative is shared between both.
    """
    if type(arr) is Array and not tracing and _plain_bound(min) and _plain_bound(max):
        value = arr._value
        try:
            result = value if min is None else quietly(np.maximum, value, min)
            result = result if max is None else quietly(np.minimum, result, max)
            if result.dtype is value.dtype and value.dtype.kind != "c":
                return of_value(result)
        except REFUSED:
            pass
    bounds = [b for b in (min, max) if b is not None]
    x, *bounds = promote("clip", NUMBER if bounds else AS_IS, arr, *bounds)
    x = as_array("clip", x)
    real_only("clip", _kind(x), x)
    if min is not None:
        x = lax.max(x, bounds.pop(0))
    return x if max is None else lax.min(x, bounds.pop())


def _plain_bound(b) -> bool:
    return b is None or type(b) in NUMBERS


def nan_to_num(x, copy: bool = True, nan=0.0, posinf=None, neginf=None):
    """x with NaN replaced by `nan`, and the infinities by `posinf` and `neginf`: by default the largest floats.

    x: any -> the same shape and dtype; integers are returned as they are. `copy` changes nothing: arrays are immutable.
    """
    made = by_numpy(np.nan_to_num, x, True, nan, posinf, neginf)
    if made is not None:
        return made
    x = as_array("nan_to_num", x)
    kind = _kind(x)
    if kind == "c":
        parts = [nan_to_num(part, True, nan, posinf, neginf) for part in (lax.real(x), lax.imag(x))]
        return lax.complex(*parts)
    if kind != "f":
        return x
    info = dtypes.finfo(dtype_of(x))
    posinf = float(info.max) if posinf is None else posinf
    neginf = float(info.min) if neginf is None else neginf
    for test, value in ((lax.ne(x, x), nan), (lax.eq(x, math.inf), posinf), (lax.eq(x, -math.inf), neginf)):
        x = where(test, value, x)
    return x


# ---- closeness ----


def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan: bool = False):
    """Whether |a - b| <= atol + rtol * |b|, elementwise; equal infinities are close, and NaN if `equal_nan`."""
    made = by_numpy(np.isclose, a, b, rtol, atol, equal_nan)
    if made is not None:
        return made
    a, b = promote("isclose", INEXACT, a, b)
    a, b = filled(a, b)
    near = less_equal(lax.abs(lax.sub(a, b)), add(multiply(rtol, lax.abs(b)), atol))
    finite = isfinite(b)
    close = lax.bitwise_or(lax.eq(a, b), lax.bitwise_and(finite, near))
    return logical_or(close, logical_and(isnan(a), isnan(b))) if equal_nan else close


def allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan: bool = False):
    """Whether all elements are close: see `isclose`."""
    made = by_numpy(np.allclose, a, b, rtol, atol, equal_nan)
    return _all(isclose(a, b, rtol, atol, equal_nan)) if made is None else made


def _all(x):
    return lax.reduce_and(x, tuple(range(typeof(x).ndim)))


def array_equal(a1, a2, equal_nan: bool = False):
    """Whether two arrays have one shape and equal elements; NaN equals NaN if `equal_nan`."""
    made = by_numpy(np.array_equal, a1, a2, equal_nan)
    if made is not None:
        return made
    a1, a2 = as_array("array_equal", a1), as_array("array_equal", a2)
    if typeof(a1).shape != typeof(a2).shape:
        return lax.full((), False, BOOL)
    a1, a2 = promote_dtypes("array_equal", a1, a2)
    same = lax.eq(a1, a2)
    return _all(logical_or(same, logical_and(isnan(a1), isnan(a2))) if equal_nan else same)


def array_equiv(a1, a2):
    """Whether two arrays broadcast to one shape and are equal there."""
    a1, a2 = as_array("array_equiv", a1), as_array("array_equiv", a2)
    try:
        np.broadcast_shapes(typeof(a1).shape, typeof(a2).shape)
    except ValueError:
        return lax.full((), False, BOOL)
    return _all(lax.eq(*promote("array_equiv", AS_IS, a1, a2)))
