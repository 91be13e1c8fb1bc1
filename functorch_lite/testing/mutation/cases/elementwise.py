"""Cases of elementwise operations: an interval per operand keeps away from kinks, poles and branch cuts."""

from __future__ import annotations

import numpy as np

from functorch_lite.prims import activation, bits, random, special
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import shape as s
from functorch_lite.testing.mutation.cases.common import KEY, V0, B, M, N, between, case, complexes

# ---- elementwise: (function, an interval per operand) ----

_UNARY = {
    "neg": (e.neg, (-2, 2)),
    "abs": (e.abs_, (-2, -0.1)),
    "sign": (e.sign, (0.1, 2)),
    "square": (e.square, (-2, 2)),
    "floor": (lambda x: e.floor(e.mul(x, s.iota(np.dtype(float), (3,), 0))), (1.2, 1.4)),
    "ceil": (lambda x: e.ceil(e.mul(x, s.iota(np.dtype(float), (3,), 0))), (1.2, 1.4)),
    "round": (lambda x: e.round_(e.mul(x, s.iota(np.dtype(float), (3,), 0))), (1.1, 1.2)),
    "sqrt": (e.sqrt, (0.5, 3)),
    "rsqrt": (e.rsqrt, (0.5, 3)),
    "cbrt": (special.cbrt, (-3, -0.5)),
    "exp": (e.exp, (-2, 2)),
    "exp2": (special.exp2, (-2, 2)),
    "expm1": (special.expm1, (-2, 2)),
    "log": (e.log, (0.5, 3)),
    "log1p": (special.log1p, (-0.5, 3)),
    "sin": (e.sin, (-2, 2)),
    "cos": (e.cos, (-2, 2)),
    "tan": (e.tan, (-1, 1)),
    "asin": (special.asin, (-0.7, 0.7)),
    "acos": (special.acos, (-0.7, 0.7)),
    "atan": (special.atan, (-2, 2)),
    "sinh": (special.sinh, (-2, 2)),
    "cosh": (special.cosh, (-2, 2)),
    "tanh": (e.tanh, (-2, 2)),
    "asinh": (special.asinh, (-2, 2)),
    "acosh": (special.acosh, (1.5, 3)),
    "atanh": (special.atanh, (-0.7, 0.7)),
    "logistic": (e.logistic, (-2, 2)),
    "erf": (special.erf, (-2, 2)),
    "erfc": (special.erfc, (-2, 2)),
    "erf_inv": (special.erf_inv, (-0.7, 0.7)),
    "lgamma": (special.lgamma, (0.5, 3)),
    "digamma": (special.digamma, (0.7, 3)),
    "polygamma": (lambda x: special.polygamma(2.0, x), (0.7, 3)),
    "zeta": (lambda x: special.zeta(3.0, x), (0.7, 3)),
    "relu": (activation.relu, (0.3, 2)),
    "relu below": (activation.relu, (-2, -0.3)),
    "softplus": (activation.softplus, (-2, 2)),
    "reduce_precision": (lambda x: bits.reduce_precision(x, 11, 52), (-2, 2)),
    "integer_pow 3": (lambda x: e.integer_pow(x, 3), (0.5, 2)),
    "integer_pow -2": (lambda x: e.integer_pow(x, -2), (0.5, 2)),
    "integer_pow 2": (lambda x: e.integer_pow(x, 2), (0.5, 2)),
    "integer_pow 1": (lambda x: e.integer_pow(x, 1), (0.5, 2)),
    "integer_pow 0": (lambda x: e.integer_pow(x, 0), (0.5, 2)),
    "pow literal": (lambda x: e.pow_(x, 2.5), (0.5, 2)),
    "pow 0.0": (lambda x: e.pow_(x, 0.0), (0.5, 2)),
    "pow 1.0": (lambda x: e.pow_(x, 1.0), (0.5, 2)),
    "pow 2.0": (lambda x: e.pow_(x, 2.0), (0.5, 2)),
    "pow of a literal": (lambda x: e.pow_(1.7, x), (0.5, 2)),
    "pow of 0.0": (lambda x: e.pow_(0.0, x), (0.5, 2)),
    "clamp literal": (lambda x: e.clamp(0.0, x, 1.0), (0.2, 0.8)),
    "literals": (lambda x: e.div(e.sub(2.0, e.mul(x, -1.0)), e.add(e.mul(1.0, x), 0.5)), (0.5, 2)),
    "neg twice": (lambda x: e.mul(e.neg(e.neg(x)), e.sub(x, 0.0)), (0.5, 2)),
    "convert": (lambda x: e.mul(e.convert(x, np.dtype(complex)), 2j), (-2, 2)),
    "convert down": (
        lambda x: e.real(e.convert(e.mul(e.convert(x, np.dtype(complex)), 1 + 2j), np.dtype(complex))),
        (-2, 2),
    ),
    "select literals": (lambda x: e.select(e.lt(x, 10), e.mul(x, x), 2.0), (-2, 2)),
    "stop_gradient": (lambda x: e.mul(e.stop_gradient(x), x) * 0 + x, (-2, 2)),
    "same operands": (lambda x: e.add(e.max_(x, x), e.mul(x, x)), (0.5, 2)),
    "half": (lambda x: e.mul(e.convert(x, np.dtype(np.float32)), 0.5), (0.5, 2)),
}
_BINARY = {
    "add": (e.add, (-2, 2), (-2, 2)),
    "sub": (e.sub, (-2, 2), (-2, 2)),
    "mul": (e.mul, (-2, 2), (-2, 2)),
    "div": (e.div, (-2, 2), (0.5, 2)),
    "rem": (e.rem, (6.1, 6.9), (1.9, 2)),
    "pow": (e.pow_, (0.5, 2), (-2, 2)),
    "max": (e.max_, (-2, 0), (1, 2)),
    "min": (e.min_, (-2, 0), (1, 2)),
    "max other": (e.max_, (1, 2), (-2, 0)),
    "atan2": (special.atan2, (0.5, 2), (0.5, 2)),
    "min constant": (lambda x, y: e.min_(e.mul(x, y), 1.5), (0, 1), (0, 1)),
    "eq": (lambda x, y: e.select(e.eq(x, y), x, y), (0, 1), (2, 3)),
    "select": (lambda x, y: e.select(e.lt(x, 0.5), e.mul(x, y), e.sin(y)), (0, 1), (0.4, 0.5)),
    "compare": (
        lambda x, y: [e.select(f(x, y), e.mul(x, y), e.add(x, x)) for f in (e.ne, e.le, e.gt, e.ge)],
        (0, 1),
        (2, 3),
    ),
    "complex": (lambda x, y: e.real(e.mul(e.complex_(x, y), e.complex_(y, 1.0))), (-2, 2), (-2, 2)),
    "parts": (
        lambda x, y: e.add(e.abs_(e.exp(e.complex_(x, y))), e.imag(e.conj(e.complex_(y, x)))),
        (0.5, 2),
        (0.5, 2),
    ),
    "real of complex": (
        lambda x, y: e.add(e.real(e.complex_(x, y)), e.imag(e.complex_(y, e.mul(x, x)))),
        (0.5, 2),
        (0.5, 2),
    ),
    "max with a constant": (lambda x, y: e.max_(e.mul(x, y), s.full((3,), 0.1, np.dtype(float))), (1, 2), (1, 2)),
    "zeta of two": (lambda x, y: special.zeta(e.round_(x), y), (2.8, 3.2), (1, 2)),
    "polygamma of two": (lambda x, y: special.polygamma(e.round_(x), y), (1.8, 2.2), (1, 2)),
    "square root of a sum": (lambda x, y: e.sqrt(e.add(e.square(x), e.square(y))), (0.5, 1), (1, 2)),
    "one divided": (lambda x, y: e.add(e.div(1.0, x), e.div(y, 2.0)), (0.5, 1), (1, 2)),
    "nextafter": (lambda x, y: e.mul(e.round_(bits.nextafter(x, y)), y), (0.6, 1), (1, 2)),
}
for _name, (_fun, *_ranges) in {**_UNARY, **_BINARY}.items():
    case(_name, _fun, *[between(*where, salt=k) for k, where in enumerate(_ranges)])
for _name, _fun, *_ranges in (
    ("clamp", e.clamp, (-2, -1), (-0.5, 0.5), (1, 2)),
    ("clamp low", e.clamp, (-1, 0), (-2, -1.5), (1, 2)),
    ("clamp high", e.clamp, (-2, -1), (2, 3), (0, 1)),
):
    case(_name, _fun, *[between(*where, salt=k) for k, where in enumerate(_ranges)])
    case(_name + ", scalars", _fun, *[between(*w, (3,) if k == 1 else (), k) for k, w in enumerate(_ranges)])
for _name in (
    "neg",
    "abs",
    "sign",
    "square",
    "sqrt",
    "rsqrt",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "logistic",
):
    case(f"{_name} complex", _UNARY[_name][0], complexes())
for _name in ("add", "sub", "mul", "div", "pow"):
    case(f"{_name} complex", _BINARY[_name][0], complexes(), complexes(1))
case(
    "parts complex", lambda x: e.add(e.mul(e.real(x), 2.0), e.mul(e.imag(x), e.real(e.conj(e.mul(x, x))))), complexes()
)
case("convert complex", lambda x: e.convert(x, np.dtype(np.complex64)), complexes())
case("select complex", lambda x, y: e.select(e.gt(e.real(x), 0), e.mul(x, y), y), complexes(), complexes(1))
case("conj", lambda x: e.mul(e.conj(x), x), complexes())
case("select one for all", lambda p, x, y: e.select(p, e.mul(x, y), y), np.array(True), between(0, 1), between(1, 2))
case("select rows", lambda p, x, y: e.select(p, x, y), np.array([True, False, True]), between(0, 1), between(1, 2))
case("pow of integers", lambda x, n: e.pow_(x, n), between(0.5, 2), np.array([2, 0, -1]))
case("single", lambda x, y: e.mul(e.sin(x), y), between(0, 1).astype("f4"), between(0, 1, salt=1).astype("f4"))

# ---- whole numbers and booleans ----

case("integers", lambda n, m: [f(n, m) for f in (e.add, e.sub, e.mul, e.div, e.rem, e.max_, e.min_)], N, M)
case(
    "bits",
    lambda n, m: [
        f(n, m) for f in (e.and_, e.or_, e.xor, bits.shift_left, bits.shift_right_logical, bits.shift_right_arithmetic)
    ],
    N,
    M,
)
case("bits of one", lambda n: [e.not_(n), bits.population_count(n), bits.clz(n), e.abs_(n), e.sign(n), e.neg(n)], N)
case("booleans", lambda p, x: e.select(e.or_(e.and_(p, e.not_(p)), e.xor(p, e.not_(p))), x, 0.0), B, between(0, 1))
case(
    "bitcast",
    lambda x, n: [bits.bitcast(x, np.dtype(np.int64)), bits.bitcast(n, np.dtype(np.uint8))],
    between(0, 1),
    N,
)
case("is_finite", lambda x: e.select(e.is_finite(x), e.mul(x, x), 0.0), between(0, 1))
case(
    "random",
    lambda k, n: [random.random_bits(k, (2,), 32), random.random_split(k, (2,)), random.random_fold_in(k, n)],
    KEY,
    np.uint32(7),
)
case("threefry", lambda a, b: random.threefry2x32(a, a, b, b), KEY, np.array([1, 2], np.uint32))

case("compare integers", lambda n, m: [f(n, m) for f in (e.eq, e.ne, e.lt, e.le, e.gt, e.ge)], N, M)
case(
    "rounded integers",
    lambda n: [
        f(e.mul(e.convert(n, np.dtype(float)), 0.37))
        for f in (
            e.floor,
            e.ceil,
            e.round_,
            e.sign,
            e.is_finite,
            e.stop_gradient,
            lambda x: bits.nextafter(x, e.mul(x, 2.0)),
        )
    ],
    N,
)
case("logic of rows", lambda p, q: [e.and_(p, q), e.or_(p, q), e.xor(p, q), e.not_(p)], B, ~B)
case("pow of a complex literal", lambda y: e.pow_(0.5 + 1j, y), complexes())
case("convert to complex", lambda x: e.convert(x, np.dtype(complex)), between(0, 1).astype("f4"))
case(
    "convert to integers",
    lambda x, n: e.mul(e.convert(e.convert(e.mul(x, 10.0), np.dtype(np.int32)), np.dtype(float)), x),
    V0,
    N,
)
