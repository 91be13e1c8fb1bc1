"""Laws of reductions, running reductions and the linear recurrence."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prim_laws import COMPLEX, EVERY, INTEGERS, REALS, agree, draw, graph_of, host, laws, near

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import dtypes, lax, trace
from functorch_lite.prims import cumulative as c
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import reduce as r
from functorch_lite.prims import shape as s
from functorch_lite.transforms import reverse
from functorch_lite.transforms.simplify import simplify

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
SEEDS = st.integers(0, 2**31)
SMOOTH = [s.reduce_sum, r.reduce_prod]
RUNNING = [c.cumsum, c.cumprod, c.cummax, c.cummin, c.cumlogsumexp]
ORDERED = ["bool", *INTEGERS, *REALS]
NUMBERS = [*INTEGERS, *REALS, *COMPLEX]


def distinct(rng, shape):
    """Numbers that stay in their order when they move a little."""
    return rng.permutation(np.linspace(-2, 2, int(np.prod(shape)))).reshape(shape) + 0.01


# ---- derivatives and vmap ----


@settings(max_examples=60)
@given(st.data(), SHAPES, SEEDS)
def test_laws_of_reductions(data, shape, seed):
    rng = np.random.default_rng(seed)
    axes = tuple(data.draw(st.sets(st.sampled_from(range(len(shape))))))
    fun = data.draw(st.sampled_from([*SMOOTH, r.reduce_max, r.reduce_min]))
    x = draw(rng, shape) if fun in SMOOTH else distinct(rng, shape)
    laws(lambda x: fun(x, axes), [x], rng, order=2)
    if fun in SMOOTH:
        laws(lambda x: fun(x, axes), [draw(rng, shape, "complex128")], rng)


@settings(max_examples=60)
@given(st.data(), SHAPES, st.booleans(), SEEDS)
def test_laws_of_running_reductions(data, shape, reverse, seed):
    rng = np.random.default_rng(seed)
    axis = data.draw(st.sampled_from(range(len(shape))))
    fun = data.draw(st.sampled_from(RUNNING))
    laws(lambda x: fun(x, axis, reverse), [distinct(rng, shape)], rng, order=2)
    if fun in (c.cumsum, c.cumprod):
        laws(lambda x: fun(x, axis, reverse), [draw(rng, shape, "complex128")], rng)


@settings(max_examples=30)
@given(st.data(), SHAPES, st.booleans(), SEEDS)
def test_laws_of_the_recurrence(data, shape, reverse, seed):
    rng = np.random.default_rng(seed)
    axis = data.draw(st.sampled_from(range(len(shape))))
    laws(lambda a, b: c.recurrence(a, b, axis, reverse), [draw(rng, shape), draw(rng, shape)], rng, order=2)


@pytest.mark.parametrize("fun", [r.reduce_and, r.reduce_or, r.reduce_xor])
def test_vmap_of_logic(fun):
    rng = np.random.default_rng(0)
    laws(lambda x: fun(x, (0, 2)), [draw(rng, (2, 3, 2), "int8")], rng)
    laws(lambda x: fun(x, (1,)), [draw(rng, (2, 3), "bool")], rng)


@pytest.mark.parametrize("fun", [r.argmax, r.argmin])
def test_vmap_of_positions(fun):
    rng = np.random.default_rng(0)
    laws(lambda x: fun(x, 1, "int32"), [draw(rng, (2, 5, 2), "int8")], rng)
    graph = graph_of(lambda x: e.mul(e.convert(fun(x, 0, "int64"), np.dtype("float64")), 2.0), [distinct(rng, (5,))])
    assert not reverse.linearize(graph, (True,)).active[0]  # a position has no derivative


# ---- gradients at the special places ----


def gradient(fun, x):
    """The gradient of a function of one array that gives a scalar."""
    return host(reverse.value_and_grad(graph_of(fun, [x]), (True,)), [x])[1]


def numbers(*xs):
    return np.array(xs, np.float64)


@pytest.mark.parametrize(
    ("x", "want"),
    [
        ((2, 3, 4), (12, 8, 6)),
        ((0, 3, 4), (12, 0, 0)),
        ((0, 0, 4), (0, 0, 0)),
        ((1e200, 1e-200, 3), (3e-200, 3e200, 1)),
    ],
)
def test_gradient_of_a_product_divides_by_nothing(x, want):
    fun = lambda x: r.reduce_prod(x, (0,))
    np.testing.assert_allclose(gradient(fun, numbers(*x)), want, rtol=1e-12)
    last = lambda x: s.reduce_sum(s.rev(c.cumprod(x, 0), (0,)), (0,))
    direct = lambda x: e.add(x[0], e.add(e.mul(x[0], x[1]), e.mul(e.mul(x[0], x[1]), x[2])))
    parts = lambda x: direct([s.reshape(lax.slice_in_dim(x, i, i + 1), ()) for i in range(3)])
    np.testing.assert_allclose(gradient(last, numbers(*x)), gradient(parts, numbers(*x)), rtol=1e-12)


@pytest.mark.parametrize("axes", [(0,), (0, 1)])
def test_second_derivative_of_a_product_at_zeros(axes):
    """It is the product of all elements but two, also where some are 0."""
    x, w = np.array([[0.0, 2.0], [3.0, 0.0], [5.0, 7.0]]), np.array([[1.0, 2.0], [4.0, 8.0], [16.0, 32.0]])
    graph = graph_of(lambda x: s.reduce_sum(r.reduce_prod(x, axes), range(2 - len(axes))), [x])
    first = reverse.value_and_grad(graph, (True,))
    slope = graph_of(lambda x, w: s.reduce_sum(e.mul(trace.inline(first, [x])[1], w), (0, 1)), [x, w])
    got = host(reverse.value_and_grad(slope, (True, False)), [x, w])[1]
    columns = [[(i, j) for i in range(3)] for j in range(2)]
    want = np.zeros_like(x)
    for group in columns if axes == (0,) else [columns[0] + columns[1]]:
        for a, b in itertools.permutations(group, 2):
            want[b] += w[a] * np.prod([x[k] for k in group if k not in (a, b)])
    np.testing.assert_allclose(got, want)


def test_ties_share_the_gradient():
    x = numbers(1, 3, 3, 0, 3)
    for fun, sign in ((r.reduce_max, 1), (r.reduce_min, -1)):
        got = gradient(lambda x, fun=fun: fun(x, (0,)), sign * x)
        np.testing.assert_allclose(got, numbers(0, 1, 1, 0, 1) / 3)
    for fun, sign in ((c.cummax, 1), (c.cummin, -1)):
        got = gradient(lambda x, fun=fun: s.reduce_sum(fun(x, 0), (0,)), sign * x)
        np.testing.assert_allclose(got, numbers(1, 1 + 1 / 2 + 1 / 2 + 1 / 3, 1 / 2 + 1 / 2 + 1 / 3, 0, 1 / 3))


def test_masked_infinities_leave_no_nan():
    """The tangents of what is not the extremum are dropped, not multiplied by 0."""
    got = gradient(lambda x: r.reduce_max(e.log(x), (0,)), numbers(0, 1, 4))
    np.testing.assert_allclose(got, numbers(0, 0, 0.25))


def test_cumlogsumexp_at_infinities():
    low = -np.inf
    x = numbers(low, low, 1000, 0, 1001)
    y = np.asarray(c.cumlogsumexp(x, 0))
    np.testing.assert_allclose(y, np.logaddexp.accumulate(x))
    got = gradient(lambda x: s.reduce_sum(s.rev(c.cumlogsumexp(x, 0), (0,)), (0,)), x)
    p = 1 / (1 + np.exp(1.0))
    np.testing.assert_allclose(got, numbers(0, 0, 2 + p, 0, 1 - p), rtol=1e-9, atol=1e-300)


# ---- values ----


def test_empty_reductions_give_the_identity():
    x = np.zeros((0, 3))
    for fun, want in ((lax.reduce_sum, 0.0), (lax.reduce_prod, 1.0)):
        near(np.asarray(fun(x, (0,))), np.full(3, want))
    for fun, want in ((lax.reduce_and, -1), (lax.reduce_or, 0), (lax.reduce_xor, 0)):
        near(np.asarray(fun(x.astype("int8"), (0,))), np.full(3, want, np.int8))
    near(np.asarray(lax.reduce_and(x.astype(bool), (0,))), np.full(3, True))
    for fun in (lax.reduce_max, lax.reduce_min):
        near(np.asarray(fun(x, (1,))), np.zeros(0))
    near(np.asarray(lax.cumsum(x)), x)
    agree([("max", lambda x: r.reduce_max(x, (1,)), [x]), ("sum", lambda x: s.reduce_sum(x, (0,)), [x]),
           ("and", lambda x: r.reduce_and(x, (0,)), [x.astype("uint8")]), ("cummax", lambda x: c.cummax(x, 1), [x]),
           ("recurrence", lambda x: c.recurrence(x, x, 0), [x])])  # fmt: skip


@pytest.mark.parametrize("third", range(3))
def test_xla_agrees_for_every_dtype(third):
    rng = np.random.default_rng(1)
    cases = []
    for dtype in EVERY[third::3]:
        x = draw(rng, (3, 7, 2), dtype)
        if dtype in NUMBERS:
            cases += [(f"{fun.__name__} {dtype}", lambda x, fun=fun: fun(x, (0, 2)), [x])
                      for fun in (s.reduce_sum, r.reduce_prod)]  # fmt: skip
        if dtype in ORDERED:
            cases += [(f"{fun.__name__} {dtype}", lambda x, fun=fun: fun(x, (1,)), [x])
                      for fun in (r.reduce_max, r.reduce_min)]  # fmt: skip
            cases += [(f"{fun.__name__} {dtype}", lambda x, fun=fun: fun(x, 1, "uint8"), [x])
                      for fun in (r.argmax, r.argmin)]  # fmt: skip
        if dtype not in REALS + COMPLEX:
            cases += [(f"{fun.__name__} {dtype}", lambda x, fun=fun: fun(x, (0, 1)), [x])
                      for fun in (r.reduce_and, r.reduce_or, r.reduce_xor)]  # fmt: skip
    agree(cases)


@pytest.mark.parametrize("fun", RUNNING)
def test_xla_agrees_on_running_reductions(fun):
    rng = np.random.default_rng(2)
    admitted = {"cumsum": NUMBERS, "cumprod": NUMBERS, "cumlogsumexp": REALS}.get(fun.__name__, ORDERED[1:])
    cases = [(dtype, lambda x, k=k: fun(x, 1, bool(k % 2)), [draw(rng, (2, 5), dtype)])
             for k, dtype in enumerate(admitted)]  # fmt: skip
    cases.append(("long", lambda x: fun(x, 0), [draw(rng, (100,), "float32") / 16]))
    agree(cases, ulps=8)


def test_xla_agrees_on_the_recurrence():
    rng = np.random.default_rng(3)
    cases = [(dtype, lambda a, b, k=k: c.recurrence(a, b, 1, bool(k % 2)), [draw(rng, (2, 9), dtype) for _ in "ab"])
             for k, dtype in enumerate([*REALS, *COMPLEX])]  # fmt: skip
    a, b = draw(rng, (70, 2)), draw(rng, (70, 2))
    a[[0, -1]] = np.inf  # the factor of what was before the first element
    cases += [(f"long {reverse}", lambda a, b, reverse=reverse: c.recurrence(a, b, 0, reverse), [x, b[1:]])
              for reverse, x in ((False, a[:-1]), (True, a[1:]))]  # fmt: skip
    agree(cases, ulps=64)


def test_the_recurrence_is_the_loop_it_stands_for():
    rng = np.random.default_rng(4)
    for n in (1, 2, 31, 70):
        a, b, y = draw(rng, (n,)), draw(rng, (n,)), 0.0
        a[0], want = np.inf, []
        for i in range(n):
            y = a[i] * y + b[i] if i else b[0]
            want.append(y)
        near(np.asarray(c.recurrence(a, b, 0)), np.array(want), 32)
        near(np.asarray(c.recurrence(a[::-1], b[::-1], 0, True)), np.array(want)[::-1], 32)


@pytest.mark.parametrize("n", [3, 200])
def test_positions_of_nan_and_ties(n):
    """The first of equal elements, and the first NaN before all numbers, both for short and for long rows."""
    rows = np.zeros((7, n))
    rows[1, [1, -1]] = np.nan
    rows[2, [1, -1]] = 2, 2
    rows[3, [1, -1]] = -2, -2
    rows[4] = -np.inf
    rows[5] = np.inf
    rows[6, [0, -1]] = 5, np.nan
    cases = [(name, functools.partial(fun, axis=1, dtype="int32"), [rows.astype(dtype)])
             for fun, name in ((r.argmax, "max"), (r.argmin, "min")) for dtype in ("float32", "bfloat16")]  # fmt: skip
    agree(cases)
    near(np.asarray(lax.argmax(rows, 1, np.int32)), np.argmax(rows, 1).astype(np.int32))
    near(np.asarray(lax.argmin(rows, -1, np.int8)), np.argmin(rows, 1).astype(np.int8))


def test_nan_wins_in_extrema():
    x = np.array([[1, np.nan, 3], [0.0, -0.0, 5]], np.float32)
    agree([(fun.__name__, lambda x, fun=fun: fun(x, (1,)), [x]) for fun in (r.reduce_max, r.reduce_min)])
    agree([(fun.__name__, lambda x, fun=fun: fun(x, 1), [x]) for fun in (c.cummax, c.cummin, c.cumlogsumexp)])
    assert np.isnan(np.asarray(r.reduce_max(x, (1,)))[0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_floats_are_summed_in_float32(dtype):
    x = np.full((4096,), 1, dtypes.canonical(dtype))
    agree([("sum", lambda x: s.reduce_sum(x, (0,)), [x]), ("cumsum", lambda x: c.cumsum(x, 0), [x])], ulps=0)
    assert float(np.asarray(s.reduce_sum(x, (0,)))) == 4096


# ---- simplify, mistakes, lax ----


def test_what_simplify_leaves():
    x = np.ones((1, 3, 1))
    left = lambda fun: [eqn.prim.name for eqn in simplify(graph_of(fun, [x])).eqns]
    assert left(lambda x: r.reduce_max(x, (0, 2))) == ["reshape"]
    assert left(lambda x: r.reduce_prod(x, ())) == []
    assert left(lambda x: c.cumprod(x, 0)) == []
    assert left(lambda x: c.recurrence(x, e.sin(x), 2)) == ["sin"]
    graph = graph_of(lambda x: s.reduce_sum(s.reduce_sum(x, (0,)), (1,)), [np.ones((2, 3, 4), np.int32)])
    assert [dict(eqn.params) for eqn in simplify(graph).eqns] == [{"axes": (0, 2)}]


def test_reduce_recognises_what_it_combines_by():
    x = np.arange(1, 7).reshape(2, 3)
    same = lambda got, want: near(np.asarray(got), np.asarray(want))
    same(lax.reduce(x, 10, lax.add, (0,)), x.sum(0) + 10)
    same(lax.reduce(x, 2, lambda a, b: lax.mul(b, a), (-1,)), x.prod(1) * 2)
    same(lax.reduce((x,), (4,), lambda a, b: (lax.max(a[0], b[0]),), (0, 1))[0], np.int64(6))
    same(lax.reduce(x, np.int64(-1), lax.min, (0,)), np.full(3, -1))
    same(lax.reduce(x > 2, False, lax.bitwise_or, (0,)), (x > 2).any(0))
    same(lax.reduce(x, -1, lax.bitwise_and, (0,)), np.bitwise_and.reduce(x))
    same(lax.reduce(x, 0, lax.bitwise_xor, (0,)), np.bitwise_xor.reduce(x))
    same(lax.reduce(x[:0], -7, lax.max, (0,)), np.full(3, -7))
    same(lax.reduce(x, 7, lambda a, b: a, (0,)), np.full(3, 7))
    same(lax.reduce(x, 5, lambda a, b: lax.add(lax.add(a, 1), b), (1,)), x.sum(1) + 5 + 3)


def test_reduce_by_any_function():
    x, place = np.random.default_rng(0).normal(size=(3, 5, 2)), np.arange(30).reshape(3, 5, 2)
    fold = lambda x: lax.reduce(x, -np.inf, fnp.logaddexp, (0, -1))
    want = np.logaddexp.reduce(x, (0, 2))
    for got in (fold(x), fl.jit(fold)(x), fl.vmap(fold)(x[None])[0]):
        near(np.asarray(got), want, 16)
    near(np.asarray(fl.grad(lambda x: fnp.sum(fold(x)))(x)).sum((0, 2)), np.ones(5), 16)
    first = lambda a, b: (lax.max(a[0], b[0]), lax.select(lax.ge(a[0], b[0]), a[1], b[1]))
    best, where = lax.reduce((x, place), (-np.inf, np.int64(-1)), first, (1,))
    near(np.asarray(best), x.max(1))
    near(np.asarray(where), np.take_along_axis(place, x.argmax(1)[:, None], 1)[:, 0])
    near(np.asarray(lax.reduce(x[:0], 3.0, fnp.logaddexp, (0,))), np.full((5, 2), 3.0))
    with pytest.raises(ValueError, match="takes arrays of one shape and a start for each"):
        lax.reduce((x, x[0]), (0.0, 0.0), lambda a, b: a, (0,))
    with pytest.raises(TypeError, match="the function made bool at test_prims_reduce"):
        lax.reduce(x, 0.0, lax.lt, (0,))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: lax.reduce_max(x[:0], (0,)), ValueError, "nothing has no extremum"),
        (lambda x: lax.argmin(x[:0], 0, np.int32), ValueError, "nothing has no extremum"),
        (lambda x: lax.reduce_max(x + 1j, (0,)), TypeError, r"does not take c128 \(c128\[2,3\]\)"),
        (lambda x: lax.argmax(x + 1j, 0, np.int32), TypeError, "c128 has no order"),
        (lambda x: lax.argmax(x, 0, np.float32), TypeError, "no f32"),
        (lambda x: lax.argmax(x, 2, np.int32), ValueError, "no axis"),
        (lambda x: lax.reduce_prod(x > 0, (0,)), TypeError, "does not take bool"),
        (lambda x: lax.reduce_and(x, (0,)), TypeError, "does not take f64"),
        (lambda x: lax.reduce_sum(x, (0, -2)), ValueError, "twice"),
        (lambda x: lax.cumsum(x > 0), TypeError, "does not take bool"),
        (lambda x: lax.cumlogsumexp(x.astype(int)), TypeError, "does not take i64"),
        (lambda x: lax.cummax(x, 5), ValueError, "no axis"),
        (lambda x: c.recurrence(x, x[:1], 0), TypeError, "two arrays of floats of one type"),
        (lambda x: c.recurrence(x, x, 2), ValueError, "no axis"),
    ],
)
def test_mistakes_are_told(call, error, text):
    with pytest.raises(error, match=text) as caught:
        call(np.ones((2, 3)))
    assert "test_prims_reduce.py:" in str(caught.value)


def test_running_reductions_of_lax():
    x = np.random.default_rng(0).normal(size=(2, 5))
    for fun, want in ((lax.cumsum, np.add), (lax.cumprod, np.multiply), (lax.cummax, np.maximum),
                      (lax.cummin, np.minimum), (lax.cumlogsumexp, np.logaddexp)):  # fmt: skip
        near(np.asarray(fun(x)), want.accumulate(x))
        near(np.asarray(fun(x, axis=-1, reverse=True)), want.accumulate(x[:, ::-1], 1)[:, ::-1])
