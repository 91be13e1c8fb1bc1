"""Collectives under vmap over their axis: against NumPy on the rows; derivatives, groups, several axes, errors."""

import itertools

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import lax
from functorch_lite.errors import AxisNameError

N = 4
GROUPS = [[0, 2], [3, 1]]
X = np.arange(N * N * 3, dtype=np.float32).reshape(N, N, 3) - 11


def mapped(f, **options):
    return fl.vmap(f, axis_name="i", **options)


def grouped(rows, groups, of_group):
    """Row by row what `of_group(rows of the group, position in it)` makes."""
    where = {i: (g, g.index(i)) for g in groups for i in g}
    return np.stack([of_group(rows[where[i][0]], where[i][1]) for i in range(len(rows))])


REDUCTIONS = {"psum": np.sum, "pmax": np.max, "pmin": np.min, "pmean": np.mean}


@pytest.mark.parametrize("groups", [None, GROUPS], ids=["whole", "groups"])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name, groups):
    got = mapped(lambda x: getattr(lax, name)(x, "i", axis_index_groups=groups))(X)
    want = grouped(X, groups or [list(range(N))], lambda rows, _: REDUCTIONS[name](rows, axis=0))
    np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("groups", [None, GROUPS], ids=["whole", "groups"])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("tiled", [False, True])
def test_all_gather(axis, tiled, groups):
    got = mapped(lambda x: lax.all_gather(x, "i", axis=axis, tiled=tiled, axis_index_groups=groups))(X)
    join = np.concatenate if tiled else np.stack
    want = grouped(X, groups or [list(range(N))], lambda rows, _: join(list(rows), axis))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("groups", [None, GROUPS], ids=["whole", "groups"])
@pytest.mark.parametrize("tiled", [False, True])
def test_psum_scatter(tiled, groups):
    x = X if tiled or groups is None else X[:, :2]
    got = mapped(lambda x: lax.psum_scatter(x, "i", tiled=tiled, axis_index_groups=groups))(x)

    def of_group(rows, k):
        parts = np.split(rows.sum(0), len(rows))
        return parts[k] if tiled else parts[k][0]

    np.testing.assert_array_equal(got, grouped(x, groups or [list(range(N))], of_group))


@pytest.mark.parametrize("groups", [None, GROUPS], ids=["whole", "groups"])
@pytest.mark.parametrize(("split", "to"), [(0, 0), (0, 1)])
@pytest.mark.parametrize("tiled", [False, True])
def test_all_to_all(split, to, tiled, groups):
    x = X if tiled or groups is None else X[:, :2]
    got = mapped(lambda x: lax.all_to_all(x, "i", split, to, tiled=tiled, axis_index_groups=groups))(x)

    def of_group(rows, k):
        parts = [np.split(row, len(rows), axis=split)[k] for row in rows]
        return np.concatenate(parts, to) if tiled else np.stack([p.squeeze(split) for p in parts], to)

    np.testing.assert_array_equal(got, grouped(x, groups or [list(range(N))], of_group))


def test_sending():
    ring = [(i, (i + 1) % N) for i in range(N)]
    np.testing.assert_array_equal(mapped(lambda x: lax.ppermute(x, "i", ring))(X), np.roll(X, 1, 0))
    some = mapped(lambda x: lax.ppermute(x, "i", [(0, 2), (3, 1)]))(X)
    np.testing.assert_array_equal(some, np.stack([0 * X[0], X[3], X[0], 0 * X[0]]))
    np.testing.assert_array_equal(mapped(lambda x: lax.pshuffle(x, "i", [2, 0, 3, 1]))(X), X[[2, 0, 3, 1]])
    np.testing.assert_array_equal(mapped(lambda x: lax.pswapaxes(x, "i", 0))(X), X.swapaxes(0, 1))


def test_where_one_is():
    rows = fnp.arange(6.0).reshape(2, 3)

    def both(x):
        return lax.axis_index("i"), lax.axis_index("j"), lax.axis_index(("i", "j")), lax.axis_size(("i", "j"))

    i, j, ij, n = fl.vmap(fl.vmap(both, axis_name="j"), axis_name="i")(rows)
    np.testing.assert_array_equal(i, [[0] * 3, [1] * 3])
    np.testing.assert_array_equal(j, [[0, 1, 2]] * 2)
    np.testing.assert_array_equal(ij, np.arange(6).reshape(2, 3))
    assert (np.asarray(n) == 6).all()


@pytest.mark.parametrize("order", [("i", "j"), ("j", "i")])
@pytest.mark.parametrize(
    "name", ["psum", "pmax", "all_gather", "psum_scatter", "all_to_all", "ppermute", "axis_index"])
def test_several_axes_are_one_in_their_order(name, order):
    """Over ("i", "j") as over one axis of all rows in that order."""
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 2)).astype("float32")
    calls = {
        "psum": lambda x, a: lax.psum(x, a), "pmax": lambda x, a: lax.pmax(x, a),
        "all_gather": lambda x, a: lax.all_gather(x, a), "psum_scatter": lambda x, a: lax.psum_scatter(x, a),
        "all_to_all": lambda x, a: lax.all_to_all(x, a, 0, 0), "axis_index": lambda x, a: lax.axis_index(a) + 0 * x,
        "ppermute": lambda x, a: lax.ppermute(x, a, [(0, 3), (4, 1), (5, 5), (1, 0)]),
    }  # fmt: skip
    call = calls[name]
    got = fl.vmap(fl.vmap(lambda x: call(x, order), axis_name="j"), axis_name="i")(x)
    flat = x if order == ("i", "j") else x.swapaxes(0, 1)
    want = np.asarray(fl.vmap(lambda x: call(x, "k"), axis_name="k")(flat.reshape(6, 6, 2)))
    want = want.reshape(*flat.shape[:2], *want.shape[1:])
    np.testing.assert_allclose(got, want if order == ("i", "j") else want.swapaxes(0, 1), rtol=1e-6)


def test_trees_numbers_and_positions():
    def f(x):
        tree = lax.psum({"a": x, "b": (x > 0, 2.0)}, "i")
        return tree["a"], tree["b"][0], tree["b"][1], lax.psum(1, "i"), lax.pmean(x, (0, "i"))

    a, b, c, n, mean = mapped(f)(X)
    np.testing.assert_array_equal(a[0], X.sum(0))
    assert b.dtype == np.int32 and (np.asarray(b[0]) == (X > 0).sum(0)).all()
    assert (np.asarray(c) == 8.0).all() and (np.asarray(n) == N).all()
    np.testing.assert_allclose(mean[1], X.mean((0, 1)), rtol=1e-6)


def test_what_does_not_differ_needs_no_axis_in_the_result():
    f = lambda x: (lax.psum(x, "i"), lax.all_gather(x, "i"), lax.pmax(x, "i"))
    total, rows, best = mapped(f, out_axes=None)(X)
    np.testing.assert_array_equal(total, X.sum(0))
    np.testing.assert_array_equal(rows, X)
    np.testing.assert_array_equal(best, X.max(0))
    with pytest.raises(ValueError, match="out_axes is None for a result"):
        mapped(lambda x: lax.ppermute(x, "i", [(0, 1)]), out_axes=None)(X)


# ---- derivatives ----


def test_a_loss_that_does_not_vary_counts_once():
    x = fnp.arange(4.0)
    np.testing.assert_array_equal(mapped(fl.grad(lambda x: lax.psum(x, "i")))(x), np.ones(4))
    np.testing.assert_array_equal(mapped(fl.grad(lambda x: lax.psum(x, "i") * x))(x), np.full(4, 12.0))


@pytest.mark.parametrize("loss", ["mean", "varying"])
def test_gradients_in_what_is_shared_are_those_of_the_whole_program(loss):
    w, x = fnp.array([0.5, -1.0, 2.0]), fnp.array(X[:, 0])

    def part(w, x):
        y = fnp.sum(fnp.sin(w * x))
        return lax.pmean(y, "i") if loss == "mean" else y

    whole = lambda w: (fnp.mean if loss == "mean" else fnp.sum)(fnp.sum(fnp.sin(w * x), axis=1))
    got = fl.vmap(fl.grad(part), in_axes=(None, 0), out_axes=None, axis_name="i")(w, x)
    np.testing.assert_allclose(got, fl.grad(whole)(w), rtol=1e-5)
    second = fl.vmap(fl.hessian(part), in_axes=(None, 0), out_axes=None, axis_name="i")
    if loss == "mean":
        np.testing.assert_allclose(second(w, x), fl.hessian(whole)(w), rtol=1e-4, atol=1e-5)


def ring(w, x):
    """Every row meets every other one, which travels around."""
    pairs = [(i, (i + 1) % N) for i in range(N)]
    step = lambda c: (c[0] + 1, c[1] + fnp.sin(c[2] * w), lax.ppermute(c[2], "i", pairs))
    return lax.psum(lax.while_loop(lambda c: c[0] < N, step, (0, 0.0, x))[1], "i")


def uneven(w, x):
    return lax.psum(lax.while_loop(lambda c: c < 10.0, lambda c: c * w, x + 1.5), "i")


def branches(w, x):
    return lax.psum(lax.cond(x > 1.0, lambda w: w * x**2, lambda w: fnp.exp(w), w), "i")


def rows(w, x):
    return lax.scan(lambda c, k: (c + lax.psum(fnp.sin(x * w * k), "i"), x * w), 0.0, fnp.arange(3.0))[0]


def nested(w, x):
    return lax.pmean(fl.jit(lambda w, x: fnp.cos(lax.psum(w * x, "i")) * x)(w, x), "i")


def saved(w, x):
    return lax.psum(fl.checkpoint(lambda w: fnp.sin(w * x) ** 2)(w), "i")


@pytest.mark.parametrize("f", [ring, uneven, branches, rows, nested, saved], ids=lambda f: f.__name__)
@pytest.mark.parametrize("order", [1, 2])
def test_through_control_flow(f, order):
    """The derivative inside the axis is that of the whole program, outside it."""
    w, x = fnp.array(1.3), fnp.arange(4.0)
    inside, outside = f, lambda w: fl.vmap(lambda x: f(w, x), axis_name="i", out_axes=None)(x)
    for _ in range(order):
        inside, outside = fl.grad(inside), fl.grad(outside)
    got = fl.vmap(inside, in_axes=(None, 0), out_axes=None, axis_name="i")(w, x)
    np.testing.assert_allclose(got, outside(w), rtol=2e-4)
    np.testing.assert_allclose(fl.jit(outside)(w), outside(w), rtol=2e-4)


def test_extrema_share_their_derivative():
    x = fnp.array([1.0, 3.0, 3.0, 2.0])
    np.testing.assert_array_equal(mapped(fl.grad(lambda x: lax.pmax(x, "i")))(x), [0, 0.5, 0.5, 0])
    np.testing.assert_array_equal(mapped(fl.grad(lambda x: lax.pmin(x, "i")))(x), [1, 0, 0, 0])


LINEAR = {
    "psum": lambda x: lax.psum(x, "i"),
    "psum in groups": lambda x: lax.psum(x, "i", axis_index_groups=GROUPS),
    "all_gather": lambda x: lax.all_gather(x, "i"),
    "all_gather in groups": lambda x: lax.all_gather(x, "i", axis_index_groups=GROUPS),
    "psum_scatter": lambda x: lax.psum_scatter(x, "i"),
    "all_to_all": lambda x: lax.all_to_all(x, "i", 0, 1),
    "ppermute": lambda x: lax.ppermute(x, "i", [(0, 2), (2, 3), (1, 1)]),
    "own row of a sum": lambda x: lax.psum(x, "i")[lax.axis_index("i")],
}


@pytest.mark.parametrize("name", LINEAR)
def test_transposes(name):
    """The cotangents of all rows, for cotangents of all rows: adjoint as a map of the whole array."""
    whole = mapped(LINEAR[name])
    y, pull = fl.vjp(whole, fnp.array(X))
    ct = fnp.array(np.random.default_rng(1).normal(size=y.shape).astype("float32"))
    t = fnp.array(np.random.default_rng(2).normal(size=X.shape).astype("float32"))
    left = fnp.sum(ct * fl.jvp(whole, (X,), (t,))[1])
    np.testing.assert_allclose(left, fnp.sum(pull(ct)[0] * t), rtol=1e-4)


@pytest.mark.parametrize("name", LINEAR)
def test_transposes_inside_the_axis(name):
    """What a row's cotangent is where every row has a loss of its own: that of the sum of all losses."""
    f = LINEAR[name]
    row = lambda x: fnp.sum(f(x) * (1 + lax.axis_index("i")))
    got = mapped(fl.grad(lambda x: lax.psum(row(x), "i")))(fnp.array(X))
    np.testing.assert_allclose(got, fl.grad(lambda x: fnp.sum(mapped(row)(x)))(fnp.array(X)), rtol=1e-5)


# ---- errors ----


def test_names():
    x = fnp.arange(4.0)
    with pytest.raises(NameError, match=r"psum: there is no axis 'i' here, at test_collectives.py:\d+: no named axis"):
        lax.psum(x, "i")
    with pytest.raises(AxisNameError, match="did you mean 'batch'"):
        fl.vmap(lambda x: lax.psum(x, "bacth"), axis_name="batch")(x)
    with pytest.raises(AxisNameError, match=r"the axes here are 'i'"):
        mapped(lambda x: lax.axis_index("rows"))(x)
    with pytest.raises(ValueError, match=r"there is an axis 'i' already, from test_collectives.py:\d+"):
        mapped(lambda x: mapped(lambda y: y)(fnp.ones(3) * x))(x)
    assert mapped(lambda x: lax.psum(x, "i"))(x)[0] == mapped(lambda x: lax.psum(x, "i"))(x)[1] == 6
    with pytest.raises(TypeError, match="axis_name must be a string"):
        fl.vmap(lambda x: x, axis_name=3)(x)
    with pytest.raises(AxisNameError, match="named twice"):
        mapped(lambda x: lax.psum(x, ("i", "i")))(x)


@pytest.mark.parametrize(
    ("groups", "message"),
    [([[0, 1]], r"leave out \[2, 3\]"), ([[0, 1], [2, 2]], r"leave out \[3\]"), ([[0, 1, 2], [3]], "must have one"),
     ([[0, 1], [2, 3, 4]], "not there"), (3, "must be lists of ints")])  # fmt: skip
def test_groups(groups, message):
    with pytest.raises((ValueError, TypeError), match=message):
        mapped(lambda x: lax.psum(x, "i", axis_index_groups=groups))(fnp.arange(4.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [(lambda x: lax.ppermute(x, "i", [(0, 1), (2, 1)]), "the destinations in .* are not distinct"),
     (lambda x: lax.ppermute(x, "i", [(0, 4)]), "between 0 and 3"),
     (lambda x: lax.ppermute(x, "i", [0, 1]), "must be pairs"),
     (lambda x: lax.pshuffle(x, "i", [0, 1]), "no permutation of the 4 positions"),
     (lambda x: lax.all_to_all(x, "i", 1, 0), "must have 4 elements"),
     (lambda x: lax.psum_scatter(x, "i", scatter_dimension=1, tiled=True), "cannot be cut in 4 equal parts"),
     (lambda x: lax.all_gather(x, "i", axis=5), "5 is no axis")])  # fmt: skip
def test_what_does_not_fit(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        mapped(call)(X)


def test_a_collective_that_not_all_rows_reach_is_refused():
    x = fnp.arange(4.0)
    with pytest.raises(AxisNameError, match=r"true_fun has a collective over 'i', but the predicate varies"):
        mapped(lambda x: lax.cond(x > 1, lambda x: lax.psum(x, "i"), lambda x: x, x))(x)
    with pytest.raises(AxisNameError, match="while_loop: the body has a collective"):
        mapped(lambda x: lax.while_loop(lambda c: c < 3, lambda c: c + lax.psum(c, "i") + 1, x))(x)
    taken = mapped(lambda x: lax.cond(lax.pmax(x, "i") > 1, lambda x: lax.psum(x, "i") + x, lambda x: x, x))(x)
    np.testing.assert_array_equal(taken, 6 + np.arange(4))


def test_a_jitted_function_is_traced_for_each_size_of_the_axis():
    f = fl.jit(lambda x: x / lax.axis_size("i"))
    for n in (2, 5):
        np.testing.assert_allclose(fl.vmap(f, axis_name="i")(fnp.ones(n)), np.ones(n) / n)
    with pytest.raises(AxisNameError):
        f(1.0)


@pytest.mark.parametrize("size", [0, 1])
def test_sizes_0_and_1(size):
    x = fnp.ones((size, 3))
    assert mapped(lambda x: lax.psum(x, "i"))(x).shape == (size, 3)
    assert mapped(lambda x: lax.all_gather(x, "i"))(x).shape == (size, size, 3)
    assert mapped(lambda x: lax.ppermute(x, "i", [(i, i) for i in range(size)]))(x).shape == (size, 3)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "bfloat16", "float64", "complex64"])
def test_dtypes(dtype):
    x = fnp.array(np.array([0, 1, 1, 0]), dtype=dtype)
    assert mapped(lambda x: lax.psum(x, "i"))(x).dtype == ("int32" if dtype == "bool" else dtype)
    assert mapped(lambda x: lax.pmean(x, "i"))(x).dtype == (dtype if np.dtype(x.dtype).kind not in "bui" else "float32")
    assert mapped(lambda x: lax.ppermute(x, "i", [(0, 1)]))(x).dtype == dtype
    assert mapped(lambda x: lax.all_gather(x, "i"))(x).dtype == dtype


def test_every_pair_of_axes_in_nested_maps():
    x = fnp.array(np.random.default_rng(3).normal(size=(2, 3, 4)).astype("float32"))
    for i, j in itertools.product((0, 1), (0, 1)):
        total = lambda x: lax.psum(x * lax.axis_index("j"), ("i", "j"))
        f = fl.vmap(fl.vmap(total, i, axis_name="j"), j, axis_name="i")
        rows = np.moveaxis(np.moveaxis(np.asarray(x), j, 0), i + 1, 1)
        want = (rows * np.arange(rows.shape[1]).reshape(-1, *[1] * (rows.ndim - 2))).sum((0, 1))
        np.testing.assert_allclose(f(x)[0, 0], want, rtol=1e-5)
