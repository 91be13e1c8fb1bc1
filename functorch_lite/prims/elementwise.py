"""Elementwise primitives: arithmetic, powers, the common functions, complex parts, and changes of dtype."""

from __future__ import annotations

import cmath
import math

from functorch_lite import dtypes
from functorch_lite.errors import ShapeError
from functorch_lite.ir import Primitive, array_type, literal
from functorch_lite.prims.linear import is_linear, shape_of, unary
from functorch_lite.prims.pointwise import (
    BOOL,
    binary,
    elementwise,
    fold_constants,
    one_dtype,
    one_shape,
    spread,
    spread_scalars,
)
from functorch_lite.prims.select import (  # noqa: F401
    add,
    add_cotangents,
    add_p,
    and_,
    eq,
    ge,
    gt,
    le,
    linear,
    lt,
    ne,
    not_,
    or_,
    same,
    select,
    select_p,
    widest,
    xor,
)
from functorch_lite.prims.shape import broadcast, full_p, is_literal
from functorch_lite.trace import SCALARS, at, bind, typeof


def _kind(x) -> str:
    return dtypes.kind(typeof(x).dtype)


# ---- arithmetic; of integers it wraps around, x / 0 is -1 (all bits set) and x % 0 is x ----

neg_p = elementwise(
    "neg",
    jvp=(lambda t, y, x: neg(t),),
    transpose=lambda ct, x: (linear(neg, ct),),
    simplify=lambda x: x.operands()[0] if x.made_by(neg_p) is not None else None, tells=True)

sub_p = elementwise(
    "sub",
    jvp=(lambda t, z, x, y: t, lambda t, z, x, y: neg(t)),
    transpose=lambda ct, x, y: (ct if is_linear(x) else None, linear(neg, ct) if is_linear(y) else None),
    simplify=lambda x, y: x if is_literal(y, 0) and y.text != "-0.0" else None)


def _simplify_mul(x, y):
    for one, other in ((x, y), (y, x)):
        if is_literal(one, 1):
            return other
        if is_literal(one, -1):
            return neg_p, [other], {}
    return None


mul_p = elementwise(
    "mul",
    jvp=(lambda t, z, x, y: mul(t, y), lambda t, z, x, y: mul(x, t)),
    transpose=lambda ct, x, y: (
        (linear(lambda c: mul(c, y), ct), None) if is_linear(x) else (None, linear(lambda c: mul(x, c), ct))),
    simplify=_simplify_mul)

div_p = elementwise(
    "div",
    jvp=(lambda t, z, x, y: div(t, y), lambda t, z, x, y: neg(mul(t, div(z, y)))),
    transpose=lambda ct, x, y: (linear(lambda c: div(c, y), ct), None),
    simplify=lambda x, y: x if is_literal(y, 1) else None)

rem_p = elementwise(
    "rem",  # x - y * trunc(x / y): it has the sign of x
    admits="iuf",
    jvp=(lambda t, z, x, y: t, lambda t, z, x, y: mul(t, round_(div(sub(z, x), y)))))

neg, sub, mul, div, rem = unary(neg_p), binary(sub_p), binary(mul_p), binary(div_p), binary(rem_p)


def _extremum(name, first) -> Primitive:
    """max and min: NaN if an operand is; equal operands get half of the derivative each."""

    def rule(ts, z, x, y):
        t, u = ts
        if t is None:
            x, y, t, u = y, x, u, None
        tied = mul(t, 0.5) if u is None else mul(add(t, u), 0.5)
        return select(first(x, y), t, select(eq(x, y), tied, 0 if u is None else u))

    return elementwise(
        name,
        admits="biufc",
        arity=2,
        jvp=rule,
        simplify=lambda x, y: x if same(x, y) else None)


max_p, min_p = _extremum("max", gt), _extremum("min", lt)
max_, min_ = binary(max_p), binary(min_p)


def _jvp_abs(t, y, x):
    return mul(t, sign(x)) if _kind(x) != "c" else real(mul(t, conj(sign(x))))


def _jvp_sign(t, y, x):
    """Zero for reals. x / |x| turns with x: its tangent is i y Im(conj(y) t) / |x|, and 0 at 0."""
    if _kind(x) != "c":
        return None
    size = abs_(x)
    return mul(y, complex_(0.0, div(imag(mul(conj(y), t)), select(eq(size, 0), 1, size))))


abs_p = elementwise("abs", result=dtypes.real_of, jvp=(_jvp_abs,))
sign_p = elementwise("sign", jvp=(_jvp_sign,))
square_p = elementwise("square", jvp=(lambda t, y, x: mul(t, mul(2, x)),))
abs_, sign, square = map(unary, (abs_p, sign_p, square_p))

# ---- rounding ----

floor_p = elementwise("floor", admits="f", jvp=(None,))
ceil_p = elementwise("ceil", admits="f", jvp=(None,))
round_p = elementwise("round", admits="f", params=("to_even",), jvp=(None,))
is_finite_p = elementwise("is_finite", admits="f", result=lambda dtype: BOOL, weak=(), jvp=(None,))
floor, ceil, is_finite = map(unary, (floor_p, ceil_p, is_finite_p))


def round_(x, to_even=True):
    """The nearest whole number; halves go to the even one, or else away from zero."""
    return bind(round_p, x, to_even=to_even)


# ---- powers ----


def _jvp_base(t, z, x, y):
    if type(y) in SCALARS:
        return None if y == 0 else t if y == 1 else mul(t, mul(y, pow_(x, y - 1)))
    return mul(t, mul(y, pow_(x, select(and_(eq(x, 0), eq(y, 0)), 1, sub(y, 1)))))  # 0 at 0 to the power of 0


def _jvp_exponent(t, z, x, y):
    """log(x) x^y, and 0 where x is 0."""
    if type(x) not in SCALARS:
        return mul(t, mul(log(select(eq(x, 0), 1, x)), z))
    if x == 0:
        return None
    return mul(t, mul(cmath.log(x) if type(x) is complex else math.log(x) if x > 0 else math.nan, z))


def _simplify_pow(x, y):
    return x if is_literal(y, 1) else (square_p, [x], {}) if is_literal(y, 2) else None


pow_p = elementwise("pow", admits="fc", jvp=(_jvp_base, _jvp_exponent), simplify=_simplify_pow)


_pow = binary(pow_p)


def pow_(x, y):
    """x to the power of y, of one dtype; or y integers and x inexact. An `int` is a power by multiplication."""
    if type(y) is int:
        return integer_pow(x, y)
    if type(y) not in SCALARS and _kind(y) in "iu":
        dtype = dtypes.scalar_dtype(type(x)) if type(x) in SCALARS else typeof(x).dtype
        y = convert(y, dtype) if dtypes.is_inexact(dtype) else y
    return _pow(x, y)


def _infer_integer_pow(x, *, y):
    dtype = one_dtype("integer_pow", (x,), "iufc")
    if y < 0 and dtypes.is_integer(dtype):
        raise ValueError(f"integer_pow: integers have no power {y}, got {x} at {at()}; convert them to floats")
    return array_type(x.shape, dtype)


def _jvp_integer_pow(t, z, x, *, y):
    if y in (0, 1):
        return t if y else None
    return mul(t, mul(y, x if y == 2 else integer_pow(x, y - 1)))


def _simplify_integer_pow(x, *, y):
    if y == 0:
        return full_p, (), {"shape": x.shape, "value": literal(1, x.dtype), "weak": False}
    return x if y == 1 else (square_p, [x], {}) if y == 2 else None


integer_pow_p = Primitive(
    "integer_pow",
    params=("y",),
    infer=_infer_integer_pow,
    jvp=(_jvp_integer_pow,),
    vmap=lambda size, xs, batched, *, y: integer_pow(xs[0], y),
    simplify=_simplify_integer_pow)


def integer_pow(x, y):
    """x to the power of a Python int, by multiplication."""
    return bind(integer_pow_p, x, y=y)


def repeated(x, y, times, one, inverse):
    """x to the power of an int by squaring, for both executors: from x * x, 1 and 1 / x."""
    result, power, n = None, x, abs(y)
    while n:
        if n & 1:
            result = power if result is None else times(result, power)
        n >>= 1
        power = times(power, power) if n else power
    result = one() if result is None else result
    return inverse(result) if y < 0 else result


# ---- the common functions ----

exp_p = elementwise("exp", admits="fc", jvp=(lambda t, y, x: mul(t, y),))
log_p = elementwise("log", admits="fc", jvp=(lambda t, y, x: div(t, x),))
sin_p = elementwise("sin", admits="fc", jvp=(lambda t, y, x: mul(t, cos(x)),))
cos_p = elementwise("cos", admits="fc", jvp=(lambda t, y, x: neg(mul(t, sin(x))),))
tan_p = elementwise("tan", admits="fc", jvp=(lambda t, y, x: mul(t, add(1, mul(y, y))),))
tanh_p = elementwise("tanh", admits="fc", jvp=(lambda t, y, x: mul(t, sub(1, mul(y, y))),))
logistic_p = elementwise("logistic", admits="fc", jvp=(lambda t, y, x: mul(t, mul(y, sub(1, y))),))
sqrt_p = elementwise("sqrt", admits="fc", jvp=(lambda t, y, x: mul(t, div(0.5, y)),))
rsqrt_p = elementwise("rsqrt", admits="fc", jvp=(lambda t, y, x: mul(t, mul(-0.5, div(y, x))),))
exp, log, sin, cos, tan, tanh = map(unary, (exp_p, log_p, sin_p, cos_p, tan_p, tanh_p))
logistic, sqrt, rsqrt = map(unary, (logistic_p, sqrt_p, rsqrt_p))

# ---- complex numbers ----
# A transpose does not conjugate: the duality is Re(sum(ct * J t)).


def _infer_complex(x, y):
    dtype = one_dtype("complex", (x, y), "f")
    if dtype.itemsize < 4:
        raise TypeError(f"complex: does not take {dtypes.short(dtype)} ({x}), at {at()}; convert it to f32")
    return array_type(one_shape("complex", (x, y)), dtypes.complex_of(dtype))


complex_p = Primitive(
    "complex",
    infer=_infer_complex,
    jvp=(lambda t, z, x, y: complex_(t, 0), lambda t, z, x, y: complex_(0, t)),
    transpose=lambda ct, x, y: (
        linear(real, ct) if is_linear(x) else None, linear(lambda c: neg(imag(c)), ct) if is_linear(y) else None),
    vmap=lambda size, xs, batched: complex_(*spread(xs, batched, size)),
    literals=(0, 1),
    simplify=lambda x, y: fold_constants(complex_p, (x, y)),
    tells=True)



def _part(i):
    return lambda x: x.operands()[i] if x.made_by(complex_p) is not None else None


real_p = elementwise(
    "real", admits="c", result=dtypes.real_of,
    jvp=(lambda t, y, x: real(t),),
    transpose=lambda ct, x: (linear(lambda c: complex_(c, 0), ct),),
    simplify=_part(0))

imag_p = elementwise(
    "imag", admits="c", result=dtypes.real_of,
    jvp=(lambda t, y, x: imag(t),),
    transpose=lambda ct, x: (linear(lambda c: complex_(0, neg(c)), ct),),
    simplify=_part(1))

conj_p = elementwise(
    "conj", admits="c", jvp=(lambda t, y, x: conj(t),), transpose=lambda ct, x: (linear(conj, ct),))

complex_ = binary(complex_p)
real, imag, conj = map(unary, (real_p, imag_p, conj_p))

# ---- bounds ----


def _infer_clamp(low, x, high):
    dtype = one_dtype("clamp", (low, x, high), "biuf")
    shape = max(low.shape, high.shape, key=len) if x.literal else x.shape
    for bound in (low, high):
        if bound.shape not in ((), shape):
            raise ShapeError(f"clamp: the bound {bound} does not fit the shape {shape} at {at()}; broadcast it")
    return array_type(shape, dtype)


def _grown(x, like):
    """A bound without axes, or its tangent, in the shape of another operand."""
    return x if type(x) in SCALARS or shape_of(x) == like.shape else broadcast(x, like.shape)


clamp_p = Primitive(
    "clamp",  # the result is `high` where the bounds cross; at a bound the derivative of x is 0
    infer=_infer_clamp,
    jvp=(
        lambda t, y, low, x, high: select(gt(_grown(low, y), x), _grown(t, y), 0),
        lambda t, y, low, x, high: select(and_(gt(x, _grown(low, y)), lt(x, _grown(high, y))), t, 0),
        lambda t, y, low, x, high: select(lt(_grown(high, y), x), _grown(t, y), 0)),
    vmap=lambda size, xs, batched: clamp(*spread_scalars(xs, batched, size, widest(xs, batched), (0, 2))),
    literals=(0, 1, 2),
    simplify=lambda *operands: fold_constants(clamp_p, operands))


def clamp(min, x, max):
    """x within bounds, which have its shape or no axes."""
    return bind(clamp_p, min, x, max)


# ---- dtypes ----


def _jvp_convert(t, y, x, *, dtype, weak):
    return convert(t, dtype) if dtypes.is_inexact(dtype) else None


def _transpose_convert(ct, x, *, dtype, weak):
    if dtypes.is_complex(dtype) and not dtypes.is_complex(x.dtype):
        return (linear(lambda c: convert(real(c), x.dtype), ct),)
    return (linear(lambda c: convert(c, x.dtype), ct),)


_EXACT = ("0", "1", "0.0", "1.0", "False", "True")


def _simplify_convert(x, *, dtype, weak):
    constant = x.made_by(full_p)
    if constant is None or constant["value"].text not in _EXACT or dtype.name == "float8_e8m0fnu":
        return None  # other values may be rounded on the way, and one dtype has no zero
    return full_p, (), {"shape": x.shape, "value": literal(int(constant["value"].value), dtype), "weak": weak}


convert_p = Primitive(
    "convert",
    params=("dtype", "weak"),
    infer=lambda x, *, dtype, weak: array_type(x.shape, dtype, weak, x.vary),
    jvp=(_jvp_convert,),
    transpose=_transpose_convert,
    vmap=lambda size, xs, batched, *, dtype, weak: bind(convert_p, xs[0], dtype=dtype, weak=weak),
    weak=(),
    simplify=_simplify_convert)


def convert(x, dtype, weak=False):
    """The elements of `x` in another dtype, as near as it can hold them.

    Floats become integers towards zero, within the range of the dtype, and NaN becomes 0; integers wrap around; of
    complex numbers the real part stays.
    """
    type_ = typeof(x)
    if type_.dtype == dtype and type_.weak == weak:
        return x
    return bind(convert_p, x, dtype=dtype, weak=weak)


stop_gradient_p = elementwise(
    "stop_gradient", admits="biufc", jvp=(None,),
    transpose=lambda ct, x: (None,))  # of a linear function too, what is stopped counts as a constant
stop_gradient = unary(stop_gradient_p)
