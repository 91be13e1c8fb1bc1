"""Elementwise primitives: further functions of one and two floats or complex numbers."""

from __future__ import annotations

import math

from functorch_lite.prims.elementwise import add, div, exp, mul, neg, rsqrt, sub
from functorch_lite.prims.linear import unary
from functorch_lite.prims.pointwise import binary, elementwise
from functorch_lite.trace import SCALARS

# ---- powers and logarithms ----

exp2_p = elementwise("exp2", admits="fc", jvp=(lambda t, y, x: mul(t, mul(math.log(2), y)),))
expm1_p = elementwise("expm1", admits="fc", jvp=(lambda t, y, x: mul(t, add(1, y)),))
log1p_p = elementwise("log1p", admits="fc", jvp=(lambda t, y, x: div(t, add(1, x)),))
cbrt_p = elementwise("cbrt", admits="f", jvp=(lambda t, y, x: mul(t, div(1 / 3, mul(y, y))),))
exp2, expm1, log1p, cbrt = map(unary, (exp2_p, expm1_p, log1p_p, cbrt_p))

# ---- inverse trigonometric, hyperbolic and inverse hyperbolic functions ----


def _off_one(x):
    """1 - x^2, exact near 1 and -1."""
    return mul(sub(1, x), add(1, x))


asin_p = elementwise("asin", admits="fc", jvp=(lambda t, y, x: mul(t, rsqrt(_off_one(x))),))
acos_p = elementwise("acos", admits="fc", jvp=(lambda t, y, x: neg(mul(t, rsqrt(_off_one(x)))),))
atan_p = elementwise("atan", admits="fc", jvp=(lambda t, y, x: div(t, add(1, mul(x, x))),))
sinh_p = elementwise("sinh", admits="fc", jvp=(lambda t, y, x: mul(t, cosh(x)),))
cosh_p = elementwise("cosh", admits="fc", jvp=(lambda t, y, x: mul(t, sinh(x)),))
asinh_p = elementwise("asinh", admits="fc", jvp=(lambda t, y, x: mul(t, rsqrt(add(1, mul(x, x)))),))
# two roots, as a single one of the product takes the wrong branch for complex x
acosh_p = elementwise("acosh", admits="fc", jvp=(lambda t, y, x: mul(t, mul(rsqrt(sub(x, 1)), rsqrt(add(1, x)))),))
atanh_p = elementwise("atanh", admits="fc", jvp=(lambda t, y, x: div(t, _off_one(x)),))
asin, acos, atan, sinh, cosh = map(unary, (asin_p, acos_p, atan_p, sinh_p, cosh_p))
asinh, acosh, atanh = map(unary, (asinh_p, acosh_p, atanh_p))


# An operand of a rule may be a Python number, and two of them would make an array without axes.


def _negative(x):
    return -x if type(x) in SCALARS else neg(x)


def _next(n):
    return n + 1 if type(n) in SCALARS else add(n, 1)


def _radius(x, y):
    squares = [x * x if type(x) in SCALARS else mul(x, x) for x in (x, y)]
    return add(*squares)


atan2_p = elementwise(
    "atan2",  # the angle of the point (y, x)
    admits="f",
    jvp=(lambda t, z, y, x: mul(t, div(x, _radius(x, y))), lambda t, z, y, x: mul(t, div(_negative(y), _radius(x, y)))))
atan2 = binary(atan2_p)

# ---- the error function and the gamma function ----

_ROOT = math.sqrt(math.pi)

erf_p = elementwise("erf", admits="f", jvp=(lambda t, y, x: mul(t, mul(2 / _ROOT, exp(neg(mul(x, x))))),))
erfc_p = elementwise("erfc", admits="f", jvp=(lambda t, y, x: mul(t, mul(-2 / _ROOT, exp(neg(mul(x, x))))),))
erf_inv_p = elementwise("erf_inv", admits="f", jvp=(lambda t, y, x: mul(t, mul(_ROOT / 2, exp(mul(y, y)))),))
lgamma_p = elementwise("lgamma", admits="f", jvp=(lambda t, y, x: mul(t, digamma(x)),))
digamma_p = elementwise("digamma", admits="f", jvp=(lambda t, y, x: mul(t, polygamma(1.0, x)),))
erf, erfc, erf_inv, lgamma, digamma = map(unary, (erf_p, erfc_p, erf_inv_p, lgamma_p, digamma_p))

polygamma_p = elementwise("polygamma", admits="f", jvp=(None, lambda t, z, n, x: mul(t, polygamma(_next(n), x))))
zeta_p = elementwise("zeta", admits="f", jvp=(None, lambda t, z, s, q: mul(t, mul(_negative(s), zeta(_next(s), q)))))
polygamma, zeta = binary(polygamma_p), binary(zeta_p)
