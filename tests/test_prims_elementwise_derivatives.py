"""The elementwise primitives: derivatives of both modes, at kinks and of complex numbers, and vmap."""

import numpy as np
import pytest
from elementwise_cases import BINARY, CASES, COMPLEX, HALF, REAL, UNARY, WIDE, admitted
from laws import check_derivatives, check_types, graph_of, host, pullback, typed

from functorch_lite import dtypes, ir
from functorch_lite.prims import bits as b
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.shape import reduce_sum
from functorch_lite.testing.laws import rows


def points(rng, intervals, shape=(3,)):
    return [rng.uniform(low, high, shape) for low, high in intervals]


PLAIN = ["add", "sub", "mul", "div", "rem", "pow", "max", "min", "atan2"]


@pytest.mark.parametrize("name", REAL)
def test_derivatives(name):
    """Also with a Python number for either operand of two."""
    fun, *intervals = REAL[name]
    rng = np.random.default_rng(5)
    xs = points(rng, intervals)
    check_derivatives(fun, *xs, rng=rng)
    if name in PLAIN:
        check_derivatives(lambda x: fun(x, float(xs[1][0])), xs[0], rng=rng)
        check_derivatives(lambda y: fun(float(xs[0][0]), y), xs[1], rng=rng)


def test_stop_gradient():
    x = np.array([3.0, -2.0])
    assert gradient(lambda x: e.mul(e.stop_gradient(x), x), x)[0].tolist() == [3, -2]
    assert gradient(lambda x: e.stop_gradient(e.exp(x)), x)[0].tolist() == [0, 0]
    graph, _, _ = pullback(graph_of(lambda x: e.mul(e.stop_gradient(x), e.square(x)), *typed(x)), (True,))
    second, _, _ = pullback(graph, (True, False))
    assert host(second, [x, np.ones(2), np.ones(2)])[0].tolist() == [6, -4]  # of stop(x) * 2 x: 2 stop(x)


OF_COMPLEX = ["neg", "square", "sqrt", "rsqrt", "exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan", "asin",
              "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "logistic", "integer_pow 3",
              "integer_pow -3", "add", "sub", "mul", "div", "pow", "real", "imag", "conj", "abs", "sign",
              "select"]


@pytest.mark.parametrize("name", OF_COMPLEX)
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
        bound = ir.array_type((), x.dtype)
        check_types(e.clamp, bound, x, bound)


def gradient(fun, *xs):
    """The gradient of the sum of a function of float64 arrays, with respect to each."""
    graph = graph_of(lambda *ts: reduce_sum(fun(*ts), range(np.ndim(xs[0]))), *typed(*xs))
    graph, mask, _ = pullback(graph, (True,) * len(xs))
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
    x, n = np.array([1.5, 2.5]), np.array([2, 3])
    rng = np.random.default_rng(0)
    check_derivatives(e.pow_, x, n, rng=rng)
    check_derivatives(lambda x, n: e.convert(e.mul(e.convert(x, n.dtype), n), x.dtype), x, n, rng=rng)


# ---- vmap ----


@pytest.mark.parametrize("name", REAL)
def test_vmap_is_a_loop(name):
    fun, *intervals = REAL[name]
    rng = np.random.default_rng(9)
    rows(fun, *points(rng, intervals, (3, 2)))
    rows(fun, *points(rng, intervals, (3,)))


def test_vmap_with_operands_that_have_no_axes():
    rng = np.random.default_rng(10)
    pred, scalars = rng.integers(0, 2, 3).astype(bool), rng.normal(size=3)
    x, y = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    rows(e.select, pred, x, y)
    rows(lambda p, x: e.select(p, 0.0, x), pred, x)
    rows(lambda p, x, y: e.select(e.gt(x, y), x, 2.0), pred, x, y)
    rows(e.clamp, scalars, x, scalars + 1)
    rows(lambda low, x: e.clamp(low, x, 1.0), scalars, x)
    rows(e.clamp, x - 1, x, x + 1)


@pytest.mark.parametrize("name", ["int8", "int32"])
def test_vmap_of_integers(name):
    rng = np.random.default_rng(11)
    x, y = [rng.integers(-9, 9, (3, 4)).astype(name) for _ in range(2)]
    for case in CASES:
        if admitted(case, name):
            rows(CASES[case][0], *((x,) if case in UNARY else (x, y)))
    rows(lambda x: b.bitcast(x, np.dtype(np.int16)), x[..., :2].astype(np.int8))
    rows(lambda x: b.bitcast(x, np.dtype(np.uint8)), x)
