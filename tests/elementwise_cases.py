"""The elementwise primitives as the tests take them: functions, the dtypes they admit, units, intervals."""

import numpy as np

from functorch_lite import dtypes
from functorch_lite.prims import bits as b
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import special as s

INTEGERS = ["int2", "uint2", "int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
WIDE = ["float32", "float64"]
HALF = ["float16", "bfloat16"]
NARROW = ["float8_e4m3fn", "float8_e5m2", "float4_e2m1fn"]
RARE = ["float8_e4m3b11fnuz", "float8_e3m4", "float8_e4m3", "float8_e4m3fnuz", "float8_e5m2fnuz"]
COMPLEX = ["complex64", "complex128"]

# name: (function, units in float32 and float64, in narrow floats, of complex numbers); the larger ones are due to XLA
UNARY = {
    "neg": (e.neg, 0, 0, 0), "abs": (e.abs_, 0, 0, 2), "sign": (e.sign, 0, 0, 4), "square": (e.square, 0, 0, 2),
    "floor": (e.floor, 0, 0, None), "ceil": (e.ceil, 0, 0, None), "round": (e.round_, 0, 0, None),
    "round away": (lambda x: e.round_(x, to_even=False), 0, 0, None), "is_finite": (e.is_finite, 0, 0, None),
    "sqrt": (e.sqrt, 0, 1, 4), "rsqrt": (e.rsqrt, 3, 1, 6), "cbrt": (s.cbrt, 3, 1, None),
    "exp": (e.exp, 3, 1, 8), "exp2": (s.exp2, 2, 1, 1024), "expm1": (s.expm1, 8, 1, 8),
    "log": (e.log, 4, 1, 256), "log1p": (s.log1p, 256, 1, 256),
    "sin": (e.sin, 2, 1, 64), "cos": (e.cos, 2, 1, 64), "tan": (e.tan, 4, 1, 32),
    "asin": (s.asin, 8, 1, 8), "acos": (s.acos, 4, 1, 8), "atan": (s.atan, 8, 1, 8),
    "sinh": (s.sinh, 1024, 1, 1024), "cosh": (s.cosh, 1024, 1, 1024), "tanh": (e.tanh, 8, 1, 128),
    "asinh": (s.asinh, 4, 1, 8), "acosh": (s.acosh, 4, 1, 8), "atanh": (s.atanh, 256, 1, 16),
    "logistic": (e.logistic, 6, 1, 16), "erf": (s.erf, 6, 1, None), "erfc": (s.erfc, 128, 1, None),
    "erf_inv": (s.erf_inv, 128, 1, None),
    "real": (e.real, 0, 0, 0), "imag": (e.imag, 0, 0, 0), "conj": (e.conj, 0, 0, 0),
    "stop_gradient": (e.stop_gradient, 0, 0, 0),
    "lgamma": (s.lgamma, 64, 1, None), "digamma": (lambda x: s.digamma(e.select(e.lt(x, 0), e.neg(x), x)), 64, 1, None),
    **{f"integer_pow {n}": (lambda x, n=n: e.integer_pow(x, n), 0, 0, 16) for n in (0, 1, 2, 3, 7)},
    **{f"integer_pow {n}": (lambda x, n=n: e.integer_pow(x, n), 1, 1, 16) for n in (-1, -3)},
    **{f"reduce_precision {n} {m}": (lambda x, n=n, m=m: b.reduce_precision(x, n, m), 0, 0, None)
       for n, m in ((4, 2), (5, 10), (8, 3), (8, 30))},
    "population_count": (b.population_count, 0, 0, None), "clz": (b.clz, 0, 0, None), "not": (e.not_, 0, 0, None),
}  # fmt: skip
BINARY = {
    "add": (e.add, 0, 0, 0), "sub": (e.sub, 0, 0, 0), "mul": (e.mul, 0, 0, 4), "div": (e.div, 0, 0, 8),
    "rem": (e.rem, 0, 0, None), "pow": (e.pow_, 2, 1, 2048), "max": (e.max_, 0, 0, 0), "min": (e.min_, 0, 0, 0),
    "atan2": (s.atan2, 3, 1, None), "nextafter": (b.nextafter, 0, 0, None), "complex": (e.complex_, 0, 0, None),
    "eq": (e.eq, 0, 0, 0), "ne": (e.ne, 0, 0, 0), "lt": (e.lt, 0, 0, 0), "le": (e.le, 0, 0, 0), "gt": (e.gt, 0, 0, 0),
    "ge": (e.ge, 0, 0, 0), "and": (e.and_, 0, 0, None), "or": (e.or_, 0, 0, None), "xor": (e.xor, 0, 0, None),
    "shift_left": (b.shift_left, 0, 0, None), "shift_right_logical": (b.shift_right_logical, 0, 0, None),
    "shift_right_arithmetic": (b.shift_right_arithmetic, 0, 0, None),
    "select": (lambda x, y: e.select(e.eq(x, y), y, x), 0, 0, 0),
    "select a literal": (lambda x, y: e.select(e.ne(x, y), x, False), 0, 0, 0),
    "clamp": (lambda x, y: e.clamp(y, x, e.max_(y, x)), 0, 0, None),
}  # fmt: skip
TERNARY = {"clamp crossed": (lambda x, y: e.clamp(x, y, e.mul(x, y)), 0, 0, None)}
SCALE = {"lgamma": 1.0, "digamma": 1.0}  # they have zeros, near which only the absolute error is small
ADMITS = {
    **dict.fromkeys(["neg", "square", "add", "sub", "mul", "div"], "iufc"),
    **dict.fromkeys(["abs", "sign"], "iufc"), "rem": "iuf", "clamp": "biuf", "clamp crossed": "iuf",
    **dict.fromkeys(["max", "min", "eq", "ne", "lt", "le", "gt", "ge", "select", "select a literal"], "biufc"),
    "stop_gradient": "biufc", **dict.fromkeys(["and", "or", "xor", "not"], "biu"),
    **dict.fromkeys([n for n in (*UNARY, *BINARY) if n.startswith(("shift", "popul", "clz"))], "iu"),
    **dict.fromkeys(["real", "imag", "conj"], "c"),
    **dict.fromkeys(["floor", "ceil", "round", "round away", "is_finite", "cbrt", "erf", "erfc", "erf_inv", "lgamma",
                     "digamma", "atan2", "nextafter"], "f"),
    **{n: "f" for n in UNARY if n.startswith("reduce_precision")},
    **{n: "fc" if "-" in n else "iufc" for n in UNARY if n.startswith("integer_pow")},
}  # fmt: skip
CASES = {**UNARY, **BINARY, **TERNARY}


def admitted(case, name):
    kind = dtypes.kind(dtypes.canonical(name))
    if case == "complex":
        return name in WIDE
    if case == "nextafter" and "fnuz" in name:
        return None  # compiled code steps onto -0, which these dtypes do not have
    return kind in ADMITS.get(case, "fc")


# name: (function, low, high per operand); the intervals keep away from kinks, poles and branch cuts
REAL = {
    "neg": (e.neg, (-2, 2)), "abs": (e.abs_, (0.1, 2)), "abs below": (e.abs_, (-2, -0.1)), "sign": (e.sign, (0.1, 2)),
    "square": (e.square, (-2, 2)), "floor": (e.floor, (0.1, 0.9)), "ceil": (e.ceil, (0.1, 0.9)),
    "round": (e.round_, (0.6, 1.4)),
    "sqrt": (e.sqrt, (0.5, 3)), "rsqrt": (e.rsqrt, (0.5, 3)), "cbrt": (s.cbrt, (0.5, 3)),
    "cbrt below": (s.cbrt, (-3, -0.5)), "exp": (e.exp, (-2, 2)), "exp2": (s.exp2, (-2, 2)),
    "expm1": (s.expm1, (-2, 2)), "log": (e.log, (0.5, 3)), "log1p": (s.log1p, (-0.5, 3)), "sin": (e.sin, (-2, 2)),
    "cos": (e.cos, (-2, 2)), "tan": (e.tan, (-1, 1)), "asin": (s.asin, (-0.7, 0.7)), "acos": (s.acos, (-0.7, 0.7)),
    "atan": (s.atan, (-2, 2)), "sinh": (s.sinh, (-2, 2)), "cosh": (s.cosh, (-2, 2)), "tanh": (e.tanh, (-2, 2)),
    "asinh": (s.asinh, (-2, 2)), "acosh": (s.acosh, (1.5, 3)), "atanh": (s.atanh, (-0.7, 0.7)),
    "logistic": (e.logistic, (-2, 2)), "erf": (s.erf, (-2, 2)), "erfc": (s.erfc, (-2, 2)),
    "erf_inv": (s.erf_inv, (-0.7, 0.7)), "lgamma": (s.lgamma, (0.5, 3)), "digamma": (s.digamma, (0.7, 3)),
    "polygamma": (lambda x: s.polygamma(2.0, x), (0.7, 3)), "zeta": (lambda x: s.zeta(3.0, x), (0.7, 3)),
    **{f"integer_pow {n}": (lambda x, n=n: e.integer_pow(x, n), (0.5, 2)) for n in (-3, -1, 0, 1, 2, 3, 5)},
    "add": (e.add, (-2, 2), (-2, 2)), "sub": (e.sub, (-2, 2), (-2, 2)), "mul": (e.mul, (-2, 2), (-2, 2)),
    "div": (e.div, (-2, 2), (0.5, 2)), "rem": (e.rem, (0.1, 0.9), (-2, -1)), "rem far": (e.rem, (6.1, 6.9), (2, 2)),
    "pow": (e.pow_, (0.5, 2), (-2, 2)), "max": (e.max_, (-2, 0), (1, 2)), "min": (e.min_, (-2, 0), (1, 2)),
    "atan2": (s.atan2, (0.5, 2), (0.5, 2)), "eq": (lambda x, y: e.select(e.eq(x, y), x, y), (0, 1), (2, 3)),
    "pow of a literal": (lambda y: e.pow_(1.7, y), (-2, 2)), "pow literal": (lambda x: e.pow_(x, 2.5), (0.5, 2)),
    "pow 0.0": (lambda x: e.pow_(x, 0.0), (0.5, 2)), "pow 1.0": (lambda x: e.pow_(x, 1.0), (0.5, 2)),
    "pow of 0": (lambda y: e.pow_(0.0, y), (0.5, 2)),
    "clamp inside": (e.clamp, (-2, -1), (-0.5, 0.5), (1, 2)), "clamp below": (e.clamp, (-1, 0), (-2, -1.5), (1, 2)),
    "clamp above": (e.clamp, (-2, -1), (2, 3), (0, 1)), "clamp literal": (lambda x: e.clamp(0.0, x, 1.0), (0.2, 0.8)),
    "select": (lambda x, y: e.select(e.lt(x, y), e.mul(x, y), e.sin(y)), (0, 1), (0.4, 0.5)),
    "select literals": (lambda x: e.select(e.lt(x, 10), e.mul(x, x), 2.0), (-2, 2)),
    "complex": (lambda x, y: e.real(e.mul(e.complex_(x, y), e.complex_(y, 1.0))), (-2, 2), (-2, 2)),
    "parts": (lambda x, y: e.add(e.abs_(e.exp(e.complex_(x, y))), e.imag(e.conj(e.complex_(y, x)))), (-2, 2), (-2, 2)),
    "convert": (lambda x: e.mul(e.convert(x, np.dtype(complex)), 2j), (-2, 2)),
    "reduce_precision": (lambda x: b.reduce_precision(x, 11, 52), (-2, 2)),
}  # fmt: skip
