"""checkpoint, its policies, names, residuals and budgets: the same values and derivatives, in less memory."""

import functools
import itertools
import tracemalloc

import numpy as np
import pytest
from laws import check_graphs

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import ir
from functorch_lite.control import budget as budgeted
from functorch_lite.control.remat import opened, remat_p
from functorch_lite.transforms import budget, jvp, reverse, transpose, vmap

A = np.array([[0.3, -0.7, 0.2], [0.5, 0.1, -0.4], [-0.2, 0.6, 0.9]])
X = np.array([0.3, -1.2, 0.7])
P = fl.checkpoint_policies
name = fl.checkpoint_name


@fl.custom_jvp
def ruled(x):
    return fnp.sin(x) * x


ruled.defjvp(lambda primals, tangents: (ruled(primals[0]), tangents[0] * (fnp.cos(primals[0]) * primals[0] * 1.0)))


@fl.custom_vjp
def backruled(x):
    return fnp.exp(x)


backruled.defvjp(lambda x: (fnp.exp(x), fnp.exp(x)), lambda y, ct: (2 * ct * y,))


def looped(x):
    """A scan whose turns are checkpointed, inside of something that is."""

    @fl.checkpoint
    def turn(c, a):
        return fnp.tanh(c + a * x[0]), fnp.sum(c * c)

    c, ys = fl.lax.scan(turn, x, fnp.arange(4.0, dtype="float64"))
    return fnp.sum(c) + fnp.sum(ys * ys)


# Functions of f64[3] with a scalar result, to be checkpointed.
PROGRAMS = {
    "elementwise": lambda x: fnp.sum(fnp.sin(name(fnp.tanh(x) * x, "h"))),
    "matrix": lambda x: x @ name(fnp.tanh(name(A @ x, "pre")), "h"),
    "softmax": lambda x: fnp.log(fnp.sum(fnp.exp(x))) + fnp.max(x),
    "jitted": lambda x: fnp.sum(fl.jit(lambda y: fnp.tanh(A @ y))(x) * x),
    "nested": lambda x: fnp.sum(fl.checkpoint(lambda y: fnp.tanh(A @ fnp.sin(y)))(x * x)),
    "indexing": lambda x: x[0] * x[-1] ** 2 + fnp.sum(x[fnp.array([0, 0, 2])] ** 3),
    "inner gradient": lambda x: fnp.sum(fl.grad(lambda y: fnp.sum(fnp.sin(y) * x * y))(x) ** 2),
    "inner map": lambda x: fnp.sum(fl.vmap(lambda a, b: fnp.sin(a * b) * fnp.sum(x), (0, None))(x, x[0])),
    "cond": lambda x: fl.lax.cond(x[0] > 0, lambda y: fnp.sum(fnp.sin(y)), lambda y: fnp.sum(y * y), x * x),
    "looped": looped,
    "jvp rule": lambda x: fnp.sum(ruled(fnp.sin(x)) ** 2),
    "linear": lambda x: fnp.sum(3.0 * x),
    "constant": lambda x: fnp.sum(x * 0 + 2.0),
}
POLICIES = {
    "default": None,
    "nothing": P.nothing_saveable,
    "everything": P.everything_saveable,
    "dots": P.dots_saveable,
    "no batch": P.dots_with_no_batch_dims_saveable,
    "only": P.save_only_these_names("h"),
    "any but": P.save_any_names_but_these("h"),
    "all but": P.save_anything_except_these_names("h"),
    "both": P.save_from_both_policies(P.dots_saveable, P.save_only_these_names("h")),
    "function": lambda prim, *types, **params: prim.name == "tanh",
}
CASES = [(program, "default") for program in PROGRAMS]
CASES += [*itertools.product(["matrix", "jitted", "looped", "nested"], [p for p in POLICIES if p != "default"])]


def same(a, b, tol=1e-9):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tol, atol=tol)


@pytest.fixture(autouse=True)
def checked(monkeypatch):
    """Every graph that a pass returns is type-checked."""
    check_graphs(monkeypatch, rebuild=(jvp, transpose, vmap, reverse))


def pair(case):
    program, policy = case
    f = PROGRAMS[program]
    return f, fl.checkpoint(f, policy=POLICIES[policy])


# ---- the same values and derivatives ----


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_derivatives_are_those_of_the_function(case):
    f, g = pair(case)
    v = np.array([0.2, -0.5, 1.1])
    same(g(X), f(X))
    want = fl.grad(f)(X)
    same(fl.grad(g)(X), want)
    same(fl.value_and_grad(g)(X)[0], f(X))
    for got, expected in zip(fl.jvp(g, (X,), (v,)), fl.jvp(f, (X,), (v,)), strict=True):
        same(got, expected)
    same(fl.vjp(g, X)[1](2.0)[0], 2 * np.asarray(want))
    same(fl.linearize(g, X)[1](v), np.asarray(want) @ v)
    h = np.asarray(fl.hessian(f)(X))
    same(fl.hessian(g)(X), h)
    same(fl.jacrev(fl.jacrev(g))(X), h)
    same(fl.jacrev(fl.jacfwd(g))(X), h)
    same(fl.grad(lambda x: fnp.vdot(fl.grad(g)(x), v))(X), h @ v)
    same(fl.grad(lambda x: fl.jvp(g, (x,), (v,))[1])(X), h @ v)
    ir.check(fl.make_graph(fl.grad(g))(X))
    ir.check(fl.make_graph(fl.hessian(g))(X))


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_vmap_is_the_loop(case):
    f, g = pair(case)
    xs = np.stack([X, X * 0.5 + 0.2, -X * 0.7])
    rows = np.stack([np.asarray(fl.grad(f)(x)) for x in xs])
    same(fl.vmap(g)(xs), [f(x) for x in xs])
    same(fl.vmap(fl.grad(g))(xs), rows)
    same(fl.grad(lambda xs: fnp.sum(fl.vmap(g)(xs)))(xs), rows)
    both = fl.checkpoint(lambda x, y: g(x * y))
    one = lambda f: fl.grad(lambda x, y: f(x * y))
    same(fl.vmap(fl.grad(both), (0, None))(xs, X), [one(f)(x, X) for x in xs])
    same(fl.vmap(fl.grad(both), (None, 0))(X, xs), [one(f)(X, x) for x in xs])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_compiled_as_eager(case):
    f, g = pair(case)
    want, h = fl.grad(f)(X), fl.hessian(f)(X)
    same(fl.jit(g)(X), f(X))
    same(fl.jit(fl.grad(g))(X), want)
    same(fl.grad(fl.jit(g))(X), want)
    same(fl.jit(fl.hessian(g))(X), h)
    xs = np.stack([X, X * 0.5 + 0.2])
    same(fl.jit(fl.vmap(fl.grad(g)))(xs), np.stack([np.asarray(fl.grad(f)(x)) for x in xs]))


def test_dtypes_and_trees():
    @fl.checkpoint
    def f(tree, n, *, shift):
        z = tree["z"] * shift
        return {"y": fnp.sin(tree["x"]) * n, "n": n + 1, "z": fnp.real(z * z)}

    x, n = np.float32([0.5, 1.0]), np.int32(3)
    tree = {"x": x, "z": np.complex64([1 + 2j])}
    total = lambda tree: fnp.sum(f(tree, n, shift=2.0)["y"]) + fnp.sum(f(tree, n, shift=2.0)["z"])
    grads = fl.grad(total)(tree)
    same(grads["x"], 3 * np.cos(x), 1e-6)
    same(grads["z"], 8 * tree["z"], 1e-6)
    assert grads["x"].dtype == "float32" and grads["z"].dtype == "complex64"
    _, pullback = fl.vjp(lambda n: f(tree, n, shift=1.0)["n"], n)
    assert pullback(np.zeros((), fl.float0))[0].dtype == fl.float0
    empty = fl.checkpoint(lambda x: fnp.sum(fnp.sin(x) * fnp.cos(x)))
    for g in (fl.grad(empty), fl.jit(fl.grad(empty))):
        assert g(np.zeros((0, 3))).shape == (0, 3)
    for dtype in ("bfloat16", "float16", "complex64", "float64"):
        z = fnp.asarray(np.array([0.5, 0.25]), dtype=dtype)
        g = lambda z: fnp.sum(fnp.real(fnp.sin(fnp.sin(z)) * z)).astype("float32")
        got = fl.jit(fl.grad(fl.checkpoint(g)))(z)
        assert got.dtype == z.dtype
        same(got.astype("complex128"), fl.grad(g)(z).astype("complex128"), 2e-2)


def test_python_control_flow_sees_values_in_eager_mode():
    @fl.checkpoint
    def f(x):
        return fnp.sum(x * x) if fnp.sum(x) > 0 else fnp.sum(x)

    same(fl.grad(f)(X), np.ones(3))
    same(fl.grad(f)(-X), -2 * X)
    with pytest.raises(fl.ConcretizationError, match="jit"):
        fl.jit(f)(X)


def test_captured_values_are_differentiated():
    f = lambda x, w: fl.checkpoint(lambda y: fnp.sum(fnp.tanh(w * y) * A[0]))(x)
    plain = lambda x, w: fnp.sum(fnp.tanh(w * x) * A[0])
    for got, want in zip(fl.grad(f, (0, 1))(X, X + 1), fl.grad(plain, (0, 1))(X, X + 1), strict=True):
        same(got, want)
    same(fl.jit(fl.grad(f, 1))(X, X + 1), fl.grad(plain, 1)(X, X + 1))
    same(fl.vmap(fl.grad(f), (0, None))(np.stack([X, -X]), X)[1], fl.grad(plain)(-X, X))


def test_static_arguments():
    @functools.partial(fl.checkpoint, static_argnums=(1, -1))
    def f(x, power, mode):
        assert isinstance(power, int) and mode == "sum"
        return fnp.sum(x**power) if mode == "sum" else x

    same(fl.grad(f)(X, 3, "sum"), 3 * X**2)
    same(fl.jit(fl.grad(lambda x: f(x, 3, "sum")))(X), 3 * X**2)


def test_rules_act_through_replays():
    same(fl.grad(fl.checkpoint(lambda x: fnp.sum(backruled(x))))(X), 2 * np.exp(X))
    same(fl.grad(fl.checkpoint(lambda x: fnp.sum(ruled(x))))(X), np.cos(X) * X)

    def f(w):  # a rule that captures a tracer of the outer frame
        @fl.custom_jvp
        def g(x):
            return fnp.sin(x)

        g.defjvp(lambda xs, ts: (g(xs[0]), ts[0] * fl.lax.stop_gradient(w)))
        return fnp.sum(fl.checkpoint(lambda x: g(x * 2.0))(w))

    same(fl.grad(f)(X), 2 * X)


# ---- what is saved ----


def saved(f, *args):
    return sorted([str(r.type) for r in fl.residuals(f, *args) if r.kind == "intermediate"])


def test_policies_save_what_they_say():
    W = np.ones((3, 5))

    def f(x):
        return fnp.sum(fnp.sin(name(fnp.cos(fnp.sin(x @ W)), "h")))

    with_policy = lambda p: saved(fl.checkpoint(f, policy=p), X)
    assert with_policy(None) == with_policy(P.nothing_saveable) == []
    assert with_policy(P.everything_saveable) == saved(f, X) == ["f64[5]"] * 3
    assert with_policy(P.dots_saveable) == with_policy(P.checkpoint_dots) == ["f64[5]"]
    assert with_policy(P.save_any_names_but_these("h")) == []
    only = fl.residuals(fl.checkpoint(f, policy=P.save_only_these_names("h")), X)
    assert [r.why for r in only if r.kind == "intermediate"] == ["named 'h', saved in `f`"]
    others = fl.residuals(fl.checkpoint(f, policy=P.save_anything_except_these_names("h")), X)
    assert not [r for r in others if "named" in r.why] and others.bytes == 120
    assert with_policy(lambda prim, *types, **params: prim.name == "dot" and types[0].shape == (3,)) == ["f64[5]"]
    assert with_policy(lambda prim, *types, **params: params.get("name") == "h") == ["f64[5]"]


def test_products_with_a_batch_axis_are_told_apart():
    f = fl.checkpoint(lambda x, w: fnp.sum(fnp.sin(x @ w)), policy=P.dots_with_no_batch_dims_saveable)
    x, w = np.ones((4, 2, 3)), np.ones((4, 3, 5))
    assert saved(f, x[0], w[0]) == ["f64[2,5]"]
    assert saved(fl.vmap(f), x, w) == []
    assert saved(fl.vmap(f, (0, None)), x, w[0]) == ["f64[4,2,5]"]


def test_a_saved_name_saves_the_work_before_it():
    """The named value is the result of tanh, so neither that nor the product before it is computed again."""
    f = fl.checkpoint(lambda x: fnp.sum(name(fnp.tanh(A @ x), "h") ** 2), policy=P.save_only_these_names("h"))
    text = str(fl.make_graph(fl.grad(f))(X))
    assert text.count("tanh") == 1 and text.count("dot") == 2
    twice = lambda x: fnp.sum(name(name(fnp.tanh(x), "a"), "b") ** 2)
    chain = fl.checkpoint(twice, policy=P.save_only_these_names("b"))
    assert str(fl.make_graph(fl.grad(chain))(X)).count("tanh") == 1
    same(fl.grad(chain)(X), fl.grad(twice)(X))


def test_policies_are_values():
    assert P.save_only_these_names("a", "b") == P.save_only_these_names("b", "a", "b")
    assert len({P.dots_saveable, P.checkpoint_dots, P.everything_saveable}) == 2
    assert P.dots_saveable != P.everything_saveable and "dots" in repr(P.dots_saveable)
    graph = lambda p: fl.make_graph(fl.checkpoint(PROGRAMS["matrix"], policy=p))(X)
    assert graph(P.save_only_these_names("h")) == graph(P.save_only_these_names("h"))
    assert graph(P.dots_saveable) != graph(None)
    assert not graph(P.dots_saveable).open
    asked = []

    def mine(prim, *types, **params):
        asked.append(prim.name)
        return P.dots_saveable(prim, *types, **params)

    assert graph(mine).open and not asked
    fl.grad(fl.checkpoint(PROGRAMS["matrix"], policy=mine))(X)
    assert {"dot", "tanh"} <= set(asked)


def test_functions_as_policies_are_compiled_once():
    count = fl.cache_sizes()
    g = fl.jit(fl.grad(fl.checkpoint(PROGRAMS["matrix"], policy=lambda prim, *_, **__: False)))
    same(g(X), fl.grad(PROGRAMS["matrix"])(X))
    same(g(-X), fl.grad(PROGRAMS["matrix"])(-X))
    for _ in range(3):
        same(fl.grad(fl.jit(fl.checkpoint(PROGRAMS["matrix"], policy=lambda prim, *_, **__: True)))(X), g(X))
    assert fl.cache_sizes()["_executable"] - count["_executable"] <= 3


def test_residuals_tell_where_and_why():
    w = fnp.asarray(np.ones((3, 3)))

    def model(params, x):
        h = fnp.tanh(x @ w)
        return fnp.sum(name(fnp.sin(h), "out") * params["scale"])

    table = fl.residuals(model, {"scale": X}, X)
    by_why = {r.why: r for r in table}
    assert by_why["argument 0 (params) at ['scale']"].kind == "argument"
    assert any(r.kind == "constant" and r.type.shape == (3, 3) for r in table)
    assert by_why["named 'out'"].bytes == 24 and by_why["named 'out'"].line.startswith("test_remat.py:")
    lines = {r.line for r in table if r.kind == "intermediate"}
    first = model.__code__.co_firstlineno
    assert lines <= {f"test_remat.py:{first + 1}", f"test_remat.py:{first + 2}"}
    assert table.bytes == sum(r.bytes for r in table if r.kind == "intermediate")
    kinds = [r.kind for r in table]
    assert kinds == sorted(kinds, key=["argument", "constant", "intermediate"].index)
    text = str(table)
    assert text.splitlines()[0].startswith("reverse mode of `model` saves") and "result of" in text
    assert "<table>" in table._repr_html_() and "model" in table._repr_html_()
    inside = fl.residuals(fl.jit(lambda x: fnp.sum(fnp.sin(x) ** 3)), X)
    assert all(r.line.startswith("test_remat.py:") for r in inside)


def test_the_table_is_printed(capsys):
    fl.ad_checkpoint.print_saved_residuals(PROGRAMS["matrix"], X)
    assert capsys.readouterr().out == f"{fl.residuals(PROGRAMS['matrix'], X)}\n"


@pytest.mark.parametrize("program", PROGRAMS)
def test_residuals_are_what_the_pullback_holds(program):
    f = PROGRAMS[program]
    _, pullback = fl.vjp(f, X)
    table = fl.residuals(f, X)
    assert len(table) == len(pullback.residuals)
    for policy in POLICIES.values():
        assert fl.residuals(fl.checkpoint(f, policy=policy), X).bytes <= table.bytes


def test_names_are_the_identity():
    same(name(X, "a"), X)
    tree = name({"a": X, "b": (X, 2.0)}, "t")
    same(tree["b"][1], 2.0)
    f = lambda x: fnp.sum(name(fnp.sin(x), "s") ** 2)
    same(fl.jit(fl.vmap(fl.grad(f)))(np.stack([X, -X]))[0], np.sin(2 * X))
    same(fl.linear_transpose(lambda x: name(3 * x, "n"), X)(X)[0], 3 * X)
    with pytest.raises(TypeError, match=r"checkpoint_name takes a string, got int 3, at test_remat.py"):
        name(X, 3)
    with pytest.raises(TypeError, match="names are strings, got int 1"):
        P.save_only_these_names(1)


# ---- effects ----


def test_effects_happen_once():
    log = []

    def noisy(x):
        fl.debug.callback(lambda y: log.append(float(y)), x[0])
        return fnp.tanh(fnp.sin(x))

    def layers(x):
        step = fl.checkpoint(lambda x: fl.jit(noisy)(x) * 2.0)
        return fnp.sum(step(step(x)))

    want = fl.grad(lambda x: fnp.sum(2 * fnp.tanh(fnp.sin(2 * fnp.tanh(fnp.sin(x))))))(X)
    plain = [X[0], 2 * np.tanh(np.sin(X[0]))]
    for g in (fl.grad(layers), fl.jit(fl.grad(layers)), fl.grad(fl.jit(layers))):
        log.clear()
        same(g(X), want)
        same(sorted(log), sorted(plain))


def test_effects_happen_once_under_a_budget():
    log = []

    def loss(params, x):
        for p in params:
            fl.debug.callback(lambda y: log.append(float(y)), x[0, 0])
            x = fnp.tanh(x @ p)
        return fnp.sum(x)

    params, x = [rows(8, 8) for _ in range(32)], rows(64, 8)
    limit = budget_of(loss, params, x) // 2
    log.clear()
    want = fl.grad(loss)(params, x)
    plain = sorted(log)
    log.clear()
    got = fl.jit(fl.grad(loss, memory=limit))(params, x)
    same(got[0], want[0], 1e-5)
    same(sorted(log), plain, 1e-5)


# ---- memory ----


def rows(*shape):
    return fnp.asarray((np.random.default_rng(len(shape)).normal(size=shape) * shape[0] ** -0.5).astype("float32"))


def tanh_layer(x, w):
    return fnp.tanh(x @ w)


def gelu_layer(x, p):
    center = x - fnp.mean(x, axis=-1, keepdims=True)
    h = center / fnp.sqrt(fnp.mean(center**2, axis=-1, keepdims=True) + 1e-5) @ p[0] + p[1]
    return x + 0.5 * h * (1 + fnp.tanh(0.8 * (h + 0.04 * h * h * h))) @ p[2]


def network(layer, params):
    def loss(params, x):
        for p in params:
            x = layer(x, p)
        return fnp.sum(x * x)

    return loss, params, rows(256, 32)


def deep(layers=64):
    return network(tanh_layer, [rows(32, 32) for _ in range(layers)])


def compiled(f, *args):
    """The compiled function, its bytes of temporaries, and the number of its matrix products."""
    made = fl.jit(f).lower(*args).compile()
    return made, made.memory_analysis().temp_size_in_bytes, made.as_text().count(" dot(")


def segments(size, **options):
    """The loss of the deep network with every so many layers checkpointed."""
    run = fl.checkpoint(lambda x, params: functools.reduce(tanh_layer, params, x), **options)

    def loss(params, x):
        for k in range(0, len(params), size):
            x = run(x, params[k : k + size])
        return fnp.sum(x * x)

    return loss


def test_replays_stay_apart_in_compiled_code():
    loss, params, x = deep()
    plain, full, products = compiled(fl.grad(loss), params, x)
    less, small, more = compiled(fl.grad(segments(8)), params, x)
    _, merged, as_many = compiled(fl.grad(segments(8, prevent_cse=False)), params, x)
    assert small < 0.35 * full and more > products
    assert merged > 0.9 * full and as_many == products
    for a, b in zip(plain(params, x), less(params, x), strict=True):
        same(a, b, 1e-5)


def test_replays_of_any_operand():
    """The branch of a replay is chosen by an operand, here the first one: whatever it holds, the replay runs."""
    f = fl.checkpoint(lambda a, x: fnp.sum(fnp.tanh(fnp.sin(x)) * fnp.where(fnp.any(a == 1), 2, 1)))
    want = np.cos(X) / np.cosh(np.sin(X)) ** 2
    zeros = [np.zeros(3, bool), np.zeros((2, 2), np.int64), np.zeros(()), np.zeros((0, 2)), np.zeros(2, np.uint8)]
    floats = [np.full(3, np.nan), np.array([2 + 2j]), fnp.zeros(3, "bfloat16"), np.full(2, -0.0), np.full(2, -np.inf)]
    for a in (*zeros, *floats):
        same(fl.jit(fl.grad(f, 1))(a, X), want)


def test_budget_of_a_deep_network():
    loss, params, x = deep()
    plain, full, products = compiled(fl.grad(loss), params, x)
    want = plain(params, x)
    before = 0
    for share in (0.6, 0.4, 0.25):
        made, bytes_, count = compiled(fl.grad(loss, memory=int(full * share)), params, x)
        assert bytes_ <= full * share
        assert products < count <= 1.35 * products and count >= before
        before = count
        for a, b in zip(made(params, x), want, strict=True):
            same(a, b, 1e-5)
    _, same_bytes, same_count = compiled(fl.grad(loss, memory=int(full * 1.2)), params, x)
    assert (same_bytes, same_count) == (full, products)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.3, 0.25])
def test_budget_of_a_residual_network(share):
    loss, params, x = network(gelu_layer, [(rows(32, 128), rows(128), rows(128, 32)) for _ in range(12)])
    plain, full, _ = compiled(fl.value_and_grad(loss), params, x)
    made, bytes_, _ = compiled(fl.value_and_grad(loss, memory=int(full * share)), params, x)
    assert bytes_ <= full * share
    for a, b in zip(fl.tree.leaves(made(params, x)), fl.tree.leaves(plain(params, x)), strict=True):
        same(a, b, 2e-3)


def test_budget_of_a_loop():
    params, x = rows(48, 32, 32), rows(256, 32)

    def loss(params, x):
        x, _ = fl.lax.scan(lambda x, w: (tanh_layer(x, w), None), x, params)
        return fnp.sum(x * x)

    plain, full, _ = compiled(fl.grad(loss), params, x)
    made, bytes_, _ = compiled(fl.grad(loss, memory=full // 3), params, x)
    assert bytes_ <= full // 3
    same(made(params, x), plain(params, x), 1e-4)


def test_budget_of_functions_in_functions():
    loss, params, x = deep(24)
    split = fl.jit(lambda params, x: functools.reduce(fl.jit(tanh_layer), params, x))
    inner = lambda params, x: fnp.sum(split(params, x) ** 2)
    _, full, _ = compiled(fl.grad(inner), params, x)
    made, bytes_, _ = compiled(fl.grad(inner, memory=full // 2), params, x)
    assert bytes_ <= full // 2
    for a, b in zip(made(params, x), fl.jit(fl.grad(loss))(params, x), strict=True):
        same(a, b, 1e-3)


def test_budget_of_a_jitted_function_in_eager_mode():
    """It runs compiled, as the function would without the budget."""
    loss, params, x = deep(24)
    limit = budget_of(loss, params, x) // 2
    lean = fl.grad(fl.jit(loss), memory=limit)
    for a, b in zip(lean(params, x), fl.grad(loss)(params, x), strict=True):
        same(a, b, 1e-3)
    graph = fl.make_graph(fl.grad(fl.jit(loss), memory=limit))(params, x)
    assert any(eqn.prim is remat_p for eqn in graph.eqns)


def test_budget_in_eager_mode():
    loss, params, x = deep(48)
    x = fnp.concatenate([x] * 4)

    def used(f):
        f(params, x)
        tracemalloc.start()
        made = f(params, x)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return made, peak - sum([32 * 32 * 4 for _ in params])

    want, full = used(fl.grad(loss))
    limit = full // 2
    got, held = used(fl.grad(loss, memory=limit))
    assert held <= limit * 1.05
    for a, b in zip(got, want, strict=True):
        same(a, b, 1e-5)


def test_budget_with_further_transforms():
    loss, params, x = network(tanh_layer, [rows(4, 4) for _ in range(24)])
    x = x[:8, :4]
    limit = budget_of(loss, params, x) // 2
    g, lean = fl.grad(loss), fl.grad(loss, memory=limit)
    assert any(eqn.prim is remat_p for eqn in fl.make_graph(lean)(params, x).eqns)
    xs = fnp.stack([x, -x, 2 * x])
    for a, b in zip(fl.vmap(lean, (None, 0))(params, xs), fl.vmap(g, (None, 0))(params, xs), strict=True):
        same(a, b, 1e-5)
    dot = lambda f: lambda p: sum([fnp.sum(a * a) for a in f(p, x)])
    for a, b in zip(fl.grad(dot(lean))(params), fl.grad(dot(g))(params), strict=True):
        same(a, b, 1e-4)
    with_aux = fl.value_and_grad(lambda p, x: (loss(p, x), x), has_aux=True, memory=limit)
    (value, aux), _ = fl.jit(with_aux)(params, x)
    same(value, loss(params, x), 1e-6)
    same(aux, x)


def budget_of(loss, params, x):
    """What the model says that reverse mode holds."""
    graph = fl.make_graph(fl.grad(loss))(params, x)
    return budget.peak(opened(graph), budgeted._COMPILED)


def test_the_model_agrees_with_the_compiler():
    wide = [(rows(32, 128), rows(128), rows(128, 32)) for _ in range(6)]
    for layer, params in ((tanh_layer, [rows(32, 32) for _ in range(12)]), (gelu_layer, wide)):
        loss, params, x = network(layer, params)
        _, measured, _ = compiled(fl.grad(loss), params, x)
        assert 0.9 * measured < budget_of(loss, params, x) < 1.25 * measured


def test_plans_trade_time_for_memory():
    loss, params, x = deep(32)
    leaves, structure = fl.tree.flatten((params, x))
    graph = fl.make_graph(lambda *leaves: loss(*structure.unflatten(leaves)))(*leaves)
    active = (*[True] * 32, False)
    plans = budget.plans(graph, active, budgeted._COMPILED)
    assert plans[0].stretches == ()
    times = [p.time for p in plans]
    assert times == sorted(times)
    held = []
    for p in plans:
        part = ir.check(budgeted.outlined(graph, p.stretches))
        held.append(budget.peak(reverse.value_and_grad(part, active), budgeted._COMPILED))
        ends = [i for s in p.stretches for i in (s.start, s.stop)]
        assert ends == sorted(ends)
    assert held[-1] < 0.4 * held[0]
    assert any(p.stretches and p.stretches[0].inner for p in plans)


# ---- what is refused ----


def test_bad_input():
    with pytest.raises(TypeError, match="checkpoint takes a function, got int"):
        fl.checkpoint(3)
    with pytest.raises(TypeError, match="static_argnums must be an int or a tuple of ints, got 'a'"):
        fl.checkpoint(lambda x: x, static_argnums="a")
    with pytest.raises(TypeError, match="checkpoint with a policy takes a function, got str"):
        fl.checkpoint(lambda x: x, policy="dots")
    f = fl.checkpoint(lambda x, mode: x)
    with pytest.raises(TypeError, match=r"argument 1 \(mode\) is no array.*static_argnums"):
        fl.grad(lambda x: f(x, "mode"))(1.0)
    with pytest.raises(TypeError, match=r"checkpoint: `<lambda>` returned str"):
        fl.grad(fl.checkpoint(lambda x: "a"))(1.0)
    for bad, error in (("12XB", ValueError), (0, ValueError), ("0MB", ValueError), (2.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match=r"grad: memory.*at test_remat.py"):
            fl.grad(fnp.sum, memory=bad)
    loss, params, x = deep(8)
    with pytest.raises(ValueError, match=r"grad of `loss` needs .* even if .* the budget is 1 kB, at test_remat.py"):
        fl.jit(fl.grad(loss, memory="1kB"))(params, x)
    with pytest.raises(ValueError, match=r"grad of `<lambda>` needs .* bytes"):
        fl.grad(lambda x: fnp.sum(fnp.sin(x)), memory=1)(X)
    same(fl.grad(lambda x: x, memory=1)(2.0), 1)


def test_amounts_of_memory():
    loss, params, x = deep(8)
    want = fl.grad(loss)(params, x)
    for amount in ("1GB", "1.5 MiB", "2000kb", 10**9, "1000000", ".5GiB"):
        same(fl.grad(loss, memory=amount)(params, x)[0], want[0], 1e-6)
