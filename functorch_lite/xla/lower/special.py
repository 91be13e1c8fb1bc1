"""Lowerings of `prims.special`."""

from __future__ import annotations

from functorch_lite.prims import special as p
from functorch_lite.xla.lower.elementwise import simple
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
    (p.digamma_p, "chlo.digamma"),
    (p.polygamma_p, "chlo.polygamma"),
    (p.zeta_p, "chlo.zeta"),
]:
    simple(_prim, _name, narrow=False)


@lowering(p.exp2_p)
def _exp2(low, xs, in_types, out_types):
    return low.op("power", out_types[0], [low.constant(2, in_types[0]), xs[0]])
