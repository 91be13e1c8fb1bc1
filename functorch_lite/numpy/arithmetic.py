"""Elementwise functions that take several operations: division and remainders, powers, signs and exponents."""

from __future__ import annotations

import math

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array, of_value
from functorch_lite.numpy.dispatch import BOOL, NUMBERS, REFUSED, binary, filled, quietly, unary
from functorch_lite.numpy.promote import (
    INEXACT,
    NUMBER,
    PYTHON,
    as_array,
    dtype_of,
    operand,
    promote,
    promote_dtypes,
    promote_shapes,
)
from functorch_lite.numpy.ufuncs import real_only, round_half_even, signbit
from functorch_lite.trace import Tracer, at, tracing, typeof

# fmt: off
__all__ = [
    "angle", "copysign", "divmod", "float_power", "floor_divide", "fmod", "frexp", "gcd", "heaviside", "hypot",
    "iscomplex", "isreal", "lcm", "ldexp", "logaddexp", "logaddexp2", "mod", "modf", "pow", "power", "remainder",
    "sinc", "spacing",
]
# fmt: on


def _kind(x, y=0) -> str:
    return dtypes.kind(dtype_of(y if type(x) in PYTHON else x))


# ---- division ----


def _safe(kernel):
    """A NumPy division where it means what the compiled one means: not of integers by an array, which may hold 0."""

    def divide(a, b):
        if b if type(b) in NUMBERS else b.dtype.kind == "f":
            return kernel(a, b)
        raise ValueError

    return divide


def _opposite(r, y):
    """Whether the signs of a remainder and of the divisor differ; not where one of them is 0."""
    if type(y) in PYTHON:
        return lax.lt(r, 0) if y > 0 else lax.gt(r, 0)
    return lax.lt(lax.mul(lax.sign(r), lax.sign(y)), 0)


def _power_of_two(y) -> bool:
    return type(y) is int and y > 0 and y & (y - 1) == 0


def _floor_divide(x, y):
    kind = _kind(x, y)
    real_only("floor_divide", kind, x)
    if kind == "u":
        return lax.div(x, y)
    if kind == "i" and _power_of_two(y):
        return lax.shift_right_arithmetic(x, y.bit_length() - 1)
    if type(x) in PYTHON or (type(y) in PYTHON and not y):
        x, y = filled(x, y)
    r = lax.rem(x, y)
    if kind == "i":
        q = lax.div(x, y)
        return lax.select(_opposite(r, y), lax.sub(q, 1), q)
    q = round_half_even(lax.div(lax.sub(x, r), y))
    q = lax.select(_opposite(r, y), lax.sub(q, 1), q)
    return q if type(y) in PYTHON else lax.select(lax.eq(y, 0), lax.div(x, y), q)


def _remainder(x, y):
    kind = _kind(x, y)
    real_only("remainder", kind, x)
    if kind in "iu" and _power_of_two(y):
        return lax.bitwise_and(x, y - 1)
    if type(x) in PYTHON or (type(y) in PYTHON and not y):
        x, y = filled(x, y)
    if kind in "iu" and type(y) not in PYTHON:
        y = lax.select(lax.eq(y, 0), 1, y)
    r = lax.rem(x, y)
    return r if kind == "u" else lax.select(_opposite(r, y), lax.add(r, y), r)


def _fmod(x, y):
    kind = _kind(x, y)
    real_only("fmod", kind, x)
    if kind in "iu" and type(y) not in PYTHON:
        y = lax.select(lax.eq(y, 0), 1, y)
    return lax.rem(x, y)


floor_divide = binary("floor_divide", _floor_divide, _safe(np.floor_divide), "The largest integer not above x / y. Of "
                      "integers by 0: -1.", NUMBER)  # fmt: skip
remainder = binary("remainder", _remainder, _safe(np.remainder), "x - y * floor(x / y), which has the sign of y. Of "
                   "integers by 0: 0.", NUMBER)  # fmt: skip
mod = remainder
fmod = binary("fmod", _fmod, _safe(np.fmod), "The remainder of x / y that has the sign of x. Of integers by 0: 0.",
              NUMBER)  # fmt: skip


def divmod(x1, x2, /):
    """(floor_divide(x1, x2), remainder(x1, x2))."""
    return floor_divide(x1, x2), remainder(x1, x2)


def _gcd(x, y):
    """Euclid's algorithm, as often as it can take: n-bit numbers need at most 1.4405 n steps (Lame's theorem).

    A remainder of division by 0 is the dividend, so that the pair (g, 0) changes places with itself in the end.
    """
    if _kind(x) not in "iu":
        raise TypeError(f"gcd: takes integers, got {typeof(x)} at {at()}; convert them")
    if _kind(x) == "i":
        x, y = lax.abs(x), lax.abs(y)
    for _ in range(math.ceil(1.4405 * dtypes.iinfo(dtype_of(x)).bits) + 1):
        x, y = y, lax.rem(x, y)
    return lax.bitwise_or(x, y)


def _lcm(x, y):
    if _kind(x) == "i":
        x, y = lax.abs(x), lax.abs(y)
    d = _gcd(x, y)
    return lax.mul(lax.div(x, lax.max(d, 1)), y)


gcd = binary("gcd", _gcd, np.gcd, "The greatest common divisor of integers; that of 0 and 0 is 0.", NUMBER, arrays=True)
lcm = binary("lcm", _lcm, np.lcm, "The least common multiple of integers.", NUMBER, arrays=True)

# ---- powers and logarithms ----


def power(x1, x2, /):
    """x1 to the power x2.

    x1, x2: arrays that broadcast. A Python integer as x2 multiplies out, so the derivative has no logarithm in it;
    integers to integer powers stay integers. Raises ValueError for an integer array to a negative Python integer.
    """
    if type(x1) is Array and not tracing:
        value, kind = x1._value, type(x2)
        try:
            if kind in NUMBERS:
                result = quietly(np.square, value) if kind is int and x2 == 2 else quietly(np.power, value, x2)
            elif kind is Array and x2._value.dtype is value.dtype and value.dtype.kind in "iuf":
                result = quietly(np.power, value, x2._value)
            else:
                return _power(x1, x2)
            if result.dtype is value.dtype:
                return of_value(result)
        except REFUSED:
            pass
    return _power(x1, x2)


pow = power


def _power(x1, x2):
    x1, x2 = operand("power", x1), operand("power", x2)
    if type(x2) is int and type(x1) not in PYTHON:
        (x1,) = promote_dtypes("power", x1, rule=NUMBER)
        return _integer_power(x1, x2)
    x1, x2 = filled(*promote("power", NUMBER, x1, x2))
    return lax.pow(x1, x2) if _kind(x1) not in "iu" else _powers_of_integers(x1, x2)


def _powers_of_integers(x, y):
    """Square and multiply, bit by bit of the exponents; a negative exponent that is not known counts as 0."""
    if not isinstance(y, Tracer) and _kind(y) == "i" and np.any(np.asarray(y) < 0):
        raise _negative_power(x, typeof(y))
    info, y = dtypes.iinfo(dtype_of(y)), lax.max(y, 0)
    result = None
    for k in range(info.bits - (info.min < 0)):
        factor = lax.select(lax.ne(lax.bitwise_and(y, 1 << k), 0), x, 1)
        result, x = factor if result is None else lax.mul(result, factor), lax.mul(x, x)
    return result


def _negative_power(x, n) -> ValueError:
    return ValueError(
        f"power: integers have no negative powers, got {typeof(x)} to the power {n} at {at()}; convert to floats")


def _integer_power(x, n: int):
    if n < 0 and _kind(x) in "iu":
        raise _negative_power(x, n)
    if n in (0, 1):
        return x if n else lax.full(typeof(x).shape, 1, typeof(x).dtype)
    return lax.square(x) if n == 2 else lax.integer_pow(x, n)


float_power = binary("float_power", lax.pow, None, "x to the power y, as floats.", INEXACT)


def _sorted(first, x, y):
    """x and y where `first` holds, else y and x: unlike their extrema, with the right derivatives where they tie."""
    return lax.select(first, x, y), lax.select(first, y, x)


def _logaddexp(exp, log1p, scale):
    """high + log(1 + exp(low - high)); equal infinities, whose difference is NaN, are their sum."""

    def lower(x, y):
        if _kind(x, y) == "c":
            x, y = filled(x, y)
            return _logaddexp_complex(x, y, scale)
        high, low = _sorted(lax.ge(x, y), *filled(x, y))
        d = lax.sub(low, high)
        found = lax.add(high, log1p(exp(d)))
        return lax.select(lax.ne(d, d), lax.add(x, y), found)

    return lower


def _logaddexp_complex(x, y, scale):
    """The same from the operand with the larger real part; the imaginary part of the result is in (-pi, pi]."""
    x, y = [lax.mul(v, scale) for v in (x, y)]
    high, low = _sorted(lax.ge(lax.real(x), lax.real(y)), x, y)
    found = lax.add(high, lax.log1p(lax.exp(lax.sub(low, high))))
    turns = lax.ceil(lax.div(lax.sub(lax.imag(found), math.pi), 2 * math.pi))
    wrapped = lax.sub(lax.imag(found), lax.mul(turns, 2 * math.pi))
    return lax.div(lax.complex(lax.real(found), wrapped), scale)


_LN2 = math.log(2)
_log2p = lambda x: lax.div(lax.log1p(x), _LN2)
logaddexp = binary(
    "logaddexp", _logaddexp(lax.exp, lax.log1p, 1), np.logaddexp, "log(exp(x) + exp(y)), without overflow.", INEXACT)
logaddexp2 = binary(
    "logaddexp2", _logaddexp(lax.exp2, _log2p, _LN2), np.logaddexp2, "log2(2**x + 2**y), without overflow.", INEXACT)


def _hypot(x, y):
    real_only("hypot", _kind(x), x)
    x, y = filled(x, y)
    size, other = lax.abs(x), lax.abs(y)
    high, low = _sorted(lax.ge(size, other), x, y)
    infinite = lax.bitwise_or(lax.eq(size, math.inf), lax.eq(other, math.inf))  # also beside NaN
    zero = lax.bitwise_and(lax.eq(size, 0), lax.eq(other, 0))
    plain = lax.bitwise_or(zero, infinite)  # there low / high is NaN
    r = lax.div(low, lax.select(plain, 1, high))
    size = lax.select(infinite, math.inf, lax.abs(high))
    return lax.select(plain, size, lax.mul(size, lax.sqrt(lax.add(lax.mul(r, r), 1))))


hypot = binary("hypot", _hypot, np.hypot, "sqrt(x**2 + y**2), without overflow; slope 0 at the origin.", INEXACT,
               arrays=True)  # fmt: skip


def _sinc(x):
    """sin(pi x) / (pi x); near 0 by its series, of which all derivatives are right there too."""
    p = lax.mul(x, math.pi)
    square = lax.mul(p, p)
    near = lax.lt(lax.abs(p), 0.5)
    series = lax.mul(square, 1 / math.factorial(17))
    for k in range(7, 0, -1):
        series = lax.mul(square, lax.add(series, (-1) ** k / math.factorial(2 * k + 1)))
    far = lax.select(near, 1, p)
    return lax.select(near, lax.add(series, 1), lax.div(lax.sin(far), far))


sinc = unary("sinc", lambda x: _sinc(as_array("sinc", x)), None, "sin(pi x) / (pi x); 1 at 0.", INEXACT)

# ---- signs and parts ----


def _copysign(x, y):
    real_only("copysign", _kind(x), x)
    size = lax.abs(x)
    return lax.select(signbit(y), lax.neg(size), size)


def _heaviside(x, y):
    real_only("heaviside", _kind(x), x)
    return lax.select(lax.eq(x, 0), y, lax.mul(lax.add(lax.sign(x), 1), 0.5))


copysign = binary("copysign", _copysign, np.copysign, "|x| with the sign of y, also of -0.0.", INEXACT, arrays=True)
heaviside = binary("heaviside", _heaviside, np.heaviside, "0 where x < 0, y where x == 0, 1 where x > 0.", INEXACT,
                   arrays=True)  # fmt: skip


def spacing(x, /):
    """The distance from each element to the next float away from 0, with its sign; NaN of infinities.

    x: real -> float of the same shape.
    """
    x = as_array("spacing", promote_dtypes("spacing", x, rule=INEXACT)[0])
    real_only("spacing", _kind(x), x)
    outward = lax.select(signbit(x), lax.full(typeof(x).shape, -math.inf, dtype_of(x)), math.inf)
    return lax.sub(lax.nextafter(x, outward), x)


def angle(z, deg: bool = False):
    """The argument of complex numbers in (-pi, pi], in degrees if `deg`.

    z: any -> float of the same shape; 0 or pi for real numbers.
    """
    (z,) = promote_dtypes("angle", as_array("angle", z), rule=INEXACT)
    found = lax.atan2(lax.imag(z), lax.real(z)) if _kind(z) == "c" else lax.atan2(0.0, lax.stop_gradient(z))
    return lax.mul(found, 180 / math.pi) if deg else found


def iscomplex(x):
    """Whether each element has an imaginary part other than 0."""
    x = as_array("iscomplex", x)
    return lax.ne(lax.imag(x), 0) if _kind(x) == "c" else lax.full(typeof(x).shape, False, BOOL)


def isreal(x):
    """Whether each element has the imaginary part 0."""
    x = as_array("isreal", x)
    return lax.eq(lax.imag(x), 0) if _kind(x) == "c" else lax.full(typeof(x).shape, True, BOOL)


def modf(x, /):
    """(fraction, whole part) of each element, both with its sign.

    x: real -> two floats of the same shape. The fraction of an infinity is 0.
    """
    (x,) = promote_dtypes("modf", x, rule=INEXACT)
    x = as_array("modf", x)
    real_only("modf", _kind(x), x)
    whole = lax.select(lax.lt(x, 0), lax.ceil(x), lax.floor(x))
    fraction = lax.sub(x, whole)
    return lax.select(lax.is_finite(x), fraction, lax.select(lax.ne(x, x), x, lax.mul(lax.sign(x), 0.0))), whole


# ---- exponents ----


def _float_format(x):
    """(integer dtype of the same width, bits of the fraction, bias of the exponent)."""
    info = dtypes.finfo(dtype_of(x))
    return np.dtype(f"int{info.bits}"), info.nmant, info.maxexp - 1


def _two_to_the(n, like):
    """2.0**n for integers n that are exponents of normal numbers, put together from bits."""
    integer, fraction, bias = _float_format(like)
    bits = lax.shift_left(lax.add(lax.convert_element_type(n, integer), bias), fraction)
    return lax.bitcast_convert_type(bits, dtype_of(like))


def _exponent(x, integer, fraction, bias):
    """The exponent of each normal number, from its bits."""
    bits = lax.bitcast_convert_type(lax.abs(x), integer)
    return lax.sub(lax.convert_element_type(lax.shift_right_logical(bits, fraction), np.dtype(np.int32)), bias)


def _scaled(x, n):
    """x * 2**n, in three steps of which none leaves the range of exponents before the last.

    The steps depend on x, so that a compiler may not multiply the powers of two with one another first.
    """
    integer, fraction, bias = _float_format(x)
    e = _exponent(x, integer, fraction, bias)
    left = lax.max(lax.min(n, lax.sub(bias, e)), lax.sub(1 - bias, e))
    for part in (left, None, None):
        step = lax.max(lax.min(n if part is None else part, bias), 1 - bias)
        x, n = lax.mul(x, _two_to_the(step, x)), lax.sub(n, step)
    return x


def ldexp(x1, x2, /):
    """x1 * 2**x2.

    x1: real; x2: integers that broadcast with it -> float. Raises TypeError if x2 holds floats.
    """
    (x1,) = promote_dtypes("ldexp", x1, rule=INEXACT)
    x1, x2 = as_array("ldexp", x1), as_array("ldexp", x2)
    real_only("ldexp", _kind(x1), x1)
    if _kind(x2) not in "biu":
        raise TypeError(f"ldexp: the exponents are integers, got {typeof(x2)} at {at()}; use x1 * 2**x2")
    x1, x2 = promote_shapes("ldexp", x1, lax.convert_element_type(x2, np.dtype(np.int32)))
    return _scaled(x1, x2)


def frexp(x, /):
    """(m, e) with x = m * 2**e and 0.5 <= |m| < 1; (x, 0) of 0, infinities and NaN.

    x: real -> m a float of the same shape, e int32.
    """
    (x,) = promote_dtypes("frexp", x, rule=INEXACT)
    x = as_array("frexp", x)
    real_only("frexp", _kind(x), x)
    integer, fraction, bias = _float_format(x)
    lift = fraction + 2  # makes a subnormal number normal
    size = lax.abs(x)
    small = lax.lt(size, float(dtypes.finfo(dtype_of(x)).tiny))
    normal = lax.select(small, lax.mul(size, 2.0**lift), size)
    e = lax.add(_exponent(normal, integer, fraction, bias), 1)
    e = lax.select(small, lax.sub(e, lift), e)
    ordinary = lax.bitwise_and(lax.is_finite(x), lax.ne(x, 0))
    e = lax.select(ordinary, e, 0)
    return lax.select(ordinary, _scaled(x, lax.neg(e)), x), e
