"""Loops and branches inside each other, drawn: every transform gives what it gives of the program written in Python."""

import functools
from types import SimpleNamespace

import laws
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import lax, tree

F64 = fnp.float64
X, W = fnp.array([0.3, -0.7, 1.2], F64), fnp.array([[0.5, -1.0, 0.2], [0.1, 0.7, -0.4], [1.1, 0.3, 0.6]], F64) * 0.6
XS = fnp.array([[0.3, -0.7, 1.2], [0.4, 0.1, -0.2], [-0.5, 0.9, 0.8]], F64)
TURNS = fnp.array([2, 0, 3])
same = functools.partial(laws.same, tol=1e-8)


def python_while(cond_fun, body_fun, value):
    while cond_fun(value):
        value = body_fun(value)
    return value


def python_fori(lower, upper, body_fun, value):
    for i in range(int(lower), int(upper)):
        value = body_fun(i, value)
    return value


def python_scan(f, carry, xs):
    ys = []
    for x in xs:
        carry, y = f(carry, x)
        ys.append(y)
    return carry, fnp.stack(ys)


PYTHON = SimpleNamespace(
    cond=lambda p, t, f, *xs: t(*xs) if p else f(*xs),
    while_loop=python_while,
    fori_loop=python_fori,
    scan=python_scan,
    jit=lambda f: f,
    checkpoint=lambda f: f,
)
LAX = SimpleNamespace(
    cond=lax.cond,
    while_loop=lambda *args: lax.while_loop(*args, checkpoints=4),
    fori_loop=lambda *args: lax.fori_loop(*args, checkpoints=4),
    scan=lax.scan,
    jit=fl.jit,
    checkpoint=fl.checkpoint,
)

# ---- programs as trees of nodes: (kind, parameter, children) ----

leaves = st.tuples(st.sampled_from(["turn", "wave", "shift", "outer"]), st.just(()), st.just(()))


def nodes(children):
    one, two = st.tuples(children), st.tuples(children, children)
    return st.one_of(
        st.tuples(st.sampled_from(["while", "fori", "scan", "jit", "checkpoint"]), st.integers(0, 2), one),
        st.tuples(st.sampled_from(["cond", "then"]), st.integers(0, 2), two),
    )


programs = nodes(nodes(st.one_of(leaves, nodes(leaves))))


def run(node, ops, n, w, x, outer):
    """Apply a program to a vector; `outer` is the vector that the construct around it was given."""
    kind, k, children = node
    inside = lambda c, y: run(children[c], ops, n, w, y, x)
    if kind == "turn":
        return fnp.tanh(w @ x)
    if kind == "wave":
        return fnp.sin(x) * x + 0.1
    if kind == "shift":
        return x * 0.5 - w[0]
    if kind == "outer":
        return fnp.cos(x) * outer
    if kind == "while":
        return ops.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, inside(0, s[1])), (n * 0 - k + 1, x))[1]
    if kind == "fori":
        return ops.fori_loop(0, n, lambda i, y: inside(0, y) + 0.125 * i * x, x)
    if kind == "scan":
        y, ys = ops.scan(lambda y, r: (inside(0, y) + r * 0.5, y[k]), x, w)
        return y + ys
    if kind == "cond":
        return ops.cond(x[k] > 0.2, lambda y: inside(0, y), lambda y: inside(1, y), x)
    if kind == "jit":
        return ops.jit(lambda y: inside(0, y))(x)
    if kind == "checkpoint":
        return ops.checkpoint(lambda y: inside(0, y))(x)
    assert kind == "then"
    return inside(1, inside(0, x))


def program(node, ops):
    return lambda n, w, x: fnp.sum(run(node, ops, n, w, x, x) ** 2)


def gradient(f):
    return lambda n, w, x: fl.grad(f, (1, 2))(n, w, x)


def second(f):
    return lambda n, w, x: fl.jvp(lambda w, x: fl.grad(f, (1, 2))(n, w, x), (w, x), (w * 0.3, x + 1))[1]


def third(f):
    return lambda n, w, x: fl.grad(lambda x: fnp.sum(fl.grad(f, 2)(n, w, x) * x))(x)


@settings(max_examples=15)
@given(programs, st.sampled_from([0, 1, 3]))
def test_derivatives(node, turns):
    n = fnp.array(turns)
    f, g = program(node, LAX), program(node, PYTHON)
    for op in (lambda f: f, gradient, second, third):
        same(op(f)(n, W, X), op(g)(n, W, X))


@settings(max_examples=12)
@given(programs)
def test_rows(node):
    f, g = program(node, LAX), program(node, PYTHON)
    for op in (lambda f: f, gradient):
        rows = [op(g)(n, W, x) for n, x in zip(TURNS, XS)]
        same(fl.vmap(op(f), (0, None, 0))(TURNS, W, XS), tree.map(lambda *ys: fnp.stack(ys), *rows))
    total = lambda w, x: fnp.sum(fl.vmap(f, (0, None, 0))(TURNS, w, x))
    want = lambda w, x: sum([g(n, w, r) for n, r in zip(TURNS, x)])
    same(fl.grad(total, (0, 1))(W, XS), fl.grad(want, (0, 1))(W, XS))


@pytest.mark.slow
@settings(max_examples=8)
@given(programs, st.booleans())
def test_compiled(node, mapped):
    f, g = program(node, LAX), program(node, PYTHON)
    if mapped:
        rows = [gradient(g)(n, W, x) for n, x in zip(TURNS, XS)]
        got = fl.jit(fl.vmap(gradient(f), (0, None, 0)))(TURNS, W, XS)
        same(got, tree.map(lambda *ys: fnp.stack(ys), *rows))
    else:
        compiled = fl.jit(lambda n, w, x: [op(f)(n, w, x) for op in (lambda f: f, gradient, second)])
        for n in map(fnp.array, (0, 3)):
            same(compiled(n, W, X), [op(g)(n, W, X) for op in (lambda f: f, gradient, second)])


# ---- what users put inside: rules of their own, and Python's `if` on results ----


@fl.custom_jvp
def clipped(x):
    return fnp.sin(x)


clipped.defjvp(lambda xs, ts: (fnp.sin(xs[0]), ts[0] * fnp.cos(xs[0]) * 0.5))


def scaled(scale):
    """A function whose backward rule closes over an array or a tracer."""

    @fl.custom_vjp
    def f(x):
        return x * x

    f.defvjp(lambda x: (x * x, x), lambda x, ct: (ct * x * scale,))
    return f


@pytest.mark.parametrize("ops", [LAX, PYTHON], ids=["lax", "python"])
def test_rules_inside(ops):
    """The rules are used at every depth, whatever they close over."""

    def f(n, x, w):
        square = scaled(w)
        turn = lambda s: (s[0] + 1, ops.cond(s[1][0] > 0, lambda y: clipped(y) + square(x), lambda y: square(y), s[1]))
        y = ops.while_loop(lambda s: s[0] < n, turn, (n * 0, x))[1]
        return fnp.sum(ops.scan(lambda y, r: (clipped(y) * r, y), y, W)[0])

    def half(y):
        return fnp.sin(y), fnp.cos(y) * 0.5

    def pushed(n, x, w, t):
        """The derivative along t, with the rules written out."""
        y, dy = x, t
        for _ in range(int(n)):
            if y[0] > 0:
                (y, slope), dx = half(y), x * w * t
                y, dy = y + x * x, slope * dy + dx
            else:
                y, dy = y * y, y * w * dy
        for r in W:
            (y, slope), dy = half(y), dy
            y, dy = y * r, slope * dy * r
        return fnp.sum(dy)

    n, w = fnp.array(2), fnp.array(1.5, F64)
    want = fnp.stack([pushed(n, X, w, e) for e in fnp.eye(3, dtype=F64)])
    gradient = lambda n, x, w: fl.grad(f, 1)(n, x, w)
    same(gradient(n, X, w), want)
    if ops is LAX:
        same(fl.jit(gradient)(n, X, w), want)
        same(fl.vmap(gradient, (0, 0, None))(fnp.array([2, 2]), fnp.stack([X, X]), w), fnp.stack([want, want]))


def test_python_looks_at_results_of_every_construct():
    """`if` on a result under grad, to depth three: the value is computed, and nothing is left in the trace."""

    def f(ops, x):
        n = 0
        for construct in (
            lambda x: ops.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, fnp.sin(W @ s[1])), (n, x))[1],
            lambda x: ops.fori_loop(0, 2, lambda i, y: fnp.cos(y) * x, x),
            lambda x: ops.scan(lambda y, r: (fnp.tanh(y * r), y), x, W)[0],
            lambda x: ops.jit(lambda y: ops.cond(y[0] > 0, lambda: y * 2, lambda: y * y))(x),
        ):
            y = construct(x)
            x = y * 1.5 if y[0] > 0.1 else y - 0.2
            n = int(fnp.sum(y) > 0)
        return fnp.sum(x)

    got, want = (lambda x, ops=ops: f(ops, x) for ops in (LAX, PYTHON))
    for op in (fl.grad, lambda f: fl.grad(lambda x: fnp.sum(fl.grad(f)(x) ** 2)), fl.hessian):
        same(op(got)(X), op(want)(X))
    third = lambda f: fl.grad(lambda x: fnp.sum(fl.grad(lambda x: fnp.sum(fl.grad(f)(x) * x))(x)))
    same(third(got)(X), third(want)(X))
