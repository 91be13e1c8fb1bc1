"""Activations, normalizations and initial values: values, slopes, stability, and how few operations they take."""

import math

import laws
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import dtypes, nn, random
from functorch_lite.nn import initializers
from functorch_lite.prims import activation as p
from functorch_lite.testing.laws import rows

X = np.array([-700.0, -40.0, -7.5, -6.0, -3.0, -1.5, -1.0, -0.3, 0.0, 1e-3, 0.5, 1.0, 2.0, 3.0, 6.0, 7.5, 40.0, 700.0])
SMOOTH = np.array([-9.0, -5.5, -2.2, -0.7, -0.1, 0.3, 0.9, 1.7, 4.4, 8.0])  # away from all kinks


def sigmoid(x):
    return special.expit(x)


def below(x, value):
    """x where it is positive, else `value`."""
    return np.where(x > 0, x, value)


SELU = (1.0507009873554805, 1.6732632423543772)
FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hard_silu": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "sparse_sigmoid": lambda x: np.clip(x + 1, 0, 2) / 2,
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4)),
    "sigmoid": sigmoid,
    "log_sigmoid": special.log_expit,
    "softplus": lambda x: np.logaddexp(x, 0),
    "soft_sign": lambda x: x / (1 + np.abs(x)),
    "tanh": np.tanh,
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "gelu": lambda x: x * sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3)),
    "gelu_exact": lambda x: x * special.ndtr(x),
    "elu": lambda x: below(x, np.expm1(np.minimum(x, 0))),
    "elu_2": lambda x: below(x, 2 * np.expm1(np.minimum(x, 0))),
    "celu_2": lambda x: below(x, 2 * np.expm1(np.minimum(x, 0) / 2)),
    "selu": lambda x: SELU[0] * below(x, SELU[1] * np.expm1(np.minimum(x, 0))),
    "leaky_relu": lambda x: np.where(x >= 0, x, 0.01 * x),
    "squareplus": lambda x: np.where(x < 0, 2 / (np.sqrt(x * x + 4) - x), (x + np.sqrt(x * x + 4)) / 2),
    "identity": lambda x: x,
}
FUNCTIONS = {
    "gelu_exact": lambda x: nn.gelu(x, approximate=False),
    "elu_2": lambda x: nn.elu(x, 2),
    "celu_2": lambda x: nn.celu(x, 2.0),
} | {name: getattr(nn, name) for name in FORMULAS if hasattr(nn, name)}


@pytest.mark.parametrize("name", FORMULAS)
def test_values(name):
    """In float64, eager, and in float32 and float16 to their precision."""
    want = FORMULAS[name](X)
    np.testing.assert_allclose(FUNCTIONS[name](X), want, rtol=1e-13, atol=1e-300)
    for dtype, ulps in (("float32", 64), ("float16", 2)):
        x = np.clip(X, -200, 200).astype(dtype)  # the squares of larger numbers overflow float16
        y = np.asarray(FUNCTIONS[name](x))
        assert y.dtype == x.dtype
        with np.errstate(all="ignore"):
            exact = FORMULAS[name](x.astype(np.float64))
        info = np.finfo(dtype)
        np.testing.assert_allclose(y.astype(float), exact, rtol=ulps * float(info.eps), atol=4 * float(info.tiny))


def test_compiled_values():
    functions = list(FUNCTIONS)
    results = fl.jit(lambda x: [FUNCTIONS[name](x) for name in functions])(X)
    for name, y in zip(functions, results, strict=True):
        np.testing.assert_allclose(y, FORMULAS[name](X), rtol=1e-13, atol=1e-300, err_msg=name)


@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives_of_activations(name):
    """Both modes, to the second order, away from kinks."""
    laws.check_derivatives(lambda x: FUNCTIONS[name](x), SMOOTH, rng=np.random.default_rng(0), order=2)


KINKS = {
    "relu": {0.0: 0.0},
    "relu6": {0.0: 0.0, 6.0: 0.0},
    "hard_tanh": {-1.0: 0.0, 1.0: 0.0},
    "hard_sigmoid": {-3.0: 0.0, 3.0: 0.0},
    "leaky_relu": {0.0: 1.0},
    "elu": {0.0: 1.0},
    "elu_2": {0.0: 2.0},
    "celu_2": {0.0: 1.0},
    "soft_sign": {0.0: 1.0},
    "sparse_plus": {-1.0: 0.0, 1.0: 1.0},
    "silu": {0.0: 0.5},
    "gelu": {0.0: 0.5},
    "softplus": {0.0: 0.5},
}


@pytest.mark.parametrize("name", KINKS)
def test_slopes_at_kinks(name):
    for x, slope in KINKS[name].items():
        assert fl.grad(FUNCTIONS[name])(x) == np.float32(slope)
        assert fl.jvp(FUNCTIONS[name], (x,), (1.0,))[1] == np.float32(slope)


@pytest.mark.parametrize("name", FORMULAS)
def test_no_derivative_is_nan_or_infinite(name):
    """At 1e4 an exponential overflows in the branch that is not taken."""
    x = np.array([-1e4, -100.0, -0.0, 0.0, 100.0, 1e4], np.float32)
    f = FUNCTIONS[name]
    slope = fl.grad(lambda x: fnp.sum(f(x)))
    curve = fl.grad(lambda x: fnp.sum(slope(x)))
    for g in (f, slope, curve, fl.jit(slope), fl.jit(curve)):
        assert np.all(np.isfinite(g(x))), (name, g(x))


def test_nan_and_infinity_go_through():
    for name, f in FUNCTIONS.items():
        assert np.isnan(f(np.nan)), name
        if name not in ("soft_sign", "hard_tanh", "tanh", "sigmoid", "hard_sigmoid", "relu6", "sparse_sigmoid",
                        "log_sigmoid"):  # fmt: skip
            assert f(np.inf) == np.inf, name


def test_parameters_may_be_arrays():
    x, alpha = np.array([-2.0, 3.0]), np.array([[0.5], [2.0]])
    want = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    np.testing.assert_allclose(nn.elu(x, alpha), want)
    slope = fl.grad(lambda a: fnp.sum(nn.elu(np.array([-2.0, 1000.0]), a)))(1.0)
    np.testing.assert_allclose(slope, np.expm1(-2.0), rtol=1e-6)
    np.testing.assert_allclose(nn.leaky_relu(x, alpha), np.where(x >= 0, x, alpha * x))
    np.testing.assert_allclose(fl.grad(lambda b: nn.squareplus(1.0, b))(4.0), 0.25 / math.sqrt(5), rtol=1e-6)


def test_dtypes():
    assert nn.relu(np.arange(-2, 3, dtype=np.int8)).dtype == np.int8 and nn.relu(3).weak_type
    assert nn.sigmoid(np.arange(3)).dtype == np.float32 and nn.softmax([1, 2]).dtype == np.float32
    half = np.ones(3, dtypes.canonical("bfloat16"))
    for f in [*FUNCTIONS.values(), nn.softmax, nn.log_softmax, nn.logsumexp, nn.standardize]:
        assert f(half).dtype == half.dtype
    assert nn.silu is nn.swish and nn.hard_silu is nn.hard_swish


def test_glu():
    x = np.arange(12.0).reshape(3, 4) - 5
    np.testing.assert_allclose(nn.glu(x), x[:, :2] * sigmoid(x[:, 2:]))
    y = np.arange(12.0).reshape(4, 3) - 5
    np.testing.assert_allclose(nn.glu(y, axis=0), y[:2] * sigmoid(y[2:]))


def test_log1mexp():
    x = np.array([1e-12, 1e-3, 0.5, math.log(2), 1.0, 30.0, 100.0])
    want = np.where(x < 1, np.log(-np.expm1(-x)), np.log1p(-np.exp(-x)))
    np.testing.assert_allclose(nn.log1mexp(x), want, rtol=1e-14)


# ---- the primitives ----

FLOATS = ["float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("name", FLOATS)
def test_executors_agree(name):
    x = np.concatenate([X, -X / 7, [np.nan, np.inf, -np.inf]])[:36].reshape(6, 6).astype(dtypes.canonical(name))
    narrow = x.dtype.itemsize < 4
    laws.agree({
        "relu": (p.relu, 0),
        "softplus": (p.softplus, 1 if narrow else 4),
        "softmax 0": (lambda x: p.softmax(x, (0,)), 1 if narrow else 16),
        "softmax 1": (lambda x: p.softmax(x, (1,)), 1 if narrow else 16),
        "softmax all": (lambda x: p.softmax(x, (0, 1)), 1 if narrow else 16),
    }, x)  # fmt: skip


def test_relu_of_integers():
    for name in ("int4", "uint8", "int32", "int64"):
        x = np.array([0, 1, 5, -3 if name[0] == "i" else 3]).astype(dtypes.canonical(name))
        laws.agree({"relu": (p.relu, 0)}, x)


def test_laws_of_primitives():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, 4, 2)) * 2
    for fun in (p.relu, p.softplus, lambda x: p.softmax(x, (1,)), lambda x: p.softmax(x, (0, 2))):
        laws.check_derivatives(fun, x[:2], rng=rng, order=3)
        rows(fun, np.stack([x, x + 1]))
        laws.check_types(fun, *laws.typed(x.astype(np.float16)))


# ---- along axes ----

ROWS = arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 5)), elements=st.floats(-50, 50))


@given(ROWS, st.sampled_from([0, 1, -1, (0, 1), None]))
def test_softmax_and_its_kind(x, axis):
    np.testing.assert_allclose(nn.softmax(x, axis), special.softmax(x, axis), rtol=1e-12)
    np.testing.assert_allclose(nn.log_softmax(x, axis), special.log_softmax(x, axis), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(nn.logsumexp(x, axis), special.logsumexp(x, axis), rtol=1e-12, atol=1e-13)
    with fl.disable_jit():
        y = fl.vmap(lambda x: nn.softmax(x, 0 if axis is None else axis))(np.stack([x, x + 1]))
    np.testing.assert_allclose(y[1], special.softmax(x, 0 if axis is None else axis), rtol=1e-12)


WEIGHTS = np.array([[0.5, -1.0, 2.0, 0.0], [1.0, 3.0, -0.5, 0.2]])
MASK = np.array([[True, True, False, True], [False, False, False, False]])


def test_weights_signs_and_masks_of_logsumexp():
    x = np.array([[700.0, 2.0, -3.0, 1e4], [0.5, -1.0, 1.0, 2.0]])
    want, sign = special.logsumexp(x, 1, b=WEIGHTS, return_sign=True)
    got, s = nn.logsumexp(x, 1, b=WEIGHTS, return_sign=True)
    np.testing.assert_allclose(got, want, rtol=1e-12), np.testing.assert_array_equal(s, sign)
    np.testing.assert_allclose(nn.logsumexp(x, 1, b=-WEIGHTS), np.where(sign < 0, want, np.nan), rtol=1e-12)
    np.testing.assert_allclose(nn.logsumexp(x, 0, b=2.5), special.logsumexp(x, 0, b=2.5), rtol=1e-12)
    masked = special.logsumexp(np.where(MASK, x, -np.inf), 1, keepdims=True)
    np.testing.assert_allclose(nn.logsumexp(x, 1, where=MASK, keepdims=True), masked, rtol=1e-12)
    z = x / 100 + 1j * WEIGHTS
    np.testing.assert_allclose(nn.logsumexp(z), np.log(np.sum(np.exp(z))), rtol=1e-12)
    size, phase = nn.logsumexp(z, return_sign=True)
    np.testing.assert_allclose(phase * np.exp(size), np.sum(np.exp(z)), rtol=1e-12)
    np.testing.assert_allclose(nn.logmeanexp(x / 100, 1), np.log(np.mean(np.exp(x / 100), 1)), rtol=1e-12)
    mean = np.mean(np.exp(x[1] / 100))
    np.testing.assert_allclose(nn.logmeanexp(x / 100, 1, where=~MASK)[1], np.log(mean), rtol=1e-12)


def test_infinities_and_nothing():
    inf = np.inf
    for f in (nn.logsumexp, fl.jit(nn.logsumexp)):
        assert f(np.array([-inf, -inf])) == -inf and f(np.array([1.0, inf])) == inf
        assert np.isnan(f(np.array([1, np.nan])))
        assert f(np.array([-inf, 3.0])) == 3.0 and f(np.zeros(0)) == -inf
    assert nn.logsumexp(np.zeros((2, 0)), 1).shape == (2,) and nn.softmax(np.zeros((2, 0))).shape == (2, 0)
    np.testing.assert_array_equal(nn.softmax(np.array([-inf, 0.0, 0.0])), [0, 0.5, 0.5])
    np.testing.assert_array_equal(fl.grad(nn.logsumexp)(np.array([-inf, 0.0])), [0, 1])


def test_masks_of_softmax():
    x = np.array([[1.0, 2.0, 300.0, -1.0], [1.0, 2.0, 3.0, 4.0]])
    want = special.softmax(np.where(MASK, x, -np.inf)[0])
    y = np.asarray(nn.softmax(x, where=MASK))
    np.testing.assert_allclose(y[0], want, rtol=1e-13)
    np.testing.assert_array_equal(y[1], 0)
    np.testing.assert_allclose(np.exp(nn.log_softmax(x, where=MASK)[0]), want, rtol=1e-13)
    for f in (lambda x: fnp.sum(fnp.square(nn.softmax(x, where=MASK))), lambda x: nn.logsumexp(x, -1, where=MASK)[0]):
        g = np.asarray(fl.grad(f)(x))
        assert np.all(np.isfinite(g)) and np.all(g[~MASK] == 0)


def test_derivatives_along_axes():
    rng = np.random.default_rng(2)
    x, w, mask = rng.normal(size=(3, 4)), rng.uniform(0.5, 1, size=(3, 4)), rng.uniform(size=(3, 4)) > 0.3
    for fun in (
        lambda x, w, m: nn.softmax(x, 0), lambda x, w, m: nn.log_softmax(x, 1), lambda x, w, m: nn.logsumexp(x, (0, 1)),
        lambda x, w, m: nn.softmax(x, where=m), lambda x, w, m: nn.logsumexp(x, 1, b=w, where=m),
        lambda x, w, m: nn.logsumexp(x, 1, b=fnp.subtract(w, 0.2), return_sign=True)[0],
        lambda x, w, m: nn.standardize(x, epsilon=0.3), lambda x, w, m: nn.standardize(x, 0, epsilon=0.3, where=m),
        lambda x, w, m: nn.standardize(x, mean=0.5, variance=w), lambda x, w, m: nn.glu(x),
        lambda x, w, m: nn.logmeanexp(x, 0),
    ):  # fmt: skip
        laws.check_derivatives(fun, x, w, mask, rng=rng, order=2, active=(True, True, False))


def test_standardize():
    x = np.random.default_rng(0).normal(size=(5, 40))
    y = np.asarray(nn.standardize(x + 1e6, epsilon=0.0))
    np.testing.assert_allclose(y, (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(nn.standardize(x, (0, 1))).std(), 1, rtol=1e-4)
    mask = np.arange(40) < 30
    np.testing.assert_allclose(nn.standardize(x, where=mask)[:, :30], nn.standardize(x[:, :30]), rtol=1e-12)
    np.testing.assert_allclose(nn.standardize(x, mean=1.0, variance=4.0, epsilon=0.0), (x - 1) / 2, rtol=1e-12)


def test_one_hot():
    np.testing.assert_array_equal(nn.one_hot([0, 2, 5, -1], 3), [[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]])
    y = nn.one_hot(np.array([[0, 2], [1, 1]], np.int8), 3, axis=0, dtype="int32")
    assert y.shape == (3, 2, 2) and y.dtype == np.int32
    np.testing.assert_array_equal(y, np.moveaxis(np.eye(3, dtype=int)[[[0, 2], [1, 1]]], -1, 0))
    assert nn.one_hot(np.uint8(3), 300).shape == (300,) and nn.one_hot(1, 2).dtype == np.float32


# ---- few operations ----

COUNTS = {  # of the function, and of the gradient of its sum
    "relu": (nn.relu, 1, 4),
    "softplus": (nn.softplus, 1, 1),
    "silu": (nn.silu, 2, 5),
    "gelu": (nn.gelu, 6, 16),
    "elu": (nn.elu, 3, 4),
    "softmax": (nn.softmax, 1, 6),
    "log_softmax": (nn.log_softmax, 9, 13),
    "logsumexp": (lambda x: nn.logsumexp(x, 1), 9, 10),
    "standardize": (nn.standardize, 11, 25),
    "one_hot": (lambda x: nn.one_hot(np.arange(3), 4), 4, None),
}


@pytest.mark.parametrize("name", COUNTS)
def test_operations_are_few(name):
    f, forward, backward = COUNTS[name]
    x = np.ones((3, 4), np.float32)
    assert len(fl.make_graph(f)(x).eqns) <= forward
    if backward is not None:
        graph = fl.make_graph(fl.grad(lambda x: fnp.sum(f(x))))(x)
        assert len(graph.eqns) <= backward, graph


# ---- initial values ----


def test_soft_sign_of_complex_numbers():
    z = np.array([1 + 1j, -2j, 0], np.complex64)
    for f in (nn.soft_sign, fl.jit(nn.soft_sign)):
        np.testing.assert_allclose(np.asarray(f(z)), z / (1 + np.abs(z)), rtol=1e-6)


def test_constants():
    key = random.key(0)
    assert np.all(np.asarray(initializers.zeros(key, (2, 3))) == 0)
    assert initializers.ones(key, (2,), "int8").dtype == np.int8
    np.testing.assert_array_equal(initializers.constant(2.5)(key, (2, 2)), np.full((2, 2), 2.5))
    np.testing.assert_array_equal(initializers.constant(np.arange(3.0))(key, (2, 3)), [[0, 1, 2], [0, 1, 2]])


def test_plain_samples():
    key, shape = random.key(1), (4, 5)
    np.testing.assert_allclose(initializers.uniform(3.0)(key, shape), 3 * np.asarray(random.uniform(key, shape)))
    np.testing.assert_allclose(initializers.normal(0.5)(key, shape), 0.5 * np.asarray(random.normal(key, shape)))
    x = np.asarray(initializers.truncated_normal(2.0, lower=-1.0, upper=0.5)(key, (1000,)))
    assert -2 <= x.min() and x.max() <= 1 and initializers.normal(dtype="float64")(key, shape).dtype == np.float64


SCALES = {
    "glorot_uniform": lambda i, o: 2 / (i + o), "glorot_normal": lambda i, o: 2 / (i + o),
    "lecun_uniform": lambda i, o: 1 / i, "lecun_normal": lambda i, o: 1 / i,
    "he_uniform": lambda i, o: 2 / i, "he_normal": lambda i, o: 2 / i,
}  # fmt: skip


@pytest.mark.parametrize("name", SCALES)
def test_variances(name):
    """Of matrices, and of convolutions, whose window belongs to both sides."""
    make = getattr(initializers, name)
    x = np.asarray(make()(random.key(2), (200, 300)))
    np.testing.assert_allclose(x.var(), SCALES[name](200, 300), rtol=0.03)
    x = np.asarray(make(in_axis=2, out_axis=3, batch_axis=4)(random.key(2), (3, 3, 20, 30, 5)))
    np.testing.assert_allclose(x.var(), SCALES[name](180, 270), rtol=0.05)
    bound = np.abs(x).max() / math.sqrt(SCALES[name](180, 270))
    assert bound <= (math.sqrt(3) if "uniform" in name else 2 / 0.8796) * (1 + 1e-6)
    assert x.dtype == np.float32 and make(dtype="bfloat16")(random.key(0), (2, 3)).dtype.name == "bfloat16"


def test_other_scalings():
    key, shape = random.key(3), (200, 300)
    var = lambda *args: float(np.var(np.asarray(initializers.variance_scaling(*args)(key, shape))))
    np.testing.assert_allclose(var(3.0, "fan_out", "normal"), 3 / 300, rtol=0.03)
    np.testing.assert_allclose(var(3.0, "fan_geo_avg", "uniform"), 3 / math.sqrt(60_000), rtol=0.03)


@pytest.mark.parametrize(
    ("fun", "error", "words"),
    [
        (lambda: nn.relu(1j), TypeError, "relu"),
        (lambda: nn.glu(np.zeros(3)), ValueError, r"axis 0 is even, got f64\[3\]"),
        (lambda: nn.softmax(np.zeros(3), 1), ValueError, "softmax: axis 1 is out of bounds"),
        (lambda: nn.logsumexp(np.zeros(3), (0, 0)), ValueError, "duplicate axis"),
        (lambda: nn.one_hot(np.zeros(3), 2), TypeError, r"positions are integers, got f64\[3\]"),
        (lambda: nn.elu(None), TypeError, "elu"),
        (lambda: initializers.variance_scaling(1.0, "fan", "normal"), ValueError, "mode 'fan' .* use 'fan_in'"),
        (lambda: initializers.variance_scaling(1.0, "fan_in", "cauchy"), ValueError, "distribution 'cauchy'"),
        (lambda: initializers.he_normal()(random.key(0), (3,)), ValueError, r"the shape \(3,\) .* two axes"),
    ],
)
def test_errors(fun, error, words):
    with pytest.raises(error, match=words) as caught:
        fun()
    assert "test_nn.py:" in str(caught.value)
