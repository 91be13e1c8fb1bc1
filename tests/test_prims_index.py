"""Laws of gather, the scatters and slices with dynamic starts, over drawn configurations."""

import numpy as np
import prim_laws
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import check_derivatives, host
from prim_laws import graph_of

import functorch_lite as fl
from functorch_lite import dtypes, lax, trace
from functorch_lite.array import asarray
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import index as p
from functorch_lite.prims.shape import reduce_sum
from functorch_lite.testing.laws import rows
from functorch_lite.transforms import reverse
from functorch_lite.transforms.transpose import transpose
from functorch_lite.transforms.vmap import vmap

SEEDS = st.integers(0, 2**31)
SCATTERS = [p.scatter, p.scatter_add, p.scatter_mul, p.scatter_min, p.scatter_max]


def agree(cases):
    """XLA and the host executor compute the same to the bit; cases are (function, arrays)."""
    prim_laws.agree([(k, fun, xs) for k, (fun, xs) in enumerate(cases)], ulps=0)


def check_vmap(fun, xs, rng, vary):
    """vmap is the loop, for every choice of batched operands; `vary(k, x)` makes another value of operand k."""
    rows(fun, *[np.stack([vary(k, x) for _ in range(3)]) for k, x in enumerate(xs)])


def pick_axes(rng, axes, n):
    return tuple(sorted(int(a) for a in rng.permutation(list(axes))[:n]))


def draw(rng, low=-2, unique=False):
    """A configuration: operand shape, indices, dims, slice sizes."""
    ndim = int(rng.integers(1, 4))
    shape = [int(n) for n in rng.integers(1, 5, ndim)]
    batching = pick_axes(rng, range(ndim), int(rng.integers(0, 2)))
    free = [a for a in range(ndim) if a not in batching]
    dropped = pick_axes(rng, free, int(rng.integers(0, len(free) + 1)))
    index_map = tuple(int(a) for a in rng.permutation(free)[: int(rng.integers(0, len(free) + 1))])
    sizes = [1 if a in dropped or a in batching else int(rng.integers(1, shape[a] + 1)) for a in range(ndim)]
    batch = [int(n) for n in rng.integers(1, 4, int(rng.integers(0, 3)))]
    index_batching = []
    for a in batching:
        batch.insert(k := int(rng.integers(0, len(batch) + 1)), shape[a])
        index_batching.append(k)
    nwindow = ndim - len(dropped) - len(batching)
    window = pick_axes(rng, range(nwindow + len(batch)), nwindow)
    dims = (window, dropped, index_map, batching, tuple(index_batching))
    return tuple(shape), indices_of(rng, shape, batch, index_map, low), dims, tuple(sizes)


def indices_of(rng, shape, batch, index_map, low=-2):
    columns = [rng.integers(low, shape[a] + 2, batch) for a in index_map]
    return np.stack(columns, -1) if columns else np.zeros((*batch, 0), np.int64)


def gathering(case, mode, fill=None):
    _, _, dims, sizes = case
    return lambda x, i: p.gather(x, i, dims, sizes, mode, fill)


def kept_promise(case, mode):
    """The configuration; with indices inside where the mode says so."""
    shape, i, dims, sizes = case
    high = np.array([shape[a] - sizes[a] for a in dims[2]], np.int64)
    return (shape, np.clip(i, 0, high), dims, sizes) if mode == "promise" else case


def updates_shape(case):
    xs = [np.zeros(case[0]), case[1]]
    return graph_of(gathering(case, "clip"), xs).out_types[0].shape


def scattering(op, case, mode):
    return lambda x, i, u: op(x, i, u, case[2], mode)


# ---- values ----


def direct(case, x, i, mode, fill):
    """The definition of gather, one element at a time."""
    shape, _, (window, dropped, index_map, batching, index_batching), sizes = case
    out = np.full(updates_shape(case), fill)
    for at in np.ndindex(out.shape):
        b = [n for k, n in enumerate(at) if k not in window]
        start = [0] * len(shape)
        for a, k in zip(batching, index_batching, strict=True):
            start[a] = b[k]
        raw = [int(n) for n in i[tuple(b)]]
        high = [shape[a] - sizes[a] for a in index_map]
        if mode == "fill" and any(not 0 <= r <= h for r, h in zip(raw, high, strict=True)):
            continue
        for a, r, h in zip(index_map, raw, high, strict=True):
            start[a] += min(max(r, 0), h)
        offset = [0] * len(shape)
        for a, k in zip([a for a in range(len(shape)) if a not in dropped and a not in batching], window, strict=True):
            offset[a] = at[k]
        out[at] = x[tuple(np.add(start, offset))]
    return out


@settings(max_examples=60)
@given(SEEDS)
def test_gather_is_its_definition(seed):
    rng = np.random.default_rng(seed)
    case = draw(rng)
    x = rng.normal(size=case[0])
    for mode in ("clip", "fill", "promise"):
        (y,) = host(graph_of(gathering(case, mode, -7.0), [x, case[1]]), [x, case[1]])
        np.testing.assert_array_equal(y, direct(case, x, case[1], mode, -7.0))


@settings(max_examples=60)
@given(SEEDS)
def test_scatters_are_their_definition(seed):
    """With the positions that a gather of numbered elements reports, updates are applied one after another."""
    rng = np.random.default_rng(seed)
    case = draw(rng)
    x, u = rng.normal(size=case[0]), rng.normal(size=updates_shape(case))
    for mode in ("clip", "drop", "promise"):
        number = np.arange(x.size, dtype=float).reshape(x.shape)
        where = direct(case, number, case[1], "clip" if mode == "clip" else "fill", -1.0)
        for op, fun in zip(SCATTERS, (lambda a, b: b, np.add, np.multiply, np.minimum, np.maximum), strict=True):
            want = x.reshape(-1).copy()
            for k, v in zip(where.reshape(-1).astype(int), u.reshape(-1), strict=True):
                if k >= 0:
                    want[k] = fun(want[k], v)
            (got,) = host(graph_of(scattering(op, case, mode), [x, case[1], u]), [x, case[1], u])
            np.testing.assert_allclose(got, want.reshape(x.shape), rtol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_xla_and_host_agree_on_drawn_configurations(seed):
    """Over drawn configurations, dtypes of the indices and modes. Overlapping windows of `set` keep the last update."""
    rng, cases = np.random.default_rng(seed), []
    for _ in range(12):
        case = draw(rng)
        x = rng.integers(-3, 4, case[0]).astype(np.float64)
        u = rng.integers(-3, 4, updates_shape(case)).astype(np.float64)
        i = case[1].astype(rng.choice(["int32", "int64", "int8", "int16"]))
        if rng.integers(2):
            i = np.abs(i).astype(rng.choice(["uint8", "uint32", "uint64"]))
        for mode in ("clip", "fill", "promise"):
            cases.append((gathering(case, mode), [x, i]))
        op = SCATTERS[int(rng.integers(5))]
        for mode in ("clip", "drop", "promise"):
            cases.append((scattering(op, case, mode), [x, i, u]))
    agree(cases)


DTYPES = ["bool", "int2", "uint2", "int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
          "uint64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float32",
          "complex64", "complex128"]  # fmt: skip


@pytest.mark.parametrize("narrow", [False, True])
def test_xla_and_host_agree_on_every_dtype(narrow):
    rng = np.random.default_rng(5)
    i, cases = np.array([[1], [3], [1], [-1], [7]]), []
    dims = ((1,), (0,), (0,), (), ())
    for name in DTYPES:
        dtype = dtypes.canonical(name)
        if narrow != (dtype.itemsize < 4):
            continue
        x, u = [rng.integers(0, 2, s).astype(dtype) for s in ((4, 3), (5, 3))]
        cases.append((lambda x, i: p.gather(x, i, dims, (1, 3), "fill"), [x, i]))
        for op in SCATTERS:
            if dtypes.kind(dtype) != "c" or op not in (p.scatter_min, p.scatter_max):
                cases.append((lambda x, i, u, op=op: op(x, i, u, dims), [x, i, u]))
    agree(cases)


def test_the_fill_value():
    i, dims = np.array([[5]]), ((), (0,), (0,), (), ())
    take = lambda x, fill=None: np.asarray(p.gather(asarray(x), i, dims, (1,), "fill", fill))[0]
    assert np.isnan(take(np.zeros(2))) and np.isnan(take(np.zeros(2, dtypes.canonical("bfloat16"))))
    assert take(np.zeros(2, np.int8)) == -128 and take(np.zeros(2, np.uint8)) == 255 and take(np.zeros(2, bool))
    assert take(np.zeros(2, np.int8), 3) == 3


# ---- derivatives ----


@settings(max_examples=40)
@given(SEEDS)
def test_derivatives_of_gather(seed):
    rng = np.random.default_rng(seed)
    case = draw(rng)
    x = rng.normal(size=case[0])
    mode = str(rng.choice(["clip", "fill", "promise"]))
    case = kept_promise(case, mode)
    check_derivatives(gathering(case, mode, 0.5), x, case[1], active=(True, False), rng=rng)


@settings(max_examples=80)
@given(SEEDS, st.sampled_from([(True, True), (True, False), (False, True)]), st.sampled_from(SCATTERS))
def test_derivatives_of_scatters(seed, active, op):
    """Also where windows overlap: the tangent follows the update that remained, and extremes are distinct here."""
    rng = np.random.default_rng(seed)
    case = draw(rng)
    x, u = rng.normal(size=case[0]), rng.normal(size=updates_shape(case))
    mode = str(rng.choice(["clip", "drop", "promise"]))
    case = kept_promise(case, mode)
    check_derivatives(scattering(op, case, mode), x, case[1], u, active=(active[0], False, active[1]), rng=rng)


def test_unique_indices_make_shorter_derivatives():
    x, i, u = np.arange(4.0), np.array([[3], [1]]), np.array([5.0, 7.0])
    dims = ((), (0,), (0,), (), ())
    for op in SCATTERS:
        length = []
        for unique in (False, True):
            fun = lambda x, i, u, op=op, unique=unique: op(x, i, u, dims, "drop", unique)
            check_derivatives(fun, x, i, u, active=(True, False, True), rng=np.random.default_rng(0))
            length.append(len(reverse.pushforward(graph_of(fun, [x, i, u]), (True, False, True))[0].eqns))
        assert length[1] < length[0] or op not in (p.scatter, p.scatter_mul)
    assert length_of_jvp(p.scatter, dims, x, i, u) == 2 and length_of_jvp(p.scatter_add, dims, x, i, u) == 2


def length_of_jvp(op, dims, x, i, u):
    graph = graph_of(lambda x, i, u: op(x, i, u, dims, "drop", True), [x, i, u])
    return len(reverse.pushforward(graph, (True, False, True))[0].eqns)


def test_equal_extremes_share_the_tangent():
    dims, i = ((), (0,), (0,), (), ()), np.array([[0], [0], [1]])
    x, u = np.array([2.0, 5.0, 1.0]), np.array([2.0, 2.0, 3.0])
    graph = graph_of(lambda x, i, u: p.scatter_max(x, i, u, dims), [x, i, u])
    forward, _ = reverse.pushforward(graph, (True, False, True))
    _, t = host(forward, [x, i, u, np.array([3.0, 10.0, 20.0]), np.array([6.0, 9.0, 1.0])])
    np.testing.assert_allclose(t, [6.0, 10.0, 20.0])


def test_zeros_among_multiplied_updates():
    dims, i, x = ((), (0,), (0,), (), ()), np.array([[0], [0], [1], [1], [1]]), np.array([2.0, 3.0, 4.0])
    u = np.array([0.0, 5.0, 0.0, 0.0, 7.0])
    fun = lambda x, i, u: p.scatter_mul(x, i, u, dims)
    check_derivatives(fun, x, i, u, active=(True, False, True), rng=np.random.default_rng(0), order=1)


def test_cotangents_of_many_reads_share_one_buffer():
    """n reads of one array: one array of zeros, n scatters, no sum of large arrays."""
    i, dims = np.array([[1], [2]]), ((1,), (0,), (0,), (), ())

    def fun(x, i, j):
        total = None
        for k in range(10):
            y = p.gather(x, e.add(i, k), dims, (1, 5)) if k % 2 else p.dynamic_slice(x, (j, 1), (2, 2))
            y = e.mul(e.sin(y), float(k + 2))
            y = reduce_all(y)
            total = y if total is None else e.add(total, y)
        return total

    x, j = np.random.default_rng(0).normal(size=(50, 5)), np.int64(3)
    graph = reverse.value_and_grad(graph_of(fun, [x, i, j]), (True, False, False))
    large = [eqn.prim.name for eqn in graph.eqns for o in eqn.outs if graph.types[o].shape == (50, 5)]
    assert sorted(set(large)) == ["dynamic_update_slice", "full", "scatter_add"] and large.count("full") == 1, graph
    check_derivatives(fun, x, i, np.asarray(j), active=(True, False, False), rng=np.random.default_rng(1), order=1)


def reduce_all(y):
    return reduce_sum(y, range(trace.typeof(y).ndim))


def test_complex_scatter_add_is_linear_without_conjugation():
    dims, i = ((), (0,), (0,), (), ()), np.array([[0], [0], [2]])
    x, u = np.array([1 + 2j, 3j, 4.0]), np.array([1j, 2.0, 3 + 1j])
    graph = graph_of(lambda x, i, u: p.scatter_add(x, i, u, dims), [x, i, u])
    back, _ = reverse.backward(graph, (True, False, True), (True,))
    ct = np.array([1j, 2.0, 5 - 1j])
    cx, cu = host(back, [i, ct])
    np.testing.assert_array_equal(cx, ct)
    np.testing.assert_array_equal(cu, ct[[0, 0, 2]])


# ---- vmap ----


@settings(max_examples=40)
@given(SEEDS)
def test_vmap_of_gather(seed):
    rng = np.random.default_rng(seed)
    case = draw(rng)
    vary = lambda k, x: rng.normal(size=x.shape) if k == 0 else indices_of(rng, case[0], x.shape[:-1], case[2][2])
    for mode in ("clip", "fill"):
        check_vmap(gathering(case, mode, 0.5), [rng.normal(size=case[0]), case[1]], rng, vary)


@settings(max_examples=40)
@given(SEEDS, st.sampled_from(SCATTERS))
def test_vmap_of_scatters(seed, op):
    rng = np.random.default_rng(seed)
    case = draw(rng)
    vary = lambda k, x: indices_of(rng, case[0], x.shape[:-1], case[2][2]) if k == 1 else whole(rng, x.shape)
    xs = [whole(rng, case[0]), case[1], whole(rng, updates_shape(case))]
    check_vmap(scattering(op, case, str(rng.choice(["clip", "drop"]))), xs, rng, vary)


def whole(rng, shape):
    return rng.integers(-3, 4, shape).astype(np.float64)


def test_vmap_twice_and_compiled():
    rng, cases = np.random.default_rng(7), []
    for op in (None, *SCATTERS):
        case = draw(rng)
        shapes = [case[0], case[1].shape] + ([] if op is None else [updates_shape(case)])
        xs = [whole(rng, s) for s in shapes]
        xs[1] = case[1]
        graph = graph_of(gathering(case, "fill", 0.5) if op is None else scattering(op, case, "drop"), xs)
        inner = tuple([True] * len(xs))
        twice, _ = vmap(vmap(graph, 2, inner)[0], 3, inner)
        args = [np.stack([np.stack([x, x]) + k for k in range(3)]) for x in xs]
        cases.append((lambda *a, twice=twice: trace.inline(twice, a)[0], args))
    agree(cases)


def test_vmap_over_an_empty_axis():
    x, i, dims = np.zeros((0, 4, 2)), np.zeros((0, 3, 1), np.int64), ((1,), (0,), (0,), (), ())
    graph = graph_of(lambda x, i: p.gather(x, i, dims, (1, 2)), [x[:0].sum(0), np.zeros((3, 1), np.int64)])
    for batched in ((True, True), (True, False), (False, True)):
        args = [v if b else np.zeros(v.shape[1:], v.dtype) for v, b in zip((x, i), batched, strict=True)]
        assert host(vmap(graph, 0, batched)[0], args)[0].shape == (0, 3, 2)


# ---- slices with dynamic starts ----


def slicing(sizes, fixed):
    """dynamic_slice and dynamic_update_slice whose starts are operands but for those in `fixed`."""
    starts = lambda where: [next(where) if k is None else k for k in fixed]
    return (lambda x, *where: p.dynamic_slice(x, starts(iter(where)), sizes),
            lambda x, u, *where: p.dynamic_update_slice(x, u, starts(iter(where))))  # fmt: skip


def draw_slice(rng):
    shape = tuple(int(n) for n in rng.integers(1, 6, int(rng.integers(1, 4))))
    sizes = tuple(int(rng.integers(1, n + 1)) for n in shape)
    fixed = [None if rng.integers(3) else int(rng.integers(-2, 6)) for _ in shape]
    where = [rng.integers(-3, 8, ()).astype(rng.choice(["int32", "int64"])) for k in fixed if k is None]
    return rng.normal(size=shape), rng.normal(size=sizes), sizes, fixed, where


@settings(max_examples=40)
@given(SEEDS)
def test_laws_of_dynamic_slices(seed):
    """The definition, derivatives to the second order, and vmap over every choice of operands."""
    rng = np.random.default_rng(seed)
    x, u, sizes, fixed, where = draw_slice(rng)
    cut, put = slicing(sizes, fixed)
    it = iter(where)
    at = [np.clip(int(next(it)) if k is None else k, 0, n - m) for k, n, m in zip(fixed, x.shape, sizes, strict=True)]
    window = tuple(slice(a, a + n) for a, n in zip(at, sizes, strict=True))
    np.testing.assert_array_equal(host(graph_of(cut, [x, *where]), [x, *where])[0], x[window])
    want = x.copy()
    want[window] = u
    np.testing.assert_array_equal(host(graph_of(put, [x, u, *where]), [x, u, *where])[0], want)
    off = (False,) * len(where)
    check_derivatives(cut, x, *where, active=(True, *off), rng=rng)
    for active in ((True, True), (True, False), (False, True)):
        check_derivatives(put, x, u, *where, active=(*active, *off), rng=rng)
    draw_new = lambda k, v: rng.integers(-3, 8, ()).astype(v.dtype) if v.dtype.kind == "i" else rng.normal(size=v.shape)
    check_vmap(cut, [x, *where], rng, draw_new)
    check_vmap(put, [x, u, *where], rng, draw_new)


def test_dynamic_slices_compiled():
    rng, cases = np.random.default_rng(3), []
    for _ in range(20):
        x, u, sizes, fixed, where = draw_slice(rng)
        if rng.integers(2):
            where = [np.abs(w).astype(rng.choice(["uint8", "uint32", "int8"])) for w in where]
        cut, put = slicing(sizes, fixed)
        cases += [(cut, [x, *where]), (put, [x, u, *where])]
    agree(cases)


def test_simpler_forms():
    x = np.zeros((3, 4))
    graph = lambda fun, *xs: reverse.simplified(graph_of(fun, [x, *xs])).eqns
    assert [eqn.prim.name for eqn in graph(lambda x: p.dynamic_slice(x, (1, 2), (2, 2)))] == ["slice"]
    assert not graph(lambda x, i: p.dynamic_slice(x, (i, 0), (3, 4)), np.int32(1))
    assert not graph(lambda x, u, i: p.dynamic_update_slice(x, u, (i, 0)), x, np.int32(1))
    (eqn,) = graph(lambda x, i: p.dynamic_slice(x, (i, 9), (1, 2)), np.int32(1))
    assert dict(eqn.params) == {"starts": (None, 2), "sizes": (1, 2)}


# ---- errors ----

X = np.zeros((4, 3))
ROWS = ((1,), (0,), (0,), (), ())


@pytest.mark.parametrize(
    ("fun", "error", "words"),
    [
        (lambda: p.gather(X, np.zeros((2, 1)), ROWS, (1, 3)), TypeError, r"indices are integers, got f64\[2,1\]"),
        (lambda: p.gather(X, np.int64(1), ROWS, (1, 3)), ValueError, "index vectors, so they need one"),
        (lambda: p.gather(X, np.zeros((2, 2), int), ROWS, (1, 3)), ValueError, "index vectors have 2 components"),
        (lambda: p.gather(X, np.zeros((2, 1), int), ROWS, (1, 4)), ValueError, r"slice_sizes \(1, 4\)"),
        (lambda: p.gather(X, np.zeros((2, 1), int), ROWS, (2, 3)), ValueError, "must be 1 along collapsed_slice_dims"),
        (lambda: p.gather(X, np.zeros((2, 1), int), ((5,), *ROWS[1:]), (1, 3)), ValueError, r"offset_dims \(5,\)"),
        (lambda: p.gather(X, np.zeros((2, 1), int), ((1,), (0,), (7,), (), ()), (1, 3)), ValueError, r"axes \(7,\)"),
        (lambda: p.gather(X, np.zeros((2, 1), int), ((), (0,), (0,), (1,), (0,)), (1, 1)), ValueError, "sizes along"),
        (lambda: p.gather(X, np.zeros((2, 1), int), ROWS, (1, 3), "wrap"), ValueError, "unknown mode 'wrap'"),
        (lambda: p.scatter(X, np.zeros((2, 1), int), np.zeros((3, 3)), ROWS), ValueError, r"sizes \[3\] where"),
        (lambda: p.scatter(X, np.zeros((2, 1), int), np.zeros((2, 4)), ROWS), ValueError, "do not fit"),
        (lambda: p.scatter(X, np.zeros((2, 1), int), np.zeros((2, 3), "f4"), ROWS), TypeError, "dtypes differ"),
        (lambda: p.scatter(X, np.zeros((2, 1), int), np.zeros(3), ROWS), ValueError, "must have 2 axes"),
        (lambda: p.scatter_min(X + 0j, np.zeros((2, 1), int), np.zeros((2, 3)) + 0j, ROWS), TypeError, "does not take"),
        (lambda: p.dynamic_slice(X, (0,), (1, 1)), ValueError, "got 1 start indices and 2 sizes"),
        (lambda: p.dynamic_slice(X, (0, 0), (5, 1)), ValueError, r"sizes \(5, 1\) does not fit"),
        (lambda: p.dynamic_slice(X, (np.float32(1), 0), (1, 1)), TypeError, r"integers without axes, got f32\[\]"),
        (lambda: p.dynamic_update_slice(X, np.zeros((1, 1), "f4"), (0, 0)), TypeError, "dtypes differ"),
    ],
)
def test_errors(fun, error, words):
    with pytest.raises(error, match=words) as caught:
        fun()
    assert "test_prims_index.py:" in str(caught.value)


def test_multiplied_updates_are_linear_only_where_unique():
    i = np.zeros((2, 1), int)
    graph = graph_of(lambda u: p.scatter_mul(X, i, u, ROWS), [np.zeros((2, 3))])
    with pytest.raises(TypeError, match="unique_indices=True"):
        transpose(graph, (False, False, True), (True,))


# ---- the names of jax.lax ----

M = np.arange(20.0).reshape(4, 5)


@pytest.mark.parametrize("how", ["eager", "traced"])
def test_lax_slices(how):
    """Starts are Python integers, scalars or a vector; negative ones count from the end, others are moved inside."""
    run = fl.jit if how == "traced" else lambda f: f
    same = np.testing.assert_array_equal
    for i in (np.int32(2), np.int64(-1), np.int8(-2), np.uint8(3)):
        at = int(i) % 4
        same(run(lambda x, i: lax.dynamic_slice(x, (i, 1), (1, 3)))(M, i), M[at : at + 1, 1:4])
        same(run(lambda x, i: lax.dynamic_index_in_dim(x, i, 0, keepdims=False))(M, i), M[at])
        same(run(lambda x, i: lax.dynamic_index_in_dim(x, i))(M, i), M[at][None])
        want = M.copy()
        want[at] = 7
        same(run(lambda x, i: lax.dynamic_update_index_in_dim(x, np.full(5, 7.0), i, 0))(M, i), want)
        same(run(lambda x, i: lax.dynamic_update_slice(x, np.full((1, 5), 7.0), (i, 0)))(M, i), want)
    same(run(lambda x, v: lax.dynamic_slice(x, v, (2, 2)))(M, np.array([1, -2])), M[1:3, 3:])
    same(run(lambda x: lax.dynamic_slice_in_dim(x, 9, 2, axis=-1))(M), M[:, 3:])
    same(run(lambda x: lax.dynamic_slice_in_dim(x, -3, 2))(M), M[1:3])
    unwrapped = lambda x, i: lax.dynamic_slice_in_dim(x, i, 2, allow_negative_indices=False)
    same(run(unwrapped)(M, np.int32(-3)), M[:2])
    column = lambda x, u, i: lax.dynamic_update_slice_in_dim(x, u, i, -1)
    same(run(column)(M, np.zeros((4, 2)), np.int32(1))[:, 1:3], np.zeros((4, 2)))


def test_lax_gather_and_scatter():
    """Modes are members or names; the default fills, and drops."""
    i, rows = np.array([[1], [9]]), lax.GatherDimensionNumbers((1,), (0,), (0,))
    take = lambda mode, **more: np.asarray(lax.gather(M, i, rows, (1, 5), mode=mode, **more))
    modes = lax.GatherScatterMode
    np.testing.assert_array_equal(take("clip"), M[[1, 3]])
    np.testing.assert_array_equal(take(modes.FILL_OR_DROP, fill_value=-1), [M[1], [-1] * 5])
    assert np.isnan(take(None)[1]).all() and modes.from_any("promise_in_bounds") is modes.PROMISE_IN_BOUNDS
    numbers = lax.ScatterDimensionNumbers((1,), (0,), (0,))
    u = np.array([[10.0] * 5, [20.0] * 5])
    for op, fun in [
        (lax.scatter, lambda x, u: u), (lax.scatter_add, np.add), (lax.scatter_sub, np.subtract),
        (lax.scatter_mul, np.multiply), (lax.scatter_min, np.minimum), (lax.scatter_max, np.maximum),
    ]:  # fmt: skip
        want = M.copy()
        want[1] = fun(M[1], u[0])
        np.testing.assert_array_equal(op(M, i, u, numbers), want)
        want[3] = fun(M[3], u[1])
        np.testing.assert_array_equal(op(M, i, u, numbers, mode="clip", unique_indices=True), want)
    with pytest.raises(ValueError, match=r"unknown mode 'wrap' at test_prims_index.py"):
        lax.gather(M, i, rows, (1, 5), mode="wrap")
    with pytest.raises(ValueError, match=r"2 is no axis of f64\[4,5\]"):
        lax.dynamic_slice_in_dim(M, 0, 1, axis=2)


def test_an_empty_batch_of_starts():
    put = fl.vmap(lambda x, i: lax.dynamic_update_slice(x, np.zeros(2), (i,)))
    cut = fl.vmap(lambda x, i: lax.dynamic_slice(x, (i,), (2,)))
    for f in (put, fl.jit(put)):
        assert f(np.zeros((0, 5)), np.zeros(0, np.int32)).shape == (0, 5)
    for f in (cut, fl.jit(cut)):
        assert f(np.zeros((0, 5)), np.zeros(0, np.int32)).shape == (0, 2)
