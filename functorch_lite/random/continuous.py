"""Samplers of continuous distributions: each is a formula of uniform or normal numbers.

All take a key, parameters, a shape and a float dtype; parameters broadcast to the shape, and derivatives flow through
them.
"""

from __future__ import annotations

import math

import numpy as np

from functorch_lite import dtypes
from functorch_lite.config import config
from functorch_lite.numpy.promote import operand
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.bits import nextafter
from functorch_lite.prims.random import random_split
from functorch_lite.prims.shape import full, reduce_sum
from functorch_lite.prims.special import erf, erf_inv, log1p
from functorch_lite.random.keys import shape_of
from functorch_lite.random.parameters import float_dtype, integer_dtype, rounded, sample, sample_shape
from functorch_lite.random.uniform import between, row, signs, unit
from functorch_lite.trace import SCALARS, at


def _array(x, shape, dtype):
    return full(shape, x, dtype) if type(x) in SCALARS else x


def _tiny(dtype):
    return float(dtypes.finfo(dtype).tiny)


# ---- normal ----


def normal(key, shape=(), dtype=None):
    """Standard normal numbers; for a complex dtype both parts have variance 1/2."""
    found = config.default_float if dtype is None else dtypes.canonical(dtype)
    core = complex_normals if dtypes.is_complex(found) else normals
    return sample("normal", core, key, shape, found if core is complex_normals else float_dtype("normal", found))


def normals(words, shape, dtype):
    """sqrt(2) erf_inv(u), for u in (-1, 1)."""
    low = float(np.nextafter(np.array(-1, dtype), np.array(0, dtype)))
    return e.mul(erf_inv(between(words, shape, dtype, low, 1.0)), rounded(math.sqrt(2), dtype))


def complex_normals(words, shape, dtype):
    """Two normal numbers as one, over sqrt(2)."""
    parts = normals(random_split(words, (2,)), shape, dtypes.real_of(dtype))
    return e.div(e.complex_(row(parts, 0), row(parts, 1)), complex(math.sqrt(2)))


def truncated_normal(key, lower, upper, shape=None, dtype=None):
    """Normal numbers, given that they lie between `lower` and `upper`."""
    dtype = float_dtype("truncated_normal", dtype)
    return sample("truncated_normal", _truncated_normals, key, shape, dtype, lower, upper)


def _truncated_normals(words, shape, dtype, lower, upper):
    root = rounded(math.sqrt(2), dtype)
    lower, upper = _array(lower, shape, dtype), _array(upper, shape, dtype)
    low, high = [erf(e.div(x, root)) for x in (lower, upper)]
    x = e.mul(erf_inv(between(words, shape, dtype, low, high)), root)
    inner = [nextafter(e.stop_gradient(x), full(shape, to, dtype)) for x, to in ((lower, math.inf), (upper, -math.inf))]
    return e.clamp(inner[0], x, inner[1])  # rounding must not lead out of the interval


def lognormal(key, sigma=1.0, shape=None, dtype=None):
    """exp(sigma x) for normal x."""
    return sample("lognormal", _lognormals, key, shape, float_dtype("lognormal", dtype), sigma)


def _lognormals(words, shape, dtype, sigma):
    return e.exp(e.mul(normals(words, shape, dtype), sigma))


def maxwell(key, shape=(), dtype=None):
    """The length of a vector of three normal numbers."""
    return sample("maxwell", _lengths, key, shape, float_dtype("maxwell", dtype))


def _lengths(words, shape, dtype):
    x = normals(words, (*shape, 3), dtype)
    return e.sqrt(reduce_sum(e.mul(x, x), (len(shape),)))


def double_sided_maxwell(key, loc, scale, shape=(), dtype=None):
    """loc + scale x, where x has the size of `maxwell` and a random sign; the parameters' shape follows `shape`."""
    name = "double_sided_maxwell"
    loc, scale = operand(name, loc), operand(name, scale)
    own = sample_shape(name, None, loc, scale)
    whole = (*(shape_of(name, shape) or own), *own)
    coin = config.default_float
    return sample(name, _signed_lengths, key, whole, float_dtype(name, dtype), loc, scale, extra=(coin,))


def _signed_lengths(words, shape, dtype, loc, scale, coin):
    keys = random_split(words, (2,))
    x = e.mul(signs(row(keys, 1), shape, coin, dtype), _lengths(row(keys, 0), shape, dtype))
    return e.add(e.mul(x, scale), loc)


def wald(key, mean, shape=None, dtype=None):
    """The inverse Gaussian distribution with scale 1.

    Source: Michael, Schucany & Haas, The American Statistician 30 (1976).
    """
    return sample("wald", _inverse_gaussians, key, shape, float_dtype("wald", dtype), mean)


def _inverse_gaussians(words, shape, dtype, mean):
    mean, keys = _array(mean, shape, dtype), random_split(words, (2,))
    y = e.square(normals(row(keys, 0), shape, dtype))
    z = unit(row(keys, 1), shape, dtype)
    square = e.square(mean)
    root = e.sqrt(e.add(e.mul(e.mul(mean, 4.0), y), e.mul(square, e.square(y))))
    x = e.sub(e.add(mean, e.div(e.mul(square, y), 2.0)), e.mul(e.div(mean, 2.0), root))
    return e.select(e.le(z, e.div(mean, e.add(mean, x))), x, e.div(square, x))


# ---- inverses of distribution functions ----


def exponential(key, shape=(), dtype=None):
    """-log(1 - u)."""
    return sample("exponential", exponentials, key, shape, float_dtype("exponential", dtype))


def exponentials(words, shape, dtype):
    """-log(1 - u)."""
    return e.neg(log1p(e.neg(unit(words, shape, dtype))))


def laplace(key, shape=(), dtype=None):
    """The double exponential distribution: sign(u) log(1 - |u|) for u in (-1, 1)."""
    return sample("laplace", _laplace, key, shape, float_dtype("laplace", dtype))


def _laplace(words, shape, dtype):
    low = rounded(-1.0 + float(dtypes.finfo(dtype).epsneg), dtype)
    u = between(words, shape, dtype, low, 1.0)
    return e.mul(e.sign(u), log1p(e.neg(e.abs_(u))))


def logistic(key, shape=(), dtype=None):
    """log(u) - log(1 - u)."""
    return sample("logistic", _logistic, key, shape, float_dtype("logistic", dtype))


def _logistic(words, shape, dtype):
    u = between(words, shape, dtype, _tiny(dtype), 1.0)
    return e.sub(e.log(u), log1p(e.neg(u)))


def cauchy(key, shape=(), dtype=None):
    """tan(pi (u - 1/2))."""
    return sample("cauchy", _cauchy, key, shape, float_dtype("cauchy", dtype))


def _cauchy(words, shape, dtype):
    u = between(words, shape, dtype, float(dtypes.finfo(dtype).eps), 1.0)
    return e.tan(e.mul(e.sub(u, 0.5), rounded(math.pi, dtype)))


def gumbel(key, shape=(), dtype=None, mode=None):
    """-log(-log(u)).

    mode: "low" (default), or "high" for values that reach further down, at twice the cost.
    """
    return sample("gumbel", gumbels, key, shape, float_dtype("gumbel", dtype), extra=(mode,))


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
    """scale sqrt(-2 log(u))."""
    return sample("rayleigh", _rayleigh, key, shape, float_dtype("rayleigh", dtype), scale)


def _rayleigh(words, shape, dtype, scale):
    return e.mul(e.sqrt(e.mul(e.log(unit(words, shape, dtype)), -2.0)), scale)


def pareto(key, b, shape=None, dtype=None):
    """exp(x / b) for exponential x: at least 1, with tail index `b`."""
    return sample("pareto", _pareto, key, shape, float_dtype("pareto", dtype), b)


def _pareto(words, shape, dtype, b):
    return e.exp(e.div(exponentials(words, shape, dtype), b))


def weibull_min(key, scale, concentration, shape=None, dtype=None):
    """scale x^(1 / concentration) for exponential x."""
    dtype = float_dtype("weibull_min", dtype)
    return sample("weibull_min", _weibull, key, shape, dtype, scale, concentration)


def _weibull(words, shape, dtype, scale, concentration):
    power = e.div(full(shape, 1, dtype), concentration)
    return e.mul(e.pow_(exponentials(words, shape, dtype), power), scale)


def triangular(key, left, mode, right, shape=None, dtype=None):
    """The density rises linearly from `left` to `mode` and falls linearly to `right`."""
    return sample("triangular", _triangular, key, shape, float_dtype("triangular", dtype), left, mode, right)


def _triangular(words, shape, dtype, *corners):
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
    found, chance = integer_dtype("geometric", dtype), operand("geometric", p)
    known = type(chance) not in SCALARS and dtypes.is_float(chance.dtype)
    return sample("geometric", _geometric, key, shape, chance.dtype if known else config.default_float, chance,
                  extra=(found,))  # fmt: skip


def _geometric(words, shape, dtype, chance, found):
    u = unit(words, shape, dtype)
    u = e.select(e.eq(u, 0.0), 1.0, u)
    failure = log1p(e.neg(_array(chance, shape, dtype)))
    return e.convert(e.add(e.floor(e.div(e.log(u), failure)), 1.0), found)
