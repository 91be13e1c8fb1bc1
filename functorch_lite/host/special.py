"""Host functions of `prims.special`."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np

from functorch_lite.host.elementwise import simple
from functorch_lite.host.registry import host, widened
from functorch_lite.ir import Primitive
from functorch_lite.prims import special as p

simple(p.exp2_p, np.exp2)
simple(p.expm1_p, np.expm1)
simple(p.log1p_p, np.log1p)
simple(p.cbrt_p, np.cbrt)
simple(p.asin_p, np.arcsin)
simple(p.acos_p, np.arccos)
simple(p.atan_p, np.arctan)
simple(p.sinh_p, np.sinh)
simple(p.cosh_p, np.cosh)
simple(p.asinh_p, np.arcsinh)
simple(p.acosh_p, np.arccosh)
simple(p.atanh_p, np.arctanh)
simple(p.atan2_p, np.arctan2)


def of_scipy(prim: Primitive, choose: Callable) -> None:
    """A function of `scipy.special`, which costs 100 ms to import and is so only when one of them is needed."""

    @host(prim)
    def make(in_types, out_types):
        return widened(choose(importlib.import_module("scipy.special")), in_types[0], out_types[0])


# Compiled code has no value at infinity for zeta, and lgamma grows on both sides.


def _lgamma(special):
    return lambda x: np.where(x == -np.inf, -x, special.gammaln(x))


def _zeta(special):
    def zeta(s, q):
        pole = np.where(s % 2 == 0, np.abs(q) + np.inf, np.nan * q)
        regular = np.where(q == np.inf, np.nan * q, special.zeta(s, q))
        return np.where(s == 1, np.inf * s, np.where((q <= 0) & (q == np.floor(q)), pole, regular))

    return zeta


def _polygamma(special):
    zeta, digamma = _zeta(special), special.digamma

    def polygamma(n, x):
        sign = np.where(n % 2 == 0, x.dtype.type(-1), x.dtype.type(1))
        large = sign * special.gamma(n + 1) * zeta(n + 1, x)
        return np.where(n == 0, digamma(x), np.where((n < 0) | (n != np.floor(n)), np.nan * x, large))

    return polygamma


of_scipy(p.erf_p, lambda special: special.erf)
of_scipy(p.erfc_p, lambda special: special.erfc)
of_scipy(p.erf_inv_p, lambda special: special.erfinv)
of_scipy(p.lgamma_p, _lgamma)
of_scipy(p.digamma_p, lambda special: special.digamma)
of_scipy(p.polygamma_p, _polygamma)
of_scipy(p.zeta_p, _zeta)
