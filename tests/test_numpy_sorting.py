"""Sorting, searching, sets, and functions that pick elements, against NumPy: eager and compiled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import functorch_lite as fl
import functorch_lite.numpy as fnp

DTYPES = [np.float32, np.float64, np.int32, np.uint8, np.bool_, np.complex64]
SPECIAL = np.array([3.0, 1.0, np.nan, 2.0, 1.0, -0.0, 0.0, np.inf, -np.inf, np.nan], np.float32)


def parts(made):
    return list(made) if isinstance(made, (tuple, list)) else [made]


def same(ours, theirs):
    """Equal numbers; positions may have another integer dtype."""
    ours, theirs = parts(ours), parts(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        b = np.asarray(b)
        assert a.shape == b.shape and a.dtype.kind == b.dtype.kind
        assert a.dtype == b.dtype or a.dtype.kind == "i"
        np.testing.assert_array_equal(np.asarray(a), b)


def agrees(call, *arrays):
    want = call(np, *arrays)
    ours = lambda *xs: call(fnp, *xs)
    same(ours(*map(fnp.asarray, arrays)), want)
    same(fl.jit(ours)(*arrays), want)


def few(dtype, **keywords):
    """Arrays with many equal elements, and NaN where the dtype has it."""
    if np.dtype(dtype).kind in "fc":
        elements = st.sampled_from([0.0, -0.0, 1.0, -2.0, np.nan, np.inf, 3.5])
    elif np.dtype(dtype).kind == "b":
        elements = st.booleans()
    else:
        elements = st.integers(0, 5)
    shapes = hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=5)
    return hnp.arrays(dtype, keywords.get("shape", shapes), elements=elements)


arrays = st.sampled_from(DTYPES).flatmap(few)


# ---- sorting ----


@settings(max_examples=60)
@given(arrays, st.sampled_from([0, -1, None]))
def test_sort_and_argsort(x, axis):
    same(fnp.sort(x, axis), np.sort(x, axis, stable=True))
    same(fnp.argsort(x, axis), np.argsort(x, axis, stable=True))
    same(fnp.sort(fnp.asarray(x), axis), np.sort(x, axis, stable=True))
    same(fnp.argsort(fnp.asarray(x), axis), np.argsort(x, axis, stable=True))


@settings(max_examples=25)
@given(arrays, st.sampled_from([0, -1, None]))
def test_compiled_sorts(x, axis):
    same(fl.jit(lambda x: fnp.sort(x, axis))(x), np.sort(x, axis, stable=True))
    same(fl.jit(lambda x: fnp.argsort(x, axis))(x), np.argsort(x, axis, stable=True))


def test_descending():
    x = np.array([1, 1, 0, 2, 2], np.int32)
    same(fnp.sort(x, descending=True), np.sort(x)[::-1])
    assert fnp.argsort(x, descending=True).tolist() == [3, 4, 0, 1, 2]
    assert fl.jit(lambda x: fnp.argsort(x, descending=True))(x).tolist() == [3, 4, 0, 1, 2]


@settings(max_examples=30)
@given(few(np.int32, shape=(3, 5)), few(np.float32, shape=(3, 5)))
def test_lexsort(a, b):
    for axis in (0, -1):
        agrees(lambda m, a, b: m.lexsort((a, b), axis), a, b)


def test_other_sorts():
    agrees(lambda m, x: m.sort_complex(x).astype("complex64"), SPECIAL[:2])
    for kth in (0, 2, -1):
        made, at = np.asarray(fnp.partition(SPECIAL[3:8], kth)), np.asarray(fnp.argpartition(SPECIAL[3:8], kth))
        assert made[kth] == np.partition(SPECIAL[3:8], kth)[kth] == SPECIAL[3:8][at][kth]
        assert (made[:kth] <= made[kth]).all() if kth >= 0 else True
    assert fnp.argsort(fnp.ones(3), dtype="int8").dtype == np.int8
    assert fnp.argsort(fnp.ones(3)).dtype == np.int32
    with fl.config.default_dtype("float64"):
        assert fnp.argsort(fnp.ones(3)).dtype == np.int64


def test_gradients_follow_the_elements():
    x = np.array([3.0, 1.0, 2.0], np.float32)
    w = np.array([1.0, 10.0, 100.0], np.float32)
    assert fl.grad(lambda x: fnp.sum(fnp.sort(x) * w))(x).tolist() == [100, 1, 10]
    assert fl.grad(lambda x: fnp.sum(fnp.sort(x, descending=True) * w))(x).tolist() == [1, 100, 10]
    assert fl.jit(fl.grad(lambda x: fnp.sum(x[fnp.argsort(x)] * w)))(x).tolist() == [100, 1, 10]
    assert fl.grad(lambda x: fnp.sum(fnp.unique(x) * w))(x).tolist() == [100, 1, 10]
    assert fl.grad(lambda x: fnp.sum(fnp.take(x, np.array([0, 0, 2])) * w))(x).tolist() == [11, 0, 100]
    np.testing.assert_array_equal(np.asarray(fl.vmap(fnp.sort)(np.stack([x, -x]))), np.sort(np.stack([x, -x]), -1))


# ---- searching ----


@settings(max_examples=40)
@given(
    st.sampled_from([np.float32, np.int32]).flatmap(
        lambda d: st.tuples(few(d, shape=st.integers(0, 8)), few(d, shape=(2, 3)))
    ),
    st.sampled_from(["left", "right"]),
    st.sampled_from(["scan", "scan_unrolled", "compare_all", "sort"]),
)
def test_searchsorted(case, side, method):
    a, v = np.sort(case[0]), case[1]
    same(fnp.searchsorted(a, v, side, method=method), np.searchsorted(a, v, side))
    same(fnp.searchsorted(fnp.asarray(a), fnp.asarray(v), side, method=method), np.searchsorted(a, v, side))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("method", ["scan", "compare_all", "sort"])
def test_searchsorted_compiled(side, method):
    random = np.random.RandomState(0)
    long = np.sort(np.concatenate([random.randn(150), [np.nan, np.nan, np.inf]]))
    queries = np.concatenate([long[::3], [0.0, np.nan, -np.inf, np.inf]])
    agrees(lambda m, a, v: m.searchsorted(a, v, side, **({"method": method} if m is fnp else {})), long, queries)
    ints = np.sort(random.randint(0, 99, 200))
    agrees(lambda m, a, v: m.searchsorted(a, v, side), ints, np.arange(-2, 102).reshape(2, -1))
    agrees(lambda m, a: m.searchsorted(a, a[::-1], side, sorter=np.arange(200)), ints)


def test_digitize():
    x, bins = np.array([0.5, 2.5, 1.0, 2.0, 9.0]), np.array([1.0, 2.0, 3.0])
    for edges in (bins, bins[::-1].copy(), bins[:1]):
        for right in (False, True):
            agrees(lambda m, x, b: m.digitize(x, b, right), x, edges)


# ---- sets ----


@settings(max_examples=40)
@given(arrays, st.sampled_from([None, 0, -1]), st.booleans())
def test_unique(x, axis, equal_nan):
    if axis is not None and x.dtype.kind in "fc":
        x = np.nan_to_num(x, posinf=4.0)  # NumPy compares rows of NaN by their bytes
    x = x + 0 if x.dtype.kind != "b" else x  # -0.0 and 0.0 are equal; either may stand for both
    flags = {"return_index": True, "return_inverse": True, "return_counts": True, "axis": axis, "equal_nan": equal_nan}
    want = np.unique(x, **flags)
    same(fnp.unique(x, **flags), want)
    same(fnp.unique(fnp.asarray(x), **flags), want)
    same(fnp.unique(fnp.asarray(x), axis=axis, equal_nan=equal_nan), want[0])


@settings(max_examples=20)
@given(few(np.int32, shape=(6,)), st.integers(1, 8))
def test_unique_of_a_size(x, size):
    values, index, inverse, counts = np.unique(x, True, True, True)
    made = fl.jit(lambda x: fnp.unique(x, True, True, True, size=size, fill_value=-1))(x)
    n = min(size, len(values))
    fill = lambda kept, missing: np.concatenate([kept[:n], np.full(size - n, missing)])
    same(made[0], fill(values, -1).astype(np.int32))
    same(made[1][:n], index[:n])
    same(made[2], inverse)
    same(made[3], fill(counts, 0))
    assert fl.jit(lambda x: fnp.unique(x, size=size))(x).tolist() == fill(values, values[0]).tolist()


def test_named_results():
    x = np.array([3, 1, 1, 2], np.int32)
    made = fnp.unique_all(x)
    assert made.values.tolist() == [1, 2, 3] and made.indices.tolist() == [1, 3, 0]
    assert made.inverse_indices.tolist() == [2, 0, 0, 1] and made.counts.tolist() == [2, 1, 1]
    assert fnp.unique_counts(x).counts.tolist() == [2, 1, 1]
    assert fnp.unique_inverse(x).inverse_indices.tolist() == [2, 0, 0, 1]
    assert fnp.unique_values(np.array([np.nan, np.nan])).shape == (2,)


pairs = st.tuples(few(np.int32, shape=st.integers(0, 6)), few(np.int32, shape=st.integers(0, 6)))


@settings(max_examples=40)
@given(pairs)
def test_two_sets(pair):
    a, b = pair
    same(fnp.union1d(a, b), np.union1d(a, b))
    same(fnp.intersect1d(a, b), np.intersect1d(a, b))
    same(fnp.intersect1d(a, b, return_indices=True), np.intersect1d(a, b, return_indices=True))
    same(fnp.setdiff1d(a, b), np.setdiff1d(a, b))
    same(fnp.setxor1d(a, b), np.setxor1d(a, b))
    for method in ("auto", "compare_all", "binary_search", "sort"):
        same(fnp.isin(a, b, method=method), np.isin(a, b))
        same(fnp.isin(a, b, invert=True, method=method), np.isin(a, b, invert=True))


@settings(max_examples=12)
@given(pairs, st.integers(1, 7))
def test_two_sets_of_a_size(pair, size):
    a, b = pair
    for name in ("union1d", "intersect1d", "setdiff1d", "setxor1d"):
        want = getattr(np, name)(a, b)[:size]
        made = fl.jit(lambda a, b, name=name: getattr(fnp, name)(a, b, size=size, fill_value=77))(a, b)
        assert made.tolist() == want.tolist() + [77] * (size - len(want))


def test_sizes_that_depend_on_data_are_refused():
    for use in (fnp.unique, fnp.nonzero, fnp.argwhere, lambda x: fnp.union1d(x, x), lambda x: fnp.compress(x > 1, x)):
        with pytest.raises(fl.errors.NonConcreteBooleanIndexError, match=r"size=n.*|.*test_numpy_sorting"):
            fl.jit(use)(np.arange(3.0))


# ---- picking ----

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
I = np.array([[0, -1], [2, 1]])
ORDER = np.argsort(-X, 1)

PICKS = {
    "where": lambda m, x: m.where(x > 5, x, 0),
    "where broadcast": lambda m, x: m.where(x[0, :, :1] > 5, x, -x[0]),
    "where scalars": lambda m, x: m.where(x > 5, 1, 2).astype("int32"),
    "where other dtype": lambda m, x: m.where(x != 0, x.astype("float64"), m.float32(1)),
    "select": lambda m, x: m.select([x > 9, x > 3], [x, -x], default=2.0).astype("float32"),
    "take": lambda m, x: m.take(x, I, 1),
    "take flat": lambda m, x: m.take(x, I),
    "take int": lambda m, x: m.take(x, -1, 2),
    "take wrap": lambda m, x: m.take(x, I * 9, 1, mode="wrap"),
    "take clip": lambda m, x: m.take(x, I * 9, 1, mode="clip"),
    "take_along_axis": lambda m, x: m.take_along_axis(x, ORDER, 1),
    "take_along_axis one": lambda m, x: m.take_along_axis(x, ORDER[:1, :2], 1),
    "take_along_axis of one": lambda m, x: m.take_along_axis(x[:, :, :1], ORDER, 1),
    "take_along_axis flat": lambda m, x: m.take_along_axis(x, np.array([3, -1]), None),
    "choose": lambda m, x: m.choose(np.array([0, 1, 1, 0]), [x[0, 0], x[1, 0]]),
    "choose clip": lambda m, x: m.choose(np.array([0, 5, -1, 1]), [x[0, 0], 7.0], mode="clip").astype("float32"),
    "choose wrap": lambda m, x: m.choose(np.array([0, 5, -1, 1]), [x[0, 0], 7.0], mode="wrap").astype("float32"),
    "compress": lambda m, x: m.compress([True, False, True], x, 1),
    "extract": lambda m, x: m.extract(np.array(X > 5), x),
}


@pytest.mark.parametrize("name", PICKS)
def test_picks(name):
    agrees(PICKS[name], X)


@settings(max_examples=30)
@given(few(np.int32), st.integers(1, 12))
def test_nonzero(x, size):
    for name in ("nonzero", "argwhere", "flatnonzero"):
        same(getattr(fnp, name)(x), getattr(np, name)(x))
    same(fnp.where(x > 2), np.where(x > 2))
    made = fl.jit(lambda x: fnp.nonzero(x, size=size, fill_value=-1))(x)
    for ours, theirs in zip(made, np.nonzero(x), strict=True):
        assert ours.tolist() == theirs[:size].tolist() + [-1] * (size - len(theirs))


def test_nonzero_fill_values():
    assert [i.tolist() for i in fnp.nonzero(np.eye(2), size=3, fill_value=(7, 8))] == [[0, 1, 7], [0, 1, 8]]
    assert fnp.argwhere(np.eye(2), size=3, fill_value=-1).tolist() == [[0, 0], [1, 1], [-1, -1]]
    assert fnp.argwhere(np.array(3)).shape == (1, 0)
    assert fl.jit(lambda c, x: fnp.compress(c, x, size=3, fill_value=9))([0, 1, 1], X[0, 0]).tolist() == [1, 2, 9]
    assert fl.jit(lambda x: fnp.extract(x > 20, x, size=2))(X).tolist() == [21, 22]


def filled(name, *args, **keywords):
    made = X.copy()
    getattr(np, name)(made, *args, **keywords)
    return made


def test_functional_writes():
    at = ORDER[:, :1]
    same(fnp.put_along_axis(X, at, 99, 1, inplace=False), filled("put_along_axis", at, 99, 1))
    same(fnp.put_along_axis(X, at[:1, :, :1], 99, 1, inplace=False), filled("put_along_axis", at[:1, :, :1], 99, 1))
    same(fnp.put(X, [1, 30, 5], [7, 8], "wrap", inplace=False), filled("put", [1, 30, 5], [7, 8], mode="wrap"))
    same(fnp.put(X, [1, -2, 5], [7, 8], inplace=False), filled("put", [1, -2, 5], [7, 8]))
    same(fnp.place(X, X > 7, [1, 2, 3], inplace=False), filled("place", X > 7, [1, 2, 3]))
    for shape in [(3, 3), (5, 3), (3, 5), (3, 3, 3)]:
        for wrap in (False, True):
            want = np.zeros(shape)
            np.fill_diagonal(want, [1, 2], wrap)
            same(fnp.fill_diagonal(np.zeros(shape), [1, 2], wrap, inplace=False), want)
    calls = {"put": ([0], 1.0), "place": (X > 1, [1]), "fill_diagonal": (1,), "put_along_axis": (at, 1, 1)}
    for name, args in calls.items():
        with pytest.raises(ValueError, match=r"never change.*inplace=False"):
            getattr(fnp, name)(X, *args)


def test_where_passes_derivatives_of_the_chosen_only():
    f = lambda x: fnp.sum(fnp.where(x > 0, fnp.log(x), 0.0))
    assert fl.grad(f)(np.array([0.0, 2.0])).tolist() == [0, 0.5]
    assert fl.jit(fl.grad(f))(np.array([0.0, 2.0])).tolist() == [0, 0.5]


def test_out_of_bounds_takes():
    i = np.array([9, -1])
    with pytest.raises(IndexError, match=r"index 9 is out of bounds.*test_numpy_sorting"):
        fnp.take(X[0, 0], i)
    with pytest.raises(IndexError, match="index 9 is out of bounds"):
        fnp.take_along_axis(X[0, 0], i, 0)
    for take in (fnp.take, lambda x, i: fnp.take_along_axis(x, i, 0)):
        np.testing.assert_array_equal(np.asarray(fl.jit(take)(X[0, 0], i)), [np.nan, 3])
    assert fnp.take(X[0, 0], i, mode="fill", fill_value=5).tolist() == [5, 3]
    for how, want in (({"fill_value": 5}, [5, 3]), ({"mode": "one_hot"}, [0, 3])):
        assert fnp.take_along_axis(X[0, 0], i, 0, **how).tolist() == want
    assert fnp.take(X[0, 0], i, fill_value=5).tolist() == [5, 3]
    with pytest.raises(ValueError, match=r"mode 'wrong' .* is unknown"):
        fnp.take_along_axis(X[0, 0], i, 0, mode="wrong")


# ---- positions ----


def test_positions():
    agrees(lambda m, i: m.unravel_index(i, (4, 5)), np.array([[3, 19], [0, 7]]))
    for order in "CF":
        for mode in ("wrap", "clip"):
            i, j = np.array([3, 9]), np.array([-1, 2])
            agrees(lambda m, i, j: m.ravel_multi_index((i, j), (4, 5), mode, order), i, j)
    same(fnp.ravel_multi_index(([1, 2], [3, 4]), (4, 5)), np.ravel_multi_index(([1, 2], [3, 4]), (4, 5)))
    same(fnp.ix_([1, 0], [True, False, True]), np.ix_([1, 0], [True, False, True]))
    same(fnp.mask_indices(3, fnp.triu, 1), np.mask_indices(3, np.triu, 1))
    same(fnp.r_[1:4, 0, [5.0]], np.r_[1:4, 0, [5.0]].astype(np.float32))
    same(fnp.r_["0,2", [1.0], [2.0]], np.r_["0,2", [1.0], [2.0]].astype(np.float32))
    same(fnp.r_[0:1:5j], np.r_[0:1:5j].astype(np.float32))
    same(fnp.c_[[1.0, 2.0], [3.0, 4.0]], np.c_[[1.0, 2.0], [3.0, 4.0]].astype(np.float32))
    same(fnp.mgrid[0:2, 0:3], np.mgrid[0:2, 0:3])
    same(list(fnp.ogrid[0:2, 0:1:3j]), [g.astype(np.float32) for g in np.ogrid[0:2, 0:1:3j]])
    assert fnp.s_[1:2] == np.s_[1:2]
    with pytest.raises(ValueError, match="out of bounds"):
        fnp.unravel_index(20, (4, 5))
    with pytest.raises(ValueError, match="invalid entry"):
        fnp.ravel_multi_index(([4], [0]), (4, 5))
    with pytest.raises(fl.ConcretizationError, match="clip"):
        fl.jit(lambda i: fnp.ravel_multi_index((i, i), (4, 5)))(np.array([1]))


# ---- functions over axes ----


def test_apply_along_axis():
    for axis in range(3):
        agrees(lambda m, x: m.apply_along_axis(lambda v: m.sum(v * v), axis, x), X)
        agrees(lambda m, x: m.apply_along_axis(lambda v: m.cumsum(v)[::2], axis, x), X)
        agrees(lambda m, x: m.apply_along_axis(lambda v: m.outer(v, v), axis, x), X)
    same(fnp.apply_along_axis(lambda v, n: v[n], 1, X, n=1), X[:, 1])
    assert fnp.apply_along_axis(lambda v: 3.0, 0, X).shape == (3, 4)
    agrees(lambda m, x: m.apply_over_axes(m.sum, x, [0, 2]), X)


def test_vectorize():
    dot = fnp.vectorize(fnp.dot, signature="(n),(n)->()")
    a, b = X, X[0, 0] + 1
    same(dot(a, b), a @ b)
    same(fl.jit(dot)(a, b), a @ b)
    matvec = fnp.vectorize(lambda m, v: m @ v, signature="(m,n),(n)->(m)")
    stack, rows = np.ones((5, 1, 3, 4), np.float32), X[0]
    same(matvec(stack, rows), np.einsum("abmn,cn->acm", stack, rows))
    scalar = fnp.vectorize(lambda x, y: fnp.where(x > y, x - y, x + y))
    same(scalar(X, X[1, :1]), np.where(X > X[1, :1], X - X[1, :1], X + X[1, :1]))
    two = fnp.vectorize(lambda v: (v.sum(), v * 2), signature="(n)->(),(n)")
    same(two(X), (X.sum(-1), X * 2))
    same(fnp.vectorize(lambda x, n: x * n, excluded={1})(X, 3), X * 3)
    assert fl.grad(lambda x: fnp.sum(dot(x, b)))(a).tolist() == np.broadcast_to(b, a.shape).tolist()
    with pytest.raises(ValueError, match="is no signature"):
        fnp.vectorize(fnp.dot, signature="n->n")(a)
    with pytest.raises(ValueError, match=r"axis n of .* has size 4, but 3"):
        dot(a, np.ones(3))
    with pytest.raises(TypeError, match="2 arguments, got 1"):
        dot(a)


def test_piecewise():
    x = np.linspace(-2, 2, 9, dtype=np.float32)
    agrees(lambda m, x: m.piecewise(x, [x < 0, x >= 1], [lambda v: -v, 5.0, lambda v: v * v]), x)
    agrees(lambda m, x: m.piecewise(x, [x < 0, x < -1], [1.0, 2.0]), x)
    slope = fl.grad(lambda x: fnp.sum(fnp.piecewise(x, [x > 0], [fnp.sqrt, 0.0])))(np.array([0.0, 4.0]))
    assert slope.tolist() == [0, 0.25]


# ---- refusals ----

BAD = [
    (lambda: fnp.sort(X, 5), ValueError, "axis 5 is out of bounds"),
    (lambda: fnp.sort(3.0), ValueError, "no axis"),
    (lambda: fnp.sort(X, kind="no"), ValueError, "every sort is stable"),
    (lambda: fnp.sort(X, order="f"), ValueError, "structured"),
    (lambda: fnp.searchsorted(X, 1.0), ValueError, "one axis"),
    (lambda: fnp.searchsorted(X[0, 0], 1.0, "no"), ValueError, "'left' or 'right'"),
    (lambda: fnp.partition(X, 9), ValueError, "out of bounds"),
    (lambda: fnp.lexsort([]), ValueError, "at least one key"),
    (lambda: fnp.lexsort([X, X[0]]), ValueError, "different shapes"),
    (lambda: fnp.take(X, 1.5), TypeError, "indices are integers"),
    (lambda: fnp.take(X, 1, mode="no"), ValueError, "mode 'no'"),
    (lambda: fnp.take(X, 1, out=X), ValueError, "out="),
    (lambda: fnp.where(X, X), ValueError, "both x and y, or neither"),
    (lambda: fnp.where(X > 1, X, X[:, :2]), ValueError, "cannot broadcast"),
    (lambda: fnp.select([X], [X]), TypeError, "conditions are booleans"),
    (lambda: fnp.select([X > 1], [X, X]), ValueError, "1 conditions and 2 choices"),
    (lambda: fnp.nonzero(3.0), ValueError, "has no axes"),
    (lambda: fnp.choose([0, 5], [X[0, 0, :2], X[0, 0, :2]]), ValueError, "invalid entry"),
    (lambda: fnp.take_along_axis(X, ORDER[0], 1), ValueError, "do not broadcast"),
    (lambda: fnp.unique(np.zeros(0), size=2), ValueError, "nothing to fill"),
    (lambda: fnp.ix_(X), ValueError, "one axis"),
]


@pytest.mark.parametrize(("use", "error", "said"), BAD)
def test_refusals(use, error, said):
    with pytest.raises(error, match=said) as caught:
        use()
    assert "test_numpy_sorting.py:" in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_left_of_a_set_keeps_its_dtype():
    for unique in (False, True):
        left = fnp.setdiff1d(fnp.array([1, 2, 3], "int8"), fnp.array([2.0]), assume_unique=unique)
        assert left.dtype == np.int8
        np.testing.assert_array_equal(np.asarray(left), [1, 3])


def test_numpy_takes_from_an_array():
    np.testing.assert_array_equal(np.take(fnp.arange(4), [1, 3]), [1, 3])
    np.testing.assert_array_equal(np.asarray(fnp.take(fnp.arange(4), fnp.array([2]), mode="raise")), [2])
    with pytest.raises(IndexError):
        fnp.take(fnp.arange(4), 7, mode="raise")
