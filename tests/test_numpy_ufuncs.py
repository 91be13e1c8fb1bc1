"""Elementwise functions against NumPy, in every dtype, eagerly and compiled."""

import itertools
import math
import threading

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy_cases import DTYPES, FLOATS, INTEGERS, REAL, agree, inexact, operand, slow_path, wide

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import dtypes

TO_FLOAT = (
    "sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 expm1 log log1p log2 log10 sqrt "
    "cbrt reciprocal fabs rint deg2rad rad2deg sinc").split()
SAME = "absolute negative positive sign square conjugate floor ceil trunc real imag".split()
TESTS = "isnan isfinite isinf isposinf isneginf signbit logical_not isreal iscomplex".split()
BINARY_SAME = "add subtract multiply maximum minimum fmax fmin".split()
BINARY_FLOAT = "true_divide arctan2 hypot logaddexp logaddexp2 copysign heaviside".split()
COMPARE = "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor".split()
REAL_ONLY = {"hypot", "copysign", "heaviside", "arctan2", "logaddexp", "logaddexp2", *BINARY_SAME[3:]}
REFUSES_BOOL = {"negative", "positive", "sign", "subtract"}  # by NumPy, too


def numpy_of(name, *xs):
    """NumPy's result in wide dtypes."""
    xs = [wide(x) for x in xs]
    with np.errstate(all="ignore"):
        return getattr(np, name)(*xs)


def unary_names(dtype):
    kind = dtypes.kind(dtypes.canonical(dtype))
    if kind == "c":
        return ["sin", "cos", "exp", "log", "sqrt", "tanh", "reciprocal", "negative", "positive", "square", "conjugate",
                "real", "imag", "sign", "absolute", *TESTS[:3], "logical_not", "isreal", "iscomplex"]  # fmt: skip
    return [n for n in TO_FLOAT + SAME + TESTS if not (kind == "b" and n in REFUSES_BOOL)]


def unary_want(name, x):
    """(NumPy's result, the dtype that ours has)."""
    want = numpy_of(name, x)
    if name in TESTS:
        return want, bool
    if name in TO_FLOAT:
        return numpy_of(name, np.asarray(x).astype(np.float64) if x.dtype.kind in "biu" else x), inexact(x.dtype)
    if name == "square" and x.dtype.kind == "b":
        return numpy_of(name, x.astype(int)), np.int32
    real = name in ("real", "imag", "absolute")
    return want, dtypes.real_of(x.dtype) if real else x.dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_one_array(dtype):
    x = operand(3, (4, 5), dtype, special=dtype != "complex64")
    names = unary_names(dtype)
    every = lambda x: {name: getattr(fnp, name)(x) for name in names}
    results = [every(fnp.asarray(x))]
    with slow_path():
        results.append(every(fnp.asarray(x)))
    if dtype not in ("int8", "uint32", "int64"):  # compiled, they differ from the other integers by a conversion only
        results.append(fl.jit(every)(x))
    for name in names:
        want, want_dtype = unary_want(name, x)
        for got in results:
            agree(got[name], want, want_dtype, ulps=64 if name in ("tan", "exp2") else 16)


SHAPES = [((3,), (3,)), ((), (2,)), ((2, 1), (1, 3)), ((2, 0), (1,)), ((4, 1, 2), (3, 1))]


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from(DTYPES), st.integers(0, 1 << 20))
def test_functions_of_two_arrays(data, a, b, seed):
    """They broadcast, and meet in the dtype of the lattice."""
    shapes = data.draw(st.sampled_from(SHAPES))
    x, y = operand(seed, shapes[0], a), operand(seed + 1, shapes[1], b)
    name = data.draw(st.sampled_from(BINARY_SAME + BINARY_FLOAT + COMPARE))
    dtype, _ = dtypes.promote((x.dtype, y.dtype), (False, False))
    kind = dtypes.kind(dtype)
    if (kind == "c" and name in REAL_ONLY) or (kind == "b" and name in REFUSES_BOOL):
        return
    promoted = [v.astype(dtype) for v in (x, y)]
    if name in BINARY_FLOAT and kind in "biu":
        promoted = [v.astype(np.float64) for v in promoted]
    want = numpy_of(name, *promoted)
    want_dtype = bool if name in COMPARE else inexact(dtype) if name in BINARY_FLOAT else dtype
    agree(getattr(fnp, name)(fnp.asarray(x), fnp.asarray(y)), want, want_dtype)
    with slow_path():
        agree(getattr(fnp, name)(fnp.asarray(x), fnp.asarray(y)), want, want_dtype)
    agree(getattr(fnp, name)(x, fnp.asarray(y)), want, want_dtype)  # a numpy array beside one of ours


EXTREMES = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 2.5, -2.5, 1e30, 1e-30, 0.5], np.float32)


def test_extreme_numbers():
    """Zeros with signs, infinities, NaN and huge numbers, alone and in pairs: NumPy, our eager code and XLA agree."""
    unary = [n for n in TO_FLOAT + SAME + TESTS if n not in ("isposinf", "isneginf", "isreal", "iscomplex")]
    several = [*BINARY_SAME, *BINARY_FLOAT, *COMPARE, "floor_divide", "remainder", "fmod", "power", "nextafter"]
    x, y = [a.ravel() for a in np.meshgrid(EXTREMES, EXTREMES)]
    every = lambda x, y: ([getattr(fnp, n)(x) for n in unary], [getattr(fnp, n)(x, y) for n in several])
    results = [every(fnp.asarray(x), fnp.asarray(y)), fl.jit(every)(x, y)]
    with slow_path():
        results.append(every(fnp.asarray(x), fnp.asarray(y)))
    for of_one, of_two in results:
        for name, got in zip(unary, of_one, strict=True):
            agree(got, *unary_want(name, x), ulps=64)
        for name, got in zip(several, of_two, strict=True):
            with np.errstate(all="ignore"):
                want = getattr(np, name)(x, y)
            agree(got, want, ulps=64)


@pytest.mark.parametrize(
    ("a", "b"), [("float32", "float32"), ("int32", "float16"), ("bool", "int8"), ("uint8", "int32")])
def test_functions_of_two_arrays_compiled(a, b):
    x, y = operand(5, (4, 1), a), operand(6, (1, 5), b)
    names = BINARY_SAME[2:] + BINARY_FLOAT + COMPARE
    eager = [getattr(fnp, name)(fnp.asarray(x), fnp.asarray(y)) for name in names]
    compiled = fl.jit(lambda x, y: [getattr(fnp, name)(x, y) for name in names])(x, y)
    for name, e, c in zip(names, eager, compiled, strict=True):
        agree(c, np.asarray(e), ulps=64), name


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("scalar", [2, -1, 0, 1.5, True])
def test_python_scalars_are_weak(dtype, scalar):
    x = operand(7, (6,), dtype)
    if dtypes.kind(x.dtype) == "u" and scalar == -1:
        with pytest.raises(OverflowError, match="-1 does not fit u"):
            fnp.add(fnp.asarray(x), scalar)
        return
    scalar_dtype = {int: np.int32, float: np.float32, bool: np.bool_}[type(scalar)]
    dtype, weak = dtypes.promote((x.dtype, np.dtype(scalar_dtype)), (False, type(scalar) is not bool))
    names = ("add", "multiply", "maximum", "true_divide")
    compiled = fl.jit(lambda x: [getattr(fnp, name)(x, scalar) for name in names])(x)
    for name, c in zip(names, compiled, strict=True):
        rule = inexact(dtype) if name == "true_divide" else dtype
        want = numpy_of(name, x.astype(rule), np.asarray(scalar).astype(rule))
        for got in (getattr(fnp, name)(fnp.asarray(x), scalar), c):
            agree(got, want, rule)
            assert got.weak_type is (weak and dtypes.kind(rule) != "b") or name == "true_divide"
        swapped = getattr(fnp, name)(scalar, fnp.asarray(x))
        agree(swapped, numpy_of(name, np.asarray(scalar).astype(rule), x.astype(rule)), rule)


def test_functions_of_narrow_integers():
    x = np.array([0, 1, -3]).astype("int4")
    for f, g in ((fnp.cos, np.cos), (lambda x: fnp.divide(x, x + 4), lambda x: x / (x + 4))):
        agree(f(fnp.asarray(x)), g(np.array([0.0, 1, -3])), np.float32)


def test_scalars_alone():
    """They give weak arrays of the default dtypes."""
    for got, want, dtype in [
        (fnp.add(1, 2), 3, np.int32), (fnp.add(1, 2.5), 3.5, np.float32), (fnp.sin(2), math.sin(2), np.float32),
        (fnp.multiply(2, 1j), 2j, np.complex64), (fnp.logical_and(1, 0), False, bool), (fnp.less(1, 2.0), True, bool),
        (fnp.power(2, 3), 8, np.int32), (fnp.floor_divide(7, 2.0), 3.0, np.float32),
    ]:  # fmt: skip
        agree(got, np.asarray(want), dtype)
    assert fnp.add(1, 2.5).weak_type and fnp.sin(2).weak_type
    with fl.config.default_dtype("float64"):
        agree(fnp.sin(2), np.sin(2.0), np.float64)
        agree(fnp.add(fnp.asarray([1, 2]), 0.5), np.array([1.5, 2.5]), np.float64)


def test_integers_beyond_a_dtype():
    """A comparison answers for integers that the dtype does not hold; arithmetic refuses them."""
    x = fnp.asarray([0, 255], "uint8")
    for name, y in itertools.product(COMPARE[:6], (300, -1)):
        want = getattr(np, name)(np.asarray(x).astype(int), y)
        agree(getattr(fnp, name)(x, y), want)
        agree(getattr(fnp, name)(y, x), getattr(np, name)(y, np.asarray(x).astype(int)))
    compiled = fl.jit(lambda x: [getattr(fnp, name)(x, 300) for name in COMPARE[:6]])(x)
    for name, got in zip(COMPARE[:6], compiled, strict=True):
        agree(got, getattr(np, name)(np.asarray(x).astype(int), 300))
    with pytest.raises(OverflowError, match=r"300 does not fit u8.*test_numpy_ufuncs"):
        fnp.add(x, 300)
    with pytest.raises(OverflowError, match="fits no float"):
        fnp.add(fnp.ones(2), 10**400)


# ---- division ----


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
def test_division(name, dtype):
    x, y = operand(1, (40,), dtype), operand(2, (40,), dtype)
    y = np.where(y == 0, y.dtype.type(3), y).astype(y.dtype)
    ours = getattr(fnp, name)
    signed = not dtype.startswith("u")
    divisors = [fnp.asarray(y), 1, 4, 3, *([-3, -4] if signed else [])]
    compiled = fl.jit(lambda x, y: [ours(x, y), *[ours(x, d) for d in divisors[1:]]])(x, y)
    for d, c in zip(divisors, compiled, strict=True):
        want = numpy_of(name, x, np.asarray(d).astype(x.dtype))
        agree(ours(fnp.asarray(x), d), want, dtype)
        agree(c, want, dtype)
        with slow_path():
            agree(ours(fnp.asarray(x), d), want, dtype)
    agree(ours(7, fnp.asarray(y)), numpy_of(name, np.asarray(7).astype(y.dtype), y), dtype)


def test_division_of_integers_by_zero():
    """Eager and compiled agree; NumPy gives 0, with a warning, for the quotient."""
    x, zero = fnp.asarray([7, -7, 0]), fnp.asarray([0, 0, 0])
    for got in (fnp.floor_divide(x, zero), fl.jit(fnp.floor_divide)(x, zero)):
        agree(got, np.array([-1, -1, -1]), np.int32)
    for got in (fnp.remainder(x, zero), fl.jit(fnp.remainder)(x, zero), fnp.remainder(x, 0)):
        agree(got, np.array([0, 0, 0]), np.int32)
    quotient, rest = fnp.divmod(fnp.asarray([7, -7]), 2)
    agree(quotient, np.array([3, -4]), np.int32)
    agree(rest, np.array([1, 1]), np.int32)


def test_gcd_and_lcm():
    x, y = fnp.asarray([12, -7, 0, 18]), fnp.asarray([18, 7, 0, -12])
    agree(fnp.gcd(x, y), np.gcd(np.asarray(x), np.asarray(y)))
    agree(fnp.lcm(x, y), np.lcm(np.asarray(x), np.asarray(y)))
    with slow_path():
        agree(fnp.gcd(x, y), np.gcd(np.asarray(x), np.asarray(y)))
        agree(fnp.lcm(x, y), np.lcm(np.asarray(x), np.asarray(y)))
    agree(fl.jit(fnp.gcd)(x, 12), np.gcd(np.asarray(x), 12))
    agree(fl.jit(fnp.lcm)(x, y), np.lcm(np.asarray(x), np.asarray(y)))
    with pytest.raises(TypeError, match="gcd: takes integers"):
        fnp.gcd(1.5, 2)


# ---- powers and exponents ----


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32", "float64", "bfloat16"])
def test_powers(dtype):
    x = operand(11, (8,), dtype, low=-3, special=False)
    n = operand(12, (8,), dtype, low=0, special=False)
    if dtypes.kind(x.dtype) in "iu":
        n %= 4
    exponents = [0, 1, 2, 3, 7, *([-2, 0.5, 2.0] if dtypes.kind(x.dtype) == "f" else [])]
    for e, compiled in zip(exponents, fl.jit(lambda x: [fnp.power(x, n) for n in exponents])(x), strict=True):
        want = numpy_of("power", x, np.asarray(e).astype(x.dtype))
        agree(fnp.power(fnp.asarray(x), e), want, dtype, ulps=32)
        agree(compiled, want, dtype, ulps=32)
    agree(fnp.power(fnp.asarray(x), fnp.asarray(n)), numpy_of("power", x, n), dtype, ulps=32)
    with slow_path():
        agree(fnp.power(fnp.asarray(x), fnp.asarray(n)), numpy_of("power", x, n), dtype, ulps=32)


def test_powers_of_integers():
    x, n = fnp.asarray([2, -3, 0, 7]), fnp.asarray([5, 31, 0, 2_000_000_000])
    want = np.power(np.asarray(x), np.asarray(n))
    for f in (fnp.power, fl.jit(fnp.power)):
        agree(f(x, n), want)
    agree(fl.jit(lambda n: fnp.power(2, n))(fnp.asarray([3, 0])), np.array([8, 1]), np.int32)
    with pytest.raises(ValueError, match=r"integers have no negative powers, got i32\[4\] to the power i32\[4\]"):
        fnp.power(x, fnp.negative(n))
    for e in (0.5, 2.0, 2):
        agree(fnp.power(fnp.asarray([2, 3]), e), np.power([2, 3], e), np.int32 if type(e) is int else np.float32)
    agree(fnp.power(fnp.asarray([2.0, 3.0]), fnp.asarray([2, -1])), np.array([4, 1 / 3]), np.float32)
    agree(fnp.float_power(fnp.asarray([2, 3]), 2), np.array([4.0, 9.0]), np.float32)
    for f in (lambda x: fnp.power(x, -1), fl.jit(lambda x: fnp.power(x, -1))):
        with pytest.raises(ValueError, match=r"integers have no negative powers, got i32\[2\] to the power -1 at"):
            f(fnp.asarray([1, 2]))
    agree(fl.grad(lambda x: fnp.power(x, 3))(2.0), np.asarray(12.0), np.float32)
    agree(fl.grad(lambda x: fnp.power(x, 2))(0.0), np.asarray(0.0), np.float32)


@pytest.mark.parametrize("dtype", FLOATS)
def test_exponents(dtype):
    x = operand(13, (20,), dtype)
    m, e = fnp.frexp(fnp.asarray(x))
    want_m, want_e = np.frexp(wide(x))
    agree(m, want_m, dtype)
    agree(e, np.where(np.isfinite(wide(x)), want_e, 0), np.int32)
    cm, ce = fl.jit(fnp.frexp)(x)
    agree(cm, want_m, dtype)
    agree(ce, np.asarray(e))
    for n in (3, -2, np.arange(20)):
        agree(fnp.ldexp(fnp.asarray(x), n), np.ldexp(wide(x), n), dtype)
    agree(fl.jit(fnp.ldexp)(x, 2), np.ldexp(wide(x), 2), dtype)
    part, whole = fnp.modf(fnp.asarray(x))
    agree(part, np.modf(wide(x))[0], dtype)
    agree(whole, np.modf(wide(x))[1], dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_spacing(dtype):
    x = operand(14, (20,), dtype)
    with np.errstate(all="ignore"):
        want = np.spacing(x)
    agree(fnp.spacing(x), np.where(x == 0, np.copysign(want, x), want), dtype)  # NumPy forgets the sign of -0.0


def test_ldexp_over_the_whole_range():
    """No step in between overflows, also where the exponent is a constant of a compiled program."""
    x = np.array([0, 1e-30, 1e30, 1.5, np.inf, -3], np.float32)
    for n in (200, -200, 300):
        want = np.ldexp(x.astype(np.float64), n)
        agree(fnp.ldexp(fnp.asarray(x), n), want, np.float32)
        agree(fl.jit(lambda x: fnp.ldexp(x, n))(x), want, np.float32)
    with pytest.raises(TypeError, match=r"ldexp: the exponents are integers, got f32\[\]"):
        fnp.ldexp(fnp.asarray(x), fnp.asarray(np.float32(2)))
    agree(fl.grad(lambda x: fnp.ldexp(x, 3))(1.5), np.asarray(8.0), np.float32)


# ---- bits ----


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS])
def test_bits(dtype):
    x, y = operand(21, (9,), dtype), operand(22, (9,), dtype)
    names = ["bitwise_and", "bitwise_or", "bitwise_xor"]
    compiled = fl.jit(lambda x, y: [getattr(fnp, n)(x, y) for n in names] + [fnp.invert(x), fnp.bitwise_count(x)])(x, y)
    wants = [getattr(np, n)(x, y) for n in names] + [np.invert(x), np.bitwise_count(x).astype(np.uint8)]
    for name, c, want in zip([*names, "invert", "bitwise_count"], compiled, wants, strict=True):
        agree(c, want)
        agree(getattr(fnp, name)(fnp.asarray(x), *([fnp.asarray(y)] if name in names else [])), want)
    with pytest.raises(TypeError):
        fnp.bitwise_and(fnp.ones(2), 1)


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_bits_packed_into_bytes(axis):
    x = operand(24, (3, 11), "bool")
    for bitorder in ("big", "little"):
        packed = np.packbits(x, axis, bitorder)
        agree(fnp.packbits(x, axis, bitorder), packed)
        for count in (None, 9, -3, 40):
            want = np.unpackbits(packed, axis, count, bitorder)
            agree(fnp.unpackbits(packed, axis, count, bitorder), want)
    agree(fl.jit(fnp.packbits, static_argnums=1)(x, axis), np.packbits(x, axis))
    with pytest.raises(TypeError, match="unpackbits: takes u8, got i32"):
        fnp.unpackbits([1])
    with pytest.raises(TypeError, match="packbits: takes booleans or integers, got f32"):
        fnp.packbits([1.0])


@pytest.mark.parametrize("dtype", INTEGERS)
def test_shifts(dtype):
    x = operand(23, (9,), dtype)
    shifts = np.array([0, 1, 2, 3, 7, 1, 0, 5, 4]).astype(dtype)
    for name in ("left_shift", "right_shift"):
        want = getattr(np, name)(x, shifts)
        agree(getattr(fnp, name)(fnp.asarray(x), fnp.asarray(shifts)), want)
        agree(fl.jit(getattr(fnp, name))(x, shifts), want)
    bits = dtypes.iinfo(dtype).bits
    for f in (fnp.left_shift, fl.jit(fnp.left_shift, static_argnums=1)):
        agree(f(fnp.asarray(x), bits), np.zeros(9, dtype))
    for f in (fnp.right_shift, fl.jit(fnp.right_shift, static_argnums=1)):
        agree(f(fnp.asarray(x), bits), np.where(x < 0, -1, 0).astype(dtype))


# ---- rounding, bounds, closeness ----


@pytest.mark.parametrize("dtype", REAL)
def test_round_and_clip(dtype):
    x = operand(31, (30,), dtype)
    agree(fnp.round(fnp.asarray(x)), np.round(wide(x)), dtype)
    if dtype != "bool":
        bounds = ((1, 3), (None, 2), (2, None), (3, 1))
        every = lambda x: [fnp.round(x, 1), fnp.round(x, -1), *[fnp.clip(x, *b) for b in bounds]]
        clip = lambda x, low, high: np.minimum(np.maximum(x, low or -np.inf), high or np.inf)
        wants = [np.round(wide(x), 1), np.round(wide(x), -1), *[clip(wide(x), *b) for b in bounds]]
        for got, compiled, want in zip(every(fnp.asarray(x)), fl.jit(every)(x), wants, strict=True):
            agree(got, want, dtype)
            agree(compiled, want, dtype)
    bound = fnp.asarray([[2.5], [0.5]])
    got = fnp.clip(fnp.asarray(x), bound, 5)
    assert got.shape == (2, 30) and dtypes.is_float(got.dtype)


def test_round_to_more_places_than_there_are():
    x = np.array([1.5, -2.3456, 1e-30, 3e38, np.inf, np.nan, -0.0], np.float32)
    for decimals, want in ((2, np.round(x.astype(float), 2)), (37, x), (38, x), (1000, x)):
        for f in (fnp.round, fl.jit(fnp.round, static_argnums=1)):
            agree(f(fnp.asarray(x), decimals), want, np.float32)
    agree(fnp.round(x[:3], -100), np.zeros(3, np.float32))
    agree(fnp.round(np.array([1.26 - 3.14j]), 1), np.array([1.3 - 3.1j]))


@pytest.mark.parametrize("dtype", [*FLOATS, "complex64", "int32"])
def test_nan_to_num(dtype):
    x = operand(33, (20,), dtype)
    info = dtypes.finfo(dtype) if dtype != "int32" else None
    for f in (fnp.nan_to_num, fl.jit(fnp.nan_to_num)):
        want = np.nan_to_num(wide(x), nan=0.0, posinf=float(info.max), neginf=float(info.min)) if info else x
        agree(f(fnp.asarray(x)), want, dtype)
    if dtype in FLOATS:
        others = {"nan": 1.0, "posinf": 2.0, "neginf": 3.0}
        agree(fnp.nan_to_num(x, **others), np.nan_to_num(wide(x), **others), dtype)


def test_closeness():
    a = np.array([1.0, 1.0 + 1e-6, np.inf, -np.inf, np.nan, np.inf, 0.0], np.float32)
    b = np.array([1.0, 1.0, np.inf, np.inf, np.nan, 1.0, 1e-9], np.float32)
    for equal_nan in (False, True):
        want = np.isclose(a, b, equal_nan=equal_nan)
        agree(fnp.isclose(a, b, equal_nan=equal_nan), want)
        agree(fl.jit(lambda a, b: fnp.isclose(a, b, equal_nan=equal_nan))(a, b), want)
    agree(fnp.isclose(np.arange(3), 1), np.array([False, True, False]))
    assert bool(fnp.allclose(a[:3], b[:3])) and not bool(fnp.allclose(a, b))
    assert bool(fnp.array_equal(a[:1], [1.0])) and not bool(fnp.array_equal(a, b))
    assert not bool(fnp.array_equal(a, a[:2]))
    assert bool(fnp.array_equal(a, a, equal_nan=True)) and bool(fnp.array_equiv([1, 1], [[1], [1]]))
    assert not bool(fnp.array_equiv([1, 2], [1, 2, 3]))


def test_angle():
    z = operand(41, (12,), "complex64")
    agree(fnp.angle(z), np.angle(wide(z)), np.float32)
    agree(fnp.angle(1j), np.float32(np.pi / 2))
    agree(fnp.angle(z, deg=True), np.angle(wide(z), deg=True), np.float32)
    agree(fnp.angle(np.array([-1.0, 2.0], np.float32)), np.array([np.pi, 0]), np.float32)


def test_complex_numbers_are_compared_by_their_parts():
    z, w = np.array([1 + 2j, 1 + 1j, 0 + 5j, 2j], np.complex64), np.array([1 + 1j, 1 + 1j, 1 + 0j, 2j], np.complex64)
    for name in COMPARE[:6]:
        want = getattr(np, name)(z, w)
        agree(getattr(fnp, name)(fnp.asarray(z), fnp.asarray(w)), want)
        agree(fl.jit(getattr(fnp, name))(z, w), want)


# ---- derivatives ----


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (fnp.abs, 0.0, 0.0),
        (lambda x: fnp.maximum(x, 1.0), 1.0, 0.5),
        (lambda x: fnp.minimum(x, 1.0), 1.0, 0.5),
        (lambda x: fnp.maximum(x, x), 1.0, 1.0),
        (lambda x: fnp.clip(x, 1.0, 3.0), 1.0, 0.5),
        (fnp.sign, 2.0, 0.0),
        (fnp.floor, 2.5, 0.0),
        (fnp.round, 2.25, 0.0),
        (lambda x: fnp.floor_divide(x, 0.7), 2.0, 0.0),
        (lambda x: fnp.remainder(x, 0.7), 2.0, 1.0),
        (lambda x: fnp.remainder(5.0, x), 2.0, -2.0),
        (lambda x: fnp.hypot(x, 0.0), 0.0, 0.0),
        (lambda x: fnp.hypot(x, 4.0), 3.0, 0.6),
        (lambda x: fnp.logaddexp(x, x), -np.inf, 2.0),
        (lambda x: fnp.logaddexp(x, 1.0), 1.0, 0.5),
        (fnp.sinc, 0.0, 0.0),
        (fl.grad(fnp.sinc), 0.0, -(np.pi**2) / 3),
        (lambda x: fnp.copysign(x, -1.0), 2.0, -1.0),
        (lambda x: fnp.modf(x)[0], 2.5, 1.0),
        (lambda x: fnp.frexp(x)[0], 6.0, 0.125),
        (lambda x: fnp.nan_to_num(x), 2.0, 1.0),
        (lambda x: fnp.true_divide(x, 2), 2.0, 0.5),
        (lambda x: fnp.where(x > 0, fnp.log(x), 0.0), 0.0, 0.0),
    ],
)
def test_slopes(f, x, slope):
    agree(fl.grad(f)(x), np.asarray(slope), np.float32, ulps=64)
    agree(fl.jit(fl.grad(f))(x), np.asarray(slope), np.float32, ulps=64)
    agree(fl.jvp(f, (x,), (1.0,))[1], np.asarray(slope), np.float32, ulps=64)


# ---- what a program holds ----


def test_scalars_are_literals():
    """No operation is spent on a Python scalar, nor on operands of one type."""
    x, i = fnp.ones(3), fnp.arange(3)
    for f, x_, operations in [
        (lambda x: fnp.add(x, 1), x, 1),
        (lambda x: fnp.multiply(2.5, x), x, 1),
        (lambda x: fnp.maximum(x, 0), x, 1),
        (lambda x: fnp.power(x, 2), x, 1),
        (lambda x: fnp.less(x, 0), x, 1),
        (lambda x: fnp.reciprocal(x), x, 1),
        (lambda x: fnp.clip(x, 0, 1), x, 2),
        (lambda x: fnp.add(x, x), x, 1),
        (lambda x: fnp.isnan(x), x, 1),
        (lambda x: fnp.floor_divide(x, 8), i, 1),
        (lambda x: fnp.remainder(x, 8), i, 1),
        (lambda x: fnp.sin(x), i, 2),
    ]:
        graph = fl.make_graph(f)(x_)
        assert len(graph.eqns) == operations, graph


# ---- what is refused ----


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fnp.add(fnp.ones(3), fnp.ones(2)), ValueError,
         r"add: cannot broadcast f32\[3\] with f32\[2\] at test_numpy_ufuncs.py:\d+; reshape one of them"),
        (lambda: fnp.sin("x"), TypeError, r"sin: takes arrays and numbers, got a str at test_numpy_ufuncs"),
        (lambda: fnp.add(None, 1), TypeError, r"add: takes arrays and numbers, got None"),
        (lambda: fnp.add(np.array(["a"]), 1), TypeError, r"add: takes arrays of numbers, got an array of dtype <U1"),
        (lambda: fnp.add(np.array([object()]), 1), TypeError, "got an array of dtype object"),
        (lambda: fnp.add(np.ma.array([1.0], mask=[True]), 1), TypeError, "masked array"),
        (lambda: fnp.add([[1], [1, 2]], 1), ValueError, "different lengths"),
        (lambda: fnp.negative(fnp.asarray([True])), TypeError, r"neg: does not take bool"),
        (lambda: fnp.floor(fnp.asarray([1j])), TypeError, "does not take c64"),
        (lambda: fnp.remainder(1j, 2), TypeError, "complex"),
        (lambda: fnp.fabs(1j), TypeError, "complex"),
        (lambda: fnp.isneginf(np.array([1j])), TypeError, "complex"),
        (lambda: fnp.add(fnp.asarray([1.0], "float16"), fnp.asarray([1.0], "float8_e5m2")), TypeError,
         "add: .*no implicit promotion"),
    ],
)  # fmt: skip
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_warnings_of_numpy_do_not_surface():
    """The suite runs with warnings as errors."""
    big, zero, half = fnp.asarray(np.float32(3e38)), fnp.zeros(2), fnp.asarray([1.0], "float16")
    for x in (fnp.exp(fnp.asarray(1000.0)), fnp.multiply(big, big), fnp.true_divide(1.0, zero), fnp.log(zero),
              fnp.add(half, 1e6), fnp.sqrt(fnp.asarray([-1.0])), fnp.power(big, 2)):  # fmt: skip
        assert not np.isfinite(np.asarray(x)).any()
    agree(fnp.multiply(fnp.asarray(np.int32(2**30)), 4), np.asarray(0), np.int32)


def test_threads_share_the_fast_path():
    x, wrong = fnp.asarray(np.linspace(0, 1, 200_000, dtype=np.float32)), []
    want = np.exp(np.asarray(x))

    def work():
        for _ in range(50):
            if not np.array_equal(np.asarray(fnp.exp(x)), want):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_subclasses_of_python_scalars_and_foreign_arrays():
    class Half(float):
        pass

    agree(fnp.add(fnp.ones(2), Half(0.5)), np.array([1.5, 1.5]), np.float32)
    agree(fnp.add(fnp.ones(2), np.float64(0.5)), np.array([1.5, 1.5]), np.float64)
    agree(fnp.add(fnp.ones(2), np.asarray(0.5, ml_dtypes.bfloat16)), np.array([1.5, 1.5]), np.float32)
    agree(fnp.add(range(3), [1, 2, 3]), np.array([1, 3, 5]), np.int32)
    agree(fnp.add(np.arange(3, dtype=">i4"), 1), np.array([1, 2, 3]), np.int32)
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1.0]])
    agree(fnp.add(matrix, 1), np.array([[2.0]]), np.float64)
    agree(fnp.add(memoryview(np.ones(2)), 1), np.array([2.0, 2.0]), np.float64)


@pytest.mark.parametrize("compiled", [False, True])
def test_logaddexp_of_complex_numbers(compiled):
    rng = np.random.default_rng(0)
    x, y = [(rng.normal(size=20) * 2 + 3j * rng.normal(size=20)).astype(np.complex64) for _ in range(2)]
    wrap = fl.jit if compiled else lambda f: f
    for fun, base in ((fnp.logaddexp, np.e), (fnp.logaddexp2, 2.0)):
        got = np.asarray(wrap(fun)(x, y))
        assert got.dtype == np.complex64
        np.testing.assert_allclose(got, np.log(base**x + base**y) / np.log(base), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("scalar", [2.0, 1j])
def test_logaddexp_of_complex_numbers_and_scalars(scalar):
    z = np.array([1 - 2j, 0.5 + 1j], np.complex64)
    for f, base in ((fnp.logaddexp, np.e), (fnp.logaddexp2, 2.0)):
        want = np.log(base**z + base**scalar) / np.log(base)
        for g in (f, fl.jit(f), lambda x, y, f=f: fl.vmap(lambda x: f(y, x))(x)):
            agree(g(z, scalar), want, np.complex64, ulps=32)


def test_fmod_of_integers_by_zero():
    x, zero = np.array([5, -7], np.int32), np.array([0, 0], np.int32)
    for fun in (fnp.fmod, fl.jit(fnp.fmod)):
        np.testing.assert_array_equal(np.asarray(fun(x, zero)), [0, 0])
        np.testing.assert_array_equal(np.asarray(fun(x, np.array([3, 4], np.int32))), [2, -3])


@pytest.mark.parametrize("name", ["copysign", "heaviside"])
def test_signs_of_complex_numbers_are_refused(name):
    with pytest.raises(TypeError, match=f"{name}: does not take complex numbers"):
        getattr(fnp, name)(fnp.array([1j]), 2.0)


@pytest.mark.parametrize(("name", "x", "y", "want"), [
    ("hypot", 3.0, 0.0, [0, 0, 1 / 3]), ("hypot", 0.0, -2.0, [1 / 2, 0, 0]),
    ("hypot", -2.0, 2.0, [2**-2.5, 2**-2.5, 2**-2.5]), ("hypot", 1.0, 1.0, [2**-1.5, -(2**-1.5), 2**-1.5]),
    ("logaddexp", 1.0, 1.0, [0.25, -0.25, 0.25]),
    ("logaddexp2", -3.0, -3.0, [np.log(2) / 4, -np.log(2) / 4, np.log(2) / 4]),
    ("power", 1.7, 0.0, [0, 1 / 1.7, np.log(1.7) ** 2]),
    ("power", 1.7, 1.0, [0, np.log(1.7) + 1, 1.7 * np.log(1.7) ** 2]),
])  # fmt: skip
def test_second_derivatives_where_a_formula_has_branches(name, x, y, want):
    f, point = getattr(fnp, name), np.array([x, y])
    second = fl.hessian(lambda v: f(v[0], v[1]))(point)
    np.testing.assert_allclose(second[np.triu_indices(2)], want, atol=1e-14)
    np.testing.assert_allclose(fl.jit(fl.jacrev(fl.jacrev(lambda v: f(v[0], v[1]))))(point), second, atol=1e-14)


def test_the_angle_of_real_numbers_is_flat():
    assert fl.vmap(fl.grad(fnp.angle))(np.array([-1.0, 0.0, 2.0])).tolist() == [0, 0, 0]
