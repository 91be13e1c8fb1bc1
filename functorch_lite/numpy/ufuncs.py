"""The elementwise functions: one row of the tables below declares one.

A row gives the name, the meaning by operations of `lax`, the NumPy function that computes the same, and one sentence;
`rule` says in which dtype it computes. No NumPy function stands in a row whose meaning differs from the compiled one.
"""

from __future__ import annotations

import math

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.numpy.dispatch import binary, comparison, logical, predicate, truth, unary
from functorch_lite.numpy.promote import INEXACT, NUMBER, as_array
from functorch_lite.trace import at, typeof

# fmt: off
__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2",
    "arctanh", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_count", "bitwise_invert",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "cbrt", "ceil",
    "conj", "conjugate", "cos", "cosh", "deg2rad", "degrees", "divide", "equal", "exp", "exp2", "expm1", "fabs",
    "floor", "fmax", "fmin", "greater", "greater_equal", "imag", "invert", "isfinite", "isinf", "isnan",
    "isneginf", "isposinf", "left_shift", "less", "less_equal", "log", "log1p", "log2", "log10", "logical_and",
    "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "negative", "nextafter",
    "not_equal", "positive", "rad2deg", "radians", "real", "reciprocal", "right_shift", "rint", "sign",
    "signbit", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "true_divide", "trunc",
]
# fmt: on


def _kind(x) -> str:
    return dtypes.kind(typeof(x).dtype)


def real_only(name, kind, x):
    """Raises TypeError if `x` is complex."""
    if kind == "c":
        raise TypeError(f"{name}: does not take complex numbers, got {typeof(x)} at {at()}; take the parts first")


def _all(value: bool):
    return lambda x: lax.full(typeof(x).shape, value, np.dtype(bool))


# ---- one operand, floats ----


def _fabs(x):
    real_only("fabs", _kind(x), x)
    return lax.abs(x)


sin = unary("sin", lax.sin, np.sin, "The sine of each element, in radians.", INEXACT)
cos = unary("cos", lax.cos, np.cos, "The cosine of each element, in radians.", INEXACT)
tan = unary("tan", lax.tan, np.tan, "The tangent of each element, in radians.", INEXACT)
arcsin = unary("arcsin", lax.asin, np.arcsin, "The angle in [-pi/2, pi/2] whose sine is each element.", INEXACT)
arccos = unary("arccos", lax.acos, np.arccos, "The angle in [0, pi] whose cosine is each element.", INEXACT)
arctan = unary("arctan", lax.atan, np.arctan, "The angle in [-pi/2, pi/2] whose tangent is each element.", INEXACT)
sinh = unary("sinh", lax.sinh, np.sinh, "The hyperbolic sine of each element.", INEXACT)
cosh = unary("cosh", lax.cosh, np.cosh, "The hyperbolic cosine of each element.", INEXACT)
tanh = unary("tanh", lax.tanh, np.tanh, "The hyperbolic tangent of each element.", INEXACT)
arcsinh = unary("arcsinh", lax.asinh, np.arcsinh, "The inverse hyperbolic sine of each element.", INEXACT)
arccosh = unary("arccosh", lax.acosh, np.arccosh, "The inverse hyperbolic cosine of each element.", INEXACT)
arctanh = unary("arctanh", lax.atanh, np.arctanh, "The inverse hyperbolic tangent of each element.", INEXACT)
exp = unary("exp", lax.exp, np.exp, "e to the power of each element.", INEXACT)
exp2 = unary("exp2", lax.exp2, np.exp2, "2 to the power of each element.", INEXACT)
expm1 = unary("expm1", lax.expm1, np.expm1, "exp(x) - 1 of each element, exact near 0.", INEXACT)
log = unary("log", lax.log, np.log, "The natural logarithm of each element.", INEXACT)
log1p = unary("log1p", lax.log1p, np.log1p, "log(1 + x) of each element, exact near 0.", INEXACT)
log2 = unary("log2", lambda x: _by(lax.log(x), math.log(2)), np.log2, "The logarithm to base 2.", INEXACT)
log10 = unary("log10", lambda x: _by(lax.log(x), math.log(10)), np.log10, "The logarithm to base 10.", INEXACT)
sqrt = unary("sqrt", lax.sqrt, np.sqrt, "The square root of each element.", INEXACT)
cbrt = unary("cbrt", lax.cbrt, np.cbrt, "The real cube root of each element.", INEXACT)
# np.reciprocal of integers is an integer
reciprocal = unary("reciprocal", lambda x: lax.div(1.0, x), lambda x: np.true_divide(1, x), "1 / x.", INEXACT)
fabs = unary("fabs", _fabs, np.fabs, "The absolute value of each element, as a float.", INEXACT)
rint = unary("rint", lambda x: round_half_even(x), np.rint, "The nearest integer, ties to even, as a float.", INEXACT)
deg2rad = unary("deg2rad", lambda x: lax.mul(x, math.pi / 180), np.deg2rad, "Degrees to radians.", INEXACT)
rad2deg = unary("rad2deg", lambda x: lax.mul(x, 180 / math.pi), np.rad2deg, "Radians to degrees.", INEXACT)


def _by(x, scale):
    """x / scale; of complex numbers part by part, as the quotient of complex numbers makes NaN of an infinite part."""
    if _kind(x) == "c":
        return lax.complex(lax.div(lax.real(x), scale), lax.div(lax.imag(x), scale))
    return lax.div(x, scale)


def round_half_even(x):
    """The nearest integer of a float or of both parts of a complex number, ties to even."""
    if _kind(x) == "c":
        return lax.complex(round_half_even(lax.real(x)), round_half_even(lax.imag(x)))
    return lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)


# ---- one operand, any number ----


def _abs(x):
    return lax.abs(x) if _kind(x) in "ifc" else x


def _integers_stay(rounding):
    return lambda x: x if _kind(x) in "biu" else rounding(x)


def _trunc(x):
    return lax.select(lax.lt(x, 0), lax.ceil(x), lax.floor(x))


absolute = unary("absolute", _abs, np.absolute, "The absolute value, or the modulus of complex numbers; slope 0 at 0.")
abs = absolute
negative = unary("negative", lax.neg, np.negative, "-x of each element.")
positive = unary("positive", lambda x: as_array("positive", x), np.positive, "The elements unchanged.")
sign = unary("sign", lax.sign, np.sign, "-1, 0 or 1 by the sign of each element; x / |x| of complex numbers.")
square = unary("square", lax.square, np.square, "x * x of each element.", NUMBER)
floor = unary("floor", _integers_stay(lax.floor), np.floor, "The largest integer not above each element.")
ceil = unary("ceil", _integers_stay(lax.ceil), np.ceil, "The smallest integer not below each element.")
trunc = unary("trunc", _integers_stay(_trunc), np.trunc, "Each element without its fraction.")
conjugate = unary("conjugate", lambda x: lax.conj(x) if _kind(x) == "c" else as_array("conjugate", x), np.conjugate,
                  "The complex conjugate of each element.")  # fmt: skip
invert = unary("invert", lax.bitwise_not, np.invert, "Every bit flipped; of booleans, not.")


def _imag(x):
    t = typeof(x)
    return lax.imag(x) if _kind(x) == "c" else lax.full(t.shape, 0, t.dtype, weak=t.weak)


real = unary("real", lambda x: lax.real(x) if _kind(x) == "c" else as_array("real", x), None, "The real part.")
imag = unary("imag", _imag, None, "The imaginary part; 0 of real numbers.")


def bitwise_count(x, /):
    """How many bits are set in each element's absolute value, as uint8.

    x: integers or booleans. Raises TypeError for floats.
    """
    x = as_array("bitwise_count", x)
    if _kind(x) == "b":
        return lax.convert_element_type(x, np.dtype(np.uint8))
    return lax.convert_element_type(lax.population_count(_abs(x)), np.dtype(np.uint8))


# ---- tests ----


def _float_or(test, others: bool):
    """A test of floats that has one answer for integers and booleans."""
    return lambda x: test(x) if _kind(x) in "fc" else _all(others)(x)


def _isfinite(x):
    if _kind(x) == "c":
        return lax.bitwise_and(lax.is_finite(lax.real(x)), lax.is_finite(lax.imag(x)))
    return lax.is_finite(x)


def _isinf(x):
    if _kind(x) == "c":
        return lax.bitwise_or(_isinf(lax.real(x)), _isinf(lax.imag(x)))
    return lax.eq(lax.abs(x), math.inf)


def _is_infinity(name, infinity):
    """A test for one of the two infinities, which complex numbers do not have."""

    def test(x):
        real_only(name, _kind(x), x)
        return lax.eq(x, infinity)

    return _float_or(test, False)


def _signbit(x):
    kind = _kind(x)
    if kind == "i":
        return lax.lt(x, 0)
    if kind != "f":
        return _all(False)(x)
    bits = np.dtype(f"int{8 * typeof(x).dtype.itemsize}")
    return lax.lt(lax.bitcast_convert_type(x, bits), 0)


isnan = predicate("isnan", _float_or(lambda x: lax.ne(x, x), False), np.isnan, "Whether each element is NaN.")
isfinite = predicate("isfinite", _float_or(_isfinite, True), np.isfinite, "Whether each is neither infinite nor NaN.")
isinf = predicate("isinf", _float_or(_isinf, False), np.isinf, "Whether each element is infinite.")
isposinf = predicate("isposinf", _is_infinity("isposinf", math.inf), None, "Whether each is +inf.")
isneginf = predicate("isneginf", _is_infinity("isneginf", -math.inf), None, "Whether each is -inf.")
signbit = predicate("signbit", _signbit, np.signbit, "Whether the sign bit is set: of negative numbers, also of -0.0.")
logical_not = predicate("logical_not", lambda x: lax.bitwise_not(truth("logical_not", x)), np.logical_not, "x == 0.")


# ---- two operands ----

add = binary("add", lax.add, np.add, "x + y; of booleans, or.", on_bool=lax.bitwise_or)
subtract = binary("subtract", lax.sub, np.subtract, "x - y.")
multiply = binary("multiply", lax.mul, np.multiply, "x * y; of booleans, and.", on_bool=lax.bitwise_and)
true_divide = binary("true_divide", lax.div, np.true_divide, "x / y as floats.", INEXACT)
divide = true_divide
maximum = binary("maximum", lax.max, np.maximum, "The larger of x and y; NaN if either is. Equal operands share the "
                 "derivative.", on_bool=lax.bitwise_or)  # fmt: skip
minimum = binary("minimum", lax.min, np.minimum, "The smaller of x and y; NaN if either is. Equal operands share the "
                 "derivative.", on_bool=lax.bitwise_and)  # fmt: skip
arctan2 = binary("arctan2", lax.atan2, np.arctan2, "The angle of the point (y, x), in (-pi, pi].", INEXACT)
nextafter = binary("nextafter", lax.nextafter, np.nextafter, "The next number from x towards y.", INEXACT)


def _fmax(x, y):
    """The larger of the two, the other one if one is NaN."""
    keep = lax.gt(x, y) if _kind(x) not in "fc" else lax.bitwise_or(lax.gt(x, y), lax.ne(y, y))
    return lax.select(keep, x, y)


def _fmin(x, y):
    keep = lax.lt(x, y) if _kind(x) not in "fc" else lax.bitwise_or(lax.lt(x, y), lax.ne(y, y))
    return lax.select(keep, x, y)


fmax = binary("fmax", _fmax, np.fmax, "The larger of x and y; the other one if one is NaN.", arrays=True)
fmin = binary("fmin", _fmin, np.fmin, "The smaller of x and y; the other one if one is NaN.", arrays=True)

bitwise_and = binary("bitwise_and", lax.bitwise_and, np.bitwise_and, "x & y of integers or booleans.")
bitwise_or = binary("bitwise_or", lax.bitwise_or, np.bitwise_or, "x | y of integers or booleans.")
bitwise_xor = binary("bitwise_xor", lax.bitwise_xor, np.bitwise_xor, "x ^ y of integers or booleans.")


def _shift_right(x, y):
    return (lax.shift_right_logical if _kind(x) == "u" else lax.shift_right_arithmetic)(x, y)


# NumPy leaves a shift by more than the width to the processor; compiled code gives 0, or -1 to the right of negatives.
left_shift = binary("left_shift", lax.shift_left, None, "x << y of integers; 0 beyond the width.", NUMBER)
right_shift = binary("right_shift", _shift_right, None, "x >> y of integers, keeping the sign.", NUMBER, arrays=True)

logical_and = logical("logical_and", lax.bitwise_and, np.logical_and, "Whether both x and y are nonzero.")
logical_or = logical("logical_or", lax.bitwise_or, np.logical_or, "Whether x or y is nonzero.")
logical_xor = logical("logical_xor", lax.bitwise_xor, np.logical_xor, "Whether exactly one of x and y is nonzero.")

equal = comparison("equal", lax.eq, np.equal, "x == y.", lambda above: False)
not_equal = comparison("not_equal", lax.ne, np.not_equal, "x != y.", lambda above: True)
less = comparison("less", lax.lt, np.less, "x < y; complex numbers by real, then imaginary part.", lambda above: above)
less_equal = comparison("less_equal", lax.le, np.less_equal, "x <= y.", lambda above: above)
greater = comparison("greater", lax.gt, np.greater, "x > y.", lambda above: not above)
greater_equal = comparison("greater_equal", lax.ge, np.greater_equal, "x >= y.", lambda above: not above)

acos, acosh, asin, asinh, atan, atan2, atanh = arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh
bitwise_invert = bitwise_not = invert
bitwise_left_shift, bitwise_right_shift = left_shift, right_shift
conj, degrees, radians = conjugate, rad2deg, deg2rad
