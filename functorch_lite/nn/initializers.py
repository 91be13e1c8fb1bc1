"""Initial values of parameters: each initializer is a function (key, shape, dtype) -> array."""

from __future__ import annotations

import math

import numpy as np

from functorch_lite import dtypes, random
from functorch_lite.config import config
from functorch_lite.numpy.promote import as_array, promote_shapes, user_dtype
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.shape import broadcast, full
from functorch_lite.random.keys import shape_of
from functorch_lite.trace import SCALARS, at

__all__ = [
    "constant", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "kaiming_normal", "kaiming_uniform",
    "lecun_normal", "lecun_uniform", "normal", "ones", "truncated_normal", "uniform", "variance_scaling",
    "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip


def _dtype(name, dtype, default=None):
    found = user_dtype(name, dtype)
    return (config.default_float if default is None else default) if found is None else found


def zeros(key, shape, dtype=None):
    """Zeros; the key is not used."""
    return full(shape_of("zeros", shape), 0, _dtype("zeros", dtype))


def ones(key, shape, dtype=None):
    """Ones; the key is not used."""
    return full(shape_of("ones", shape), 1, _dtype("ones", dtype))


def _initializer(name, draw, dtype):
    """The function that an initializer is; `dtype` is what it takes if it is called without one."""
    usual = user_dtype(name, dtype)

    def init(key, shape, dtype=None, out_sharding=None):
        return draw(key, shape_of(name, shape), _dtype(name, dtype, usual))

    init.__name__ = init.__qualname__ = name
    return init


def constant(value, dtype=None):
    """An initializer that repeats `value`, which broadcasts to the shape."""

    def draw(key, shape, dtype):
        if type(value) in SCALARS:
            return full(shape, value, dtype)
        made = e.convert(as_array("constant", value), dtype)
        return made if made.shape == shape else broadcast(made, shape)

    return _initializer("constant", draw, dtype)


def _times(x, factor):
    return e.mul(x, factor) if type(factor) in SCALARS else e.mul(*promote_shapes("initializer", x, factor))


def uniform(scale=1e-2, dtype=None):
    """An initializer of uniform numbers in [0, scale)."""
    return _initializer("uniform", lambda key, shape, dtype: _times(random.uniform(key, shape, dtype), scale), dtype)


def normal(stddev=1e-2, dtype=None):
    """An initializer of normal numbers with this standard deviation."""
    return _initializer("normal", lambda key, shape, dtype: _times(random.normal(key, shape, dtype), stddev), dtype)


def truncated_normal(stddev=1e-2, dtype=None, lower=-2.0, upper=2.0):
    """An initializer of `stddev` times normal numbers between `lower` and `upper`."""

    def draw(key, shape, dtype):
        return _times(random.truncated_normal(key, lower, upper, shape, dtype), stddev)

    return _initializer("truncated_normal", draw, dtype)


# ---- scaled by the number of connections ----


def _axes(axis):
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _fans(shape, in_axis, out_axis, batch_axis):
    """The connections into and out of a unit; axes that are none of them (of a convolution) belong to both."""
    groups = [_axes(axis) for axis in (in_axis, out_axis, batch_axis)]
    if any(not -len(shape) <= a < len(shape) for a in sum(groups, ())) or len(shape) < 2:
        raise ValueError(f"variance_scaling: the shape {shape} at {at()} lacks axes in {in_axis}, {out_axis} or "
                         f"{batch_axis}; give two axes or more, or other in_axis, out_axis, batch_axis")  # fmt: skip
    size_in, size_out, size_batch = [math.prod([shape[a] for a in group]) for group in groups]
    window = math.prod(shape) // max(size_in * size_out * size_batch, 1)
    return size_in * window, size_out * window


_MODES = {
    "fan_in": lambda into, out: into,
    "fan_out": lambda into, out: out,
    "fan_avg": lambda into, out: (into + out) / 2,
    "fan_geo_avg": lambda into, out: math.sqrt(into * out),
}
_CUT = 0.87962566103423978  # the standard deviation of a normal distribution cut at -2 and 2


def variance_scaling(scale, mode, distribution, in_axis=-2, out_axis=-1, batch_axis=(), dtype=None):
    """An initializer of variance scale / n, where n is the number of connections that `mode` says.

    mode: "fan_in", "fan_out", "fan_avg" or "fan_geo_avg"; distribution: "truncated_normal" (cut at two standard
    deviations), "normal" or "uniform"; in_axis, out_axis, batch_axis: an axis or several. Raises ValueError for others.
    """
    if mode not in _MODES:
        raise ValueError(f"variance_scaling: mode {mode!r} at {at()} is unknown; use {', '.join(map(repr, _MODES))}")
    if distribution not in _DISTRIBUTIONS:
        raise ValueError(f"variance_scaling: distribution {distribution!r} at {at()} is unknown; use "
                         f"{', '.join(map(repr, _DISTRIBUTIONS))}")  # fmt: skip

    def draw(key, shape, dtype):
        n = _MODES[mode](*_fans(shape, in_axis, out_axis, batch_axis))
        real = dtypes.real_of(dtype)
        variance = np.asarray(scale / n if n else 0.0).astype(real)
        return _DISTRIBUTIONS[distribution](key, shape, dtype, variance)

    return _initializer("variance_scaling", draw, dtype)


def _root(variance, factor=1.0):
    """sqrt(factor * variance), rounded as in the dtype of the variance."""
    product = variance if factor == 1.0 else np.asarray(variance * np.asarray(factor).astype(variance.dtype))
    return float(np.sqrt(product).astype(variance.dtype))


_DISTRIBUTIONS = {
    "normal": lambda key, shape, dtype, variance: e.mul(random.normal(key, shape, dtype), _root(variance)),
    "uniform": lambda key, shape, dtype, variance: e.mul(
        random.uniform(key, shape, dtype, -1.0), _root(variance, 3.0)),
    "truncated_normal": lambda key, shape, dtype, variance: e.mul(
        random.truncated_normal(key, -2.0, 2.0, shape, dtype),
        float((np.sqrt(variance) / np.asarray(_CUT).astype(variance.dtype)).astype(variance.dtype))),
}


def _scaled(name, scale, mode, distribution, doc):
    def make(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None):
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"{doc} See `variance_scaling`."
    return make


_GLOROT = "Variance 2 / (fan_in + fan_out). Source: Glorot & Bengio, AISTATS (2010)."
_LECUN = "Variance 1 / fan_in. Source: LeCun, Bottou, Orr & Mueller, Efficient backprop (1998)."
_HE = "Variance 2 / fan_in, for `relu`. Source: He, Zhang, Ren & Sun, ICCV (2015)."
glorot_uniform = xavier_uniform = _scaled("glorot_uniform", 1.0, "fan_avg", "uniform", _GLOROT)
glorot_normal = xavier_normal = _scaled("glorot_normal", 1.0, "fan_avg", "truncated_normal", _GLOROT)
lecun_uniform = _scaled("lecun_uniform", 1.0, "fan_in", "uniform", _LECUN)
lecun_normal = _scaled("lecun_normal", 1.0, "fan_in", "truncated_normal", _LECUN)
he_uniform = kaiming_uniform = _scaled("he_uniform", 2.0, "fan_in", "uniform", _HE)
he_normal = kaiming_normal = _scaled("he_normal", 2.0, "fan_in", "truncated_normal", _HE)
