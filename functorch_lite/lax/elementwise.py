"""`lax`: functions that work element by element. Operands have one dtype and one shape, or are Python scalars."""

from __future__ import annotations

import enum
from typing import Any

from functorch_lite import dtypes, tree
from functorch_lite.prims import elementwise as _e
from functorch_lite.prims.bits import (
    bitcast,
    clz,
    nextafter,
    population_count,
    reduce_precision,
    shift_left,
    shift_right_arithmetic,
    shift_right_logical,
)
from functorch_lite.prims.elementwise import (
    add,
    ceil,
    clamp,
    cos,
    div,
    eq,
    exp,
    floor,
    ge,
    gt,
    imag,
    integer_pow,
    is_finite,
    le,
    log,
    logistic,
    lt,
    mul,
    ne,
    neg,
    real,
    rem,
    rsqrt,
    select,
    sign,
    sin,
    sqrt,
    square,
    sub,
    tan,
    tanh,
)
from functorch_lite.prims.shape import given_dtype
from functorch_lite.prims.special import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cbrt,
    cosh,
    digamma,
    erf,
    erf_inv,
    erfc,
    exp2,
    expm1,
    lgamma,
    log1p,
    polygamma,
    sinh,
    zeta,
)
from functorch_lite.trace import at, typeof

__all__ = [
    "RoundingMethod", "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitcast_convert_type",
    "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "cbrt", "ceil", "clamp", "clz", "complex", "conj",
    "convert_element_type", "cos", "cosh", "digamma", "div", "eq", "erf", "erf_inv", "erfc", "exp", "exp2", "expm1",
    "floor", "ge", "gt", "imag", "integer_pow", "is_finite", "le", "lgamma", "log", "log1p", "logistic", "lt", "max",
    "min", "mul", "ne", "neg", "nextafter", "polygamma", "population_count", "pow", "real", "reciprocal",
    "reduce_precision", "rem", "round", "rsqrt", "select", "select_n", "shift_left", "shift_right_arithmetic",
    "shift_right_logical", "sign", "sin", "sinh", "sqrt", "square", "stop_gradient", "sub", "tan", "tanh", "zeta",
]  # fmt: skip

abs, max, min, pow, complex = _e.abs_, _e.max_, _e.min_, _e.pow_, _e.complex_
bitwise_and, bitwise_or, bitwise_xor, bitwise_not = _e.and_, _e.or_, _e.xor, _e.not_

# What is shared with `prims` gets its documentation here, where users meet it.
_DOCUMENTATION = {
    add: "x + y of numbers. Integers wrap around.",
    sub: "x - y of numbers. Integers wrap around.",
    mul: "x * y of numbers. Integers wrap around.",
    div: "x / y of numbers; of integers rounded towards zero, and -1 (all bits set) where y is 0.",
    rem: "The remainder of x / y, with the sign of x; of integers x where y is 0. Not for complex numbers.",
    neg: "-x of numbers.",
    pow: "x to the power y of floats or complex numbers; y may be integers. A Python int is a power by multiplication.",
    integer_pow: "x to the power of a Python int, by multiplication; of integers not a negative one.",
    square: "x * x of numbers.",
    sqrt: "The square root; NaN of negative floats.",
    rsqrt: "1 / sqrt(x).",
    cbrt: "The cube root of floats, with their sign.",
    abs: "The absolute value, a real number; its derivative at 0 is 0.",
    sign: "-1, 0 or 1; of complex numbers x / |x|, and 0 of 0.",
    max: "The larger of x and y, NaN if either is. Equal operands get half of the derivative each.",
    min: "The smaller of x and y, NaN if either is. Equal operands get half of the derivative each.",
    clamp: "x where it is between the bounds, else the nearer one. clamp(min, x, max); the bounds may have no axes.",
    floor: "The largest whole number not above each float.",
    ceil: "The smallest whole number not below each float.",
    is_finite: "Whether each float is neither infinite nor NaN.",
    exp: "e to the power x.",
    exp2: "2 to the power x.",
    expm1: "exp(x) - 1, exact near 0.",
    log: "The natural logarithm.",
    log1p: "log(1 + x), exact near 0.",
    logistic: "1 / (1 + exp(-x)).",
    sin: "The sine of x in radians.",
    cos: "The cosine of x in radians.",
    tan: "The tangent of x in radians.",
    asin: "The angle whose sine is x, in [-pi/2, pi/2].",
    acos: "The angle whose cosine is x, in [0, pi].",
    atan: "The angle whose tangent is x, in [-pi/2, pi/2].",
    atan2: "The angle of the point (y, x), in [-pi, pi]: atan2(y, x), of floats.",
    sinh: "The hyperbolic sine.",
    cosh: "The hyperbolic cosine.",
    tanh: "The hyperbolic tangent.",
    asinh: "The inverse hyperbolic sine.",
    acosh: "The inverse hyperbolic cosine; NaN of floats below 1.",
    atanh: "The inverse hyperbolic tangent; NaN of floats outside of [-1, 1].",
    erf: "The error function of floats.",
    erfc: "1 - erf(x) of floats, exact where that is small.",
    erf_inv: "The float whose error function is x.",
    lgamma: "The logarithm of |gamma(x)| of floats.",
    digamma: "The derivative of lgamma, of floats; at its poles NaN, but -inf at 0.0 and inf at -0.0.",
    polygamma: "The m-th derivative of digamma at x > 0: polygamma(m, x), with whole floats m. m has no derivative.",
    zeta: "Hurwitz's zeta function: the sum of (q + k) ** -x over k >= 0, for x > 1, q > 0. x has no derivative.",
    eq: "x == y, as booleans.",
    ne: "x != y, as booleans.",
    lt: "x < y, as booleans; complex numbers by their real, then by their imaginary parts.",
    le: "x <= y, as booleans; complex numbers by their real, then by their imaginary parts.",
    gt: "x > y, as booleans; complex numbers by their real, then by their imaginary parts.",
    ge: "x >= y, as booleans; complex numbers by their real, then by their imaginary parts.",
    select: "on_true where pred holds, else on_false. pred: booleans, of their shape or without axes.\n\n"
    "    A branch not taken makes no NaN in derivatives through elementwise operations; through reductions, reshapes,\n"
    "    products of matrices, calls and loops it may: replace its operands there, too.",
    bitwise_and: "x & y of integers or booleans.",
    bitwise_or: "x | y of integers or booleans.",
    bitwise_xor: "x ^ y of integers or booleans.",
    bitwise_not: "Every bit of integers flipped; of booleans, not.",
    shift_left: "x << y of integers; 0 where y is the width or more, or negative.",
    shift_right_logical: "x >> y of integers, with zeros coming in; 0 where y is the width or more, or negative.",
    shift_right_arithmetic: "x >> y of integers, with copies of the first bit coming in.",
    population_count: "How many bits of each integer are set.",
    clz: "How many zeros the binary form of each integer begins with.",
    nextafter: "The next float from x towards y.",
    reduce_precision: "x rounded to what a float with so many exponent and mantissa bits holds, in the dtype of x.",
    complex: "x + iy of float32 or float64.",
    real: "The real part of complex numbers.",
    imag: "The imaginary part of complex numbers.",
}
for _function, _text in _DOCUMENTATION.items():
    _function.__doc__ = f"{_text}\n\n    Raises TypeError for other dtypes, ValueError where shapes differ.\n    "


class RoundingMethod(enum.IntEnum):
    """Where `round` takes the halves."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


def round(x, rounding_method=RoundingMethod.AWAY_FROM_ZERO):
    """The nearest whole number to each element, as a float.

    x: floats. Raises TypeError for integers.
    """
    return _e.round_(x, to_even=RoundingMethod(rounding_method) is RoundingMethod.TO_NEAREST_EVEN)


def reciprocal(x):
    """1 / x of floats and complex numbers."""
    return div(1.0, x)


def conj(x):
    """The complex conjugate; of a real x, complex numbers with imaginary part 0.

    x: float32, float64 or complex. Raises TypeError for others.
    """
    return _e.conj(x) if dtypes.is_complex(typeof(x).dtype) else complex(x, 0.0)


def convert_element_type(operand: Any, new_dtype: Any):
    """The elements in another dtype, as near as it can hold them.

    Floats become integers towards zero, within the range of the dtype, and NaN becomes 0; integers wrap around; of
    complex numbers the real part stays. The Python types `float`, `int` and `complex` name the default dtypes.
    """
    return _e.convert(operand, given_dtype(new_dtype))


def bitcast_convert_type(operand: Any, new_dtype: Any):
    """The same bits read as another dtype.

    operand: integers or floats. A dtype of n times the width takes the last axis, which has size n, together; one of
    an n-th adds an axis of size n. Raises TypeError for booleans and complex numbers, ValueError for another last axis.
    """
    return bitcast(operand, given_dtype(new_dtype))


def select_n(which, *cases):
    """For each element that one of the cases whose number `which` says.

    which: booleans for one or two cases, else int32; of the shape of the cases or without axes. A number out of range
    takes the nearest case. Raises TypeError for others.
    """
    if not cases:
        raise TypeError(f"select_n needs at least one case, at {at()}")
    type_ = typeof(which)
    if not dtypes.is_bool(type_.dtype) and not dtypes.is_integer(type_.dtype):
        raise TypeError(f"select_n: the numbers of the cases are {type_}, at {at()}; give booleans or integers")
    if dtypes.is_bool(type_.dtype):
        if len(cases) > 2:
            raise TypeError(f"select_n: booleans choose between two cases, got {len(cases)} at {at()}; give integers")
        return cases[0] if len(cases) == 1 else select(which, *reversed(cases))
    return _nearest(which, cases, 0)


def _nearest(which, cases, first):
    """Halve the cases: those before the middle, and those from it on."""
    if len(cases) == 1:
        return cases[0]
    half = len(cases) // 2
    before = lt(which, first + half)
    return select(before, _nearest(which, cases[:half], first), _nearest(which, cases[half:], first + half))


def stop_gradient(x):
    """The leaves of a tree, taken as constants by derivatives.

    x: a tree of arrays; leaves that are no floats or complex numbers stay as they are.
    """
    return tree.map(_stopped, x)


def _stopped(leaf):
    return _e.stop_gradient(leaf) if dtypes.is_inexact(typeof(leaf).dtype) else leaf
