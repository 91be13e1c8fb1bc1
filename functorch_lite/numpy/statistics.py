"""Order statistics and covariances."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.config import config
from functorch_lite.numpy.contract import matmul
from functorch_lite.numpy.diagonals import diagonal
from functorch_lite.numpy.dispatch import by_numpy
from functorch_lite.numpy.placing import take_along_axis
from functorch_lite.numpy.promote import (
    INEXACT,
    as_array,
    canonical_axes,
    convert,
    operand,
    promote_dtypes,
    user_dtype,
)
from functorch_lite.numpy.reductions import average, sum
from functorch_lite.numpy.rounding import clip
from functorch_lite.numpy.selecting import no_out, take, where
from functorch_lite.numpy.shape import atleast_2d, moveaxis, transpose
from functorch_lite.numpy.sorting import sort
from functorch_lite.numpy.ufuncs import add, conjugate, divide, equal, floor, isnan, multiply, sqrt, subtract
from functorch_lite.trace import Tracer, at, typeof

__all__ = [
    "corrcoef", "cov", "median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile",
]  # fmt: skip

# ---- quantiles ----

# Hyndman & Fan, "Sample quantiles in statistical packages" (1996): position n q + alpha + q (1 - alpha - beta) - 1
_BETWEEN = {
    "linear": (1, 1),
    "hazen": (0.5, 0.5),
    "weibull": (0, 0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
    "interpolated_inverted_cdf": (0, 1),
}
_STEPS = {"inverted_cdf": 1, "averaged_inverted_cdf": 1, "closest_observation": 1.5}  # position n q - this
_METHODS = ("lower", "higher", "nearest", "midpoint", *_STEPS, *_BETWEEN)


def _sorted_rows(name, a, axis, method):
    """(the elements sorted along a new last axis, shape of `a`, axes)."""
    if method not in _METHODS:
        raise ValueError(f"{name}: method={method!r} at {at()}; give one of {', '.join(_METHODS)}")
    (a,) = promote_dtypes(name, as_array(name, a), rule=INEXACT)
    if dtypes.is_complex(typeof(a).dtype):
        raise TypeError(f"{name}: complex numbers have no order, got {typeof(a)} at {at()}; take the parts first")
    shape = typeof(a).shape
    axes = canonical_axes(name, axis, len(shape))
    rest = [i for i in range(len(shape)) if i not in axes]
    a = transpose(a, (*rest, *axes)) if (*rest, *axes) != tuple(range(len(shape))) else a
    n = math.prod([shape[i] for i in axes])
    if n == 0:
        raise ValueError(f"{name}: {typeof(a)} has no elements along {axes} at {at()}; test its size first")
    flat = tuple([shape[i] for i in rest]) + (n,)
    return sort(a if typeof(a).shape == flat else lax.reshape(a, flat)), shape, axes


_ARRAYS = SimpleNamespace(floor=floor, clip=clip, where=where)  # what `_position` takes from NumPy otherwise


def _position(q, n, method, xp):
    """Where among n sorted elements the quantile q lies: (index below, index above, weight of the one above)."""
    alpha, beta = _BETWEEN.get(method, (1, 1))
    place = q * n - _STEPS[method] if method in _STEPS else q * (n - (alpha + beta - 1)) + (alpha - 1)
    before = place < 0
    place = xp.clip(place, 0.0, n - 1)
    low = xp.floor(place)
    weight = place - low
    if method == "averaged_inverted_cdf":
        weight = xp.where(before, 0.0, xp.where(weight > 0, 1.0, 0.5))
    elif method == "closest_observation":
        weight = xp.where(((weight > 0) | (low % 2 == 0)) & ~before, 1.0, 0.0)
    elif method == "lower":
        weight = weight * 0.0
    elif method in ("higher", "inverted_cdf"):
        weight = xp.where(weight > 0, 1.0, weight)
    elif method == "midpoint":
        weight = xp.where(weight > 0, 0.5, weight)
    elif method == "nearest":
        odd = low % 2 == 1
        weight = xp.where((weight > 0.5) | ((weight == 0.5) & odd), 1.0, weight * 0.0)
    return low, xp.clip(low + 1, 0.0, n - 1), weight


def _between(below, above, weight):
    """The mean of two arrays with the weight `weight` on the second, also of infinities."""
    if isinstance(weight, (np.ndarray, np.generic)) and not np.any(weight):
        return below
    weight = convert("quantile", weight, typeof(below).dtype)
    t = typeof(below)
    if 0 < typeof(weight).ndim < t.ndim:
        weight = lax.broadcast_in_dim(weight, t.shape, tuple(range(t.ndim - typeof(weight).ndim, t.ndim)))
    mixed = add(multiply(below, subtract(1, weight)), multiply(above, weight))
    return where(equal(weight, 0), below, where(equal(weight, 1), above, mixed))


def _checked_q(name, q):
    """q in the dtype of computation, with its range tested where it is known."""
    q = operand(name, q)
    values = None if isinstance(q, Tracer) else np.asarray(q)
    if values is not None and not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"{name}: {np.array2string(values)} at {at()}; quantiles lie between 0 and 1")
    return q


def quantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False):
    """The value below which the fraction q of the elements lies, over axes; over all if `axis` is None.

    a: real, any shape; q: numbers between 0 and 1 -> the shape of q, then the remaining axes of a, as floats; NaN
    where there is one. method: "linear", "lower", "higher", "nearest", "midpoint", or one of the definitions of Hyndman
    & Fan (1996) by numpy's names. Raises ValueError for q out of range, or no elements.
    """
    no_out("quantile", out)
    return _quantile("quantile", a, q, axis, method, keepdims)


def _quantile(name, a, q, axis, method, keepdims):
    q = _checked_q(name, q)
    rows, shape, axes = _sorted_rows(name, a, axis, method)
    t = typeof(rows)
    n = t.shape[-1]
    if isinstance(q, Tracer):
        low, high, weight = _position(convert(name, q, _wide(t.dtype)), n, method, _ARRAYS)
    else:
        low, high, weight = _position(np.asarray(q, np.float64), n, method, np)
    found = _between(_elements(rows, low), _elements(rows, high), weight)
    last = _elements(rows, np.asarray(n - 1))  # NaN is sorted to the end
    bad = lax.reshape(isnan(last), (*t.shape[:-1], *[1] * np.ndim(low)))
    return _finish(where(bad, math.nan, found), np.ndim(low), shape, axes, keepdims)


def _wide(dtype: np.dtype) -> np.dtype:
    """A dtype that counts exactly."""
    return dtype if dtype.itemsize > 2 else np.dtype(np.float32)


def _elements(rows, place):
    """rows[..., place]; a slice where the place is one known number."""
    if isinstance(place, Tracer):
        return take(rows, convert("quantile", place, config.default_int), axis=-1, mode="clip")
    if np.ndim(place):
        return take(rows, place.astype(config.default_int), axis=-1, mode="clip")
    shape, i = typeof(rows).shape, int(place)
    return lax.reshape(lax.slice(rows, (*[0] * (len(shape) - 1), i), (*shape[:-1], i + 1)), shape[:-1])


def _finish(found, q_ndim: int, shape, axes, keepdims):
    """The axes of q in front; the reduced ones put back with `keepdims`."""
    ndim = typeof(found).ndim
    if q_ndim and ndim > q_ndim:
        found = moveaxis(found, tuple(range(ndim - q_ndim, ndim)), tuple(range(q_ndim)))
    if not keepdims:
        return found
    kept = tuple([1 if i in axes else n for i, n in enumerate(shape)])
    return lax.reshape(found, typeof(found).shape[:q_ndim] + kept)


def percentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False):
    """`quantile` for q between 0 and 100."""
    no_out("percentile", out)
    return _quantile("percentile", a, divide(q, 100), axis, method, keepdims)


def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """The middle element over axes, or the mean of both in the middle: see `quantile`."""
    no_out("median", out)
    made = by_numpy(_host_median, a, axis, keepdims)
    if made is not None:
        return made
    return _quantile("median", a, 0.5, axis, "linear", keepdims)


def _host_median(a, axis, keepdims):
    if not a.size:
        raise ValueError  # NumPy warns
    return np.median(a, axis, keepdims=keepdims)


def nanquantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False):
    """`quantile` over the elements that are not NaN; NaN where all are."""
    no_out("nanquantile", out)
    return _nanquantile("nanquantile", a, q, axis, method, keepdims)


def _nanquantile(name, a, q, axis, method, keepdims):
    q = _checked_q(name, q)
    rows, shape, axes = _sorted_rows(name, a, axis, method)
    t = typeof(rows)
    wide, integer = _wide(t.dtype), config.default_int
    q = convert(name, q, wide)
    spread = (*t.shape[:-1], typeof(q).size)
    count = sum(lax.convert_element_type(lax.eq(rows, rows), wide), -1)
    count = lax.broadcast_in_dim(lax.max(count, 1.0), spread, tuple(range(t.ndim - 1)))
    flat_q = lax.broadcast_in_dim(lax.reshape(q, (typeof(q).size,)), spread, (t.ndim - 1,))
    low, high, weight = _position(flat_q, count, method, _ARRAYS)
    below, above = [take_along_axis(rows, convert(name, i, integer), axis=-1, mode="clip") for i in (low, high)]
    found = _between(below, above, weight)
    found = lax.reshape(found, t.shape[:-1] + typeof(q).shape)
    return _finish(found, typeof(q).ndim, shape, axes, keepdims)


def nanpercentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False):
    """`percentile` over the elements that are not NaN; NaN where all are."""
    no_out("nanpercentile", out)
    return _nanquantile("nanpercentile", a, divide(q, 100), axis, method, keepdims)


def nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """`median` over the elements that are not NaN; NaN where all are."""
    no_out("nanmedian", out)
    return _nanquantile("nanmedian", a, 0.5, axis, "linear", keepdims)


# ---- covariance ----


def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, dtype=None):
    """The covariance matrix of variables in rows (in columns without `rowvar`) observed in the other axis.

    m: (n, k) or (k,); y: further variables of the same form -> (n, n), a number for one variable. The normalisation is
    k - 1, k with `bias`, k - ddof with `ddof`; fweights: how often each observation counts (integers); aweights: how
    much. dtype: a float or complex dtype to compute in. Raises ValueError for another one, or more than two axes.
    """
    dtype = user_dtype("cov", dtype)
    if dtype is not None and not dtypes.is_inexact(dtype):
        raise ValueError(f"cov: computes in floats or complex numbers, got {dtype=!s} at {at()}; leave it out")
    x = _observations("cov", m, rowvar)
    if y is not None:
        x = lax.concatenate(promote_dtypes("cov", x, _observations("cov", y, rowvar)), 0)
    (x,) = promote_dtypes("cov", x, rule=INEXACT) if dtype is None else (convert("cov", x, dtype),)
    t = typeof(x)
    ddof = ddof if ddof is not None else (0 if bias else 1)
    weights = None
    if fweights is not None:
        weights = _weights(fweights, t, "fweights")
        if not dtypes.is_integer(typeof(as_array("cov", fweights)).dtype):
            raise TypeError(f"cov: fweights are integers, got {typeof(as_array('cov', fweights))} at {at()}")
    if aweights is not None:
        importance = _weights(aweights, t, "aweights")
        weights = importance if weights is None else multiply(weights, importance)
    means, total = average(x, 1, weights, returned=True)
    total = t.shape[1] if weights is None else lax.reshape(lax.slice(total, (0,), (1,)), ())
    if weights is None or aweights is None or ddof == 0:
        scale = subtract(total, ddof)
    else:
        scale = subtract(total, divide(multiply(ddof, sum(multiply(weights, importance))), total))
    x = subtract(x, lax.broadcast_in_dim(means, t.shape, (0,)))
    other = conjugate(transpose(x if weights is None else multiply(x, weights)))
    found = divide(matmul(x, other), scale)
    return lax.reshape(found, ()) if t.shape[0] == 1 else found


def _observations(name, m, rowvar):
    m = as_array(name, m)
    if typeof(m).ndim > 2:
        raise ValueError(f"{name}: takes one or two axes, got {typeof(m)} at {at()}; reshape it")
    wide = atleast_2d(m)
    return transpose(wide) if not rowvar and typeof(m).ndim == 2 else wide


def _weights(weights, t, name):
    w = as_array("cov", weights)
    if typeof(w).shape != t.shape[1:]:
        raise ValueError(f"cov: {name} of {typeof(w)} for {t.shape[1]} observations at {at()}; give one for each")
    return lax.convert_element_type(w, dtypes.real_of(t.dtype))


def corrcoef(x, y=None, rowvar=True, dtype=None):
    """The correlation matrix: the covariances divided by the standard deviations of both variables, within [-1, 1]."""
    c = cov(x, y, rowvar, dtype=dtype)
    if typeof(c).ndim == 0:
        return divide(c, c)
    shape = typeof(c).shape
    d = diagonal(c)
    deviation = sqrt(lax.real(d) if dtypes.is_complex(typeof(d).dtype) else d)
    for axis in (0, 1):
        c = divide(c, lax.broadcast_in_dim(deviation, shape, (axis,)))
    if dtypes.is_complex(typeof(c).dtype):
        return lax.complex(clip(lax.real(c), -1, 1), clip(lax.imag(c), -1, 1))
    return clip(c, -1, 1)
