"""`custom_linear_solve` and `custom_root`: every transform gives what it gives of the explicit formula."""

import itertools
import re

import numpy as np
import pytest
from laws import same

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import ir, lax, tree

SLOW = pytest.mark.slow
rng = np.random.default_rng(0)
A = fnp.asarray(rng.standard_normal((3, 3)) + 3 * np.eye(3))
SPD = fnp.asarray(A @ A.T)
B = fnp.asarray(rng.standard_normal(3))


# ---- solvers, and the formula ----


def gauss(matvec, b):
    """Elimination without pivots, of the matrix that the columns of `matvec` make: a loop that divides."""
    a = fl.vmap(matvec, out_axes=1)(fnp.eye(b.shape[0], dtype=b.dtype))

    def eliminate(i, state):
        a, b = state
        row, value = a[i] / a[i, i], b[i] / a[i, i]
        factors = fnp.where(fnp.arange(a.shape[0]) == i, 0, a[:, i])
        a, b = a - factors[:, None] * row, b - factors * value
        return a.at[i].set(row), b.at[i].set(value)

    return lax.fori_loop(0, a.shape[0], eliminate, (a, b))[1]


def conjugate_gradients(matvec, b):
    """Until the residual is small: a loop of unknown length, over a tree."""
    dot = lambda u, v: sum(fnp.sum(x * y) for x, y in zip(tree.leaves(u), tree.leaves(v), strict=True))
    move = lambda a, u, v: tree.map(lambda x, y: x + a * y, u, v)

    def step(state):
        x, r, p, rr, k = state
        ap = matvec(p)
        alpha = rr / dot(p, ap)
        x, r = move(alpha, x, p), move(-alpha, r, ap)
        new = dot(r, r)
        return x, r, move(new / rr, r, p), new, k + 1

    zero = tree.map(fnp.zeros_like, b)
    going = lambda state: (state[3] > 1e-26) & (state[4] < 50)
    return lax.while_loop(going, step, (zero, b, b, dot(b, b), 0))[0]


def outside(matvec, b):
    """By NumPy, which no transform can look into."""
    solve = lambda a, b: np.linalg.solve(np.asarray(a), np.asarray(b))
    return fl.pure_callback(solve, b, fl.jacfwd(matvec)(b), b, vmap_method="sequential")


def general(solve):
    return lambda a, b: lax.custom_linear_solve(lambda x: a @ x, b, solve, solve)


def symmetric(a, b):
    return lax.custom_linear_solve(lambda x: a @ x, b, conjugate_gradients, symmetric=True)


def telling(a, b):
    """The number of turns comes with the solution."""
    solve = lambda matvec, b: (gauss(matvec, b), {"turns": 3, "norm": fnp.sum(b * b)})
    x, aux = lax.custom_linear_solve(lambda x: a @ x, b, solve, solve, has_aux=True)
    return x + 0.0 * aux["norm"]


def explicit(a, b):
    """Cramer's rule for three equations."""
    rows = [fnp.cross(a[1], a[2]), fnp.cross(a[2], a[0]), fnp.cross(a[0], a[1])]
    return fnp.stack(rows, axis=1) @ b / fnp.sum(a[0] * rows[0])


MORE = ["outside", "telling"]
SOLVERS = {"gauss": general(gauss), "outside": general(outside), "symmetric": symmetric, "telling": telling}


def loss(f):
    return lambda a, b: fnp.sum(fnp.sin(f(a, b)) * b)


def matrix(name):
    return SPD if name == "symmetric" else A


def wanted(name):
    """The formula; a symmetric solver never sees another matrix."""
    return (lambda a, b: explicit((a + a.T) / 2, b)) if name == "symmetric" else explicit


def system(name):
    f = SOLVERS[name]
    return (lambda a, b: f((a + a.T) / 2, b)) if name == "symmetric" else f


def along(f):
    return lambda a, b: fl.jvp(f, (a, b), (fnp.cos(a), fnp.sin(b)))


def back(f):
    return lambda a, b: fl.vjp(f, a, b)[1](fnp.sin(b) + 1.0)


def forward_then_back(f):
    """The two halves, and the transpose of the second."""

    def both(a, b):
        y, push = fl.linearize(f, a, b)
        pull = fl.linear_transpose(push, a, b)
        return y, push(fnp.cos(a), b), pull(b)

    return both


FIRST = {"value": lambda f: f, "jvp": along, "vjp": back, "linearize": forward_then_back}
SECOND = {
    "grad of grad": lambda f: fl.grad(lambda a, b: fnp.sum(fl.grad(loss(f))(a, b) * fnp.cos(a)), (0, 1)),
    "jvp of grad": lambda f: along(fl.grad(loss(f), (0, 1))),
    "grad of jvp": lambda f: fl.grad(lambda a, b: fnp.sum(along(f)(a, b)[1] ** 2), (0, 1)),
    "hessian": lambda f: fl.hessian(loss(f), (0, 1)),
    "jvp of jvp": lambda f: along(along(f)),
}


@pytest.mark.parametrize("solver", ["gauss", "symmetric", *[pytest.param(n, marks=SLOW) for n in MORE]])
@pytest.mark.parametrize("transform", [*FIRST, *SECOND])
def test_every_transform_gives_that_of_the_formula(solver, transform):
    made = {**FIRST, **SECOND}[transform]
    a, got, want = matrix(solver), made(system(solver)), made(wanted(solver))(matrix(solver), B)
    same(got(a, B), want, 1e-6)
    ir.check(fl.make_graph(got)(a, B))
    if transform in ("vjp", "jvp of grad"):
        same(fl.jit(got)(a, B), want, 1e-6)
        same(made(fl.jit(system(solver)))(a, B), want, 1e-6)


@pytest.mark.parametrize("solver", ["gauss", "outside", "symmetric", pytest.param("telling", marks=SLOW)])
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_vmap_is_a_loop(solver, axes):
    a = fnp.stack([matrix(solver) * k for k in (1.0, 2.0, -0.5)]) if axes[0] == 0 else matrix(solver)
    b = fnp.stack([B, B * B, B - 1]) if axes[1] == 0 else B
    row = lambda f, k: f(a[k] if axes[0] == 0 else a, b[k] if axes[1] == 0 else b)
    for name in ("value", "jvp", "vjp", "jvp of grad"):
        f = {**FIRST, **SECOND}[name](system(solver))
        rows = [row({**FIRST, **SECOND}[name](wanted(solver)), k) for k in range(3)]
        want = tree.map(lambda *xs: fnp.stack(xs), *rows)
        same(fl.vmap(f, axes)(a, b), want, 1e-6)
        ir.check(fl.make_graph(fl.vmap(f, axes))(a, b))
        if name == "vjp":
            same(fl.jit(fl.vmap(f, axes))(a, b), want, 1e-6)
    total = lambda f: lambda a, b: fnp.sum(fl.vmap(f, axes)(a, b) ** 3)
    same(fl.grad(total(system(solver)), (0, 1))(a, b), fl.grad(total(wanted(solver)), (0, 1))(a, b), 1e-6)


def test_vmap_twice_and_over_nothing():
    f = SOLVERS["gauss"]
    scales = fnp.asarray([1.0, 2.0])
    twice = fl.vmap(fl.vmap(f, (None, 0)), (0, None))
    matrices, rights = A * scales[:, None, None], fnp.stack([B, B + 1, B * 2])
    same(twice(matrices, rights), fl.vmap(fl.vmap(explicit, (None, 0)), (0, None))(matrices, rights))
    assert fl.vmap(f, (None, 0))(A, fnp.zeros((0, 3), "float64")).shape == (0, 3)


def in_scan(f):
    def run(a, b):
        step = lambda x, k: (f(a * k, x) + b, f(a, x * k))
        return lax.scan(step, b, fnp.asarray([1.0, 1.5, 2.0], "float64"))

    return run


def in_branches(f):
    return lambda a, b: lax.cond(b[0] > 0, lambda: f(a, b), lambda: f(a, -2 * b) * b[1])


def in_while(f):
    def run(a, b):
        return lax.while_loop(lambda s: s[1] < 3, lambda s: (f(a, s[0]) * 2.0 + b, s[1] + 1), (b, 0))[0]

    return run


@pytest.mark.parametrize("place", [in_scan, in_branches, in_while])
@pytest.mark.parametrize("solver", ["gauss", "symmetric"])
def test_inside_loops_and_branches(place, solver):
    f, g, a = place(system(solver)), place(wanted(solver)), matrix(solver)
    total = lambda f: lambda a, b: sum(fnp.sum(y**2) for y in tree.leaves(f(a, b)))
    same(f(a, B), g(a, B))
    same(along(f)(a, B), along(g)(a, B), 1e-6)
    want = fl.grad(total(g), (0, 1))(a, B)
    same(fl.grad(total(f), (0, 1))(a, B), want, 1e-6)
    same(fl.jit(fl.grad(total(f), (0, 1)))(a, B), want, 1e-6)
    ir.check(fl.make_graph(fl.grad(total(f), (0, 1)))(a, B))
    stacked = fnp.stack([B, -B, B * 3])
    same(fl.vmap(f, (None, 0))(a, stacked), fl.vmap(g, (None, 0))(a, stacked), 1e-6)
    same(fl.jvp(fl.grad(total(f)), (a, B), (a, B)), fl.jvp(fl.grad(total(g)), (a, B), (a, B)), 1e-6)


def test_a_loop_inside_the_solver_inside_a_loop_that_is_differentiated_thrice():
    f = lambda k: lambda t: fnp.sum(in_scan(k)(A * t, B)[0])
    third = lambda k: fl.grad(fl.grad(fl.grad(f(k))))
    same(third(SOLVERS["gauss"])(1.1), third(explicit)(1.1), 1e-6)


def test_trees_and_parts_that_do_not_move():
    b = {"u": fnp.asarray([1.0, 2.0], "float64"), "v": fnp.asarray(3.0, "float64")}

    def f(p, b):
        linear = lambda x: {"u": p * x["u"] + x["v"], "v": fnp.sum(x["u"]) + 5.0 * x["v"]}
        return lax.custom_linear_solve(linear, b, conjugate_gradients, symmetric=True)

    def formula(p, b):
        v = (b["v"] - fnp.sum(b["u"]) / p) / (5.0 - 2.0 / p)
        return {"u": (b["u"] - v) / p, "v": v}

    p = fnp.asarray(2.5, "float64")
    same(f(p, b), formula(p, b))
    same(fl.jacrev(f, (0, 1))(p, b), fl.jacfwd(formula, (0, 1))(p, b), 1e-7)
    only = lambda f: lambda u: fl.vjp(lambda u: f(p, {"u": u, "v": b["v"]})["u"], u)[1](u)[0]
    same(only(f)(b["u"]), only(formula)(b["u"]), 1e-7)
    same(fl.vmap(lambda u: f(p, {"u": u, "v": b["v"]}))(fnp.stack([b["u"]] * 2))["v"][1], formula(p, b)["v"])


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "bfloat16"])
def test_dtypes(dtype):
    a, b = A.astype(dtype), B.astype(dtype)
    f = SOLVERS["gauss"]
    tol = {"float32": 1e-4, "complex64": 1e-4, "bfloat16": 0.2}.get(dtype, 1e-8)
    same(f(a, b), explicit(a, b), tol)
    same(fl.jit(f)(a, b), explicit(a, b), tol)
    assert fl.vjp(f, a, b)[1](b)[0].dtype == dtype
    same(fl.vjp(f, a, b)[1](b), fl.vjp(explicit, a, b)[1](b), tol)
    if "complex" in dtype:
        a = a + 1j * fnp.sin(a)
        same(fl.jvp(f, (a, b), (a * 1j, b)), fl.jvp(explicit, (a, b), (a * 1j, b)), tol)
        real = lambda f: lambda a: fnp.sum(fnp.abs(f(a, b)) ** 2)
        same(fl.grad(real(f))(a), fl.grad(real(explicit))(a), tol)


def test_dtypes_are_promoted_where_nothing_is_lost():
    f = SOLVERS["gauss"]
    assert f(A, B.astype("float32")).dtype == "float64"
    assert fl.grad(lambda b: fnp.sum(f(A, b)))(B.astype("float32")).dtype == "float32"
    assert f(A.astype("float32"), B).dtype == "float64"
    scaled = lambda b: lax.custom_linear_solve(lambda x: 4.0 * x, b, lambda f, b: b / f(1.0))
    same(scaled(2.0), fnp.asarray(0.5))
    same(fl.jit(scaled)(2.0), fnp.asarray(0.5))
    same(fl.jvp(scaled, (2.0,), (1.0,))[1], fnp.asarray(0.25))


def test_the_solver_factors_once():
    """What it computes of the matrix alone serves the value, the tangents and the cotangents."""
    calls = []

    def invert(a):
        calls.append(1)
        return np.linalg.inv(np.asarray(a))

    def f(a, b):
        inverse = lambda: fl.pure_callback(invert, a, fnp.sin(a), vmap_method="sequential")
        return lax.custom_linear_solve(
            lambda x: fnp.sin(a) @ x, b, lambda _, b: inverse() @ b, lambda _, b: inverse().T @ b)

    g = lambda a, b: explicit(fnp.sin(a), b)
    same(fl.grad(loss(f), (0, 1))(A, B), fl.grad(loss(g), (0, 1))(A, B), 1e-7)
    assert len(calls) <= 2  # once for either solver
    calls.clear()
    same(fl.jit(fl.grad(loss(f), (0, 1)))(A, B), fl.grad(loss(g), (0, 1))(A, B), 1e-7)
    assert len(calls) <= 2
    same(fl.hessian(loss(f))(A, B), fl.hessian(loss(g))(A, B), 1e-6)


def test_effects_happen_once(capsys):
    def solve(matvec, b):
        fl.debug.print("solving")
        return gauss(matvec, b)

    f = general(solve)
    for g in (f, fl.jit(f), along(f), fl.grad(loss(f), (0, 1)), fl.jit(fl.grad(loss(f)))):
        g(A, B)
        assert capsys.readouterr().out == "solving\n"


def test_forward_mode_needs_no_transpose():
    f = lambda a, b: lax.custom_linear_solve(lambda x: a @ x, b, gauss)
    same(fl.jacfwd(f, (0, 1))(A, B), fl.jacfwd(explicit, (0, 1))(A, B), 1e-7)
    same(fl.jvp(along(f), (A, B), (A, B)), fl.jvp(along(explicit), (A, B), (A, B)), 1e-7)
    with pytest.raises(TypeError, match=r"solves the transposed system.*test_solve.py.*transpose_solve="):
        fl.grad(loss(f))(A, B)


def test_linear_in_the_right_side():
    f = SOLVERS["gauss"]
    same(fl.linear_transpose(lambda b: f(A, b), B)(B)[0], explicit(A.T, B))
    twice = lambda b: fl.linear_transpose(lambda b: fl.linear_transpose(lambda b: f(A, b), B)(b)[0], B)(b)[0]
    same(twice(B), explicit(A, B))
    with pytest.raises(TypeError, match="linear in its right side only"):
        fl.linear_transpose(lambda a: f(a, B), A)(B)


def test_unused_results_and_constants_go():
    def f(a, b):
        solve = lambda matvec, b: (gauss(matvec, b), fnp.exp(fnp.sum(b)))
        return lax.custom_linear_solve(lambda x: a @ x, b, solve, solve, has_aux=True)

    assert "exp" in str(fl.make_graph(f)(A, B))
    assert "exp" not in str(ir.check(fl.make_graph(fl.grad(loss(lambda a, b: f(a, b)[0])))(A, B)))
    same(fl.jit(f)(A, B)[1], fnp.exp(fnp.sum(B)))


def test_rules_inside_are_used():
    double = fl.custom_jvp(lambda x, w: x * w)
    double.defjvp(lambda p, t: (p[0] * p[1], t[0] * p[1] + 2.0 * p[0] * t[1]))  # twice the derivative in w
    f = lambda w: fnp.sum(lax.custom_linear_solve(lambda x: double(x, w), B, lambda f, b: b / w, symmetric=True))
    w = fnp.asarray(2.0, "float64")
    same(fl.jvp(f, (w,), (w * 0 + 1,))[1], -2 * fnp.sum(B) / w**2)
    same(fl.grad(f)(w), -2 * fnp.sum(B) / w**2)
    same(fl.jit(fl.grad(f))(w), -2 * fnp.sum(B) / w**2)


@pytest.mark.parametrize(("program", "message"), [
    (lambda: lax.custom_linear_solve(lambda x: x[:2], B, gauss), r"`matvec` must return the shapes of `b`.*f64\[2\]"),
    (lambda: lax.custom_linear_solve(lambda x: (x, x), B, gauss), "`matvec` must return the tree of `b`"),
    (lambda: lax.custom_linear_solve(lambda x: x, B, lambda f, b: (b, 1)), "`solve` must return the tree of `b`"),
    (lambda: lax.custom_linear_solve(lambda x: x, B, lambda f, b: b[:1]), "`solve` must return the shapes of `b`"),
    (lambda: lax.custom_linear_solve(lambda x: x, B, lambda f, b: b, has_aux=True), "must return a pair"),
    (lambda: lax.custom_linear_solve(lambda x: x, fnp.arange(3), gauss), r"b is i32\[3\].*give a float"),
    (lambda: lax.custom_linear_solve(lambda x: x, {"a": [1]}, gauss), r"b at \['a'\]\[0\] is i32\[\]"),
    (lambda: lax.custom_linear_solve(lambda x: x, B, lambda f, b: b > 0), "return a float"),
    (lambda: lax.custom_linear_solve(lambda x: x * x, B, gauss, gauss), "`matvec` must be linear"),
    (lambda: lax.custom_linear_solve(3, B, gauss), "takes a function"),
    (lambda: lax.custom_linear_solve(lambda x: x, "b", gauss), "b is no array"),
    (lambda: lax.custom_linear_solve(lambda x: x, B, lambda f, b: f(b[:2])), "`matvec` must return the shapes"),
    (lambda: lax.custom_linear_solve(lambda x: x, B, gauss, lambda f, b: b * 1j), "`transpose_solve` returned c128"),
])  # fmt: skip
@pytest.mark.parametrize("around", [lambda f: f, fl.jit])
def test_wrong_systems_are_sentences(program, message, around):
    with pytest.raises((TypeError, ValueError), match=message) as error:
        around(program)()
    assert "test_solve.py" in str(error.value)
    same(SOLVERS["gauss"](A, B), explicit(A, B))


# ---- roots ----


def newton(f, x):
    """Until the step is small: a loop whose length depends on the values."""

    def step(state):
        x, _ = state
        new = x - f(x) / fl.grad(f)(x)
        return new, fnp.abs(new - x)

    return lax.while_loop(lambda s: s[1] > 1e-13, step, (x, fnp.ones_like(x)))[0]


def in_python(f, x):
    """With control flow of Python, and numbers."""
    for _ in range(50):
        slope = (float(f(x + 1e-6)) - float(f(x - 1e-6))) / 2e-6
        x = x - f(x) / slope
        if abs(float(f(x))) < 1e-13:
            return x
    raise AssertionError("no convergence")


def scalar(g, y):
    return y / g(1.0)


def cube_root(solve):
    return lambda p: lax.custom_root(lambda x: x**3 - p, fnp.asarray(1.0, "float64"), solve, scalar)


ROOTS = {"newton": cube_root(newton), "in python": cube_root(in_python)}
P = fnp.asarray(3.7, "float64")
ORDERS = {
    "value": lambda f: f,
    "jvp": lambda f: lambda p: fl.jvp(f, (p,), (p,)),
    "grad": lambda f: fl.grad(f),
    "vjp": lambda f: lambda p: fl.vjp(f, p)[1](p),
    "linearize": lambda f: lambda p: fl.linearize(f, p)[1](p),
    "grad of grad": lambda f: fl.grad(fl.grad(f)),
    "third": lambda f: fl.grad(fl.grad(fl.grad(f))),
    "jvp of grad": lambda f: lambda p: fl.jvp(fl.grad(f), (p,), (p,)),
    "hessian": lambda f: fl.hessian(f),
}


@pytest.mark.parametrize("solver", ROOTS)
@pytest.mark.parametrize("transform", ORDERS)
def test_derivatives_of_a_root(solver, transform):
    made = ORDERS[transform]
    f, want = made(ROOTS[solver]), made(lambda p: p ** (1 / 3))(P)
    same(f(P), want, 1e-9)
    if solver == "newton":
        same(fl.jit(f)(P), want, 1e-9)
        ps = fnp.asarray([0.5, 1.0, 8.0], "float64")
        rows = [made(lambda p: p ** (1 / 3))(p) for p in ps]
        same(fl.vmap(f)(ps), tree.map(lambda *xs: fnp.stack(xs), *rows), 1e-8)
        ir.check(fl.make_graph(f)(P))
        ir.check(fl.make_graph(fl.vmap(f))(ps))


@SLOW
def test_a_vector_root_by_a_linear_solve():
    """x = sin(W x) / 2 + p, of which Newton's method and the tangents solve a system each."""

    def fixed(w, p):
        f = lambda x: x - fnp.sin(w @ x) / 2 - p

        def solve(f, x):
            step = lambda _, x: x - gauss(lambda t: fl.jvp(f, (x,), (t,))[1], f(x))
            return lax.fori_loop(0, 8, step, x)

        tangent = lambda g, y: lax.custom_linear_solve(g, y, gauss, gauss)
        return lax.custom_root(f, fnp.zeros_like(p), solve, tangent)

    def unrolled(w, p):
        x = p
        for _ in range(200):
            x = fnp.sin(w @ x) / 2 + p
        return x

    w = A / 6
    total = lambda f: lambda w, p: fnp.sum(f(w, p) ** 3)
    same(fixed(w, B), unrolled(w, B))
    want = fl.grad(total(unrolled), (0, 1))(w, B)
    same(fl.grad(total(fixed), (0, 1))(w, B), want)
    same(fl.jit(fl.grad(total(fixed), (0, 1)))(w, B), want)
    same(along(fixed)(w, B), along(unrolled)(w, B))
    same(fl.jvp(fl.grad(total(fixed)), (w, B), (w, B)), fl.jvp(fl.grad(total(unrolled)), (w, B), (w, B)), 1e-7)
    for axes in itertools.product((0, None), repeat=2):
        if axes != (None, None):
            args = [fnp.stack([x, x * 0.9]) if a == 0 else x for x, a in zip((w, B), axes, strict=True)]
            mapped = lambda f: fl.vmap(fl.grad(total(f), (0, 1)), axes)
            same(mapped(fixed)(*args), mapped(unrolled)(*args))
    step = lambda f: lambda p, k: (f(w, p * k), fnp.sum(p))
    looped = lambda f: lambda p: fnp.sum(lax.scan(step(f), p, fnp.asarray([0.5, 1.0], "float64"))[0])
    same(fl.grad(looped(fixed))(B), fl.grad(looped(unrolled))(B))
    same(fl.jit(fl.hessian(looped(fixed)))(B), fl.hessian(looped(unrolled))(B), 1e-7)


def test_a_root_of_a_tree_with_more_than_the_root():
    def f(p):
        g = lambda x: {"a": x["a"] ** 2 - p, "b": (x["b"][0] - x["a"] * p,)}
        solve = lambda g, x: ({"a": fnp.sqrt(p), "b": (fnp.sqrt(p) * p,)}, {"turns": 1})

        def tangent(g, y):
            unit = {"a": 1.0, "b": (0.0,)}
            column = g(unit)
            a = y["a"] / column["a"]
            return {"a": a, "b": (y["b"][0] - column["b"][0] * a,)}

        return lax.custom_root(g, {"a": p, "b": (p,)}, solve, tangent, has_aux=True)

    made, aux = f(P)
    assert aux["turns"] == 1 and type(made["b"]) is tuple
    same(fl.grad(lambda p: f(p)[0]["b"][0])(P), 1.5 * fnp.sqrt(P))
    same(fl.jacfwd(lambda p: f(p)[0])(P), {"a": 0.5 / fnp.sqrt(P), "b": (1.5 * fnp.sqrt(P),)})
    rows, told = fl.vmap(f)(fnp.stack([P, 2 * P]))
    same(rows["a"], fnp.sqrt(fnp.stack([P, 2 * P])))
    assert np.all(np.asarray(told["turns"]) == 1)


def test_the_guess_has_no_influence():
    f = lambda guess, p: lax.custom_root(lambda x: x**3 - p, guess, newton, scalar)
    same(fl.grad(f, (0, 1))(P, P), (P * 0, P ** (-2 / 3) / 3), 1e-9)
    assert f(1.0, 8.0).dtype == "float32"
    assert fl.jit(f)(1.0, P).dtype == "float64"
    assert f(1.0, P).dtype == "float64"


@pytest.mark.parametrize(("program", "message"), [
    (lambda p: lax.custom_root(lambda x: fnp.stack([x, p]), p, lambda f, x: x, scalar), "`f` must return the shapes"),
    (lambda p: lax.custom_root(lambda x: (x, p), p, lambda f, x: x, scalar), "`f` must return the tree of"),
    (lambda p: lax.custom_root(lambda x: x - p, p, lambda f, x: (x,), scalar), "`solve` must return the tree"),
    (lambda p: lax.custom_root(lambda x: x - p, p, lambda f, x: x > 0, scalar), "return a float"),
    (lambda p: lax.custom_root(lambda x: x - p, p, lambda f, x: x, lambda g, y: (y,)), "`tangent_solve` must"),
    (lambda p: lax.custom_root(lambda x: x - p, p, lambda f, x: x, scalar, has_aux=True), "must return a pair"),
    (lambda p: lax.custom_root(lambda x: x - p, 1, newton, scalar), r"initial_guess is i32\[\].*give a float"),
    (lambda p: lax.custom_root(None, p, newton, scalar), "takes a function"),
])  # fmt: skip
def test_wrong_problems_are_sentences(program, message):
    with pytest.raises((TypeError, ValueError), match=message) as error:
        fl.grad(program)(P)
    assert "test_solve.py" in str(error.value)
    same(fl.grad(ROOTS["newton"])(P), P ** (-2 / 3) / 3, 1e-9)


def test_graphs_in_graphs_are_printed_under_one_name():
    text = str(fl.make_graph(ROOTS["newton"])(P))
    named = re.findall(r"(?:cond|body|fun|solve|tangent)=(graph[0-9]+)", text)
    titles = re.findall(r"^(graph[0-9]+)\(", text, re.MULTILINE)
    assert sorted(named) == sorted(titles) and len(set(titles)) == 5
