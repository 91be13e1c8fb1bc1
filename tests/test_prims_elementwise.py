"""Laws of the elementwise primitives: arithmetic, functions, comparisons, bits, conversions, and the masks of select."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import agree, check_derivatives, check_types, check_vmap, graph_of, host, pullback, typed, units

from functorch_lite import dtypes, ir
from functorch_lite.prims import bits as b
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import special as s
from functorch_lite.prims.shape import reduce_sum

INTEGERS = ["int2", "uint2", "int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
WIDE = ["float32", "float64"]
HALF = ["float16", "bfloat16"]
NARROW = ["float8_e4m3fn", "float8_e5m2", "float4_e2m1fn"]
RARE = ["float8_e4m3b11fnuz", "float8_e3m4", "float8_e4m3", "float8_e4m3fnuz", "float8_e5m2fnuz"]
COMPLEX = ["complex64", "complex128"]


def draw(rng, name, n=64):
    """Numbers of all sizes that the dtype holds, with its special ones; no subnormals, which compiled code flushes."""
    dtype = dtypes.canonical(name)
    kind = dtypes.kind(dtype)
    if kind == "b":
        return rng.integers(0, 2, n).astype(bool)
    if kind in "iu":
        info = dtypes.iinfo(dtype)
        low, high = int(info.min), int(info.max)
        full = np.dtype(np.int64 if kind == "i" else np.uint64)
        wide = rng.integers(low, high, n - 20, endpoint=True, dtype=full)
        small = rng.integers(max(low, -9), min(9, high), 16, endpoint=True).astype(full)
        return np.concatenate([wide, small, np.array([low, high, 0, 1], full)]).astype(dtype)
    size = np.exp(2 * rng.normal(size=n))
    if kind == "c":
        return (rng.normal(size=n) * size + 1j * rng.normal(size=n)).astype(dtype)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5]
    return np.concatenate([rng.normal(size=n - 8) * size[8:], special]).astype(dtype)


# name: (function, units in float32 and float64, in narrow floats, of complex numbers); the rounding of XLA is the larger
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
    "erf_inv": (s.erf_inv, 128, 1, None), "real": (e.real, 0, 0, 0), "imag": (e.imag, 0, 0, 0), "conj": (e.conj, 0, 0, 0),
    "stop_gradient": (e.stop_gradient, 0, 0, 0),
    "lgamma": (s.lgamma, 64, 1, None), "digamma": (lambda x: s.digamma(e.max_(x, e.neg(x))), 64, 1, None),
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
TERNARY_CLAMP = {"clamp crossed": (lambda x, y: e.clamp(x, y, e.mul(x, y)), 0, 0, None)}
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
CASES = {**UNARY, **BINARY, **TERNARY_CLAMP}


def admitted(case, name):
    kind = dtypes.kind(dtypes.canonical(name))
    if case == "complex":
        return name in WIDE
    if case == "nextafter" and "fnuz" in name:
        return None  # compiled code steps onto -0, which these dtypes do not have
    return kind in ADMITS.get(case, "fc")


def cases_of(name):
    """What `agree` takes: the cases that admit a dtype, with the units that it is allowed."""
    column = 3 if name in COMPLEX else 1 if name in WIDE else 2
    made = {}
    for case, row in CASES.items():
        if admitted(case, name):
            fun = row[0] if case in BINARY or case in TERNARY_CLAMP else (lambda x, y, fun=row[0]: fun(x))
            made[case] = (fun, row[column], SCALE.get(case, 0.0))
    return made


def slow(names):
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", ["bool", *INTEGERS, *WIDE, *HALF, *COMPLEX, *NARROW, *slow(RARE)])
def test_xla_computes_what_the_host_does(name):
    rng = np.random.default_rng(7)
    for _ in range(3):
        agree(cases_of(name), draw(rng, name), rng.permutation(draw(rng, name)))


@pytest.mark.parametrize("name", ["bool", "int4", "uint8", "int32", "uint64", "float16", "float32", "float64", "complex64"])
def test_what_is_not_admitted_is_refused_with_the_line(name):
    x = ir.array_type((2,), dtypes.canonical(name))
    for case, row in CASES.items():
        if admitted(case, name) is False:
            arguments = 1 if case in UNARY else 2
            with pytest.raises((TypeError, ValueError), match=r"\.py:\d+") as caught:
                graph_of(row[0], *[x] * arguments)
            assert dtypes.short(x.dtype) in str(caught.value)


def specials(name):
    """All pairs of the numbers at which functions have something to decide."""
    dtype = dtypes.canonical(name)
    x = np.array([0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 2.5, -2.5, 1.5, np.inf, -np.inf, np.nan, 2**-10]).astype(dtype)
    return np.repeat(x, len(x)), np.tile(x, len(x))


@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16"])
def test_xla_computes_what_the_host_does_at_special_numbers(name):
    agree(cases_of(name), *specials(name))


@pytest.mark.parametrize("name", WIDE)
def test_gamma_functions_of_two_arguments(name):
    rng = np.random.default_rng(0)
    n = rng.integers(0, 6, 200).astype(name)
    x = (rng.uniform(0.1, 30, 200)).astype(name)
    agree({"polygamma": (s.polygamma, 128), "zeta": (lambda n, x: s.zeta(e.add(n, 2), x), 128)}, n, x)
    poles = np.array([0.0, -1, -2, np.inf]).astype(name)
    orders = np.repeat(np.array([0.0, 1, 2, 1.5, -1]).astype(name), 4)
    cases = {"polygamma": (s.polygamma, 4), "zeta": (lambda n, x: s.zeta(e.add(n, 1), x), 4)}
    agree({**cases, "zeta 1": (lambda n, x: s.zeta(e.add(e.mul(n, 0), 1), x), 4)}, orders, np.tile(poles, 5))


# ---- integers ----


def test_integers_divide_towards_zero_and_wrap():
    x = np.array([7, -7, 7, -7, 5, -(2**31), -(2**31)], np.int32)
    y = np.array([2, 2, -2, -2, 0, -1, 0], np.int32)
    quotient, remainder, negative = host(graph_of(lambda x, y: [e.div(x, y), e.rem(x, y), e.neg(x)], *typed(x, y)), [x, y])
    assert quotient.tolist() == [3, -3, -3, 3, -1, -(2**31), -1]
    assert remainder.tolist() == [1, -1, 1, -1, 5, 0, -(2**31)]
    assert negative.tolist()[-1] == -(2**31)


@pytest.mark.parametrize("name", INTEGERS)
def test_shifts_by_the_width_or_more_leave_nothing(name):
    dtype = dtypes.canonical(name)
    bits = b.width(dtype)
    x = draw(np.random.default_rng(1), name)
    by = np.resize(np.array([0, 1, bits - 1, min(bits, int(dtypes.iinfo(dtype).max)), -1]), x.shape).astype(dtype)
    left, logical, arithmetic = host(graph_of(
        lambda x, y: [b.shift_left(x, y), b.shift_right_logical(x, y), b.shift_right_arithmetic(x, y)],
        *typed(x, by)), [x, by])  # fmt: skip
    for value, distance, *got in zip(x, by, left, logical, arithmetic, strict=True):
        n, k = int(value) % 2**bits, int(distance) % 2**bits
        signed = n - 2**bits if n >= 2 ** (bits - 1) else n
        want = [n << k if k < bits else 0, n >> k, signed >> min(k, bits)]
        assert [int(g) % 2**bits for g in got] == [w % 2**bits for w in want]


@pytest.mark.parametrize("name", INTEGERS)
def test_counting_bits(name):
    x = draw(np.random.default_rng(2), name)
    bits = b.width(x.dtype)
    set_bits, zeros = host(graph_of(lambda x: [b.population_count(x), b.clz(x)], *typed(x)), [x])
    for value, count, leading in zip(x, set_bits, zeros, strict=True):
        n = int(value) % 2**bits
        assert int(count) % 2**bits == n.bit_count() % 2**bits
        assert int(leading) % 2**bits == (bits - n.bit_length()) % 2**bits


# ---- conversions ----

EVERY = ["bool", *INTEGERS, *HALF, *WIDE, *COMPLEX, *NARROW, *RARE]


@pytest.mark.parametrize("name", [*EVERY[: -len(RARE)], *slow(RARE)])
def test_conversions(name):
    x = draw(np.random.default_rng(3), name)
    if dtypes.is_float(x.dtype):
        bounds = [127.5, 128, -128.7, -129, 255.5, 256, 300, 2.0**31, -(2.0**31), 2.0**32, 2.0**63, -(2.0**63), 2.0**64, 1e30,
                  7.5, 8, -8.9, 1.5, -2.5, 15.9, 16, -0.9]  # fmt: skip
        with np.errstate(over="ignore"):
            x = np.concatenate([x, np.array(bounds).astype(x.dtype)])
    agree({other: (lambda x, other=other: e.convert(x, dtypes.canonical(other)), 0) for other in EVERY}, x)


def test_floats_become_integers_within_bounds():
    x = np.array([1.9, -1.9, np.nan, 1e20, -1e20, np.inf, -np.inf])
    signed, unsigned, narrow = host(graph_of(
        lambda x: [e.convert(x, np.dtype(d)) for d in (np.int32, np.uint8, dtypes.canonical("int4"))], *typed(x)), [x])
    top, bottom = 2**31 - 1, -(2**31)
    assert signed.tolist() == [1, -1, 0, top, bottom, top, bottom]
    assert unsigned.tolist() == [1, 0, 0, 255, 0, 255, 0]
    assert narrow.astype(int).tolist() == [1, -1, 0, 7, -8, 7, -8]


BITS = [name for name in EVERY if name != "bool" and name not in COMPLEX]


@pytest.mark.parametrize("name", [*BITS[: -len(RARE)], *slow(RARE)])
def test_bits_read_as_another_dtype(name):
    """Compiled, and there and back again: the bits are kept."""
    dtype = dtypes.canonical(name)
    octets = np.random.default_rng(4).integers(0, 256, (3, 64)).astype(np.uint8)
    width = b.width(dtype)
    for size in {min(64, max(8, b.width(dtypes.canonical(other)))) for other in BITS} | {width}:
        n = max(1, size // width)
        if width < 8:
            x = (octets[:, :n] % 2**width).astype(np.uint8)
            x = x.view(dtype) if dtypes.is_float(dtype) else x.astype(np.int8).astype(dtype)
        else:
            x = np.where(octets == 255, 1, octets)[:, : dtype.itemsize * n].astype(np.uint8).copy().view(dtype)
        others = [o for o in map(dtypes.canonical, BITS) if (b.width(o) == size or (n == 1 and b.width(o) < width))]
        if n == 1:
            x = x[:, 0]
        back = {f"{o} and back": (lambda x, o=o: b.bitcast(b.bitcast(x, o), dtype), 0) for o in others}
        agree({**{str(o): (lambda x, o=o: b.bitcast(x, o), 0) for o in others}, **back}, x)
        for y in host(graph_of(lambda x: [f(x) for f, _ in back.values()], *typed(x)), [x]):
            assert y.dtype == x.dtype and y.tobytes() == x.tobytes()


# ---- derivatives ----

# name: (function, low, high per operand); the intervals keep away from kinks, poles and branch cuts
REAL = {
    "neg": (e.neg, (-2, 2)), "abs": (e.abs_, (0.1, 2)), "abs below": (e.abs_, (-2, -0.1)), "sign": (e.sign, (0.1, 2)),
    "square": (e.square, (-2, 2)), "floor": (e.floor, (0.1, 0.9)), "ceil": (e.ceil, (0.1, 0.9)),
    "round": (e.round_, (0.6, 1.4)), "stop_gradient": (lambda x: e.mul(e.stop_gradient(x), x), (1, 1)),
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


def points(rng, intervals, shape=(3,)):
    return [rng.uniform(low, high, shape) for low, high in intervals]


@pytest.mark.parametrize("name", REAL)
def test_derivatives(name):
    fun, *intervals = REAL[name]
    rng = np.random.default_rng(5)
    check_derivatives(fun, *points(rng, intervals), rng=rng)


HOLOMORPHIC = ["neg", "square", "sqrt", "rsqrt", "exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos",
               "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "logistic", "integer_pow 3", "integer_pow -3",
               "add", "sub", "mul", "div", "pow", "real", "imag", "conj", "abs", "sign", "select"]  # fmt: skip


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_complex_derivatives(name):
    """A transpose does not conjugate: Re(sum(ct * J t)) is what both modes agree on."""
    fun = CASES[name][0]
    rng = np.random.default_rng(6)
    xs = [rng.uniform(0.3, 0.7, 3) + 1j * rng.uniform(0.3, 0.7, 3) for _ in range(2 if name in BINARY else 1)]
    check_derivatives(fun, *xs, rng=rng)


def test_conversions_between_real_and_complex_have_their_transposes():
    rng = np.random.default_rng(8)
    z = rng.normal(size=3) + 1j * rng.normal(size=3)
    check_derivatives(lambda z: e.convert(e.mul(z, z), np.dtype(float)), z, rng=rng)
    check_derivatives(lambda z: e.convert(z, np.dtype(np.int32)), z, rng=rng)


@pytest.mark.parametrize("name", [*HALF, "float8_e4m3fn", "float32", "complex64"])
def test_derivatives_are_well_typed_in_every_dtype(name):
    x = ir.array_type((2,), dtypes.canonical(name))
    for case, row in CASES.items():
        if admitted(case, name):
            check_types(row[0], *[x] * (1 if case in UNARY else 2))
    others = [o for o in (*HALF, *WIDE, *COMPLEX, "int32") if o != name]
    check_types(lambda x: [e.convert(x, dtypes.canonical(o)) for o in others], x)
    if name not in COMPLEX:
        check_types(lambda low, x, high: e.clamp(low, x, high), ir.array_type((), x.dtype), x, ir.array_type((), x.dtype))


def gradient(fun, *xs):
    """The gradient of the sum of a function of float64 arrays, with respect to each."""
    graph, mask, _ = pullback(graph_of(lambda *ts: reduce_sum(fun(*ts), range(np.ndim(xs[0]))), *typed(*xs)), (True,) * len(xs))
    made = iter(host(graph, [*xs, np.array(1.0)]))
    return [next(made) if there else np.zeros_like(x) for there, x in zip(mask, xs, strict=True)]


def test_equal_operands_of_an_extremum_share_its_derivative():
    x = np.array([1.0, 2.0, -1.0])
    y = np.array([1.0, 0.0, 3.0])
    assert [g.tolist() for g in gradient(e.max_, x, y)] == [[0.5, 1, 0], [0.5, 0, 1]]
    assert [g.tolist() for g in gradient(e.min_, x, y)] == [[0.5, 0, 1], [0.5, 1, 0]]
    assert gradient(lambda x: e.max_(x, x), x)[0].tolist() == [1, 1, 1]


def test_derivatives_at_kinks():
    zero = np.zeros(1)
    assert gradient(e.abs_, zero)[0] == 0
    assert gradient(lambda x: e.max_(x, 0), zero)[0] == 0.5
    assert gradient(lambda x: e.clamp(0.0, x, 1.0), zero)[0] == 0
    assert gradient(lambda x: e.pow_(x, 2.0), zero)[0] == 0
    assert gradient(e.pow_, zero, np.full(1, 2.0)) == [0, 0]
    assert gradient(e.pow_, zero, zero) == [0, 0]
    z = np.zeros(1, complex)
    graph, _, _ = pullback(graph_of(e.abs_, *typed(z)), (True,))
    assert host(graph, [z, np.ones(1)])[0] == 0


def test_complex_gradients_are_those_of_jax():
    """grad(abs(z)**2) is 2 conj(z): 6-8j at 3+4j."""
    z = np.array(3 + 4j)
    graph, _, _ = pullback(graph_of(lambda z: e.square(e.abs_(z)), *typed(z)), (True,))
    assert host(graph, [z, np.array(1.0)])[0] == 6 - 8j


def test_integers_have_no_tangent():
    x, n = np.array([1.5, 2.0]), np.array([2, 3])
    check_derivatives(lambda x, n: e.pow_(x, n), x, n, rng=np.random.default_rng(0))
    check_derivatives(lambda x, n: e.convert(e.mul(e.convert(x, n.dtype), n), x.dtype), x, n, rng=np.random.default_rng(0))


# ---- vmap ----


@pytest.mark.parametrize("name", REAL)
def test_vmap_is_a_loop(name):
    fun, *intervals = REAL[name]
    rng = np.random.default_rng(9)
    check_vmap(fun, *points(rng, intervals, (3, 2)))
    check_vmap(fun, *points(rng, intervals, (3,)))


def test_vmap_with_operands_that_have_no_axes():
    rng = np.random.default_rng(10)
    pred, scalars = rng.integers(0, 2, 3).astype(bool), rng.normal(size=3)
    x, y = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    check_vmap(e.select, pred, x, y)
    check_vmap(lambda p, x: e.select(p, 0.0, x), pred, x)
    check_vmap(lambda p, x, y: e.select(e.gt(x, y), x, 2.0), pred, x, y)
    check_vmap(e.clamp, scalars, x, scalars + 1)
    check_vmap(lambda low, x: e.clamp(low, x, 1.0), scalars, x)
    check_vmap(e.clamp, x - 1, x, x + 1)


@pytest.mark.parametrize("name", ["int8", "int32"])
def test_vmap_of_integers(name):
    rng = np.random.default_rng(11)
    x, y = [rng.integers(-9, 9, (3, 4)).astype(name) for _ in range(2)]
    for case in CASES:
        if admitted(case, name):
            check_vmap(CASES[case][0], *((x,) if case in UNARY else (x, y)))
    check_vmap(lambda x: b.bitcast(x, np.dtype(np.int16)), x[..., :2].astype(np.int8))
    check_vmap(lambda x: b.bitcast(x, np.dtype(np.uint8)), x)
