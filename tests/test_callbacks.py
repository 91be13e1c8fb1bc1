"""Effects happen once, in order, with their exceptions, and only where they should."""

import gc

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite.transforms.literals import lift


def same(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-6, atol=1e-6)


X = fnp.arange(3.0)


def events(transform, *args):
    """What a program under a transform logs."""
    log = []
    add = lambda tag: (lambda v=0.0: log.append((tag, np.asarray(v).round(3).tolist())))

    def f(x):
        fl.debug.callback(add("start"), x)
        y = fnp.sin(x)
        fl.debug.callback(add("sine"), y)
        fl.debug.callback(add("sine"), y)
        fl.debug.callback(add("end"))
        return fnp.sum(y * x)

    transform(f)(*args)
    return log


TRANSFORMS = {
    "plain": lambda f: f,
    "jit": fl.jit,
    "grad": fl.grad,
    "grad of jit": lambda f: fl.grad(fl.jit(f)),
    "jit of grad": lambda f: fl.jit(fl.grad(f)),
    "grad of grad": lambda f: fl.grad(lambda x: fnp.sum(fl.grad(f)(x))),
    "jvp": lambda f: lambda x: fl.jvp(f, (x,), (x,)),
    "vjp": lambda f: lambda x: fl.vjp(f, x)[1](1.0),
    "hessian": fl.hessian,
    "jit of hessian": lambda f: fl.jit(fl.hessian(f)),
    "hessian of jit": lambda f: fl.hessian(fl.jit(f)),
    "jit of jacfwd": lambda f: fl.jit(fl.jacfwd(f)),
    "jit of jacrev": lambda f: fl.jit(fl.jacrev(f)),
    "jacfwd in two arguments": lambda f: lambda x: fl.jit(fl.jacfwd(lambda x, y: f(x + y), argnums=(0, 1)))(x, x - x),
    "jit of jit": lambda f: fl.jit(lambda x: fl.jit(f)(x) * 2),
    "linearize": lambda f: lambda x: fl.linearize(f, x)[1](x),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_log_is_the_plain_one(name):
    assert events(TRANSFORMS[name], X) == events(lambda f: f, X)


def test_what_is_known_does_not_wait_for_effects_of_tangents():
    log = []

    @fl.custom_jvp
    def f(x):
        return fnp.sin(x)

    @f.defjvp
    def rule(primals, tangents):
        fl.debug.callback(lambda t: log.append("tangent"), tangents[0], ordered=True)
        return fnp.sin(primals[0]), fnp.cos(primals[0]) * tangents[0]

    @fl.jit
    def later(y):
        fl.debug.callback(lambda y: log.append("later"), y, ordered=True)
        return y

    def g(x):
        y = f(x)
        return y + later(x)

    fl.jit(lambda x, t: fl.jvp(g, (x,), (t,)))(1.0, 1.0)
    assert log == ["tangent", "later"]
    log.clear()
    fl.jit(lambda x, t: fl.linearize(g, x)[1](t))(1.0, 1.0)
    assert log == ["later", "tangent"]


def saying(log, tag):
    def f(y):
        fl.debug.callback(lambda v: log.append(tag), y)
        return 2 * y

    return f


def twice(f):
    return lambda y: fl.lax.scan(lambda c, _: (f(c), None), y, None, length=2)[0]


ONCE = {"jit": fl.jit, "checkpoint": fl.checkpoint, "cond": lambda f: lambda y: fl.lax.cond(True, f, lambda y: y, y)}
AFTER = {
    **{name: (within, 1) for name, within in ONCE.items()},
    "scan": (twice, 2),
    "fori_loop": (lambda f: lambda y: fl.lax.fori_loop(0, 2, lambda i, c: f(c), y), 2),
    "vmap": (lambda f: lambda y: fnp.sum(fl.vmap(f)(fnp.stack([y, y]))), 2),
}


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("ruled", ["alone", "inside"])
def test_effects_of_backward_rules_come_last(after, ruled):
    """Also where functions that act come after, and where the function with the rule is inside of others."""
    log = []

    @fl.custom_vjp
    def f(x):
        return saying(log, "forward")(x)

    def backward(x, ct):
        fl.debug.callback(lambda ct: log.append("backward"), ct)
        return (2 * ct,)

    f.defvjp(lambda x: (f(x), x), backward)
    within, times = AFTER[after]
    g = within(saying(log, "after") if ruled == "alone" else f)
    program = (lambda x: g(f(x))) if ruled == "alone" else g
    slope = 4.0 if after == "vmap" else 2.0**times
    want = [*["forward"] * times, *["backward"] * times]
    if ruled == "alone":
        want, slope = ["forward", *["after"] * times, "backward"], 2 * slope
    assert fl.jit(fl.grad(program))(0.5) == slope
    assert log == want
    log.clear()
    assert fl.jit(lambda x: fl.vjp(program, x)[1](1.0)[0])(0.5) == slope
    assert log == want
    assert fl.grad(program)(0.5) == slope
    assert fl.hvp(program, 0.5, 1.0) == 0


def test_under_vmap_once_per_row():
    log = []

    def f(x):
        fl.debug.callback(lambda v: log.append(float(v)), x * 2)
        return x

    fl.vmap(f)(X)
    assert log == [0, 2, 4]
    log.clear()
    fl.jit(fl.vmap(f))(X)
    assert log == [0, 2, 4]
    log.clear()
    fl.vmap(fl.vmap(f, in_axes=0), in_axes=0)(fnp.arange(4.0).reshape(2, 2))
    assert log == [0, 2, 4, 6]


def test_eager_prints_come_in_order(capsys):
    def f(x):
        print("a")
        fl.debug.print("b {} {y:.2f}", x, y=x * 2)
        print("c")
        return x

    for transform in (lambda f: f, fl.grad, fl.grad):
        transform(f)(1.5)
        assert capsys.readouterr().out == "a\nb 1.5 3.00\nc\n"
    with pytest.raises(KeyError):
        fl.grad(lambda x: (fl.debug.print("{}", x), {}["missing"]))(1.0)
    assert capsys.readouterr().out == "1.0\n"


@pytest.mark.parametrize("wrap", [lambda f: f, fl.jit, fl.grad], ids=["eager", "jit", "grad"])
def test_what_is_no_array_is_handed_over(wrap, capsys):
    seen = []

    def f(x):
        fl.debug.print("{} is {value}", "x", value={"of": x, "unit": "m"})
        fl.debug.callback(lambda *args, **named: seen.append((args, named)), [None, "a", x], mode=print)
        return x

    wrap(f)(2.0)
    assert capsys.readouterr().out.startswith("x is {'of': ") and capsys.readouterr().err == ""
    ((nothing, text, value),), named = seen[0]
    assert (nothing, text, float(value), named) == (None, "a", 2.0, {"mode": print})
    with pytest.raises(TypeError, match="no array"):
        wrap(lambda x: fl.pure_callback(lambda x, s: x, fl.ShapeDtypeStruct((), "float32"), x, "a"))(2.0)


def test_effects_have_happened_when_a_call_returns():
    log = []
    fl.jit(lambda x: (fl.debug.callback(lambda x: log.append(float(x)), x), fnp.sin(x))[1])(2.0)
    fl.effects_barrier()
    assert log == [2.0] and (fl.process_index(), fl.process_count()) == (0, 1)


def test_formats_are_checked_at_once():
    with pytest.raises(ValueError, match="does not use 1"):
        fl.debug.print("{}", 1.0, 2.0)
    with pytest.raises((IndexError, KeyError)):
        fl.jit(lambda x: fl.debug.print("{} {}", x))(1.0)
    with pytest.raises(TypeError, match="format string"):
        fl.debug.print(1.0)


def test_pure_callback():
    spec = fl.ShapeDtypeStruct((3,), "float32")
    f = lambda x: fl.pure_callback(lambda v: np.sin(np.asarray(v)), spec, x, vmap_method="sequential")
    same(f(X), np.sin(X))
    same(fl.jit(f)(X), np.sin(X))
    xs = fnp.stack([X, X * 2])
    same(fl.vmap(f)(xs), np.sin(xs))
    same(fl.jit(fl.vmap(f))(xs), np.sin(xs))
    calls = []
    g = lambda x, method: fl.pure_callback(
        lambda v: (calls.append(v.shape), np.sin(np.asarray(v)))[1], fl.ShapeDtypeStruct((), "float32"), x,
        vmap_method=method)  # fmt: skip
    same(fl.vmap(lambda x: g(x, "expand_dims"))(X), np.sin(X))
    assert calls == [(3,)]
    with pytest.raises(ValueError, match="vmap_method"):
        fl.vmap(lambda x: g(x, None))(X)
    with pytest.raises(ValueError, match="must be one of"):
        g(1.0, "quickly")
    with pytest.raises(TypeError, match="has no derivative"):
        fl.grad(lambda x: fnp.sum(f(x)))(X)
    with pytest.raises(TypeError, match="described by"):
        fl.pure_callback(np.sin, "float32", X)
    two = lambda x: fl.pure_callback(lambda v: {"a": v * 2, "b": [v]}, {"a": spec, "b": [spec]}, x)
    same(fl.jit(two)(X)["a"], np.asarray(X) * 2)


def test_a_callback_with_a_rule_is_differentiated():
    number = fl.ShapeDtypeStruct((), "float32")
    f = fl.custom_jvp(lambda x: fl.pure_callback(lambda v: np.sin(v), number, x))
    f.defjvp(lambda p, t: (f(*p), t[0] * fl.pure_callback(lambda v: np.cos(v), number, p[0])))
    for g in (fl.grad(f), fl.jit(fl.grad(f)), fl.grad(fl.jit(f))):
        same(g(0.5), np.cos(0.5))


def test_io_callback_acts_once():
    state = [0]

    def bump(x):
        state[0] += 1
        return np.float32(state[0]) * np.asarray(x)

    f = lambda x: fl.io_callback(bump, fl.ShapeDtypeStruct((), "float32"), x, ordered=True)
    same(f(2.0), 2)
    same(fl.jit(f)(2.0), 4)
    fl.jit(lambda x: (f(x), 1.0)[1])(2.0)  # the result is not used; the effect is
    assert state[0] == 3
    same(fl.grad(lambda x: fl.lax.stop_gradient(f(fl.lax.stop_gradient(x))) * x)(1.0), 4)


@pytest.mark.parametrize(
    "transform", [lambda f: f, fl.jit, fl.vmap, lambda f: fl.jit(fl.vmap(f)), lambda f: fl.jit(fl.jit(f))])
def test_exceptions_come_back_as_themselves(transform):
    class Mine(Exception):
        pass

    def fail(x):
        raise Mine("from the callback")

    with pytest.raises(Mine, match="from the callback"):
        transform(lambda x: (fl.debug.callback(fail, x), x)[1])(X)
    with pytest.raises(Mine):
        transform(lambda x: fl.pure_callback(
            fail, fl.ShapeDtypeStruct((), "float32"), fnp.sum(x), vmap_method="sequential"))(X)  # fmt: skip
    same(fl.jit(fnp.sin)(X), np.sin(X))


@pytest.mark.parametrize(
    "wrong", [lambda v: np.zeros(2, "f4"), lambda v: np.zeros(3, "i4"), lambda v: (v, v), lambda v: ()])
@pytest.mark.parametrize("transform", [lambda f: f, fl.jit])
def test_results_are_checked(wrong, transform):
    with pytest.raises(TypeError, match=r"callback `.*` returned"):
        transform(lambda x: fl.pure_callback(wrong, fl.ShapeDtypeStruct((3,), "float32"), x))(X)


def test_callbacks_may_use_the_library():
    inside = lambda v: fl.grad(lambda y: fnp.sum(fnp.sin(y) * y))(v)
    spec = fl.ShapeDtypeStruct((3,), "float32")
    f = lambda x: fl.pure_callback(inside, spec, x)
    want = np.sin(X) + np.asarray(X) * np.cos(X)
    same(f(X), want)
    same(fl.jit(f)(X), want)
    same(fl.grad(lambda x: fnp.sum(fl.lax.stop_gradient(f(fl.lax.stop_gradient(x))) * x))(X), want)


def test_other_functions_are_the_same_program():
    spec = fl.ShapeDtypeStruct((), "float32")
    before = fl.cache_sizes()["_executable"]
    for k in range(20):
        same(fl.jit(lambda x, k=k: fl.pure_callback(lambda v: np.float32(v * k), spec, x))(2.0), 2 * k)
    assert fl.cache_sizes()["_executable"] - before <= 1
    from functorch_lite.prims.effect import functions

    gc.collect()
    alive = len(functions._known)
    for _ in range(20):
        fl.jit(lambda x: fl.pure_callback(lambda v: v, spec, x))(2.0)
    gc.collect()
    assert len(functions._known) - alive < 5


def test_a_callback_beside_a_number_that_becomes_an_input():
    """The callback has no result whose shape the number could take."""
    graph = fl.make_graph(lambda x: (fl.debug.callback(print, x), x * 0.3)[1])(fnp.ones(3))
    lifted, numbers = lift(graph)
    assert [n.value for n in numbers] == [0.3] and len(lifted.eqns) == len(graph.eqns) + 1


def test_a_callback_in_a_mapped_derivative_rule():
    """The rule's residuals are mapped, the callback's handle among them; the function is called once per row."""
    seen = []

    def f(x):
        fl.debug.callback(lambda v: seen.append(np.shape(v)), x)
        return fnp.sin(x)

    ruled = fl.custom_vjp(f)
    ruled.defvjp(lambda x: (fnp.sin(x), x), lambda x, ct: fl.vjp(f, x)[1](ct))
    x = fnp.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(fl.grad(lambda x: fnp.sum(fl.vmap(ruled)(x)))(x), fnp.cos(x), rtol=1e-6)
    assert seen == [(2,)] * 3


@pytest.mark.parametrize("split", [lambda f, x: fl.vjp(f, x)[1](x)[0], lambda f, x: fl.linearize(f, x)[1](x)])
def test_a_callback_in_a_backward_rule_lives_as_long_as_the_pullback(split):
    moved = []
    bar = type("Bar", (), {"update": lambda self, n: moved.append(n), "close": lambda self: None})

    def f(x):
        body = fl.progress(lambda x, _: (x * 2, None), bar=lambda **_: bar())
        return fl.lax.scan(body, x, None, length=2)[0]

    ruled = fl.custom_vjp(f)
    ruled.defvjp(lambda x: (f(x), x), lambda x, ct: fl.vjp(f, x)[1](ct))
    np.testing.assert_array_equal(split(ruled, fnp.ones(3)), np.full(3, 4.0))
    assert sum(moved) >= 2


def with_rule(f):
    g = fl.custom_vjp(f)
    g.defvjp(lambda x: (f(x), None), lambda _, ct: (2 * ct,))
    return g


BEHIND = {
    "rule": with_rule,
    **ONCE,
    "grad": lambda f: lambda y: fl.grad(f)(y) * y,
    "jvp": lambda f: lambda y: fl.jvp(f, (y,), (y,))[1],
    "vjp": lambda f: lambda y: fl.vjp(f, y)[1](y)[0],
    "vmap": lambda f: lambda y: fl.vmap(f)(fnp.stack([y])).sum(),
}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("first", ["plain", "rule", "scan"])
def test_effects_of_eager_derivatives_happen_once_and_in_order(first, behind):
    log = []
    start = {"plain": lambda f: f, "rule": with_rule, "scan": twice}[first](saying(log, "first"))
    middle, end = BEHIND[behind](twice(saying(log, "middle"))), saying(log, "end")
    program = lambda x: end(middle(start(x)))
    want = ["first"] * (2 if first == "scan" else 1) + ["middle", "middle", "end"]
    for transform in (fl.grad, lambda f: fl.jit(fl.grad(f)), fl.value_and_grad, lambda f: lambda x: fl.linearize(f, x)):
        log.clear()
        transform(program)(0.5)
        assert log == want


def test_a_value_that_is_looked_at_acts_before():
    log = []

    def f(x):
        saying(log, "before")(x)
        y = twice(saying(log, "loop"))(x)
        saying(log, "between")(x)
        return saying(log, "branch")(y) if y > 0 else y

    assert fl.grad(f)(0.5) == 8
    assert log == ["before", "loop", "loop", "between", "branch"]
    assert fl.hvp(f, 0.5, 1.0) == 0


def test_results_of_effects_that_wait_are_constants():
    log = []
    read = lambda y: fl.io_callback(lambda v: (log.append("read"), v)[1], fl.ShapeDtypeStruct((), "float32"), y)
    f = lambda x: (y := twice(saying(log, "loop"))(x)) * read(fl.lax.stop_gradient(y))
    assert fl.grad(f)(0.5) == 8
    assert log == ["loop", "loop", "read"]
