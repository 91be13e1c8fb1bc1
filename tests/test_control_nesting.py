"""Loops, branches and transforms in each other, drawn: every transform gives what it gives of the program in Python."""

import functools

import pytest
from hypothesis import given, settings
from laws import same as equal

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import lax, tree
from functorch_lite.testing import assert_same, laws
from functorch_lite.testing.programs import plain
from functorch_lite.testing.strategies import programs

F64 = fnp.float64
X, W = fnp.array([0.3, -0.7, 1.2], F64), fnp.array([[0.5, -1.0, 0.2], [0.1, 0.7, -0.4], [1.1, 0.3, 0.6]], F64) * 0.6
same = functools.partial(equal, tol=1e-8)

# ---- drawn programs, and the same with Python's loops, branches and maps ----

CONSTRUCTS = ("cond", "scan", "while_loop", "call", "remat", "grad", "jvp", "vjp", "vmap", "with_jvp", "with_vjp")
OPERATIONS = ("sin", "tanh", "mul", "add", "dot", "select", "gt", "floor", "dynamic_slice", "dynamic_update_slice",
              "gather", "scatter", "convert", "reshape", "reduce_sum", "concatenate")  # fmt: skip
drawn = functools.partial(programs, only=(*CONSTRUCTS, *OPERATIONS), depth=3, every=2)
loops = functools.partial(programs, only=("scan", "while_loop", "cond", "call", *OPERATIONS), depth=3, every=2)
CHECKPOINTED = plain.replaced(
    lax,
    scan=functools.partial(lax.scan, checkpoint="sqrt"),
    while_loop=functools.partial(lax.while_loop, checkpoints=4),
    fori_loop=functools.partial(lax.fori_loop, checkpoints=4),
)


def total(f):
    """One number of all results."""
    return lambda *args: sum([fnp.sum(y * y) for y in tree.leaves(f(*args))])


@settings(max_examples=80)
@given(drawn())
def test_derivatives(p):
    assert_same(p.function, p.plain, *p.args, under=["value", "grad", "jvp", "jvp@grad"])


@settings(max_examples=20)
@given(drawn(max_eqns=6))
def test_third_derivatives(p):
    assert_same(p.function, p.plain, *p.args, under=["grad@jvp@grad", "jvp@jvp@jvp"])


@settings(max_examples=30)
@given(loops())
def test_loops_that_keep_little(p):
    function = p.build(lax=CHECKPOINTED)["program"]
    assert_same(function, p.plain, *p.args, under=["grad", "jvp@grad"])


@settings(max_examples=25)
@given(drawn())
def test_rows(p):
    laws.all(p, *p.args, only=["vmap", "vmap_of_derivatives", "shared_cotangents"], compiled=False)


def later(module, turns):
    """`module` with every `while_loop` begun so many turns later, if that many are left."""
    return plain.replaced(module, while_loop=lambda test, body, init: module.while_loop(
        test, body, (turns + init[0], init[1])))  # fmt: skip


@settings(max_examples=20)
@given(loops(without=("call",)).filter(lambda p: "while_loop" in p.names))
def test_rows_that_stop_apart(p):
    """Each row begins its loops at another turn, so that some have ended while others run."""
    ours = lambda k, *xs: p.build(lax=later(lax, k))["program"](*xs)
    python = lambda k, *xs: p.build(lax=later(plain.LAX, k), fl=plain.FL)["program"](*xs)
    of_all = tuple([i + 1 for i in p.argnums])
    gradient = lambda f: fl.grad(total(f), of_all)
    turns = fnp.array([1, 0, 3])
    for op in (total, gradient):
        rows = [op(python)(k, *p.args) for k in turns]
        axes = (0, *[None] * len(p.args))
        same(fl.vmap(op(ours), axes)(turns, *p.args), tree.map(lambda *ys: fnp.stack(ys), *rows))
    everywhere = lambda k, *xs: fnp.sum(fl.vmap(total(ours), axes)(k, *xs))
    same(fl.grad(everywhere, of_all)(turns, *p.args), tree.map(lambda *gs: sum(gs), *rows))


@pytest.mark.slow
@settings(max_examples=12)
@given(drawn())
def test_compiled(p):
    gradient = lambda f: fl.value_and_grad(total(f), p.argnums)
    want = gradient(p.plain)(*p.args)
    same(fl.jit(gradient(p))(*p.args), want)
    rows = fl.jit(fl.vmap(gradient(p)))(*[fnp.stack([x, x]) for x in p.args])
    same(rows, tree.map(lambda y: fnp.stack([y, y]), want))


def test_functions_jitted_one_after_the_other_are_told_apart():
    """The first is gone when the second is made, perhaps at the same place in memory."""

    def f(x, jit):
        y = jit(lambda y: 0.5 * fnp.tanh(W @ y + x))(x)
        return fnp.sum(jit(lambda y: y * x[0])(y))

    for _ in range(4):
        same(fl.grad(f)(X, fl.jit), fl.grad(f)(X, lambda f: f))


# ---- what users put inside: rules of their own, and Python's `if` on results ----

LAX = plain.replaced(CHECKPOINTED, jit=fl.jit)
PYTHON = plain.replaced(plain.LAX, jit=lambda f: f)


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
