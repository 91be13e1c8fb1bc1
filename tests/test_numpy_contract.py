"""Products of arrays and `linalg` against NumPy, in every dtype, eagerly and compiled."""

import itertools
import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy_cases import agree, operand, slow_path, wide

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import dtypes, lax
from functorch_lite.numpy import linalg

TYPES = ["bool", "int8", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]


def small(seed, shape, dtype):
    """Numbers whose products and sums every dtype holds exactly, so that results are compared bit by bit."""
    x = operand(seed, shape, dtype, special=False)
    return x if x.dtype.kind == "b" else (wide(x) % 3).astype(x.dtype) if x.dtype.kind != "c" else np.round(x / 4)


def exact(x):
    """In a dtype in which NumPy multiplies what `small` gives; booleans multiply as booleans."""
    return wide(x) if x.dtype.kind == "b" or x.dtype.kind == "c" else x.astype(np.float64)


# ---- matmul and its relatives ----

MATMUL = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
          ((5, 2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)), ((3,), (5, 3, 2)),
          ((5, 2, 3), (3,)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 1), (1, 2)), ((1, 1, 1), (1, 1, 1))]  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES)
def test_matmul(dtype):
    for k, (a, b) in enumerate(MATMUL):
        x, y = small(k, a, dtype), small(k + 1, b, dtype)
        want = np.matmul(exact(x), exact(y))
        agree(fnp.matmul(fnp.asarray(x), fnp.asarray(y)), want, x.dtype, ulps=0)
        with slow_path():
            agree(fnp.matmul(fnp.asarray(x), fnp.asarray(y)), want, x.dtype, ulps=0)
        agree(fnp.asarray(x) @ y, want, x.dtype, ulps=0)
        agree(x @ fnp.asarray(y), want, x.dtype, ulps=0)


@pytest.mark.parametrize("dtype", ["bool", "int32", "bfloat16", "float32", "complex64"])
def test_matmul_compiled(dtype):
    pairs = [(small(k, a, dtype), small(k + 1, b, dtype)) for k, (a, b) in enumerate(MATMUL)]
    results = fl.jit(lambda pairs: [fnp.matmul(*pair) for pair in pairs])(pairs)
    for got, (x, y) in zip(results, pairs, strict=True):
        agree(got, np.matmul(exact(x), exact(y)), dtype, ulps=0)


@given(st.sampled_from(TYPES), st.sampled_from(TYPES), st.integers(0, 1000))
def test_products_meet_in_the_lattice(a, b, seed):
    x, y = small(seed, (2, 3), a), small(seed + 1, (3, 2), b)
    dtype, _ = dtypes.promote((x.dtype, y.dtype), (False, False))
    count = lambda x: exact(x) * 1  # True as a number
    want = x @ y if a == b == "bool" else np.matmul(count(x), count(y))
    agree(fnp.matmul(x, y), want, dtype)


def test_preferred_dtype_and_precision():
    x = small(1, (2, 3), "int8")
    agree(fnp.matmul(x, x.T, preferred_element_type="int32"), np.matmul(x.astype(int), x.T), np.int32)
    y = small(2, (2, 3), "bfloat16")
    for f in (fnp.matmul, fl.jit(fnp.matmul, static_argnames="preferred_element_type")):
        agree(f(y, y.T, preferred_element_type="float32"), exact(y) @ exact(y).T, np.float32)
    agree(fnp.einsum("ij,kj->ik", y, y, preferred_element_type=np.float32), exact(y) @ exact(y).T, np.float32)
    z = small(3, (2, 3), "float32")
    for precision in ("default", "high", "highest", "float32", ("high", "highest")):
        agree(fl.jit(lambda z: fnp.matmul(z, z.T, precision=precision))(z), z @ z.T)
    with pytest.raises(ValueError, match="matmul: precision='low' at test_numpy_contract"):
        fnp.matmul(z, z.T, precision="low")


DOT = [((), (3,)), ((3,), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((5, 2, 3), (4, 3, 2)),
       ((3,), (4, 3, 2))]  # fmt: skip


@pytest.mark.parametrize("dtype", ["int32", "float32", "complex64"])
def test_dot_inner_outer_kron(dtype):
    for k, (a, b) in enumerate(DOT):
        x, y = small(k, a, dtype), small(k + 1, b, dtype)
        agree(fnp.dot(fnp.asarray(x), fnp.asarray(y)), np.dot(exact(x), exact(y)), dtype, ulps=0)
        agree(fnp.outer(x, y), np.outer(exact(x), exact(y)), dtype, ulps=0)
        agree(fnp.kron(x, y), np.kron(exact(x), exact(y)), dtype, ulps=0)
        if x.shape and y.shape:
            flipped = np.swapaxes(y, -1, -2) if y.ndim > 1 else y
            agree(fnp.inner(x, flipped), np.inner(exact(x), exact(flipped)), dtype, ulps=0)
    x, y = small(8, (2, 3), dtype), small(9, (2, 3), dtype)
    agree(fnp.vdot(x, y), np.vdot(exact(x), exact(y)), dtype, ulps=0)
    made = lambda numpy, x, y: [getattr(numpy, f)(x, y) for f in ("outer", "kron", "inner", "vdot")]
    got = fl.jit(lambda x, y: [fnp.dot(x, y[0]), *made(fnp, x, y)])(x, y)
    wants = [np.dot(exact(x), exact(y)[0]), *made(np, exact(x), exact(y))]
    for g, want in zip(got, wants, strict=True):
        agree(g, want, dtype, ulps=0)


def test_batched_vectors():
    a, v = small(1, (5, 2, 3), "complex64"), small(2, (4, 1, 3), "complex64")
    agree(fnp.matvec(a, v), np.matvec(a, v))
    agree(fnp.vecmat(small(3, (5, 2), "complex64"), a), np.vecmat(small(3, (5, 2), "complex64"), a))
    for axis in (0, -1):
        x, y = np.moveaxis(v, -1, axis), np.moveaxis(small(4, (5, 3), "complex64"), -1, axis)
        if axis == -1:
            agree(fnp.vecdot(x, y, axis=axis), np.vecdot(x, y, axis=axis))
        agree(fnp.vecdot(x, x, axis=axis), np.vecdot(x, x, axis=axis))
        agree(linalg.vecdot(x, x, axis=axis), np.vecdot(x, x, axis=axis))


def test_tensordot():
    x, y = small(1, (2, 3, 4), "float32"), small(2, (4, 3, 5), "float32")
    for axes in (0, 1, ((1, 2), (1, 0)), ([2], [0]), (1, 1), ((-1, 1), (0, -2))):
        agree(fnp.tensordot(x, y, axes), np.tensordot(x, y, axes), ulps=0)
        agree(linalg.tensordot(x, y, axes=axes), np.tensordot(x, y, axes), ulps=0)
    agree(fnp.tensordot(x, x, 3), np.tensordot(x, x, 3), ulps=0)
    got = fl.jit(lambda x, y: fnp.tensordot(x, y, ((1, 2), (1, 0))))(x, y)
    agree(got, np.tensordot(x, y, ((1, 2), (1, 0))), ulps=0)


# ---- einsum ----

EINSUM = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij,ij->", (2, 3), (2, 3)), ("i,j->ij", (2,), (3,)),
    ("ii->i", (3, 3)), ("ii", (3, 3)), ("ij->ji", (2, 3)), ("ij->j", (2, 3)), ("ijk->ki", (2, 3, 4)), ("ba", (2, 3)),
    ("iij,j->i", (2, 2, 3), (3,)), ("ij,kl->", (2, 3), (4, 5)), ("ij,k->ki", (2, 3), (4,)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 4)), ("...j,j", (5, 2, 3), (3,)), ("...,...->...", (2, 1), (3,)),
    ("i...,i...->...", (2, 3), (2, 3)), ("b...i,bi->b...", (2, 4, 3), (2, 3)), ("i,i,i->i", (3,), (3,), (3,)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)), ("ij,ik,il->jkl", (2, 3), (2, 4), (2, 5)),
    ("ij,j,j,i->", (2, 3), (3,), (3,), (2,)), ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("ij , jk -> ik", (2, 3), (3, 4)), ("ij,jk->ik", (2, 1), (3, 4)), ("ij,ij->ij", (1, 3), (2, 1)),
    ("iji,jj->j", (2, 3, 2), (3, 3)), (",i->i", (), (3,)),
    ("->", ()), ("ij->ij", (0, 3)), ("ij,jk->ik", (2, 0), (0, 3)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_einsum(dtype):
    cases = [(spec, [small(k, shape, dtype) for k, shape in enumerate(shapes)]) for spec, *shapes in EINSUM]
    for spec, xs in cases:
        want = np.einsum(spec, *map(exact, xs))
        agree(fnp.einsum(spec, *[fnp.asarray(x) for x in xs]), want, dtype, ulps=0)
        if len(xs) > 2:
            for optimize in (False, True, "optimal", "greedy", fnp.einsum_path(spec, *xs)[0]):
                agree(fnp.einsum(spec, *xs, optimize=optimize), want, dtype, ulps=0)
    if dtype == "float32":
        specs = [spec for spec, _ in cases]
        every = fl.jit(lambda operands: [fnp.einsum(spec, *xs) for spec, xs in zip(specs, operands, strict=True)])
        got = every([xs for _, xs in cases])
        for (spec, xs), g in zip(cases, got, strict=True):
            agree(g, np.einsum(spec, *map(exact, xs)), dtype, ulps=0)


def test_einsum_by_lists():
    x, y = small(1, (2, 3), "float32"), small(2, (3, 4), "float32")
    agree(fnp.einsum(x, [0, 1], y, [1, 2], [0, 2]), x @ y)
    agree(fnp.einsum(x, [0, 1], y, [1, 2]), x @ y)
    agree(fnp.einsum(x, [Ellipsis, 0], [0, Ellipsis]), x.T)


def test_einsum_of_many_operands_takes_a_good_path():
    """A chain is contracted from the small end, whatever the order in which it is written."""
    a, b, v = fnp.ones((50, 60)), fnp.ones((60, 70)), fnp.ones((70,))
    graph = fl.make_graph(lambda a, b, v: fnp.einsum("ij,jk,k->i", a, b, v))(a, b, v)
    assert {t.shape for t in graph.types} == {(50, 60), (60, 70), (70,), (60,), (50,)}, graph
    path, text = fnp.einsum_path("ij,jk,k->i", a, b, v)
    assert sorted(path[0]) == [1, 2] and "ij" in str(text)


def test_a_product_is_one_operation():
    x, y = fnp.ones((2, 3)), fnp.ones((3, 4))
    for f in (fnp.matmul, fnp.dot, lambda x, y: fnp.einsum("ij,jk->ki", x, y), lambda x, y: fnp.tensordot(x, y, 1)):
        graph = fl.make_graph(f)(x, y)
        assert [eqn.prim.name for eqn in graph.eqns] == ["dot"], graph


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (fnp.matmul, ((2, 3), (3, 4))),
        (fnp.matmul, ((5, 1, 2, 3), (4, 3, 2))),
        (lambda x, y: fnp.einsum("iij,j->i", x, y), ((2, 2, 3), (3,))),
        (lambda x, y: fnp.einsum("ij,kl->k", x, y), ((2, 3), (4, 2))),
        (fnp.kron, ((2, 2), (3, 1))),
        (fnp.outer, ((2,), (3,))),
        (lambda x, y: fnp.vecdot(x, y, axis=0), ((3, 2), (3, 1))),
    ],
)
def test_derivatives_agree(f, shapes):
    """<ct, J t> = <J' ct, t>, and both are linear in each operand."""
    xs = [fnp.asarray(operand(k, s, "float64", special=False)) for k, s in enumerate(shapes)]
    ts = [fnp.asarray(operand(k + 5, s, "float64", special=False)) for k, s in enumerate(shapes)]
    y, t_out = fl.jvp(f, tuple(xs), tuple(ts))
    ct = fnp.asarray(operand(9, y.shape, "float64", special=False))
    cts = fl.vjp(f, *xs)[1](ct)
    forward = np.sum(np.asarray(ct) * np.asarray(t_out))
    backward = sum(np.sum(np.asarray(c) * np.asarray(t)) for c, t in zip(cts, ts, strict=True))
    np.testing.assert_allclose(forward, backward, rtol=1e-12)
    np.testing.assert_allclose(t_out, np.asarray(f(ts[0], xs[1])) + np.asarray(f(xs[0], ts[1])), rtol=1e-12)


# ---- linalg ----


@pytest.mark.parametrize("dtype", ["float32", "complex64", "int32", "bfloat16"])
def test_norms(dtype):
    x = operand(1, (2, 3, 4), dtype, special=False)
    made = dtypes.real_of(x.dtype) if dtypes.is_inexact(x.dtype) else np.dtype(np.float32)
    w = wide(x)
    for ord, axis in itertools.product((None, 0, 1, 2, 3, 0.5, math.inf, -math.inf), (0, -1)):
        agree(linalg.norm(x, ord, axis), np.linalg.norm(w, ord, axis), made, ulps=64)
        agree(linalg.norm(x, ord, axis, True), np.linalg.norm(w, ord, axis, True), made, ulps=64)
    for ord, axis in itertools.product((None, "fro", 1, -1, math.inf, -math.inf), ((0, 1), (2, 0), (-2, -1))):
        agree(linalg.norm(x, ord, axis), np.linalg.norm(w, ord, axis), made, ulps=64)
        agree(linalg.norm(x, ord, axis, True), np.linalg.norm(w, ord, axis, True), made, ulps=64)
    agree(linalg.norm(x), np.linalg.norm(w), made, ulps=64)
    agree(linalg.norm(x[0], 1), np.linalg.norm(w[0], 1), made, ulps=64)
    for axis in (None, 1, (0, 2)):
        agree(linalg.vector_norm(x, axis=axis, ord=3), np.linalg.vector_norm(w, axis=axis, ord=3), made, ulps=64)
    agree(linalg.matrix_norm(x, ord=1), np.linalg.matrix_norm(w, ord=1), made, ulps=64)
    got = fl.jit(lambda x: [linalg.norm(x), linalg.norm(x, 1, (0, 1)), linalg.vector_norm(x, axis=1)])(x)
    wants = [np.linalg.norm(w), np.linalg.norm(w, 1, (0, 1)), np.linalg.vector_norm(w, axis=1)]
    for g, want in zip(got, wants, strict=True):
        agree(g, want, made, ulps=64)


def test_the_slope_of_a_norm_at_zero_is_zero():
    zero = fnp.zeros(3)
    for f in (linalg.norm, linalg.vector_norm, lambda x: fnp.sum(linalg.norm(x.reshape(1, 3), axis=1))):
        for g in (fl.grad(f), fl.jit(fl.grad(f))):
            agree(g(zero), np.zeros(3, np.float32))
            agree(g(fnp.asarray([3.0, 0.0, 4.0])), np.array([0.6, 0, 0.8], np.float32))
        agree(fl.jvp(f, (zero,), (fnp.ones(3),))[1], np.asarray(0, np.float32))
    hessian = fl.hessian(linalg.norm)(fnp.asarray([3.0, 4.0]))
    agree(hessian, np.array([[16, -12], [-12, 9]]) / 125, np.float32)
    assert np.isfinite(np.asarray(fl.hessian(linalg.norm)(zero))).all()


def test_powers_and_chains():
    a = small(1, (2, 3, 3), "float32")
    for n in (0, 1, 2, 3, 6):
        agree(linalg.matrix_power(a, n), np.linalg.matrix_power(wide(a), n), np.float32)
    b, c, v = small(2, (3, 4), "float32"), small(3, (4, 2), "float32"), small(4, (2,), "float32")
    for arrays in ([a[0], b], [a[0], b, c], [a[0], b, c, v], [v, c.T, b.T, a[0], a[0][0]]):
        agree(linalg.multi_dot(arrays), np.linalg.multi_dot(arrays), np.float32)
    agree(linalg.trace(a, offset=1), np.linalg.trace(a, offset=1))
    agree(linalg.diagonal(a, offset=-1), np.linalg.diagonal(a, offset=-1))
    agree(linalg.outer(v, v), np.outer(v, v))
    agree(linalg.matrix_transpose(a), np.swapaxes(a, -1, -2))
    agree(linalg.matmul(a, b), a @ b)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fnp.matmul(fnp.ones((2, 3)), fnp.ones((2, 3))), ValueError,
         r"matmul: cannot multiply f32\[2,3\] by f32\[2,3\] at test_numpy_contract.py:\d+"),
        (lambda: fnp.matmul(fnp.ones((2, 1)), fnp.ones((3, 2))), ValueError, "matmul: cannot multiply"),
        (lambda: fnp.matmul(fnp.ones((2, 3)), 2.0), ValueError, "matmul: takes vectors and matrices"),
        (lambda: fnp.matmul(fnp.ones((4, 2, 3)), fnp.ones((5, 3, 2))), ValueError, "matmul: cannot multiply"),
        (lambda: fnp.matmul("a", fnp.ones(2)), TypeError, "matmul: takes arrays and numbers, got a str"),
        (lambda: fnp.dot(fnp.ones(2), fnp.ones(3)), ValueError, "dot: cannot multiply"),
        (lambda: fnp.inner(fnp.ones((2, 2)), fnp.ones((2, 3))), ValueError, "inner: cannot multiply"),
        (lambda: fnp.dot(fnp.ones(1), fnp.ones(3)), ValueError, "dot: cannot multiply"),
        (lambda: fnp.tensordot(fnp.ones(2), fnp.ones(3), 1), ValueError, "tensordot: axes"),
        (lambda: fnp.tensordot(fnp.ones(2), fnp.ones(3), 2), ValueError, "tensordot: cannot sum over 2 axes"),
        (lambda: fnp.vdot(fnp.ones(2), fnp.ones(3)), ValueError, "vdot: cannot multiply"),
        (lambda: fnp.matvec(fnp.ones(2), fnp.ones(2)), ValueError, "matvec: takes at least 2 and 1 axes"),
        (lambda: fnp.einsum("ij,jk->ik", fnp.ones((2, 3))), ValueError, "einsum: .* has 2 terms for 1 operands"),
        (lambda: fnp.einsum("ijk->i", fnp.ones((2, 3))), ValueError, "names 3 axes of an operand that has 2"),
        (lambda: fnp.einsum("ij->k", fnp.ones((2, 3))), ValueError, "has one that no operand has"),
        (lambda: fnp.einsum("ij->ii", fnp.ones((2, 3))), ValueError, "repeats a letter"),
        (lambda: fnp.einsum("i1->i", fnp.ones((2, 3))), ValueError, "holds '1'; use letters"),
        (lambda: fnp.einsum("ij,jk->ik", fnp.ones((2, 3)), fnp.ones((4, 2))), ValueError, "einsum: cannot multiply"),
        (lambda: fnp.einsum("ii->i", fnp.ones((2, 3))), ValueError, "einsum: axes 0 and 1 .* are both 'i'"),
        (lambda: linalg.norm(fnp.ones((2, 2, 2)), 2), ValueError, "norm: ord=2 of .* needs axis="),
        (lambda: linalg.norm(fnp.ones((2, 2)), "nuc"), ValueError, "norm: a matrix has no norm 'nuc' here"),
        (lambda: linalg.norm(fnp.ones(2), "fro"), ValueError, "norm: a vector has no norm 'fro'"),
        (lambda: linalg.norm(fnp.ones((2, 2)), axis=(0, 0)), ValueError, "two different ones"),
        (lambda: linalg.norm(fnp.ones((2, 2)), axis=2), np.exceptions.AxisError, "norm: axis 2 is out of bounds"),
        (lambda: linalg.matrix_power(fnp.ones((2, 3)), 2), ValueError, "matrix_power: takes square matrices"),
        (lambda: linalg.matrix_power(fnp.ones((2, 2)), -1), ValueError, "n=-1"),
        (lambda: linalg.multi_dot([fnp.ones((2, 2))]), ValueError, "multi_dot: takes two or more"),
        (lambda: linalg.cross(fnp.ones(2), fnp.ones(2)), ValueError, "cross: takes vectors of three"),
        (lambda: linalg.outer(fnp.ones((2, 2)), fnp.ones(2)), ValueError, "outer: takes vectors"),
        (lambda: linalg.trace(fnp.ones(2)), ValueError, "takes matrices"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("traced", [False, True])
def test_what_is_refused(call, error, words, traced):
    with pytest.raises(error, match=words) as caught:
        fl.make_graph(call)() if traced else call()
    assert "\n" not in str(caught.value)


def test_narrow_floats_are_multiplied_in_float32():
    x = np.full((1, 4096), 1, ml_dtypes.bfloat16)
    for f in (fnp.matmul, fl.jit(fnp.matmul)):
        agree(f(x, x.T), np.array([[4096.0]]), ml_dtypes.bfloat16)


@pytest.mark.parametrize("call", [
    lambda: fnp.vdot(fnp.ones(3), fnp.ones(1)),
    lambda: fnp.linalg.multi_dot([fnp.ones((2, 3)), fnp.ones((1, 2))]),
    lambda: fnp.ones((2, 3)) @ fnp.ones((1, 2)),
])  # fmt: skip
def test_sizes_of_one_do_not_stretch(call):
    with pytest.raises(ValueError, match="cannot multiply"):
        call()


@pytest.mark.parametrize(
    ("dtype", "preferred"),
    [("float32", "bfloat16"), ("float64", "float32"), ("int8", "int32"), ("int8", "float32"), ("float32", "complex64"),
     ("int32", "int8"), ("uint8", "int32"), ("bool", "int32")],
)  # fmt: skip
def test_preferred_dtypes(dtype, preferred):
    x = np.array([1, 3, 100]).astype(dtype)
    want = np.dot(x.astype("float64"), x.astype("float64")).astype("int64").astype(fnp.dtype(preferred))
    for f in (fnp.dot, fnp.inner, fnp.matmul, fnp.vdot, lax.dot, lambda x, y, **how: fnp.einsum("i,i", x, y, **how)):
        for g in (f, fl.jit(f, static_argnames="preferred_element_type")):
            got = g(x, x, preferred_element_type=preferred)
            assert got.dtype == want.dtype and np.asarray(got) == want, (got, want)
    with pytest.raises(TypeError, match="cannot be summed as"):
        fnp.dot(fnp.ones(2), fnp.ones(2), preferred_element_type="int32")
