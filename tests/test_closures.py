"""`closure_convert` and `linear_call`: closed-over values as arguments, and transposes by users."""

import itertools

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import ir, lax, tree

X = fnp.asarray(np.array([0.3, -1.2, 0.7]))
W = fnp.asarray(np.random.default_rng(0).standard_normal((3, 3)))
TWO = fnp.asarray(2.0, "float64")


def same(got, want, tol=1e-9):
    for a, b in zip(tree.leaves(got), tree.leaves(want), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tol, atol=tol)


# ---- closure_convert ----


def test_what_is_differentiated_becomes_an_argument():
    seen = []

    def outer(w, n):
        f = lambda p: {"y": fnp.sin(p["x"]) * w * TWO + n}
        converted, captured = fl.closure_convert(f, {"x": X})
        seen.append([c.shape for c in captured])
        return fnp.sum(converted({"x": 2 * X}, *captured)["y"])

    w, want = fnp.asarray(3.0, "float64"), np.sum(np.sin(2 * np.asarray(X))) * 2
    same(fl.grad(outer)(w, 1), want)
    same(fl.jit(fl.grad(outer))(w, 1), want)
    assert seen == [[()], [()]]  # w alone: n is an integer, and nothing differentiates k
    converted, captured = fl.closure_convert(lambda x: x @ W, X)
    assert captured == []
    same(converted(X), X @ W)
    assert converted.__name__ == "converted_<lambda>"


def test_every_transform_of_a_converted_function():
    def outer(w, x):
        converted, captured = fl.closure_convert(lambda x: fnp.tanh(w @ x), fl.ShapeDtypeStruct((3,), "float64"))
        return fnp.sum(converted(x, *captured) ** 2)

    plain = lambda w, x: fnp.sum(fnp.tanh(w @ x) ** 2)
    over_gradient = lambda f: lambda w, x: fl.jvp(fl.grad(f), (w, x), (w, x))
    for transform in (lambda f: fl.grad(f, (0, 1)), fl.hessian, fl.jit, lambda f: fl.jit(fl.grad(f)), over_gradient):
        same(transform(outer)(W, X), transform(plain)(W, X))
    rows = fnp.stack([X, 2 * X])
    same(fl.vmap(outer, (None, 0))(W, rows), fl.vmap(plain, (None, 0))(W, rows))
    same(fl.vmap(fl.grad(outer), (None, 0))(W, rows), fl.vmap(fl.grad(plain), (None, 0))(W, rows))


def test_through_a_rule_that_must_not_close_over_what_is_differentiated():
    """A solver of x = f(x) with the derivative of the fixed point, for any closure f."""

    def fixed_point(f, x):
        converted, captured = fl.closure_convert(f, x)
        return solve(converted, x, *captured)

    solve = fl.custom_vjp(lambda f, x, *more: lax.fori_loop(0, 60, lambda _, y: f(y, *more), x), nondiff_argnums=(0,))

    def fwd(f, x, *more):
        y = solve(f, x, *more)
        return y, (y, more)

    def bwd(f, residuals, ct):
        y, more = residuals
        _, pull_y = fl.vjp(lambda y: f(y, *more), y)
        _, pull_more = fl.vjp(lambda *more: f(y, *more), *more)
        total = lax.fori_loop(0, 60, lambda _, u: ct + pull_y(u)[0], ct)
        return (fnp.zeros_like(y), *pull_more(total))

    solve.defvjp(fwd, bwd)
    got = lambda a: fixed_point(lambda x: fnp.cos(a * x) / 2, fnp.asarray(0.5, "float64"))
    x = fnp.asarray(0.5, "float64")

    def unrolled(a):
        y = x
        for _ in range(60):
            y = fnp.cos(a * y) / 2
        return y

    a = fnp.asarray(0.8, "float64")
    same(fl.grad(got)(a), fl.grad(unrolled)(a))
    same(fl.jit(fl.grad(got))(a), fl.grad(unrolled)(a))
    same(fl.vmap(fl.grad(got))(fnp.stack([a, a / 2]))[0], fl.grad(unrolled)(a))


def test_wrong_arguments_of_a_converted_function():
    converted, _ = fl.closure_convert(lambda p: p["x"] * 2, {"x": X})
    for args, message in [
        (({"x": X[:2]},), r"traced for f64\[3\], got f64\[2\] as argument \[0\]\['x'\]"),
        (({"x": X.astype("float32")},), "traced for f64"),
        ((X,), "takes arguments like the examples"),
        ((), "takes arguments like the examples"),
        (({"x": X}, 1.0), "takes arguments like the examples"),
    ]:
        with pytest.raises(TypeError, match=message) as error:
            converted(*args)
        assert "test_closures.py" in str(error.value)
    with pytest.raises(TypeError, match="takes a function"):
        fl.closure_convert(3, X)
    with pytest.raises(TypeError, match="return arrays"):
        fl.closure_convert(lambda x: "no", X)


# ---- linear_call ----


def scaled(r, x):
    """x / r, whose transpose is given with a factor of ten, so that it is seen where it is used."""
    return fl.linear_call(lambda r, x: x / r, lambda r, ct: 10 * ct / r, r, x)


def product(w, x):
    back = lambda w, ct: {"a": w.T @ ct["y"], "b": ct["y"]}
    return fl.linear_call(lambda w, x: {"y": w @ x["a"] + x["b"]}, back, w, x)["y"]


def plain(w, x):
    return w @ x["a"] + x["b"]


def test_the_transpose_that_was_given_is_used():
    r = fnp.asarray(3.0, "float64")
    same(scaled(r, X), X / 3)
    turned = lambda f: lambda ct: fl.linear_transpose(f, X)(ct)[0]
    same(turned(lambda x: scaled(r, x))(X), 10 * X / 3)
    same(turned(turned(lambda x: scaled(r, x)))(X), X / 3)
    same(turned(turned(turned(lambda x: scaled(r, x))))(X), 10 * X / 3)
    for f in (scaled, fl.jit(scaled)):
        same(fl.vjp(f, r, X)[1](X)[1], 10 * X / 3)
        same(fl.jvp(f, (r, X), (r * 0, X))[1], X / 3)
        same(fl.jit(fl.grad(lambda x: fnp.sum(f(r, x))))(X), np.full(3, 10 / 3))
        same(fl.linearize(lambda x: f(r, x), X)[1](X), X / 3)
    constant = lambda x: fl.linear_call(lambda _, x: x, lambda _, t: 7.0, (), x)
    same(fl.linear_transpose(constant, 1.0)(1.0)[0], 7.0)
    same(scaled(3.0, 6.0), 2.0)


def looped(f):
    return lambda w, x: lax.scan(lambda c, k: ({"a": f(w, c) * k, "b": c["a"]}, k), x, fnp.arange(3) / 2.0)[0]


def test_every_transform_against_the_plain_function():
    x = {"a": X, "b": fnp.sin(X)}
    loss = lambda f: lambda w, x: fnp.sum(f(w, x) ** 3)
    transforms = [
        lambda f: fl.grad(loss(f), (0, 1)),
        lambda f: fl.jit(fl.grad(loss(f), (0, 1))),
        lambda f: lambda w, x: fl.jvp(f, (w, x), (w, x)),
        lambda f: lambda w, x: fl.jvp(fl.grad(loss(f)), (w, x), (w, x)),
        lambda f: lambda w, x: fl.grad(lambda w, x: fnp.sum(fl.grad(loss(f))(w, x) ** 2), (0, 1))(w, x),
        lambda f: fl.hessian(loss(f)),
        looped,
        lambda f: fl.grad(lambda w, x: fnp.sum(looped(f)(w, x)["a"])),
    ]  # fmt: skip
    for transform in transforms:
        same(transform(product)(W, x), transform(plain)(W, x))
        ir.check(fl.make_graph(transform(product))(W, x))


def test_vmap_over_any_of_the_arguments():
    x = {"a": X, "b": fnp.sin(X)}
    for w_axis, a_axis, b_axis in itertools.product((0, None), repeat=3):
        axes = (w_axis, {"a": a_axis, "b": b_axis})
        if {w_axis, a_axis, b_axis} == {None}:
            continue
        many = lambda v, axis: fnp.stack([v, v * 2, v - 1]) if axis == 0 else v
        args = many(W, w_axis), {"a": many(X, a_axis), "b": many(x["b"], b_axis)}
        same(fl.vmap(product, axes)(*args), fl.vmap(plain, axes)(*args))
        total = lambda f: lambda w, x: fnp.sum(fl.vmap(f, axes)(w, x) ** 2)
        same(fl.grad(total(product), (0, 1))(*args), fl.grad(total(plain), (0, 1))(*args))
        same(fl.vmap(fl.grad(lambda w, x: fnp.sum(product(w, x) ** 2), 1), axes)(*args),
             fl.vmap(fl.grad(lambda w, x: fnp.sum(plain(w, x) ** 2), 1), axes)(*args))  # fmt: skip
    rows = fnp.stack([X, 2 * X])
    same(fl.vmap(lambda x: fl.vjp(lambda x: scaled(2.0, x), x)[1](x)[0])(rows), 5 * rows)


def test_known_residuals_and_captured_values():
    def f(n, x):
        if n > 2:
            back = lambda n, ct: ct * W[0, 0] * (5 if n > 2 else 1)
            return fl.linear_call(lambda n, x: x * W[0, 0] if n > 2 else x, back, n, x)
        return x

    same(fl.grad(lambda x: fnp.sum(f(3.0, x)))(X), fnp.ones(3) * 5 * W[0, 0])
    outer = lambda w: fnp.sum(fl.linear_call(lambda _, x: x * w, lambda _, ct: ct * w, (), X))
    same(fl.grad(outer)(fnp.asarray(2.0, "float64")), fnp.sum(X))
    same(fl.grad(fl.grad(lambda w: outer(w) ** 2))(fnp.asarray(2.0, "float64")), 2 * fnp.sum(X) ** 2)


@pytest.mark.parametrize(("program", "message"), [
    (lambda x: fl.linear_call(lambda r, x: x, lambda r, ct: (ct,), (), x), "the tree of the linear arguments"),
    (lambda x: fl.linear_call(lambda r, x: x, lambda r, ct: ct[:2], (), x), "shapes must agree"),
    (lambda x: fl.linear_call(lambda r, x: x, lambda r, ct: ct.astype("float32"), (), x), "dtypes must agree"),
    (lambda x: fl.linear_call(lambda r, x: x, lambda r, ct: ct, (), fnp.arange(3)) + x, "a linear argument is i32"),
    (lambda x: fl.linear_call(lambda r, x: x > 0, lambda r, ct: ct, (), x) * x, r"a result of `<lambda>` is bool\[3\]"),
    (lambda x: fl.linear_call(lambda r, x: x, 3, (), x), "takes a function"),
])  # fmt: skip
def test_wrong_calls_are_sentences(program, message):
    with pytest.raises((TypeError, ValueError), match=message) as error:
        fl.grad(lambda x: fnp.sum(program(x)))(X)
    assert "test_closures.py" in str(error.value)


def test_what_is_not_linear_cannot_be_transposed():
    with pytest.raises(TypeError, match="not linear in its residual arguments"):
        fl.linear_transpose(lambda r: scaled(r, X), fnp.asarray(2.0, "float64"))(X)


def test_the_names_of_jax():
    rules = ["custom_gradient", "custom_jvp", "custom_vjp", "CustomVJPPrimal", "SymbolicZero", "zero_from_primal"]
    rules.append("custom_vjp_primal_tree_values")
    assert set(fl.custom_derivatives.__all__) == {"closure_convert", "linear_call", *rules}
    assert fl.custom_derivatives.closure_convert is fl.closure_convert
    assert fl.custom_derivatives.custom_vjp is fl.custom_vjp
