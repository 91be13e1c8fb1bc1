"""Functions along axes: softmax and its logarithm, sums of exponentials, standardization, one-hot vectors.

All shift by the maximum, through which no derivative passes: it cancels.
"""

from __future__ import annotations

import math

import numpy as np

from functorch_lite import dtypes
from functorch_lite.config import config
from functorch_lite.host import activation as host
from functorch_lite.nn.eager import at_once
from functorch_lite.numpy import reductions
from functorch_lite.numpy.promote import (
    INEXACT,
    as_array,
    canonical_axes,
    canonical_axis,
    convert,
    promote,
    user_dtype,
)
from functorch_lite.numpy.reductions import keep, masked, spread
from functorch_lite.prims import activation as p
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.reduce import reduce_max
from functorch_lite.prims.shape import broadcast, full, iota, reduce_sum
from functorch_lite.trace import at, typeof

__all__ = ["log_softmax", "logmeanexp", "logsumexp", "one_hot", "softmax", "standardize"]


def _axes(name, axis, ndim):
    return canonical_axes(name, axis, ndim)


# ---- softmax ----


def _host_softmax(x, axis):
    return host.softmax(x, tuple(range(x.ndim)) if axis is None else axis)


def softmax(x, axis=-1, where=None):
    """exp(x) / sum(exp(x)) along `axis`: an integer, a tuple, or None for all.

    x: (..., n) -> the same shape, as floats. where: a mask; what it leaves out is 0 and does not count.
    """
    made = at_once(_host_softmax, x, axis) if where is None else None
    if made is not None:
        return made
    (x,) = promote("softmax", INEXACT, as_array("softmax", x))
    if where is None:
        return p.softmax(x, _axes("softmax", axis, x.ndim))
    x = masked("softmax", x, where, float(dtypes.finfo(x.dtype).min))
    return masked("softmax", p.softmax(x, _axes("softmax", axis, x.ndim)), where, 0.0)


def _host_log_softmax(x, axis):
    shifted = x - np.maximum.reduce(x, axis, keepdims=True)
    return np.subtract(shifted, np.log(np.add.reduce(np.exp(shifted), axis, keepdims=True)), out=shifted)


def log_softmax(x, axis=-1, where=None):
    """log(softmax(x)) along `axis`, without loss for small probabilities.

    x: (..., n) -> the same shape, as floats. where: a mask; what it leaves out is -inf and does not count.
    """
    made = at_once(_host_log_softmax, x, axis) if where is None else None
    if made is not None:
        return made
    (x,) = promote("log_softmax", INEXACT, as_array("log_softmax", x))
    x = masked("log_softmax", x, where, -math.inf)
    axes, shape = _axes("log_softmax", axis, x.ndim), x.shape
    if not x.size:
        return x
    shifted = e.sub(x, spread(e.stop_gradient(reduce_max(x, axes)), shape, axes))
    made = e.sub(shifted, spread(e.log(reduce_sum(e.exp(shifted), axes)), shape, axes))
    return masked("log_softmax", made, where, -math.inf)


# ---- sums of exponentials ----


def _host_logsumexp(x, axis):
    top = np.clip(np.maximum.reduce(x, axis, keepdims=True), *_limits(x.dtype))
    total = np.log(np.add.reduce(np.exp(x - top), axis))
    return total + top.reshape(total.shape)


def _limits(dtype):
    info = dtypes.finfo(dtype)
    return float(info.min), float(info.max)


def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False, where=None):
    """log(sum(b exp(a))) over axes, over all if `axis` is None, without overflow.

    a: any shape -> the remaining axes, of size 1 with `keepdims`, as floats. b: factors that broadcast, which may be
    negative; return_sign: (the logarithm of the absolute value, the sign). where: a mask that broadcasts. The sum of
    nothing gives -inf.
    Source: Blanchard, Higham & Higham, IMA J. Numer. Anal. 41 (2021).
    """
    if b is None and not keepdims and not return_sign and where is None:
        made = at_once(_host_logsumexp, a, axis)
        if made is not None:
            return made
    a, b = promote("logsumexp", INEXACT, as_array("logsumexp", a), 1.0 if b is None else b)
    if type(b) is float and b == 1.0:
        b = None
    elif type(b) not in (float, complex):
        a = e.select(e.ne(b, 0), a, -math.inf)  # exp(a) may overflow, and 0 times inf is NaN
    a = masked("logsumexp", a, where, -math.inf)
    shape, axes = a.shape, _axes("logsumexp", axis, a.ndim)
    real = dtypes.real_of(a.dtype)
    top = _top(e.real(a) if dtypes.is_complex(a.dtype) else a, axes, real)
    wide = spread(top, shape, axes)
    exps = e.exp(e.sub(a, e.convert(wide, a.dtype)))
    if b is not None:
        exps = e.mul(exps, b if type(b) in (float, complex) else spread_to(b, shape))
    total = reduce_sum(exps, axes)
    sign = _sign(total) if return_sign else None
    total = e.add(e.log(e.abs_(total) if return_sign else total), top if return_sign else e.convert(top, a.dtype))
    results = [keep(x, shape, axes) if keepdims else x for x in (total, sign) if x is not None]
    return tuple(results) if return_sign else results[0]


def spread_to(x, shape):
    """`x` broadcast to a shape."""
    return x if x.shape == shape else broadcast(x, shape)


def _top(x, axes, dtype):
    """The maximum, made finite, so that what is shifted by it is no NaN; without elements 0."""
    if any(x.shape[a] == 0 for a in axes):
        return full(tuple([n for a, n in enumerate(x.shape) if a not in axes]), 0, dtype)
    low, high = _limits(dtype)
    return e.stop_gradient(e.clamp(low, reduce_max(x, axes), high))


def _sign(total):
    if not dtypes.is_complex(total.dtype):
        return e.sign(total)
    size = e.abs_(total)
    return e.div(total, e.convert(e.select(e.eq(size, 0), 1.0, size), total.dtype))


def logmeanexp(x, axis=None, where=None, keepdims=False):
    """log(mean(exp(x))) over axes, over all if `axis` is None, without overflow."""
    total = logsumexp(x, axis, keepdims=keepdims, where=where)
    (x,) = promote("logmeanexp", INEXACT, as_array("logmeanexp", x))
    if where is None:
        n = math.prod([x.shape[a] for a in _axes("logmeanexp", axis, x.ndim)])
        return e.sub(total, math.log(n) if n else -math.inf)
    count = reductions.sum(broadcast_mask(where, x), axis, keepdims=keepdims)
    return e.sub(total, e.log(e.convert(count, total.dtype)))


def broadcast_mask(where, x):
    """A mask in the shape in which it meets `x`."""
    return masked("logmeanexp", full(x.shape, True, bool), where, False)


# ---- other ----


def _host_standardize(x, axis, epsilon):
    axis = tuple(axis) if type(axis) is list else axis
    mean = np.add.reduce(x, axis, keepdims=True)
    n = x.dtype.type(x.size // mean.size)
    centered = x - mean / n
    variance = np.add.reduce(np.square(centered), axis, keepdims=True) / n
    return np.multiply(centered, 1 / np.sqrt(variance + x.dtype.type(epsilon)), out=centered)


def standardize(x, axis=-1, mean=None, variance=None, epsilon=1e-5, where=None):
    """(x - mean) / sqrt(variance + epsilon), with the mean and the variance over `axis` where they are not given.

    The variance is the mean squared distance from the mean, so it loses nothing where the mean is large.
    """
    made = at_once(_host_standardize, x, axis, epsilon) if mean is variance is where is None else None
    if made is not None:
        return made
    (x,) = promote("standardize", INEXACT, as_array("standardize", x))
    shape, axes = x.shape, _axes("standardize", axis, x.ndim)
    if mean is variance is where is None:
        n = math.prod([shape[a] for a in axes])
        centered = e.sub(x, spread(e.div(reduce_sum(x, axes), n), shape, axes))
        variance = e.div(reduce_sum(e.square(centered), axes), n)
        return e.mul(centered, spread(e.rsqrt(e.add(variance, float(epsilon))), shape, axes))
    if mean is None:
        mean = reductions.mean(x, axis, keepdims=True, where=where)
    centered = e.sub(*promote("standardize", INEXACT, x, mean))
    if variance is None:
        variance = reductions.mean(e.square(centered), axis, keepdims=True, where=where)
    scale = e.rsqrt(e.add(*promote("standardize", INEXACT, variance, epsilon)))
    return e.mul(*promote("standardize", INEXACT, centered, scale))


def one_hot(x, num_classes, *, dtype=None, axis=-1):
    """For each integer of `x` a vector of `num_classes` numbers along a new `axis`: 1 at its position, else 0.

    dtype: by default that of floats. A position out of range gives zeros only.
    """
    x = as_array("one_hot", x)
    type_ = typeof(x)
    if dtypes.kind(type_.dtype) not in "iub":
        raise TypeError(f"one_hot: positions are integers, got {type_} at {at()}; convert them")
    dtype = user_dtype("one_hot", dtype) or config.default_float
    axis = canonical_axis("one_hot", axis, type_.ndim + 1)
    if dtypes.kind(type_.dtype) == "b" or num_classes > dtypes.iinfo(type_.dtype).max:
        x = e.convert(x, np.dtype(np.int64))
    shape = (*type_.shape[:axis], num_classes, *type_.shape[axis:])
    wide = broadcast(x, shape, tuple([a for a in range(len(shape)) if a != axis]))
    return convert("one_hot", e.eq(wide, iota(wide.dtype, shape, axis)), dtype)
