"""Functions with rules of their own, under every transform; rules that capture, branch, recurse, and are wrong."""

import functools
import gc
import weakref

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import lax
from functorch_lite.errors import LeakedTracerError

X = np.array([0.3, -1.2, 0.7])


def same(a, b, tol=1e-6):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tol, atol=tol)


def doubled_jvp():
    """sin with twice its derivative."""
    f = fl.custom_jvp(fnp.sin)
    f.defjvp(lambda p, t: (f(*p), 2 * fnp.cos(p[0]) * t[0]))
    return f


def doubled_vjp():
    f = fl.custom_vjp(fnp.sin)
    f.defvjp(lambda x: (f(x), fnp.cos(x)), lambda c, ct: (2 * c * ct,))
    return f


def doubled_both():
    return fl.custom_rules(
        fnp.sin, jvp=lambda p, t: (fnp.sin(p[0]), 2 * fnp.cos(p[0]) * t[0]),
        vjp=(lambda x: (fnp.sin(x), fnp.cos(x)), lambda c, ct: (2 * c * ct,)))  # fmt: skip


def doubled_gradient():
    return fl.custom_gradient(lambda x: (fnp.sin(x), lambda ct: 2 * fnp.cos(x) * ct))


MAKE = {"jvp": doubled_jvp, "vjp": doubled_vjp, "both": doubled_both, "gradient": doubled_gradient}
FORMS = {"plain": lambda f: f, "jit": fl.jit, "vmap": fl.vmap, "jit of vmap": lambda f: fl.jit(fl.vmap(f)),
         "vmap of jit": lambda f: fl.vmap(fl.jit(f))}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", MAKE)
def test_every_transform_uses_the_rule(kind, form):
    f = FORMS[form](MAKE[kind]())
    want = 2 * np.cos(X)
    total = lambda x: fnp.sum(f(x))
    same(f(X), np.sin(X))
    same(fl.grad(total)(X), want)
    same(fl.jit(fl.grad(total))(X), want)
    same(fl.vjp(f, X)[1](fnp.ones(3, "float64"))[0], want)
    same(fl.jacrev(f)(X), np.diag(want))
    same(fl.linearize(f, X)[1](fnp.ones(3, "float64")), want)
    same(fl.jvp(f, (X,), (fnp.ones(3, "float64"),))[1], want)
    same(fl.jacfwd(f)(X), np.diag(want))
    if form == "plain":
        same(fl.vmap(fl.grad(f))(X), want)
        same(fl.vmap(fl.jit(fl.grad(f)))(X), want)
    second = -2 * np.sin(X)
    same(fl.grad(lambda x: fnp.sum(fl.grad(total)(x)))(X), second)
    same(fl.hvp(total, X, np.ones(3)), second)
    same(np.diag(fl.hessian(total)(X)), second)


def test_a_rule_may_call_its_function():
    e = fl.custom_jvp(fnp.exp)
    e.defjvp(lambda p, t: (e(*p), t[0] * e(*p)))
    g = e
    for _ in range(4):
        same(g(1.0), np.e)
        g = fl.grad(g)
    same(fl.jit(fl.hessian(e))(1.0), np.e)


def test_a_rule_may_look_at_values_and_capture():
    w = fnp.asarray(3.0)
    seen = []
    f = fl.custom_vjp(lambda x: x * 2)

    def fwd(x):
        seen.append(float(x))
        return f(x), (x, w) if x > 0 else (x, -w)

    def bwd(residuals, ct):
        x, k = residuals
        return (ct * k * (1 if x > 0 else 10),)

    f.defvjp(fwd, bwd)
    same(fl.grad(f)(1.0), 3)
    same(fl.grad(f)(-1.0), -30)
    assert seen == [1.0, -1.0]


def test_a_rule_captures_a_tracer_of_the_same_function():
    def outer(w):
        f = fl.custom_jvp(fnp.sin)
        f.defjvp(lambda p, t: (fnp.sin(p[0]), t[0] * w))
        return f(w * 1.0)

    same(fl.grad(outer)(2.0), 2)
    same(fl.grad(fl.grad(outer))(2.0), 1)
    same(fl.jit(fl.grad(outer))(2.0), 2)
    same(fl.vmap(fl.grad(outer))(X), X)

    def inner(w, x):
        f = fl.custom_jvp(fnp.sin)
        f.defjvp(lambda p, t: (fnp.sin(p[0]), t[0] * w * w))
        return f(x)

    same(fl.grad(lambda w: fl.grad(lambda x: inner(w, x))(0.5))(3.0), 6)


def test_a_rule_sees_what_changed():
    scale = [1.0]
    f = fl.custom_jvp(fnp.sin)
    f.defjvp(lambda p, t: (fnp.sin(p[0]), t[0] * scale[0]))
    same(fl.grad(f)(0.5), 1)
    scale[0] = 5.0
    same(fl.grad(f)(0.5), 5)


def test_a_rule_is_asked_only_where_needed():
    asked = []
    f = fl.custom_jvp(lambda x, y: x * y)
    f.defjvp(lambda p, t: (asked.append(1), (p[0] * p[1], t[0] * p[1] + p[0] * t[1]))[1])
    fl.grad(lambda x: x * f(2.0, 3.0))(1.0)
    fl.jit(lambda x: f(x, x))(1.0)
    assert not asked
    fl.grad(lambda x: f(x, 3.0))(1.0)
    assert asked


def test_fresh_rules_leave_memory_flat():
    def step(k):
        f = fl.custom_jvp(lambda x: fnp.sin(x))
        f.defjvp(lambda p, t: (fnp.sin(p[0]), t[0] * fnp.cos(p[0])))
        fl.grad(f)(1.0)

    for k in range(50):
        step(k)
    gc.collect()
    before = fl.cache_sizes()
    for k in range(200):
        step(k)
    gc.collect()
    after = fl.cache_sizes()
    assert after["graphs"] - before["graphs"] < 20 and after["value_and_grad"] - before["value_and_grad"] < 5


def test_rules_are_not_kept_alive():
    class Captured:
        pass

    alive = []

    def step():
        held = Captured()
        alive.append(weakref.ref(held))
        f = fl.custom_jvp(lambda x: fnp.sin(x))
        f.defjvp(lambda p, t: (held, (fnp.sin(p[0]), t[0] * fnp.cos(p[0])))[1])
        fl.grad(lambda x: fl.jit(f)(x) if f(x) > -5 else x)(1.0)

    for _ in range(5):
        step()
    gc.collect()
    assert sum(ref() is not None for ref in alive) <= 1


def test_fresh_rules_compile_once():
    fl.clear_caches()
    for _ in range(5):
        f = fl.custom_jvp(lambda x: fnp.sin(x))
        f.defjvp(lambda p, t: (fnp.sin(p[0]), t[0] * fnp.cos(p[0])))
        fl.jit(f)(1.0)
    assert fl.cache_sizes()["_executable"] == 1


def test_arguments_that_are_not_differentiated():
    f = fl.custom_jvp(lambda g, x: g(x), nondiff_argnums=(0,))
    f.defjvp(lambda g, p, t: (g(p[0]), 3 * t[0]))
    same(fl.grad(lambda x: f(fnp.sin, x))(1.0), 3)
    v = fl.custom_vjp(lambda x, n, g: g(x) * n, nondiff_argnums=(1, 2))
    v.defvjp(lambda x, n, g: (g(x) * n, x), lambda n, g, r, ct: (ct * n * 7,))
    same(fl.grad(lambda x: v(x, 2, fnp.sin))(1.0), 14)
    by_name = fl.custom_jvp(lambda x, n=2: x * n, nondiff_argnames=("n",))
    by_name.defjvp(lambda n, p, t: (p[0] * n, t[0] * n * 10))
    same(fl.grad(by_name)(1.0), 20)
    same(fl.grad(lambda x: by_name(x, n=3))(1.0), 30)


def test_defjvps_trees_and_integers():
    f = fl.custom_jvp(lambda x, y: fnp.sin(x) * y)
    f.defjvps(lambda t, out, x, y: 10 * t, None)
    same(fl.grad(f, (0, 1))(1.0, 2.0), (10, 0))
    g = fl.custom_vjp(lambda p, n: {"y": p["a"] * p["b"][0], "n": n})
    g.defvjp(lambda p, n: (g(p, n), p), lambda p, ct: ({"a": ct["y"] * p["b"][0], "b": [ct["y"]]}, None))
    grads = fl.grad(lambda p: g(p, 3)["y"])({"a": 2.0, "b": [5.0]})
    same(grads["a"], 5)
    same(grads["b"][0], 1)
    h = fl.custom_jvp(lambda x, n: x * n)
    h.defjvp(lambda p, t: (p[0] * p[1], t[0] * 7 if t[1].dtype == fl.float0 else t[0]))
    same(fl.grad(h)(1.0, 2), 7)


def test_symbolic_zeros():
    kinds = []
    f = fl.custom_jvp(lambda x, y: x * y)
    f.defjvp(lambda p, t: (kinds.append([type(v).__name__ for v in t]), (p[0] * p[1], t[0] * p[1]))[1],
             symbolic_zeros=True)  # fmt: skip
    same(fl.grad(lambda x: f(x, 3.0))(1.0), 3)
    assert kinds == [["Tracer", "SymbolicZero"]]
    marks = []
    v = fl.custom_vjp(lambda x, y: x * y)

    def fwd(x, y):
        marks.append((x.perturbed, y.perturbed))
        return x.value * y.value, y.value

    v.defvjp(fwd, lambda y, ct: (ct * y, None), symbolic_zeros=True)
    same(fl.grad(lambda x: v(x, 3.0))(1.0), 3)
    assert marks == [(True, False)]


def test_forward_over_a_vjp_rule():
    f = doubled_vjp()
    same(fl.jvp(f, (X,), (X,))[1], 2 * np.cos(X) * X)
    clip = fl.custom_vjp(lambda x: x)
    clip.defvjp(lambda x: (x, None), lambda _, ct: (fnp.clip(ct, -1, 1),))
    same(fl.grad(lambda x: 5 * clip(x))(1.0), 1)
    same(fl.hessian(lambda x: clip(x) ** 2)(0.1), 2)
    with pytest.raises(TypeError, match=r"forward mode through the vjp rule .* is not linear"):
        fl.jvp(clip, (1.0,), (1.0,))


def test_vmap_sums_the_cotangent_of_what_was_not_mapped():
    f = fl.custom_vjp(lambda x, w: x * w)
    f.defvjp(lambda x, w: (x * w, (x, w)), lambda r, ct: (ct * r[1], ct * r[0]))
    constant = fl.custom_vjp(lambda x, w: x * w)
    constant.defvjp(lambda x, w: (x * w, w), lambda w, ct: (ct * w, fnp.ones_like(w)))
    for in_axes in ((0, None), (None, 0), (0, 0)):
        args = [X if a == 0 else 2.0 for a in in_axes]
        total = lambda x, w: fnp.sum(fl.vmap(f, in_axes)(x, w))
        plain = lambda x, w: fnp.sum(x * w * fnp.ones(3))
        for a, b in zip(fl.grad(total, (0, 1))(*args), fl.grad(plain, (0, 1))(*args), strict=True):
            same(a, b)
    same(fl.grad(lambda w: fnp.sum(fl.vmap(constant, (0, None))(X, w)))(2.0), 3)
    same(fl.vmap(fl.grad(f, 1), (0, None))(X, 2.0), X)


def test_custom_vmap():
    masks = []
    f = fl.custom_batching.custom_vmap(lambda x, y: x * y)

    @f.def_vmap
    def rule(size, in_batched, x, y):
        masks.append((size, list(in_batched)))
        return x * y + 100, True

    same(f(2.0, 3.0), 6)
    same(fl.vmap(f, (0, None))(X, 2.0), X * 2 + 100)
    assert masks == [(3, [True, False])]
    same(fl.jit(fl.vmap(fl.jit(f)))(X, X), X * X + 100)
    same(fl.grad(f)(2.0, 3.0), 3)
    same(fl.vmap(fl.vmap(f, (0, None)), (None, 0))(X, X), np.outer(X, X) + 100)
    g = fl.custom_batching.sequential_vmap(lambda x: fnp.sin(x))
    same(fl.vmap(g)(X), np.sin(X))


def test_check_rules():
    good = fl.custom_jvp(fnp.sin)
    good.defjvp(lambda p, t: (fnp.sin(p[0]), t[0] * fnp.cos(p[0])))
    fl.check_rules(good, X)
    fl.check_rules(good, 0.3)
    with pytest.raises(AssertionError, match="tangent"):
        fl.check_rules(doubled_jvp(), X)
    with pytest.raises(AssertionError, match="cotangent"):
        fl.check_rules(doubled_vjp(), X)


def wrong_jvp(rule):
    f = fl.custom_jvp(lambda x: (x, x))
    f.defjvp(rule)
    return lambda: fl.jvp(f, (1.0,), (1.0,))


def wrong_vjp(fwd, bwd):
    f = fl.custom_vjp(lambda x: x * 2)
    f.defvjp(fwd, bwd)
    return lambda: fl.grad(f)(1.0)


@pytest.mark.parametrize(("program", "message"), [
    (wrong_jvp(lambda p, t: p[0]), "must return a pair"),
    (wrong_jvp(lambda p, t: (p[0], t[0])), "tree of the function's"),
    (wrong_jvp(lambda p, t: ((p[0], p[0]), t[0])), "tangent with the tree"),
    (wrong_jvp(lambda p, t: ((p[0], p[0]), (t[0], fnp.ones(3)))), "shapes must agree"),
    (wrong_jvp(lambda p, t: ((p[0], p[0]), (t[0], (t[0],)))), "tangent with the tree"),
    (wrong_vjp(lambda x: x, lambda r, ct: (ct,)), "must return a pair"),
    (wrong_vjp(lambda x: (x, None), lambda r, ct: ((ct,),)), "cotangent with the tree of the argument"),
    (wrong_vjp(lambda x: ((x, x), None), lambda r, ct: (ct,)), "tree of the function's"),
    (wrong_vjp(lambda x: (x, None), lambda r, ct: ct), "must return a tuple of 1 cotangent"),
    (wrong_vjp(lambda x: (x, None), lambda r, ct: (ct, ct)), "got 2 of them"),
    (wrong_vjp(lambda x: (x, None), lambda r, ct: (fnp.ones(3),)), "shapes must agree"),
    (lambda: fl.custom_jvp(fnp.sin)(1.0), "no rule yet"),
    (lambda: fl.custom_vjp(fnp.sin)(1.0), "no rule yet"),
    (lambda: fl.custom_jvp(3.0), "takes a function"),
    (lambda: fl.custom_jvp(lambda x: x, nondiff_argnames="y"), "no argument 'y'"),
    (lambda: fl.custom_rules(lambda x: x, jvp=lambda p, t: (p, t))(1.0, y=2.0), "unexpected keyword"),
    (lambda: fl.custom_rules(max, jvp=lambda p, t: (p, t))(1.0, 2.0, key=abs), "has no signature.*key"),
    (lambda: fl.custom_vjp(lambda x: x, nondiff_argnums=1)(1.0), "nondiff_argnums has 1, but the call has 1 argument,"),
])  # fmt: skip
def test_wrong_rules_are_sentences(program, message):
    with pytest.raises((TypeError, ValueError, AttributeError), match=message) as error:
        program()
    assert "test_custom.py" in str(error.value) or "takes a function" in str(error.value)
    same(fl.grad(fnp.sin)(0.0), 1)


def test_a_function_that_captured_what_is_differentiated():
    def outer(w):
        f = fl.custom_jvp(lambda x: x * w)
        f.defjvp(lambda p, t: (p[0] * w, t[0]))
        return f(w)

    for inside in (lambda f: f, fl.jit, fl.checkpoint):
        with pytest.raises(TypeError, match="pass it as an argument"):
            fl.grad(inside(outer))(2.0)
    kept = []
    fl.grad(lambda x: (kept.append(x), x)[1])(1.0)
    f = fl.custom_jvp(fnp.sin)
    f.defjvp(lambda p, t: (fnp.sin(p[0]), t[0] * kept[0]))
    with pytest.raises(LeakedTracerError):
        fl.grad(f)(1.0)


def test_custom_gradient_of_several_arguments():
    @fl.custom_gradient
    def f(x, y):
        return x * y["a"], lambda ct: (ct * y["a"], {"a": 3 * ct * x})

    args = 2.0, {"a": 5.0}
    for wrap in (lambda f: f, fl.jit):
        same(wrap(f)(*args), 10)
        x, y = wrap(fl.grad(f, (0, 1)))(*args)
        same(x, 5), same(y["a"], 6)


def test_zeros_may_stand_for_parts_of_trees():
    """None stands for the zero of a whole part; a None of the result is no zero."""

    @fl.custom_jvp
    def f(x):
        return {"y": x * 2, "n": None, "z": (x, x)}

    f.defjvp(lambda p, t: (f(*p), {"y": 5 * t[0], "n": None, "z": None}))
    _, t = fl.jvp(f, (1.0,), (1.0,))
    assert t["n"] is None
    same([t["y"], *t["z"]], [5, 0, 0])
    g = fl.custom_vjp(lambda d, x: d["a"] * d["b"][0] * x)
    g.defvjp(lambda d, x: (g(d, x), d), lambda d, ct: ({"a": 7 * ct, "b": None}, ct))
    slope = fl.grad(g)({"a": 1.0, "b": [2.0]}, 3.0)
    same([slope["a"], slope["b"][0]], [7, 0])


def test_the_cotangent_of_a_result_that_is_not_mapped_counts_once():
    @fl.custom_vjp
    def f(x, y):
        return fnp.sin(x) * y, x * x

    def bwd(xy, cts):
        x, y = xy
        return fnp.cos(x) * y * cts[0] + 2 * x * cts[1], fnp.sin(x) * cts[0]

    f.defvjp(lambda x, y: ((fnp.sin(x) * y, x * x), (x, y)), bwd)
    for size in (3, 1, 0):
        y = fnp.linspace(0.1, 0.9, size)
        cts = (fnp.ones(size), fnp.arange(1.0, size + 1))
        got, want = (fl.vjp(fl.vmap(g, (None, 0)), 0.3, y)[1](cts) for g in (f, f.fun))
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_rules_of_functions_with_constants_inside_other_functions():
    """A constant that the function captured is not differentiated, nor mapped, though it enters the inner graph."""
    constant = fnp.array([1.5, 0.25], "float64")
    forward = fl.custom_jvp(lambda x: x / constant)
    forward.defjvp(lambda xs, ts: (forward(*xs), ts[0] * 3))
    backward = fl.custom_vjp(lambda x: x / constant)
    backward.defvjp(lambda x: (backward(x), None), lambda _, ct: (ct * 3,))
    x = fnp.array([1.0, 2.0], "float64")
    for f in (forward, backward):
        looped = lambda f: lambda x: fl.lax.scan(lambda c, _: (f(c), None), x, None, 1)[0]
        for inside in (fl.jit, fl.checkpoint, looped):
            total = lambda x, f=f, inside=inside: fnp.sum(inside(f)(x))
            for g in (fl.grad(total), fl.jit(fl.grad(total)), lambda x, t=total: fl.vmap(fl.grad(t))(x[None])[0]):
                same(g(x), x * 0 + 3)
    rows = fl.custom_batching.custom_vmap(lambda x: x * constant)
    rows.def_vmap(lambda size, batched, x: (x * constant + 1, True))
    same(fl.vmap(fl.jit(rows))(x[None]), x[None] * constant + 1)


def test_a_vmap_rule_inside_jit_where_one_argument_is_not_mapped():
    f = fl.custom_batching.custom_vmap(lambda x, y: x * y)
    f.def_vmap(lambda size, batched, x, y: (x * (y if batched[1] else y[None]), True))
    x, y = fnp.ones((3, 2)), fnp.array([1.0, 2.0])
    for g in (f, fl.jit(f)):
        same(fl.vmap(g, (0, None))(x, y), x * y)
    captured = lambda w: fl.jit(lambda x: made(x, w))(w)

    def made(x, w):
        inner = fl.custom_batching.custom_vmap(lambda x: x * w)
        inner.def_vmap(lambda size, batched, x: (x, True))
        return inner(x)

    with pytest.raises(TypeError, match="captured a mapped value"):
        fl.vmap(captured)(y)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_derivative_rules_under_several_vmaps(axes):
    """grad of vmap of vmap: the rule of one row is mapped twice."""

    def f(x, y):
        return x * fnp.sin(y), fnp.floor(x).astype("int32")

    forward, backward = fl.custom_jvp(f), fl.custom_vjp(f)
    forward.defjvp(lambda xs, ts: fl.jvp(f, xs, ts))
    backward.defvjp(lambda *xs: (f(*xs), xs), lambda xs, cts: fl.vjp(f, *xs)[1](cts))
    x, y = fnp.array([[0.3, 1.2], [2.1, 0.4]], "float64"), fnp.array([[0.5, 0.1], [0.9, 0.8]], "float64")
    outer = lambda f: lambda x, y: fnp.sum(fnp.cos(fl.vmap(fl.vmap(f, axes), (0, 0))(x, y)[0]))
    want = fl.grad(outer(f), (0, 1))(x, y)
    for g in (forward, backward):
        same(fl.grad(outer(g), (0, 1))(x, y), want)
        same(fl.jit(fl.grad(outer(g), (0, 1)))(x, y), want)
    same(fl.jvp(outer(forward), (x, y), (y, x)), fl.jvp(outer(f), (x, y), (y, x)))


def test_a_vmap_rule_under_a_named_axis():
    """What the rule takes, all rows together, does not vary over the axis."""
    f = fl.custom_batching.custom_vmap(lambda x: x * 2)
    f.def_vmap(lambda size, batched, x: (x * 2, True))
    x = fnp.arange(3.0)
    same(fl.vmap(f, axis_name="i")(x), x * 2)
    same(fl.vmap(lambda x: f(x) + fl.lax.psum(x, "i"), axis_name="i")(x), x * 2 + 3)


def by_scan(f):
    turn = lambda c, _: ((c[0] * f(c[1]), c[1]), None)
    return lambda x, y: lax.scan(turn, (x, y), None, length=1)[0][0]


def by_while(f):
    return lambda x, y: lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, c[1] * f(y)), (0, x))[1]


def by_cond(f):
    return lambda x, y: lax.cond(x < 9, lambda x, y: x * f(y), lambda x, y: x * y, x, y)


def by_results(f):
    """What the function takes is a result of a call that takes both."""
    pair = fl.jit(lambda x, y: (2 * x, 1.0 * y))
    return lambda x, y: x * f(pair(x, y)[1])


def by_solve(f):
    return lambda x, y: lax.custom_linear_solve(lambda v: v / f(y), x, lambda _, b: b * f(y), symmetric=True)


def by_root(f):
    return lambda x, y: lax.custom_root(lambda v: v - x * f(y), x, lambda g, v: x * f(y), lambda g, b: b / g(1.0))


INSIDE = {"jit": lambda f: fl.jit(lambda x, y: x * f(y)), "checkpoint": lambda f: fl.checkpoint(lambda x, y: x * f(y)),
          "cond": by_cond, "scan": by_scan, "while_loop": by_while, "results": by_results, "root": by_root}  # fmt: skip


@pytest.mark.parametrize("inside", [*INSIDE, "linear_solve"])
def test_a_rule_waits_for_the_transform_that_reaches_it(inside):
    """The inner transform is of x, and the function with a rule takes only y."""
    f = fl.custom_batching.custom_vmap(fnp.sin)
    asked = []

    @f.def_vmap
    def rule(size, batched, y):
        asked.append(size)
        return fnp.sin(y) + 100, True

    within = INSIDE.get(inside, by_solve)  # whose derivative takes the function to be what its rules say
    program, xs, ys = within(f), np.array([1.0, 2, 3]), np.array([0.5, 1.5])
    mapped = fl.vmap(lambda y: fl.vmap(lambda x: program(x, y))(xs))(ys)
    same(mapped, (np.sin(ys) + 100)[:, None] * xs)
    assert set(asked) == {2}
    same(fl.vmap(lambda y: fl.grad(lambda x: program(x, y))(2.0))(ys), np.sin(ys) + 100)
    program = within(doubled_jvp())
    slopes = lambda ys: fl.vmap(lambda y: fl.grad(lambda x: program(x, y))(2.0))(ys)
    same(fl.grad(lambda ys: slopes(ys).sum())(ys), 2 * np.cos(ys))


def test_a_vmap_rule_of_the_index_of_a_row():
    f = fl.custom_batching.custom_vmap(lambda x, i: x * i)
    f.def_vmap(lambda size, batched, x, i: (x * i + 100, True))
    xs = np.array([1.0, 2, 3])
    for g in (f, fl.jit(f), fl.jit(lambda x, i: f(x, i))):
        same(fl.vmap(lambda x: g(x, lax.axis_index("rows")), axis_name="rows")(xs), xs * [0, 1, 2] + 100)


def test_rules_that_use_what_the_function_captured():
    """A value of a mapped or compiled function that has returned when the derivative rule is asked for."""
    def times(x):
        by_jvp, by_vjp = fl.custom_jvp(lambda y: x * y), fl.custom_vjp(lambda y: x * y)
        by_jvp.defjvp(lambda p, t: (x * p[0], 3 * x * t[0]))
        by_vjp.defvjp(lambda y: (x * y, None), lambda _, ct: (3 * fl.jit(fnp.multiply)(x, ct),))
        return by_jvp, by_vjp

    xs = np.array([1.0, 2, 3])
    for which in (0, 1):
        same(fl.grad(lambda y: fl.vmap(lambda x: times(x)[which](y))(xs).sum())(2.0), 18)
        same(fl.grad(lambda y: fl.vmap(fl.vmap(lambda x: times(x)[which](y)))(xs[:, None]).sum())(2.0), 18)
        same(fl.grad(fl.jit(lambda y, x: times(x)[which](y)))(2.0, 5.0), 15)
    f = fl.custom_jvp(lambda x, y: x * y, nondiff_argnums=0)
    f.defjvp(lambda x, p, t: (f(x, p[0]), 5 * t[0]))
    same(fl.jvp(lambda y: fl.vmap(f)(xs, y), (xs,), (xs,)), (xs * xs, 5 * xs))


def test_tangents_of_results_that_no_row_changes():
    f = fl.custom_jvp(lambda x, y: (fnp.zeros(2), y))
    f.defjvp(lambda p, t: (f(*p), (t[0] * fnp.ones(2), t[1])))
    xs = np.array([1.0, 2, 3], "float32")
    for g in (f, fl.jit(f)):
        same(fl.jvp(fl.vmap(g), (xs, xs), (xs, xs))[1][0], xs[:, None] * np.ones(2))
        same(fl.vmap(fl.grad(lambda x: g(x, x)[0].sum()))(xs), [2, 2, 2])


def test_results_of_rules_have_the_types_of_the_function():
    for results in (lambda x: fnp.zeros(3), lambda x: x.astype("float64")):
        f, g = fl.custom_jvp(lambda x: x), fl.custom_vjp(lambda x: x)
        f.defjvp(lambda p, t: (results(p[0]), results(t[0])))
        g.defvjp(lambda x: (results(x), None), lambda _, ct: (ct.sum(),))
        for function in (f, g):
            with pytest.raises(TypeError, match=r"for a result f32|for f32.* must agree"):
                fl.grad(function)(np.float32(1.0))
    f.defjvp(lambda p, t: (1, t[0]))  # a number fits where its dtype does
    same(fl.jvp(f, (np.float32(2),), (np.float32(3),)), (np.float32(1), np.float32(3)))


@pytest.mark.parametrize("inside", [lambda f: f, fl.jit, fl.vmap], ids=["", "jit", "vmap"])
def test_symbolic_zeros_for_results_that_are_not_used(inside):
    zeros = []

    def bwd(_, cts):
        zeros.append([type(ct) is fl.custom_derivatives.SymbolicZero for ct in cts])
        return cts

    f = fl.custom_vjp(lambda x, y: (x, y))
    f.defvjp(lambda x, y: ((x.value, y.value), None), bwd, symbolic_zeros=True)
    xs = np.ones(3)
    for used, want in ((0, [1, 0]), (1, [0, 1])):
        same([g[0] for g in fl.grad(lambda x, y: inside(lambda x, y: f(x, y)[used])(x, y).sum(), (0, 1))(xs, xs)], want)
    assert zeros == [[False, True], [True, False]]
    f.defvjp(lambda x, y: ((x.value, y.value), None), lambda _, cts: cts[::-1], symbolic_zeros=True)
    with pytest.raises(ValueError, match="shapes must agree"):
        fl.grad(lambda x, y: f(x, y)[0].sum(), (0, 1))(xs, 1.0)


def test_partials_with_keywords_have_rules():
    f = fl.custom_jvp(functools.partial(lambda x, y, a: x + y * a, a=3.0))
    f.defjvp(lambda p, t: (f(*p), 10 * t[1]))
    same(fl.grad(f, (0, 1))(1.0, 2.0), (0, 10))


def test_helpers_of_rules():
    values, zero = fl.custom_derivatives.custom_vjp_primal_tree_values, fl.custom_derivatives.zero_from_primal
    f = fl.custom_vjp(lambda d: d["x"] ** 2)
    f.defvjp(lambda d: (f(values(d)), values(d)), lambda d, ct: ({"x": 3 * ct * d["x"]},), symbolic_zeros=True)
    same(fl.grad(f)({"x": 2.0})["x"], 6)
    same(zero(X), np.zeros(3))
    assert zero(X).dtype == X.dtype and zero(3).dtype == fl.float0 and zero(X, symbolic_zeros=True).shape == (3,)


def shifted(fun):
    """A function to whose rows vmap adds 100."""
    f = fl.custom_batching.custom_vmap(fun)
    f.def_vmap(lambda size, batched, *xs: (fl.vmap(fun, [0 if b else None for b in batched])(*xs) + 100, True))
    return f


@pytest.mark.parametrize("make", [doubled_jvp, doubled_vjp], ids=["jvp", "vjp"])
@pytest.mark.parametrize("inside", INSIDE)
def test_rules_of_functions_within_functions_with_rules(make, inside):
    """A function without a rule for a transform is transformed like any other, with the rules of what it calls."""
    xs, ys, w = np.array([1.0, 2, 3], "float32"), np.array([0.5, 1.5, 2.5], "float32"), np.float32(3)
    outer = INSIDE[inside](shifted(make()))  # x times this of y
    same(fl.grad(outer, 1)(w, ys[0]), 6 * np.cos(0.5))
    same(fl.vmap(outer)(xs, ys), xs * (np.sin(ys) + 100))
    same(fl.grad(lambda ys: fl.vmap(outer)(xs, ys).sum())(ys), 2 * xs * np.cos(ys))
    inner, zero = shifted(fnp.sin), np.float32(0)
    f, g = fl.custom_jvp(inner), fl.custom_vjp(lambda y: inner(y + zero))  # one captures
    f.defjvp(lambda p, t: (f(*p), inner(p[0]) * t[0]))
    g.defvjp(lambda y: (inner(y), y), lambda y, ct: (inner(y) * ct,))
    for within in (f, g):
        program = INSIDE[inside](within)
        same(fl.vmap(program)(xs, ys), xs * (np.sin(ys) + 100))
        same(fl.vmap(fl.grad(program, 1))(xs, ys), xs * (np.sin(ys) + 100))
        same(fl.grad(lambda ys: fl.vmap(program)(xs, ys).sum())(ys), xs * (np.sin(ys) + 100))


def test_a_function_with_rules_of_both_kinds():
    f = fl.custom_vjp(fl.custom_batching.custom_vmap(lambda x, y: fnp.sin(x) * y))
    f.def_vmap(lambda size, batched, x, y: (fnp.cos(x) * y, True))
    f.defvjp(lambda x, y: (f(x, y), (x, y)), lambda r, ct: (ct * r[0], ct * r[1]))
    same(fl.vmap(f)(X, X), np.cos(X) * X)
    same(fl.grad(f, (0, 1))(2.0, 3.0), (2, 3))
    assert f.kind == "custom_vjp"
    with pytest.raises(AttributeError, match="no attribute 'defjvp'"):
        f.defjvp(lambda p, t: (p, t))


def test_vmap_rules_of_functions_with_tangents():
    """The rule serves the function with its tangents; it is told of arguments that are batched with theirs."""
    asked = []
    f = fl.custom_batching.custom_vmap(lambda x, y: fnp.sin(x) * y)

    @f.def_vmap
    def rule(size, batched, x, y):
        asked.append(batched)
        return fnp.cos(x) * y, any(batched)

    xs, ts, ys = np.array([[1.0, 2, 3], [4.0, 5, 6], [7.0, 8, 9]], "float32")
    push = lambda x, t, y: fl.jvp(lambda x: f(x, y), (x,), (t,))
    for axes, told in (((0, 0, 0), [True, True]), ((0, 0, None), [True, False]), ((0, None, None), [False, False]),
                       ((None, 0, None), [False, False]), ((0, None, 0), [True, True])):  # fmt: skip
        x, t, y = [a if b == 0 else a[0] for a, b in zip((xs, ts, ys), axes)]
        for wrap in (lambda f: f, fl.jit):
            asked.clear()
            got = fl.vmap(wrap(push), axes)(x, t, y)
            want = np.cos(x) * y, -np.sin(x) * t * y
            same(got[0], want[0] + np.zeros(3))
            same(got[1], want[1] + np.zeros(3))
            assert asked[0] == told
    twice = lambda x: fl.jvp(lambda x: fl.jvp(lambda x: f(x, 1.0), (x,), (1.0,))[1], (x,), (1.0,))[1]
    same(fl.vmap(twice)(xs), -np.cos(xs))
    same(fl.vmap(lambda y: fl.jvp(lambda w: shifted(lambda y: w * y)(y), (2.0,), (1.0,))[1])(ys), ys)
    same(fl.vmap(fl.grad(f), (0, None))(xs, 2.0), 2 * np.cos(xs))  # the parts that reverse mode cuts it into have none
    one_by_one = fl.custom_batching.sequential_vmap(fnp.sin)
    same(fl.vmap(lambda x: fl.jvp(one_by_one, (x,), (1.0,))[1])(xs.astype("float64")), np.cos(xs))


def test_a_vmap_rule_in_a_loop_that_is_differentiated():
    f = fl.custom_batching.sequential_vmap(fnp.sin)
    loop = lambda x: lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, f(s[1])), (0, x))[1]
    slope = lambda x: np.cos(np.sin(x)) * np.cos(x)
    same(fl.grad(loop)(0.5), slope(0.5))
    same(fl.vmap(fl.grad(loop))(X), slope(X))
    same(fl.vmap(lambda x: fl.jvp(loop, (x,), (1.0,))[1])(X), slope(X))


def test_forward_mode_through_a_bwd_rule_that_calls_functions_with_rules():
    f, twice = fl.custom_vjp(fnp.sin), doubled_jvp()
    f.defvjp(lambda x: (f(x), x), lambda x, ct: (twice(x) * ct,))
    for wrap in (lambda f: f, fl.jit):
        same(fl.vmap(wrap(lambda x: fl.jvp(f, (x,), (1.0,))[1]))(X), np.sin(X))
        same(fl.vmap(fl.grad(wrap(lambda x: fl.jvp(f, (x,), (1.0,))[1])))(X), 2 * np.cos(X))
