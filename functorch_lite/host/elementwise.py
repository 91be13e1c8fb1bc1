"""Host functions of `prims.elementwise`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from functorch_lite import dtypes
from functorch_lite.host.registry import host, wide, widened
from functorch_lite.ir import Primitive
from functorch_lite.prims import elementwise as p


def simple(prim: Primitive, choose: Callable, **kinds: Callable) -> None:
    """A function of operands of one dtype: `choose`, or by the kind of the dtype (`b`, `i`, `u`, `f`, `c`)."""

    @host(prim)
    def make(in_types, out_types):
        fun = kinds.get(dtypes.kind(in_types[0].dtype), choose)
        return widened(fun, in_types[0], out_types[0])


def after(x, y):
    """x > y of complex numbers: in order of their real, then of their imaginary parts."""
    return (x.real > y.real) | ((x.real == y.real) & (x.imag > y.imag))


# ---- arithmetic ----


def _divide_signed(x, y):
    """Towards zero; -1 where y is 0."""
    q = np.floor_divide(x, y)
    q = q + ((q * y != x) & ((x ^ y) < 0)).astype(q.dtype)
    return np.where(y == 0, q.dtype.type(-1), q)


def _divide_unsigned(x, y):
    q = np.floor_divide(x, y)
    return np.where(y == 0, ~np.zeros_like(q), q)


def _remainder(x, y):
    return np.where(y == 0, x, np.fmod(x, y))


def _sign(x):
    return np.copysign(np.sign(x), x)


def _complex_max(x, y):
    return np.where(after(x, y) | (x != x), x, y)


def _complex_min(x, y):
    return np.where(after(y, x) | (x != x), x, y)


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def _complex_logistic(x):
    """The exponential is taken where it is small: a large one would give inf / inf."""
    left = x.real < 0
    small = np.exp(np.where(left, x, -x))
    return np.where(left, small, 1) / (1 + small)


def _inverse_root(x):
    return 1 / np.sqrt(x)


simple(p.neg_p, np.negative)
simple(p.sub_p, np.subtract)
simple(p.mul_p, np.multiply)
simple(p.div_p, np.divide, i=_divide_signed, u=_divide_unsigned)
simple(p.rem_p, _remainder, f=np.fmod)
simple(p.max_p, np.maximum, c=_complex_max)
simple(p.min_p, np.minimum, c=_complex_min)
simple(p.abs_p, np.abs)
simple(p.sign_p, np.sign, f=_sign)
simple(p.square_p, np.square)
simple(p.floor_p, np.floor)
simple(p.ceil_p, np.ceil)
simple(p.is_finite_p, np.isfinite)
simple(p.pow_p, np.power)
simple(p.exp_p, np.exp)
simple(p.log_p, np.log)
simple(p.sin_p, np.sin)
simple(p.cos_p, np.cos)
simple(p.tan_p, np.tan)
simple(p.tanh_p, np.tanh)
simple(p.logistic_p, _logistic, c=_complex_logistic)
simple(p.sqrt_p, np.sqrt)
simple(p.rsqrt_p, _inverse_root)
simple(p.real_p, np.real)
simple(p.imag_p, np.imag)
simple(p.conj_p, np.conjugate)
simple(p.stop_gradient_p, lambda x: x)


@host(p.round_p)
def _round(in_types, out_types, *, to_even):
    away = lambda x: np.where(np.abs(x - np.trunc(x)) == 0.5, np.trunc(x) + np.copysign(x.dtype.type(1), x), np.rint(x))
    return widened(np.rint if to_even else away, in_types[0], out_types[0])


@host(p.integer_pow_p)
def _integer_pow(in_types, out_types, *, y):
    def power(x):
        return p.repeated(x, y, np.multiply, lambda: np.ones_like(x), lambda z: 1 / z)

    return widened(power, in_types[0], out_types[0])


@host(p.complex_p)
def _complex(in_types, out_types):
    def join(x, y):
        z = np.empty(np.broadcast_shapes(np.shape(x), np.shape(y)), out_types[0].dtype)
        z.real, z.imag = x, y
        return z

    return join


@host(p.clamp_p)
def _clamp(in_types, out_types):
    return widened(lambda low, x, high: np.minimum(np.maximum(x, low), high), in_types[1], out_types[0])


# ---- dtypes ----


def _saturating(dtype: np.dtype, source: np.dtype) -> Callable:
    """Floats to integers as compiled code does it: towards zero, the nearest bound outside of the range, NaN is 0."""
    info, inner = dtypes.iinfo(dtype), wide(dtype)
    low, above = source.type(info.min), source.type(2.0 ** (info.max.bit_length()))

    def saturate(x):
        if np.size(x) and low <= np.min(x) and np.max(x) < above:
            return x.astype(inner).astype(dtype)
        y = np.where(x >= above, inner.type(info.max), x.astype(inner))
        y = np.where(x < low, inner.type(info.min), y)
        return np.where(np.isnan(x), inner.type(0), y).astype(dtype)

    return saturate


@host(p.convert_p)
def _convert(in_types, out_types, *, dtype, weak):
    source = in_types[0].dtype
    kinds = dtypes.kind(source), dtypes.kind(dtype)
    if kinds[0] == "c" and kinds[1] != "c":
        real = dtypes.real_of(source)
        if kinds[1] in "iu":
            saturate = _saturating(dtype, real)
            return lambda x: saturate(x.real)
        return lambda x: x.real.astype(dtype)
    if kinds[0] == "f" and kinds[1] in "iu":
        inside = wide(source)
        saturate = _saturating(dtype, inside)
        return saturate if inside is source else lambda x: saturate(x.astype(inside))
    if source.isbuiltin != 1 and dtype.isbuiltin != 1:  # not all types of ml_dtypes know each other
        return lambda x: x.astype(wide(source)).astype(dtype)
    return lambda x: x.astype(dtype)
