"""Transforms of transforms: laws over a table of programs, in both executors, with every pass checked."""

import itertools
import sys

import numpy as np
import pytest
from laws import check_graphs

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import ir
from functorch_lite.transforms import common, jvp, partition, reverse, simplify, transpose, vmap

A = np.array([[0.3, -0.7, 0.2], [0.5, 0.1, -0.4], [-0.2, 0.6, 0.9]])
X = np.array([0.3, -1.2, 0.7])
inner = fl.jit(lambda x, w: fnp.tanh(w @ x) * x)


def branching(x):
    return fnp.sum(x * x) if fnp.sum(fnp.sin(x)) > -10 else fnp.sum(x)


# Functions from f64[3] to a scalar, smooth at the points used here.
PROGRAMS = {
    "product": lambda x: fnp.sum(fnp.sin(x) * x),
    "matrix": lambda x: x @ fnp.tanh(A @ x),
    "softmax": lambda x: fnp.log(fnp.sum(fnp.exp(x))) + fnp.max(x),
    "jitted": lambda x: fnp.sum(inner(x, A)),
    "indexing": lambda x: x[0] * x[-1] ** 2 + fnp.sum(x[1:] * x[:-1]) + fnp.sum(x[fnp.array([0, 0, 2])] ** 3),
    "where": lambda x: fnp.sum(fnp.where(x > 0, fnp.sqrt(fnp.abs(x) + 1), fnp.exp(x) * x)),
    "update": lambda x: fnp.sum(fnp.sin(fnp.asarray(x).at[1].set(x[0] * x[2]).at[0].add(x[1]))),
    "norm": lambda x: fnp.linalg.norm(x) * fnp.prod(x) + fnp.std(x),
    "shapes": lambda x: fnp.sum(fnp.outer(x, x).T.reshape(9)[::2] * fnp.concatenate([x, x[:2]])),
    "cumulative": lambda x: fnp.sum(fnp.cumsum(x) * fnp.cumprod(x)),
    "branching": branching,
    "inner gradient": lambda x: fnp.sum(fl.grad(lambda y: fnp.sum(fnp.sin(y) * x * y))(x) ** 2),
    "inner map": lambda x: fnp.sum(fl.vmap(lambda a, b: fnp.sin(a * b) * fnp.sum(x), (0, None))(x, x[0])),
    "sorting": lambda x: fnp.sum(fnp.sort(x) * fnp.arange(3.0)),
}
ABSTRACT = [name for name in PROGRAMS if name != "branching"]


def same(a, b, tol=1e-9):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tol, atol=tol)


def numeric_gradient(f, x, eps=1e-6):
    rows = np.eye(x.size).reshape(-1, *x.shape)
    return np.array([(float(f(x + eps * e)) - float(f(x - eps * e))) / (2 * eps) for e in rows]).reshape(x.shape)


@pytest.fixture(autouse=True)
def checked(monkeypatch):
    """Every graph that a pass returns is type-checked."""
    check_graphs(monkeypatch, rebuild=(jvp, transpose, vmap, reverse))


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradient_is_the_limit_of_differences(name):
    f = PROGRAMS[name]
    g = fl.grad(f)(X)
    same(g, numeric_gradient(f, X), 1e-6)
    value, again = fl.value_and_grad(f)(X)
    same(value, f(X))
    same(again, g, 1e-12)
    same(fl.jacfwd(f)(X), g)
    same(fl.jacrev(f)(X), g)
    same(fl.vjp(f, X)[1](1.0)[0], g)


@pytest.mark.parametrize("name", PROGRAMS)
def test_second_derivatives(name):
    f = PROGRAMS[name]
    v = np.array([0.2, -0.5, 1.1])
    h = np.asarray(fl.hessian(f)(X))
    same(h, h.T)
    same(h, np.stack([numeric_gradient(lambda x, i=i: fl.grad(f)(x)[i], X) for i in range(3)]), 1e-5)
    same(fl.hvp(f, X, v), h @ v)
    same(fl.grad(lambda x: fnp.vdot(fl.grad(f)(x), v))(X), h @ v)
    same(fl.grad(lambda x: fl.jvp(f, (x,), (v,))[1])(X), h @ v)
    same(fl.jvp(fl.grad(f), (X,), (v,))[1], h @ v)
    same(fl.jacrev(fl.jacrev(f))(X), h)
    same(fl.jacfwd(fl.jacfwd(f))(X), h)
    same(fl.jacrev(fl.jacfwd(f))(X), h)


@pytest.mark.parametrize("name", PROGRAMS)
def test_third_derivatives_are_symmetric(name):
    f = PROGRAMS[name]
    third = np.asarray(fl.jacfwd(fl.hessian(f))(X))
    for order in itertools.permutations(range(3)):
        same(third, third.transpose(order), 1e-8)
    u, v = np.array([0.3, 0.4, -1.0]), np.array([1.0, -0.2, 0.1])
    nested = fl.grad(lambda x: fnp.vdot(fl.grad(lambda y: fnp.vdot(fl.grad(f)(y), u))(x), v))(X)
    same(nested, np.einsum("ijk,j,k->i", third, u, v), 1e-8)


@pytest.mark.parametrize("name", ABSTRACT)
def test_vmap_is_the_loop(name):
    f = PROGRAMS[name]
    xs = np.stack([X, X * 0.5 + 0.2, -X * 0.7])
    loop = lambda g: np.stack([np.asarray(g(x)) for x in xs])
    same(fl.vmap(f)(xs), loop(f))
    same(fl.vmap(fl.grad(f))(xs), loop(fl.grad(f)))
    same(fl.grad(lambda xs: fnp.sum(fl.vmap(f)(xs)))(xs), loop(fl.grad(f)))
    same(fl.vmap(fl.hessian(f))(xs), loop(fl.hessian(f)))
    same(fl.vmap(f, in_axes=1)(xs.T), loop(f))
    same(fl.vmap(fl.grad(f), out_axes=1)(xs), loop(fl.grad(f)).T)
    twice = fl.vmap(fl.vmap(fl.grad(f)))(np.stack([xs, xs[::-1]]))
    same(twice, np.stack([loop(fl.grad(f)), loop(fl.grad(f))[::-1]]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ABSTRACT)
def test_jit_in_any_place(name):
    f = PROGRAMS[name]
    v = np.array([0.2, -0.5, 1.1])
    g, h = fl.grad(f)(X), fl.hessian(f)(X)
    same(fl.jit(f)(X), f(X))
    same(fl.jit(fl.grad(f))(X), g)
    same(fl.grad(fl.jit(f))(X), g)
    same(fl.jit(fl.hessian(f))(X), h)
    same(fl.hessian(fl.jit(f))(X), h)
    same(fl.grad(lambda x: fnp.vdot(fl.jit(fl.grad(fl.jit(f)))(x), v))(X), np.asarray(h) @ v)
    xs = np.stack([X, X * 0.5 + 0.2])
    rows = np.stack([np.asarray(fl.grad(f)(x)) for x in xs])
    same(fl.jit(fl.vmap(fl.grad(f)))(xs), rows)
    same(fl.vmap(fl.jit(fl.grad(f)))(xs), rows)
    same(fl.vmap(fl.grad(fl.jit(f)))(xs), rows)
    with fl.disable_jit():
        same(fl.vmap(fl.grad(fl.jit(f)))(xs), rows)


@pytest.mark.parametrize("name", ABSTRACT)
def test_reverse_is_the_adjoint_of_forward(name):
    f = lambda x: fnp.stack([PROGRAMS[name](x), PROGRAMS["product"](x)])
    t, ct = np.array([0.7, 0.1, -0.3]), np.array([0.4, -1.3])
    y, pullback = fl.vjp(f, X)
    same(np.vdot(ct, fl.jvp(f, (X,), (t,))[1]), np.vdot(pullback(ct)[0], t))
    same(fl.linearize(f, X)[1](t), fl.jvp(f, (X,), (t,))[1])
    same(fl.linear_transpose(fl.linearize(f, X)[1], X)(ct)[0], pullback(ct)[0])
    same(y, f(X))


def test_perturbations_are_not_confused():
    same(fl.grad(lambda x: x * fl.grad(lambda y: x * y)(1.0))(3.0), 6)
    same(fl.grad(lambda x: x * fl.grad(lambda y: x + y)(1.0))(3.0), 1)
    same(fl.jvp(lambda x: x * fl.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1], 1)
    shift = lambda f, h: lambda x: f(x + h)
    d = lambda f: lambda x: fl.jvp(f, (x,), (1.0,))[1]
    same(d(lambda h: d(shift(fnp.sin, h))(0.5))(0.0), -np.sin(0.5), 1e-6)  # Manzyuk et al., J. Funct. Prog. 29 (2019)


def test_growth_of_nested_derivatives():
    f = lambda x: fnp.sin(x) * fnp.exp(fnp.tanh(x))
    g, sizes = f, []
    for _ in range(7):
        g = fl.grad(g)
        sizes.append(len(fl.make_graph(g)(0.5).eqns))
    assert sizes[-1] < 2000, sizes


def work(run):
    """How many Python and C functions are called: a measure of time that other processes do not change."""
    count = 0

    def hook(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(hook)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


def test_passes_cost_linear_time():
    def all_passes(n):
        def chain(x):
            for _ in range(n // 2):
                x = fnp.sin(x) * x
            return x

        graph = fl.make_graph(chain)(fnp.ones(2))
        runs = (
            lambda: fl.make_graph(chain)(fnp.ones(2)),
            lambda: reverse.linearize(graph, (True,)),
            lambda: reverse.value_and_grad(fl.make_graph(lambda x: fnp.sum(chain(x)))(fnp.ones(2)), (True,)),
            lambda: vmap.vmap(graph, 3, (True,)),
            lambda: simplify.simplify(graph),
            lambda: reverse.backward(graph, (True,), (True,)),
            lambda: fl.jit(chain).lower(fnp.ones(2)),
        )
        taken = []
        for run in runs:
            common.clear_caches()
            taken.append(work(run))
        return taken

    all_passes(50)
    for small, large in zip(all_passes(500), all_passes(5000), strict=True):
        assert large < 12 * small


# ---- what partition must get right ----


def test_residuals_that_are_inputs_are_forwarded():
    graph = fl.make_graph(lambda w, x: w @ x)(A, X)
    halves = reverse.linearize(graph, (True, True)).halves
    assert len(halves.first.outs) == 1 and sorted(halves.residuals) == [~1, ~0]


@pytest.mark.parametrize(
    "f", [fnp.floor, fnp.round, fnp.sign, lambda x: fnp.zeros(3) * 1.0, lambda x: (x > 0).astype(float)])
def test_zero_tangents(f):
    y, pullback = fl.vjp(lambda x: (f(x), fnp.sin(x)), X)
    (ct,) = pullback((fnp.ones_like(y[0]), fnp.ones_like(y[1])))
    same(ct, np.cos(X))
    same(fl.grad(lambda x: fnp.sum(f(x)))(X), np.zeros(3))
    same(fl.jvp(f, (X,), (X,))[1], np.zeros(3))
    same(fl.jacrev(f)(X), np.zeros((3, 3)))


def test_an_unused_result_of_a_jitted_function_costs_nothing():
    f = fl.jit(lambda x: (fnp.sin(x), fnp.outer(x, x)))
    graph = fl.make_graph(fl.grad(lambda x: fnp.sum(f(x)[0])))(fnp.ones(100))
    assert not [t for g in (graph, *ir.nested(graph)) for t in g.types if t.size == 10_000]


def test_partition_keeps_what_is_decided():
    graph = fl.make_graph(lambda x, y: (fnp.sin(x), fnp.cos(x) * y))(1.0, 2.0)
    part = partition.partition(graph, (True, False))
    ir.check(part.first)
    ir.check(part.second)
    assert part.known == (True, False) and len(part.first.eqns) == 2 and len(part.second.eqns) == 1


# ---- dtypes ----


def test_integers_carry_no_tangents():
    zero = np.zeros((), fl.float0)
    y, t = fl.jvp(lambda n, x: x * n, (2, 3.0), (zero, 1.0))
    same((y, t), (6, 2))
    y, t = fl.jvp(lambda n, x: (n * 2, x), (2, 3.0), (zero, 1.0))
    assert t[0].dtype == fl.float0
    assert fl.grad(lambda n, x: x * n, argnums=(0, 1), allow_int=True)(2, 3.0)[0].dtype == fl.float0
    with pytest.raises(TypeError, match="float0"):
        fl.jvp(lambda n, x: x * n, (2, 3.0), (1, 1.0))


def test_float0_through_compiled_and_mapped_functions():
    zero, zeros, rows = fnp.zeros((), fl.float0), fnp.zeros(3, fl.float0), np.arange(3)
    is_void = lambda x, shape: type(x) is np.ndarray and x.dtype == fl.float0 and x.shape == shape
    push = lambda n, t: fl.jvp(lambda n: (n, 2.0 * n), (n,), (t,))[1]
    pull = fl.grad(lambda x, n: x * n, (0, 1), allow_int=True)
    for wrap in (fl.jit, lambda f: fl.jit(fl.jit(f)), fl.checkpoint):
        assert is_void(wrap(push)(3, zero)[0], ()) and is_void(wrap(pull)(2.0, 3)[1], ())
    for wrap in (fl.vmap, fl.pmap, lambda f: fl.jit(fl.vmap(f)), lambda f: fl.vmap(fl.jit(f))):
        assert is_void(wrap(push)(rows, zeros)[0], (3,)) and is_void(wrap(pull)(rows * 2.0, rows)[1], (3,))
    assert is_void(fl.vmap(push, (0, None), (0, 0))(rows, zero)[0], (3,))
    matrix = fl.vmap(lambda n: {"t": np.zeros(2, fl.float0), "n": n}, out_axes={"t": 1, "n": 0})(rows)
    assert is_void(matrix["t"], (2, 3)) and matrix["n"].shape == (3,)


def test_complex_derivatives():
    same(fl.grad(lambda z: fnp.abs(z) ** 2)(3 + 4j), 6 - 8j, 1e-5)
    same(fl.grad(lambda z: z * z, holomorphic=True)(3 + 4j), 6 + 8j, 1e-5)
    same(fl.grad(lambda z: fnp.real(z * z))(3 + 4j), 6 + 8j, 1e-5)
    same(fl.grad(lambda z: fnp.imag(z))(3 + 4j), -1j, 1e-5)
    z = np.array([1 + 2j, 0.5 - 1j])
    t, ct = np.array([0.3 - 1j, 2j]), np.array([1j, 0.7 + 0.1j])
    f = lambda z: fnp.exp(z) * fnp.conj(z) + fnp.sin(z) * fnp.real(z)
    forward, pullback = fl.jvp(f, (z,), (t,))[1], fl.vjp(f, z)[1]
    same(np.real(np.sum(ct * np.asarray(forward))), np.real(np.sum(np.asarray(pullback(ct)[0]) * t)))
    same(fl.jacfwd(lambda z: z**2, holomorphic=True)(z), np.diag(2 * z))


def test_has_aux_and_trees():
    params = {"w": A, "b": [X, (2.0, None)]}

    def loss(p, x):
        y = p["w"] @ x + p["b"][0] * p["b"][1][0]
        return fnp.sum(y**2), {"y": y, "n": 3, "name": "text"}

    (value, aux), grads = fl.value_and_grad(loss, has_aux=True)(params, X)
    assert aux["name"] == "text" and aux["n"] == 3 and isinstance(aux["y"], fl.Array)
    assert fl.tree.structure(grads) == fl.tree.structure(params)
    same(grads["b"][0], 2 * 2.0 * np.asarray(aux["y"]))
    g, aux2 = fl.grad(loss, has_aux=True)(params, X)
    same(g["w"], grads["w"])
    same(aux2["y"], aux["y"])
    y, t, aux3 = fl.jvp(lambda p: loss(p, X), (params,), (params,), has_aux=True)
    same(y, value)
    out, pullback, aux4 = fl.vjp(lambda p: loss(p, X), params, has_aux=True)
    same(out, value)
    same(pullback(1.0)[0]["w"], grads["w"])
    out, linear, aux5 = fl.linearize(lambda p: loss(p, X), params, has_aux=True)
    same(out, value)
    for other in (aux3, aux4, aux5):
        same(other["y"], aux["y"])
    same(linear(params), t)
    h = fl.hessian(lambda p: loss(p, X)[0])(params)
    assert h["w"]["b"][0].shape == (3, 3, 3)
    v = fl.tree.map(fnp.ones_like, params)
    product = fl.hvp(lambda p, x: loss(p, x)[0], params, v, X)
    rows = h["b"][0]
    want = np.sum(np.asarray(rows["w"]), (1, 2)) + np.sum(np.asarray(rows["b"][0]), 1) + np.asarray(rows["b"][1][0])
    same(product["b"][0], want)
    jac, aux6 = fl.jacrev(lambda p: (loss(p, X)[1]["y"], 1), has_aux=True)(params)
    assert jac["w"].shape == (3, 3, 3) and aux6 == 1


def test_programs_that_differ_in_a_number_derive_nothing():
    def rates(n):
        for k in range(n):
            rate = 0.103 + 0.01 * k
            same(fl.grad(lambda w: fnp.sum(w**2) * rate)(X), 2 * X * rate)
            same(fl.jvp(lambda w: fnp.sin(w) * rate + rate, (X,), (X,))[1], np.cos(X) * X * rate)
            same(fl.hvp(lambda w: fnp.sum(w**3) * rate, X, X), 6 * X * X * rate)

    rates(3)
    before = fl.cache_sizes()
    rates(50)
    after = fl.cache_sizes()
    passes = ("value_and_grad", "pushforward", "_hvp", "jvp", "_plan")
    assert {k: after[k] - before[k] for k in passes} == dict.fromkeys(passes, 0)
