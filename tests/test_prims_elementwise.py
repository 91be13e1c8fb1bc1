"""The elementwise primitives, compiled and by NumPy: values, what is refused, integers and bits, conversions."""

import numpy as np
import pytest
from elementwise_cases import (
    BINARY,
    CASES,
    COMPLEX,
    HALF,
    INTEGERS,
    NARROW,
    RARE,
    SCALE,
    TERNARY,
    UNARY,
    WIDE,
    admitted,
)
from laws import agree, compiled, graph_of, host, typed

from functorch_lite import dtypes, ir
from functorch_lite.prims import bits as b
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import special as s
from functorch_lite.prims.shape import full
from functorch_lite.transforms.simplify import simplify


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


def cases_of(name):
    """What `agree` takes: the cases that admit a dtype, with the units that it is allowed."""
    column = 3 if name in COMPLEX else 1 if name in WIDE else 2
    made = {}
    for case, row in CASES.items():
        if admitted(case, name):
            fun = row[0] if case in BINARY or case in TERNARY else (lambda x, y, fun=row[0]: fun(x))
            made[case] = (fun, row[column], SCALE.get(case, 0.0))
    return made


def slow(names):
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", ["bool", *INTEGERS, *WIDE, *HALF, *COMPLEX, *NARROW, *slow(RARE)])
def test_xla_computes_what_the_host_does(name):
    rng = np.random.default_rng(7)
    for _ in range(3):
        agree(cases_of(name), draw(rng, name), rng.permutation(draw(rng, name)))


@pytest.mark.parametrize("name", ["bool", "int4", "uint8", "int32", "uint64", "float16", "float64", "complex64"])
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
    x = [0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 2.5, -2.5, 1.5, np.inf, -np.inf, np.nan, 2**-10]
    x = np.array(x).astype(dtype)
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
    poles = np.array([0.0, -0.0, -1, -2, np.inf]).astype(name)
    orders = np.repeat(np.array([0.0, 1, 2, 1.5, -1]).astype(name), 5)
    cases = {"polygamma": (s.polygamma, 4), "zeta": (lambda n, x: s.zeta(e.add(n, 1), x), 4)}
    agree({**cases, "zeta 1": (lambda n, x: s.zeta(e.add(e.mul(n, 0), 1), x), 4)}, orders, np.tile(poles, 5))
    graph = graph_of(s.digamma, *typed(poles))
    for run in (host, compiled):
        np.testing.assert_array_equal(run(graph, [poles])[0], [-np.inf, np.inf, np.nan, np.nan, np.inf])


# ---- integers ----


def test_integers_divide_towards_zero_and_wrap():
    x = np.array([7, -7, 7, -7, 5, -(2**31), -(2**31)], np.int32)
    y = np.array([2, 2, -2, -2, 0, -1, 0], np.int32)
    graph = graph_of(lambda x, y: [e.div(x, y), e.rem(x, y), e.neg(x)], *typed(x, y))
    quotient, remainder, negative = host(graph, [x, y])
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
        bounds = [127.5, 128, -128.7, -129, 255.5, 256, 300, 2.0**31, -(2.0**31), 2.0**32, 2.0**63, -(2.0**63), 2.0**64,
                  1e30, 7.5, 8, -8.9, 1.5, -2.5, 15.9, 16, -0.9]  # fmt: skip
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


# ---- simplifications ----

ONES = lambda x, value=1: full(x.shape, value, x.dtype)

SIMPLER = {
    "x + -0.0": (lambda x: e.add(x, -0.0), []), "x + 0.0": (lambda x: e.add(x, 0.0), ["add"]),
    "x - 0.0": (lambda x: e.sub(x, 0.0), []), "x - -0.0": (lambda x: e.sub(x, -0.0), ["sub"]),
    "x * 1": (lambda x: e.mul(1.0, x), []), "x * -1": (lambda x: e.mul(x, -1.0), ["neg"]),
    "x * 0": (lambda x: e.mul(x, 0.0), ["mul"]), "x / 1": (lambda x: e.div(x, 1.0), []),
    "x * ones": (lambda x: e.mul(x, ONES(x)), []), "--x": (lambda x: e.neg(e.neg(x)), []),
    "x ** 1.0": (lambda x: e.pow_(x, 1.0), []), "x ** 2.0": (lambda x: e.pow_(x, 2.0), ["square"]),
    "x ** 1": (lambda x: e.pow_(x, 1), []), "x ** 2": (lambda x: e.pow_(x, 2), ["square"]),
    "x ** 0": (lambda x: e.pow_(x, 0), ["full"]), "max(x, x)": (lambda x: e.max_(x, x), []),
    "select same": (lambda x: e.select(e.gt(x, 0), x, x), []),
    "select constant": (lambda x: e.select(full(x.shape, False), e.sin(x), x), []),
    "select not": (lambda x: e.select(e.not_(e.gt(x, 0)), x, 3.0), ["gt", "select"]),
    "select full": (lambda x: e.select(e.gt(x, 0), ONES(x, 2), x), ["gt", "select"]),
    "select fulls": (lambda x: e.select(e.gt(x, 0), ONES(x, 2), ONES(x, 3)), ["gt", "full", "select"]),
    "p & p": (lambda x: e.and_(e.gt(x, 0), e.gt(x, 0)), ["gt"]),
    "p | p": (lambda x: e.or_(e.gt(x, 0), e.gt(x, 0)), ["gt"]),
    "p & True": (lambda x: e.and_(e.gt(x, 0), True), ["gt"]), "p | False": (lambda x: e.or_(False, e.gt(x, 0)), ["gt"]),
    "not not": (lambda x: e.not_(e.not_(e.gt(x, 0))), ["gt"]),
    "parts": (lambda x: [e.real(e.complex_(x, 2.0)), e.imag(e.complex_(2.0, x))], []),
    "constant converted": (lambda x: e.add(x, e.convert(full(x.shape, True), x.dtype)), ["add"]),
    "clamp to constants": (lambda x: e.clamp(ONES(x, 0), x, ONES(x)), ["clamp"]),
    "comparison with a constant": (lambda x: e.lt(x, ONES(x)), ["lt"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SIMPLER)
def test_simplifications_are_exact(name):
    fun, primitives = SIMPLER[name]
    x = specials("float64")[0]
    graph = graph_of(fun, *typed(x))
    made = ir.check(simplify(graph))
    assert [eqn.prim.name for eqn in made.eqns] == primitives
    for got, want in zip(host(made, [x]), host(graph, [x]), strict=True):
        np.testing.assert_array_equal(got, want)
        assert np.all((np.signbit(got * 1.0) == np.signbit(want * 1.0)) | (want != want))


def test_simplifications_of_integers_are_exact():
    x = draw(np.random.default_rng(0), "int32")
    functions = [lambda x: e.add(0, x), lambda x: e.sub(x, 0), lambda x: e.mul(x, -1), lambda x: e.and_(x, -1),
                 lambda x: e.or_(0, x), lambda x: e.and_(x, 0), lambda x: e.integer_pow(x, 2)]  # fmt: skip
    graph = graph_of(lambda x: [fun(x) for fun in functions], *typed(x))
    made = ir.check(simplify(graph))
    assert [eqn.prim.name for eqn in made.eqns] == ["neg", "and", "square"]
    for got, want in zip(host(made, [x]), host(graph, [x]), strict=True):
        np.testing.assert_array_equal(got, want)
