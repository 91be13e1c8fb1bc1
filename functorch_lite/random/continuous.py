"""Samplers of continuous distributions: each is a formula of uniform or normal numbers.

All take (key, parameters, shape, dtype); parameters broadcast to the shape, and derivatives flow through them.
"""

from __future__ import annotations

import math

import numpy as np

from functorch_lite import dtypes
from functorch_lite.config import config
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import random as p
from functorch_lite.prims.bits import nextafter
from functorch_lite.prims.shape import full, reduce_sum
from functorch_lite.prims.special import erf, erf_inv, log1p
from functorch_lite.random.keys import shape_of, words_of
from functorch_lite.random.parameters import fitted, float_dtype, parameter, sample_shape
from functorch_lite.random.uniform import between, rademacher, row, unit
from functorch_lite.trace import SCALARS, at


def _begin(name, key, shape, dtype, *parameters):
    """The words of the key, the shape and the dtype of the sample, and the parameters fitted to them."""
    words, _ = words_of(name, key)
    dtype = float_dtype(name, dtype)
    parameters = [parameter(name, x) for x in parameters]
    shape = sample_shape(name, shape, *parameters)
    return words, shape, dtype, *[fitted(x, shape, dtype) for x in parameters]


def _array(x, shape, dtype):
    return full(shape, x, dtype) if type(x) in SCALARS else x


# ---- normal ----


def normal(key, shape=(), dtype=None):
    """Standard normal numbers; for a complex dtype both parts have variance 1/2."""
    words, _ = words_of("normal", key)
    shape = shape_of("normal", shape)
    found = config.default_float if dtype is None else dtypes.canonical(dtype)
    if not dtypes.is_complex(found):
        return normals(words, shape, float_dtype("normal", found))
    real = dtypes.real_of(found)
    parts = normals(p.random_split(words, (2,)), shape, real)
    return e.div(e.complex_(row(parts, 0), row(parts, 1)), complex(math.sqrt(2)))


def normals(words, shape, dtype):
    """erf_inv(u) * sqrt(2), for u in (-1, 1)."""
    low = float(np.nextafter(np.array(-1, dtype), np.array(0, dtype)))
    return e.mul(erf_inv(between(words, shape, dtype, low, 1.0)), float(np.array(math.sqrt(2)).astype(dtype)))


def truncated_normal(key, lower, upper, shape=None, dtype=None):
    """Normal numbers, given that they lie between `lower` and `upper`."""
    words, shape, dtype, lower, upper = _begin("truncated_normal", key, shape, dtype, lower, upper)
    root = float(np.array(math.sqrt(2)).astype(dtype))
    lower, upper = _array(lower, shape, dtype), _array(upper, shape, dtype)
    low, high = [erf(e.div(x, root)) for x in (lower, upper)]
    x = e.mul(erf_inv(between(words, shape, dtype, low, high)), root)
    inner = [nextafter(e.stop_gradient(x), full(shape, to, dtype)) for x, to in ((lower, math.inf), (upper, -math.inf))]
    return e.clamp(inner[0], x, inner[1])  # rounding must not lead out of the interval


def lognormal(key, sigma=1.0, shape=None, dtype=None):
    """exp(sigma * x) for normal x."""
    words, shape, dtype, sigma = _begin("lognormal", key, shape, dtype, sigma)
    return e.exp(e.mul(normals(words, shape, dtype), sigma))


def maxwell(key, shape=(), dtype=None):
    """The length of a vector of three normal numbers."""
    words, shape, dtype = _begin("maxwell", key, shape, dtype)
    x = normals(words, (*shape, 3), dtype)
    return e.sqrt(reduce_sum(e.mul(x, x), (len(shape),)))


def double_sided_maxwell(key, loc, scale, shape=(), dtype=None):
    """loc + scale * x, where x has the size of `maxwell` and a random sign; the parameters' shape follows `shape`."""
    words, _ = words_of("double_sided_maxwell", key)
    dtype = float_dtype("double_sided_maxwell", dtype)
    loc, scale = [parameter("double_sided_maxwell", x) for x in (loc, scale)]
    own = sample_shape("double_sided_maxwell", None, loc, scale)
    shape = (*(shape_of("double_sided_maxwell", shape) or own), *own)
    keys = p.random_split(words, (2,))
    x = maxwell(row(keys, 0), shape, dtype)
    x = e.mul(rademacher(row(keys, 1), shape, dtype), x)
    return e.add(e.mul(x, fitted(scale, shape, dtype)), fitted(loc, shape, dtype))


def wald(key, mean, shape=None, dtype=None):
    """The inverse Gaussian distribution with scale 1.

    Source: Michael, Schucany & Haas, The American Statistician 30 (1976).
    """
    words, shape, dtype, mean = _begin("wald", key, shape, dtype, mean)
    mean, keys = _array(mean, shape, dtype), p.random_split(words, (2,))
    y = e.square(normals(row(keys, 0), shape, dtype))
    z = unit(row(keys, 1), shape, dtype)
    square = e.square(mean)
    root = e.sqrt(e.add(e.mul(e.mul(mean, 4.0), y), e.mul(square, e.square(y))))
    x = e.sub(e.add(mean, e.div(e.mul(square, y), 2.0)), e.mul(e.div(mean, 2.0), root))
    return e.select(e.le(z, e.div(mean, e.add(mean, x))), x, e.div(square, x))


# ---- inverses of distribution functions ----


def exponential(key, shape=(), dtype=None):
    """-log(1 - u)."""
    words, shape, dtype = _begin("exponential", key, shape, dtype)
    return e.neg(log1p(e.neg(unit(words, shape, dtype))))


def laplace(key, shape=(), dtype=None):
    """The double exponential distribution: sign(u) log(1 - |u|) for u in (-1, 1)."""
    words, shape, dtype = _begin("laplace", key, shape, dtype)
    u = between(words, shape, dtype, _rounded(-1.0 + float(dtypes.finfo(dtype).epsneg), dtype), 1.0)
    return e.mul(e.sign(u), log1p(e.neg(e.abs_(u))))


def _rounded(x, dtype):
    return float(np.array(x).astype(dtype))


def _tiny(dtype):
    return float(dtypes.finfo(dtype).tiny)


def logistic(key, shape=(), dtype=None):
    """log(u) - log(1 - u)."""
    words, shape, dtype = _begin("logistic", key, shape, dtype)
    u = between(words, shape, dtype, _tiny(dtype), 1.0)
    return e.sub(e.log(u), log1p(e.neg(u)))


def cauchy(key, shape=(), dtype=None):
    """tan(pi (u - 1/2))."""
    words, shape, dtype = _begin("cauchy", key, shape, dtype)
    u = between(words, shape, dtype, float(dtypes.finfo(dtype).eps), 1.0)
    return e.tan(e.mul(e.sub(u, 0.5), _rounded(math.pi, dtype)))


def gumbel(key, shape=(), dtype=None, mode=None):
    """-log(-log(u)).

    mode: "low" (default), or "high" for values that reach further down, at twice the cost.
    """
    words, shape, dtype = _begin("gumbel", key, shape, dtype)
    return gumbels(words, shape, dtype, mode)


def gumbels(words, shape, dtype, mode):
    """Gumbel numbers of words; see `gumbel`."""
    if mode in (None, "low"):
        return e.neg(e.log(e.neg(e.log(between(words, shape, dtype, _tiny(dtype), 1.0)))))
    if mode != "high":
        raise ValueError(f"gumbel: mode={mode!r} at {at()} is unknown; use 'high' or 'low'")
    both, info = unit(words, (2, *shape), dtype), dtypes.finfo(dtype)
    high, low = row(both, 0), row(both, 1)
    fine = e.add(e.add(high, e.mul(low, 2.0**-info.nmant)), _tiny(dtype))
    x = e.select(e.ge(high, 0.5), high, fine)
    return e.neg(e.log(e.neg(log1p(e.neg(x)))))


def rayleigh(key, scale, shape=None, dtype=None):
    """scale * sqrt(-2 log(u))."""
    words, shape, dtype, scale = _begin("rayleigh", key, shape, dtype, scale)
    return e.mul(e.sqrt(e.mul(e.log(unit(words, shape, dtype)), -2.0)), scale)


def pareto(key, b, shape=None, dtype=None):
    """exp(x / b) for exponential x: at least 1, with tail index `b`."""
    words, shape, dtype, b = _begin("pareto", key, shape, dtype, b)
    return e.exp(e.div(e.neg(log1p(e.neg(unit(words, shape, dtype)))), b))


def weibull_min(key, scale, concentration, shape=None, dtype=None):
    """scale * x^(1 / concentration) for exponential x."""
    words, shape, dtype, scale, k = _begin("weibull_min", key, shape, dtype, scale, concentration)
    x = e.neg(log1p(e.neg(unit(words, shape, dtype))))
    power = 1.0 / k if type(k) in SCALARS else e.div(full(shape, 1, dtype), k)
    return e.mul(e.pow_(x, power), scale)


def triangular(key, left, mode, right, shape=None, dtype=None):
    """The density rises linearly from `left` to `mode` and falls linearly to `right`."""
    words, shape, dtype, *corners = _begin("triangular", key, shape, dtype, left, mode, right)
    left, mode, right = [_array(x, shape, dtype) for x in corners]
    whole, rising = e.sub(right, left), e.sub(mode, left)
    u = unit(words, shape, dtype)
    up = e.add(left, e.sqrt(e.mul(e.mul(u, whole), rising)))
    down = e.sub(right, e.sqrt(e.mul(e.mul(e.sub(1.0, u), whole), e.sub(right, mode))))
    return e.select(e.lt(u, e.div(rising, whole)), up, down)


def geometric(key, p, shape=None, dtype=None):
    """The number of the first success, counted from 1, in trials that succeed with probability `p`.

    dtype: an integer dtype, by default the default one.
    """
    found = config.default_int if dtype is None else dtypes.canonical(dtype)
    if not dtypes.is_integer(found):
        raise TypeError(f"geometric: samples are integers, not {dtypes.short(found)}, at {at()}; choose an integer dtype")
    chance = parameter("geometric", p)
    wide = config.default_float if type(chance) in SCALARS or not dtypes.is_float(chance.dtype) else chance.dtype
    words, shape, _, chance = _begin("geometric", key, shape, wide, chance)
    u = unit(words, shape, wide)
    u = e.select(e.eq(u, 0.0), 1.0, u)
    failure = log1p(e.neg(_array(chance, shape, wide)))
    return e.convert(e.add(e.floor(e.div(e.log(u), failure)), 1.0), found)
