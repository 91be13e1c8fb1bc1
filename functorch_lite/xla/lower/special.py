"""Lowerings of `prims.special`."""

from __future__ import annotations

from functorch_lite.prims import special as p
from functorch_lite.prims.pointwise import BOOL
from functorch_lite.xla.lower.elementwise import compare, simple, widened
from functorch_lite.xla.module import lowering

for _prim, _name in [
    (p.expm1_p, "exponential_minus_one"),
    (p.log1p_p, "log_plus_one"),
    (p.cbrt_p, "cbrt"),
    (p.asin_p, "chlo.asin"),
    (p.acos_p, "chlo.acos"),
    (p.atan_p, "chlo.atan"),
    (p.sinh_p, "chlo.sinh"),
    (p.cosh_p, "chlo.cosh"),
    (p.asinh_p, "chlo.asinh"),
    (p.acosh_p, "chlo.acosh"),
    (p.atanh_p, "chlo.atanh"),
    (p.atan2_p, "atan2"),
    (p.erf_p, "chlo.erf"),
    (p.erfc_p, "chlo.erfc"),
    (p.erf_inv_p, "chlo.erf_inv"),
    (p.lgamma_p, "chlo.lgamma"),
    (p.zeta_p, "chlo.zeta"),
]:
    simple(_prim, _name, narrow=False)


@lowering(p.exp2_p)
def _exp2(low, xs, in_types, out_types):
    return low.op("power", out_types[0], [low.constant(2, in_types[0]), xs[0]])


def _by_sign_at_zero(low, y, x, type_, order=None):
    """y, but -1 / x where x is 0 and so is the order: releases of XLA have NaN, or -inf of both zeros, there."""
    zero = low.constant(0, type_)
    poles = compare(low, "EQ", x, zero, type_)
    if order is not None:
        poles = low.op("and", type_.with_dtype(BOOL), [poles, compare(low, "EQ", order, zero, type_)])
    return low.op("select", type_, [poles, low.op("divide", type_, [low.constant(-1, type_), x]), y])


@lowering(p.digamma_p)
def _digamma(low, xs, in_types, out_types):
    def compute(xs, type_):
        return _by_sign_at_zero(low, low.op("chlo.digamma", type_, xs), xs[0], type_)

    return widened(low, compute, xs, out_types[0])


@lowering(p.polygamma_p)
def _polygamma(low, xs, in_types, out_types):
    def compute(xs, type_):
        return _by_sign_at_zero(low, low.op("chlo.polygamma", type_, xs), xs[1], type_, order=xs[0])

    return widened(low, compute, xs, out_types[0])
