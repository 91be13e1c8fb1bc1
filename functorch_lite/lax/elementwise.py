"""`lax`: functions that work element by element. Operands have one dtype and one shape, or are Python scalars."""

from __future__ import annotations

import builtins
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
    complex numbers the real part stays. The Python types `float`, `int`, `complex` give the default dtypes, weakly.
    """
    weak = isinstance(new_dtype, type) and new_dtype in (int, float, builtins.complex)  # a float64 dtype == float
    return _e.convert(operand, dtypes.canonical(new_dtype), weak)


def bitcast_convert_type(operand: Any, new_dtype: Any):
    """The same bits read as another dtype.

    operand: integers or floats. A dtype of n times the width takes the last axis, which has size n, together; one of
    an n-th adds an axis of size n. Raises TypeError for booleans and complex numbers, ValueError for another last axis.
    """
    return bitcast(operand, dtypes.canonical(new_dtype))


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
        return select(which, cases[1], cases[0]) if len(cases) == 2 else cases[0]
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
