"""Laws of sort and top_k."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import functorch_lite as fl
import functorch_lite.host
import functorch_lite.xla.compile as xla
from functorch_lite import dtypes, ir, lax, trace
from functorch_lite.array import asarray
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import sort as p
from functorch_lite.prims.shape import reduce_sum
from functorch_lite.transforms import reverse
from functorch_lite.transforms.simplify import simplify
from functorch_lite.transforms.vmap import vmap
from functorch_lite.xla.lower import sort as lower_sort

assert functorch_lite.host
DTYPES = ["bool", "int2", "uint2", "int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
          "uint64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float32", "float64",
          "complex64", "complex128"]  # fmt: skip


def graph_of(fun, xs):
    types = [ir.array_type(x.shape, x.dtype) for x in xs]
    return ir.check(trace.trace(lambda *args: list(fun(*args)), types, transform="test").graph)


def host(graph, xs):
    return [np.asarray(y) for y in trace.execute(graph, xs)]


def sample(name, rng, shape):
    """Elements with many ties, and all special values."""
    dtype = dtypes.canonical(name)
    kind = dtypes.kind(dtype)
    low = 0 if kind in "bu" else -2
    x = rng.integers(low, 2, shape).astype(dtype)
    if kind == "f":
        special = [np.nan, -np.nan, -0.0, 0.0] + ([np.inf, -np.inf] if name != "float8_e4m3fn" else [])
        flat = x.reshape(-1)
        flat[rng.permutation(x.size)[: len(special)]] = np.array(special).astype(dtype)
    if kind == "c":
        x = (x.real + 1j * rng.integers(-2, 2, shape)).astype(dtype)
        x.reshape(-1)[rng.permutation(x.size)[:3]] = [np.nan, complex(1, np.nan), complex(np.nan, np.nan)]
    return x


@pytest.mark.parametrize("names", [DTYPES[:11], DTYPES[11:]], ids=["narrow", "wide"])
@pytest.mark.parametrize("packed", [False, True])
def test_xla_and_host_agree_on_every_dtype(names, packed, monkeypatch):
    """One operand, several operands by one and two keys, both axes, and the largest elements, in one program."""
    monkeypatch.setattr(lower_sort, "_LARGE", 0 if packed else 1 << 40)
    rng = np.random.default_rng(1)
    several = lambda x, y, v: [*p.sort([x], 1), *p.sort([x], 0), *p.sort([x, v], 1), *p.sort([x, y, v], 0, 2)]
    cases, places = [], np.arange(33, dtype=np.int32).reshape(3, 11)
    for name in names:
        x, y = sample(name, rng, (3, 11)), sample(name, rng, (3, 11))
        cases.append((several, [x, y, places]))
        if dtypes.kind(x.dtype) in "iuf":
            cases.append((lambda x: p.top_k(x, 4), [x]))
    flat = [x for _, xs in cases for x in xs]

    def all_of(*args):
        rest = iter(args)
        return [y for fun, xs in cases for y in fun(*[next(rest) for _ in xs])]

    graph = graph_of(all_of, flat)
    compiled = xla.run_values(graph, flat, f"packed_{packed}")
    for k, (want, got) in enumerate(zip(host(graph, flat), compiled, strict=True)):
        assert want.dtype == got.dtype
        as_wide = lambda v: v if v.dtype.kind == "c" else v.astype(np.float64)
        np.testing.assert_array_equal(as_wide(got), as_wide(want), err_msg=f"result {k}")


SMALL = st.floats(-2, 2, width=16) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0])


@given(arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(0, 8)), elements=SMALL), st.integers(0, 1))
def test_sort_is_a_stable_permutation_in_order(x, axis):
    places = np.broadcast_to(np.arange(x.shape[axis]).reshape((-1, 1) if axis == 0 else (1, -1)), x.shape)
    y, order = host(graph_of(lambda x, v: p.sort([x, v], axis), [x, places]), [x, places])
    np.testing.assert_array_equal(np.take_along_axis(x, order, axis), y)
    np.testing.assert_array_equal(order, np.argsort(x, axis, kind="stable"))
    np.testing.assert_array_equal(host(graph_of(lambda x: p.sort([x], axis), [x]), [x])[0], y)


@given(arrays(np.int8, (2, 9), elements=st.integers(-2, 2)), st.integers(0, 9))
def test_top_k_is_the_head_of_the_reversed_order(x, k):
    values, places = host(graph_of(lambda x: p.top_k(x, k), [x]), [x])
    want = np.argsort(-x.astype(int), -1, kind="stable")[:, :k]
    np.testing.assert_array_equal(places, want)
    np.testing.assert_array_equal(values, np.take_along_axis(x, want, -1))


# ---- derivatives and vmap ----


def differences(fun, xs, ts):
    shifted = [fun(*[x + h * t for x, t in zip(xs, ts, strict=True)]) for h in (1e-6, -1e-6)]
    return [(a - b) / 2e-6 for a, b in zip(*shifted, strict=True)]


CASES = {
    "one": (lambda x, y: p.sort([x], 0), 2),
    "values": (lambda x, y: p.sort([x, y], 1), 2),
    "two keys": (lambda x, y: p.sort([e.floor(x), y, x], 0, 2), 2),
    "largest": (lambda x, y: p.top_k(x, 2)[:1], 2),
}


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=10)
@given(st.integers(0, 2**31))
def test_derivatives(name, seed):
    """jvp is the finite difference; reverse mode is its adjoint; a second order through sin."""
    fun, n = CASES[name]
    rng = np.random.default_rng(seed)
    xs, ts = [rng.normal(size=(4, 3)) for _ in range(n)], [rng.normal(size=(4, 3)) for _ in range(n)]

    def scalar(x, y):
        made = [reduce_sum(e.sin(e.mul(z, z)), (0, 1)) for z in fun(x, y)]
        return [made[0] if len(made) == 1 else e.add(made[0], made[1])]

    def gradient(x, y):
        return trace.inline(reverse.value_and_grad(graph_of(scalar, xs), (True, True)), [x, y])[1:]

    for law in (scalar, gradient):
        graph = graph_of(law, xs)
        forward, mask = reverse.pushforward(graph, (True, True))
        ir.check(forward)
        want = differences(lambda *a, graph=graph: host(graph, a), xs, ts)
        tangents = iter(host(forward, [*xs, *ts])[len(mask) :])
        got = [next(tangents) if m else np.zeros((4, 3)) for m in mask]
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    (value,) = host(graph_of(scalar, xs), xs)
    grads = host(ir.check(reverse.value_and_grad(graph_of(scalar, xs), (True, True))), xs)
    np.testing.assert_allclose(grads[0], value)
    inner = sum(np.sum(g * t) for g, t in zip(grads[1:], ts, strict=True))
    np.testing.assert_allclose(inner, host(reverse.pushforward(graph_of(scalar, xs), (True, True))[0], [*xs, *ts])[1])


def test_the_order_is_found_once():
    x = np.zeros(5)
    names = lambda graph: [eqn.prim.name for eqn in graph.eqns]
    forward, _ = reverse.pushforward(graph_of(lambda x: p.sort([x], 0), [x]), (True,))
    assert names(forward) == ["iota", "sort", "reshape", "gather"]
    argsort = graph_of(lambda x: p.sort([x, e.sin(x), e.cos(x)], 0)[:1], [x])
    assert names(simplify(argsort)) == ["sort"], "what nobody reads is not moved"


@pytest.mark.parametrize("name", CASES)
def test_vmap_is_the_loop(name):
    fun, n = CASES[name]
    rng = np.random.default_rng(3)
    rows = [rng.normal(size=(3, 4, 3)) for _ in range(n)]
    graph = graph_of(fun, [x[0] for x in rows])
    for batched in itertools.product([False, True], repeat=n):
        if not any(batched):
            continue
        args = [x if b else x[0] for x, b in zip(rows, batched, strict=True)]
        new, mask = vmap(graph, 3, batched)
        got = host(ir.check(new), args)
        want = [host(graph, [a[i] if b else a for a, b in zip(args, batched, strict=True)]) for i in range(3)]
        for k, m in enumerate(mask):
            np.testing.assert_array_equal(got[k] if m else np.stack([got[k]] * 3), np.stack([w[k] for w in want]))


# ---- names of jax.lax ----


def test_lax_conventions():
    x = np.array([[3.0, 1.0], [2.0, 5.0]])
    a = asarray(x)
    np.testing.assert_array_equal(lax.sort(a), np.sort(x))
    np.testing.assert_array_equal(lax.sort(a, dimension=0), np.sort(x, 0))
    keys, values = lax.sort_key_val(a, asarray(-x), dimension=-2)
    np.testing.assert_array_equal(values, -np.asarray(keys))
    values, places = lax.top_k(a, 1, axis=0)
    np.testing.assert_array_equal(values, [[3.0, 5.0]])
    assert places.dtype == np.int32 and type(lax.sort([a, a])) is tuple


@pytest.mark.parametrize(
    ("fun", "error", "words"),
    [
        (lambda: lax.sort(np.float32(1)), ValueError, r"sort: -1 is no axis of f32\[\]"),
        (lambda: lax.sort(()), TypeError, "there are no operands"),
        (lambda: lax.sort((np.zeros(2), np.zeros(3))), ValueError, r"one shape, got f64\[2\], f64\[3\]"),
        (lambda: lax.sort((np.zeros(2),), num_keys=2), ValueError, "num_keys is 2 with 1 operands"),
        (lambda: lax.top_k(np.zeros(2), 3), ValueError, r"no 3 largest elements along the last axis of f64\[2\]"),
        (lambda: lax.top_k(np.zeros(2) * 1j, 1), TypeError, r"top_k: does not take c128\[2\]"),
    ],
)
def test_errors(fun, error, words):
    with pytest.raises(error, match=words) as caught:
        fun()
    assert "test_prims_sort.py:" in str(caught.value)


def test_rows_that_are_none_have_derivatives():
    x = np.zeros((0, 4))
    for f in (lambda x: lax.sort(x), lambda x: lax.top_k(x, 2)[0]):
        y, back = fl.vjp(fl.vmap(f), x)
        assert np.shape(back(y)[0]) == (0, 4)
        assert np.shape(fl.jvp(fl.vmap(f), (x,), (x,))[1]) == np.shape(y)
