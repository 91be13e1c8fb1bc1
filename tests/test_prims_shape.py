"""Laws of the primitives that make constants, move elements, cut and join, over drawn shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import typed
from prim_laws import EVERY, agree, draw, graph_of, host, laws, near

import functorch_lite as fl
from functorch_lite import dtypes, ir, lax, trace
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import shape as s
from functorch_lite.prims import slicing as p
from functorch_lite.transforms import reverse
from functorch_lite.transforms.simplify import simplify

F64 = np.dtype("float64")
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
SEEDS = st.integers(0, 2**31)


@st.composite
def slices(draw, shape):
    """(start, limit, strides) of a slice of an array of this shape."""
    start = [draw(st.integers(0, n)) for n in shape]
    limit = [draw(st.integers(low, n)) for low, n in zip(start, shape, strict=True)]
    return start, limit, [draw(st.integers(1, 3)) for _ in shape]


@st.composite
def paddings(draw, shape):
    """A configuration that leaves no axis with a negative size."""
    config = []
    for n in shape:
        inside = draw(st.integers(0, 2))
        low = draw(st.integers(-3, 3))
        wide = n + max(n - 1, 0) * inside
        config.append((low, draw(st.integers(max(-3, -wide - low), 3)) if wide + low >= -3 else 3, inside))
    return [(max(a, -(n + max(n - 1, 0) * k)), max(b, -(n + max(n - 1, 0) * k + a)), k)
            for n, (a, b, k) in zip(shape, config, strict=True)]  # fmt: skip


@st.composite
def moves(draw):
    """A shape, and a function of one array of that shape that moves its elements."""
    shape = draw(SHAPES)
    n = len(shape)
    axes = tuple(range(n))
    start, limit, strides = draw(slices(shape))
    config = draw(paddings(shape))
    wide = draw(st.permutations(range(n + 1)))
    where = sorted(wide[:n])
    target = [draw(st.integers(1, 3)) for _ in range(n + 1)]
    for i, a in enumerate(where):
        target[a] = target[a] if shape[i] == 1 else shape[i]
    order = draw(st.permutations(axes))
    back = draw(st.sets(st.sampled_from(axes))) if axes else set()
    return shape, draw(st.sampled_from([
        lambda x: s.reshape(x, (*shape[1:], *shape[:1])),
        lambda x: s.transpose(x, order),
        lambda x: s.broadcast(x, target, where),
        lambda x: s.reduce_sum(x, sorted(back)),
        lambda x: s.rev(x, back),
        lambda x: p.slice(x, start, limit, strides),
        lambda x: p.pad(x, 0, config),
        lambda x: p.slice(s.broadcast(s.broadcast(x, target, where), (2, *target)), (1, *[0] * (n + 1)), (2, *target)),
    ]))  # fmt: skip


@settings(max_examples=120)
@given(moves(), SEEDS)
def test_laws_of_moves(case, seed):
    shape, fun = case
    rng = np.random.default_rng(seed)
    laws(fun, [draw(rng, shape)], rng)


@settings(max_examples=40)
@given(st.data(), SHAPES, SEEDS)
def test_laws_of_pad_and_its_value(data, shape, seed):
    rng = np.random.default_rng(seed)
    config = data.draw(paddings(shape))
    laws(lambda x, v: p.pad(x, v, config), [draw(rng, shape), draw(rng, ())], rng)
    laws(lambda x: p.pad(x, 2.5, config), [draw(rng, shape)], rng)
    laws(lambda v: p.pad(s.full(shape, 1, F64), v, config), [draw(rng, ())], rng)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=3), st.booleans(), SEEDS)
def test_laws_of_concatenate(sizes, last, seed):
    rng = np.random.default_rng(seed)
    shapes = [(2, n) if last else (n, 2) for n in sizes]
    axis = int(last)
    laws(lambda *xs: p.concatenate(xs, axis), [draw(rng, shape) for shape in shapes], rng)
    ints = [draw(rng, shape, "int32") for shape in shapes]
    laws(lambda *xs: p.concatenate(xs, axis), ints, rng)


def test_concatenate_where_only_one_operand_has_a_tangent():
    rng = np.random.default_rng(0)
    laws(lambda x: p.concatenate([s.full((2, 2), 1, F64), e.sin(x), s.iota(F64, (1, 2), 1)], 0),
         [draw(rng, (3, 2))], rng)  # fmt: skip


@settings(max_examples=60)
@given(st.data(), SHAPES.filter(bool), SEEDS)
def test_simplified_compositions_are_exact(data, shape, seed):
    """Slices of slices, pads of pads, slices of what was joined, reversed twice: one operation each, or none."""
    rng = np.random.default_rng(seed)
    x = draw(rng, shape)
    first = data.draw(slices(shape))
    second = data.draw(slices(p.slice(x, *first).shape))
    config = data.draw(paddings(shape))
    third = data.draw(paddings(p.pad(x, 0, config).shape))
    joined = data.draw(slices((3 * shape[0], *shape[1:])))
    axes = data.draw(st.sets(st.sampled_from(range(len(shape)))))

    def fun(x):
        return [
            p.slice(p.slice(x, *first), *second),
            p.pad(p.pad(x, 1.5, config), 1.5, third),
            p.slice(p.concatenate([x, e.sin(x), x], 0), *joined),
            s.rev(s.rev(x, axes), range(len(shape))),
            p.pad(s.full(shape, 1.5, F64), 1.5, config),
            p.slice(s.full(shape, 1.5, F64), *first),
            p.concatenate([s.full(shape, 2, F64), s.full(shape, 2, F64)], 0),
        ]

    graph = graph_of(fun, [x])
    simple = ir.check(simplify(graph))
    for got, want in zip(host(simple, [x]), host(graph, [x]), strict=True):
        assert (got.shape, got.tobytes()) == (want.shape, want.tobytes())
    assert sum(eqn.prim is p.slice_p for eqn in simple.eqns) <= 2


def operations(graph):
    return [eqn.prim.name for eqn in graph.eqns]


@pytest.mark.parametrize(
    ("fun", "left"),
    [
        (lambda x: p.slice(x, (0, 0), (4, 3)), []),
        (lambda x: p.slice(p.slice(x, (1, 0), (4, 3), (2, 1)), (1, 0), (2, 2)), ["slice"]),
        (lambda x: p.pad(x, 0, ((0, 0, 0), (0, 0, 0))), []),
        (lambda x: p.pad(p.pad(x, 0, ((1, 0, 1), (0, 0, 0))), 0, ((1, 0, 0), (2, 0, 0))), ["pad"]),
        (lambda x: p.pad(p.pad(x, 0, ((1, 0, 0), (0, 0, 0))), 1, ((1, 0, 0), (2, 0, 0))), ["pad", "pad"]),
        (lambda x: p.pad(p.pad(x, 0, ((-1, 0, 0), (0, 0, 0))), 0, ((1, 0, 0), (0, 0, 0))), ["pad", "pad"]),
        (lambda x: s.rev(s.rev(x, (0, 1)), (1,)), ["rev"]),
        (lambda x: s.rev(s.rev(x, (0,)), (0,)), []),
        (lambda x: s.rev(s.broadcast(x, (1, 4, 3)), (0,)), ["broadcast"]),
        (lambda x: s.broadcast(s.broadcast(x, (2, 4, 3)), (5, 2, 4, 3)), ["broadcast"]),
        (lambda x: s.transpose(s.transpose(x, (1, 0)), (1, 0)), []),
        (lambda x: s.reshape(s.reshape(x, (12,)), (2, 6)), ["reshape"]),
        (lambda x: s.reduce_sum(s.reshape(x, (4, 1, 3)), (1,)), []),
        (lambda x: p.concatenate([x, s.full((0, 3), 0, F64)], 0), []),
        (lambda x: p.slice(p.concatenate([x, x, x], 1), (0, 4), (4, 6)), ["slice"]),
        (lambda x: e.add(x, p.slice(p.pad(s.full((2, 3), 1, F64), 1.0, ((2, 2, 0), (0, 0, 0))), (0, 0), (4, 3))),
         ["add"]),
        (lambda x: e.mul(x, s.broadcast(s.iota(F64, (1, 1), 1), (4, 3))), ["mul"]),
    ],
)  # fmt: skip
def test_what_simplify_leaves(fun, left):
    graph = simplify(graph_of(fun, [np.ones((4, 3))]))
    assert operations(graph) == left


@pytest.mark.parametrize("half", range(2))
def test_xla_agrees_for_every_dtype(half):
    rng = np.random.default_rng(0)
    cases = []
    for dtype in EVERY[half::2]:
        x, v = draw(rng, (3, 4), dtype), draw(rng, (), dtype)
        funs = {
            "full": lambda x, dtype=dtype: s.full((2, 3), 1, dtype),
            "reshape": lambda x: s.reshape(x, (2, 6)),
            "transpose": lambda x: s.transpose(x, (1, 0)),
            "broadcast": lambda x: s.broadcast(x, (3, 2, 4), (0, 2)),
            "rev": lambda x: s.rev(x, (0, 1)),
            "slice": lambda x: p.slice(x, (1, 0), (3, 4), (1, 2)),
            "pad": lambda x: p.pad(x, 1, ((1, -1, 2), (-3, 2, 1))),
            "concatenate": lambda x: p.concatenate([x, x, s.full((1, 4), 0, x.dtype)], 0),
        }
        if dtype != "bool":
            funs["iota"] = lambda x, dtype=dtype: s.iota(dtype, (2, 20), 1)
        cases += [(name, fun, [x]) for name, fun in funs.items()]
        cases.append(("pad by a value", lambda x, v: p.pad(x, v, ((1, 1, 0), (0, -2, 1))), [x, v]))
    agree(cases, ulps=0)


def test_eager_results_are_those_of_numpy():
    x = np.arange(24.0).reshape(2, 3, 4)
    near(np.asarray(p.pad(x, 7.0, [(1, 0, 0), (0, 0, 0), (0, 1, 0)])), np.pad(x, ((1, 0), (0, 0), (0, 1)),
                                                                              constant_values=7.0))  # fmt: skip
    near(np.asarray(p.slice(x, (0, 1, 0), (2, 3, 4), (1, 1, 3))), x[:, 1:, ::3])
    near(np.asarray(p.concatenate([x, x], 2)), np.concatenate([x, x], 2))
    near(np.asarray(s.rev(x, (0, 2))), x[::-1, :, ::-1])
    near(np.asarray(s.iota("int8", (2, 3), 1)), np.broadcast_to(np.arange(3, dtype=np.int8), (2, 3)))


# ---- the cotangents of many slices ----


def pieces(n, kind):
    """Parts of an array of n elements: functions of it."""
    if kind == "elements":
        return [lambda x, i=i: s.reshape(p.slice(x, (i,), (i + 1,)), ()) for i in range(n)]
    if kind == "windows":
        return [lambda x, i=i: s.reduce_sum(p.slice(x, (i,), (i + 3,)), (0,)) for i in range(n - 3)]
    if kind == "strided":
        return [lambda x, i=i: s.reduce_sum(p.slice(x, (i,), (n,), (2,)), (0,)) for i in range(2)]
    return [lambda x, i=i: s.reduce_sum(p.slice(x, (i,), (i + 1,)), (0,)) for i in (0, 3, n - 1, 3)]


def loss_of_pieces(n, kind):
    def loss(x):
        total = s.reduce_sum(x, (0,)) if kind == "and all" else s.full((), 0, F64)
        for k, piece in enumerate(pieces(n, kind)):
            total = e.add(total, e.mul(e.sin(piece(x)), float(k + 1)))
        return total

    return loss


@pytest.mark.parametrize("kind", ["elements", "windows", "strided", "few", "and all"])
def test_cotangents_of_slices_are_right(kind):
    rng = np.random.default_rng(0)
    laws(loss_of_pieces(9, kind), [draw(rng, (9,))], rng, order=2)


@settings(max_examples=40)
@given(st.data(), st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), st.integers(1, 6), SEEDS)
def test_cotangents_of_any_slices_are_right(data, shape, count, seed):
    rng = np.random.default_rng(seed)
    chosen = [data.draw(slices(shape)) for _ in range(count)]

    def loss(x):
        total = s.full((), 0, F64)
        for k, each in enumerate(chosen):
            part = e.sin(p.slice(x, *each))
            total = e.add(total, e.mul(s.reduce_sum(part, range(len(shape))), float(k + 1)))
        return total

    laws(loss, [draw(rng, shape)], rng)


@pytest.mark.parametrize("kind", ["elements", "windows"])
def test_work_of_many_slices_is_linear(kind):
    """The elements that all equations of the gradient make, for n and for 4 n slices."""

    def work(n):
        graph = graph_of(loss_of_pieces(n, kind), [np.zeros(n)])
        grad = reverse.value_and_grad(graph, (True,))
        return sum(grad.types[o].size for eqn in grad.eqns for o in eqn.outs), len(grad.eqns)

    (small, few), (large, many) = work(50), work(200)
    assert large <= 4.5 * small and many <= 4.5 * few


def test_diagonal_elements_are_put_together_row_by_row():
    def loss(x):
        total = s.full((), 0, F64)
        for i in range(5):
            total = e.add(total, s.reshape(e.sin(p.slice(x, (i, i), (i + 1, i + 1))), ()))
        return total

    x = np.arange(25.0).reshape(5, 5)
    graph = graph_of(loss, [x])
    near(host(reverse.value_and_grad(graph, (True,)), [x])[1], np.diag(np.cos(np.diag(x))), 1)


# ---- mistakes ----


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: lax.reshape(x, (5,)), ValueError, r"f32\[2,3\] has 6 elements"),
        (lambda x: lax.transpose(x, (0, 0)), ValueError, "twice"),
        (lambda x: lax.transpose(x, (0,)), ValueError, "no permutation of the 2 axes"),
        (lambda x: lax.broadcast_in_dim(x, (3,), (0, 1)), ValueError, r"do not place f32\[2,3\]"),
        (lambda x: lax.broadcast_in_dim(x, (2, 4), (0, 1)), ValueError, "does not fit the shape"),
        (lambda x: lax.slice(x, (0, 0), (3, 3)), ValueError, r"leaves f32\[2,3\]"),
        (lambda x: lax.slice(x, (0, 2), (2, 1)), ValueError, "leaves"),
        (lambda x: lax.slice(x, (0,), (2,)), ValueError, "each axis"),
        (lambda x: lax.slice_in_dim(x, 0, 2, 0), ValueError, "strides are positive"),
        (lambda x: lax.index_in_dim(x, 2), IndexError, "out of bounds for axis 0"),
        (lambda x: lax.pad(x, 0.0, ((1, 2), (3, 4))), ValueError, "no triples"),
        (lambda x: lax.pad(x, 0.0, ((1, 0, 0),)), ValueError, "2 triples"),
        (lambda x: lax.pad(x, 0.0, ((-1, -2, 0), (0, 0, 0))), ValueError, "takes more away"),
        (lambda x: lax.pad(x, np.float64(0), ((1, 0, 0), (0, 0, 0))), TypeError, r"got f64\[\]"),
        (lambda x: lax.concatenate([x, x[:1, :2]], 0), ValueError, "differ in more than axis 0"),
        (lambda x: lax.concatenate([x, x.astype("f8")], 0), TypeError, "dtypes differ"),
        (lambda x: lax.concatenate([], 0), ValueError, "no arrays"),
        (lambda x: lax.concatenate([x], 2), ValueError, "no axis"),
        (lambda x: lax.split(x, (1, 2)), ValueError, "do not add up"),
        (lambda x: lax.squeeze(x, (0,)), ValueError, "have size 1"),
        (lambda x: lax.rev(x, (0, -2)), ValueError, "twice"),
        (lambda x: lax.rev(x, (0.5,)), TypeError, "expected an int, got float 0.5"),
        (lambda x: lax.iota("bool", 3), TypeError, "no bools to count"),
        (lambda x: lax.broadcasted_iota("int32", (2,), 1), ValueError, "no axis"),
        (lambda x: lax.broadcast_shapes((2, 3), (4,)), ValueError, "do not broadcast"),
        (lambda x: lax.reshape(x, (-2, -3)), ValueError, "do not fill"),
        (lambda x: lax.reduce_sum(x, (2,)), ValueError, "no axis"),
        (lambda x: lax.reduce_sum(x > 0, (0,)), TypeError, "does not take bool"),
    ],
)
def test_mistakes_are_told(call, error, text):
    x = np.ones((2, 3), np.float32)
    with pytest.raises(error, match=text) as caught:
        call(x)
    assert "test_prims_shape.py:" in str(caught.value)


def test_lax_names():
    x = np.arange(12.0).reshape(3, 4)
    same = lambda got, want: near(np.asarray(got), want)
    same(lax.reshape(x, (4, 3), (1, 0)), x.T.reshape(4, 3))
    same(lax.broadcast(x, (2,)), np.broadcast_to(x, (2, 3, 4)))
    same(lax.full((2,), np.arange(2)), np.arange(2))
    same(lax.full((2, 3), 1.5, "float64"), np.full((2, 3), 1.5))
    same(lax.full_like(x, 2, shape=(2,)), np.full(2, 2.0))
    same(lax.zeros_like_array(x), np.zeros((3, 4)))
    same(lax.iota("int16", 3), np.arange(3, dtype=np.int16))
    same(lax.broadcasted_iota("int16", (2, 3), -2), np.array([[0] * 3, [1] * 3], np.int16))
    same(lax.squeeze(x[None, :, None], (0, -2)), x)
    same(lax.expand_dims(x, (0, -1)), x[None, ..., None])
    same(lax.collapse(x[None], 1), x.reshape(1, 12))
    same(lax.collapse(x[None], 0, 2), x.reshape(3, 4))
    same(lax.collapse(x, 1, 1), x.reshape(3, 1, 4))
    same(lax.slice_in_dim(x, -3, None, 2, axis=-1), x[:, -3::2])
    same(lax.index_in_dim(x, -1, 1), x[:, -1:])
    same(lax.index_in_dim(x, 1, 0, keepdims=False), x[1])
    same(lax.rev(x, (-1,)), x[:, ::-1])
    for got, want in zip(lax.split(x, (1, 0, 3), -1), np.split(x, (1, 1), 1), strict=True):
        same(got, want)
    assert lax.broadcast_shapes((2, 1), (3,), ()) == (2, 3)
    assert lax.full_like(2.0, 1).weak_type and not lax.full_like(x, 1).weak_type


def test_constants_keep_the_type_that_was_asked_for():
    with fl.config.default_dtype("float64"):
        assert s.full((2,), 1.0).dtype == np.float64
    assert s.full((2,), 1.0).dtype == np.float32
    assert s.zeros_like(ir.array_type((2,), dtypes.canonical("bfloat16"))).dtype == dtypes.canonical("bfloat16")
    assert typed(np.asarray(s.full((10_000,), 1, "int8"))) == [ir.array_type((10_000,), np.dtype("int8"))]
    assert trace.typeof(s.full((), 1.0, weak=True)).weak
