"""Drawn bodies of loops that count, index, write into what they carry, forget it, differentiate and map, in each other.

The reference is the same program with Python's own loops and branches, differentiated operation by operation.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import lax, tree

W = fnp.array(np.random.RandomState(0).randn(3, 3) * 0.5)
A = fnp.array([0.3, -0.7, 0.2]).astype("float64")
X = fnp.array(np.random.RandomState(1).randn(3, 3))
START = (A, A * 0.5 + 1, fnp.array(0))

# A program is a list of steps; the state is two vectors and a counter, and x a vector.
simple = st.sampled_from(["sin", "product", "matrix", "swap", "where", "reset", "count", "index", "write", "floor"])


def programs(depth):
    if not depth:
        return st.lists(simple, min_size=1, max_size=3)
    inner = programs(depth - 1)
    nested = st.one_of(
        st.tuples(st.just("scan"), inner, st.integers(0, 3), st.booleans(), st.sampled_from([None, "sqrt", 1])),
        st.tuples(st.just("while"), inner, st.integers(0, 3)),
        st.tuples(st.just("cond"), inner, inner),
        st.tuples(st.just("jit"), inner),
        st.tuples(st.just("grad"), inner),
        st.tuples(st.just("vmap"), inner),
    )
    return st.lists(st.one_of(simple, nested, nested), min_size=1, max_size=3)


def step(name, state, w, x):
    """One operation; all of them shrink differences, so that rounding stays rounding."""
    a, b, i = state
    match name:
        case "sin":
            return 0.5 * fnp.sin(a) + 0.3 * b, b, i
        case "product":
            return 0.3 * a * x, 0.5 * b * a, i
        case "matrix":
            return 0.5 * fnp.tanh(w @ a + x), 0.5 * a, i
        case "swap":
            return b, a, i
        case "where":
            return fnp.where(x > 0, 0.3 * a * b, 0.5 * fnp.cos(b)), b, i
        case "reset":
            return a, x * w[1], i
        case "count":
            return 0.5 * a + 0.5 * w[i % 3], b, i + 1
        case "index":
            return 0.3 * a * lax.dynamic_index_in_dim(b, i % 3, keepdims=False), b, i
        case "write":
            return a, lax.dynamic_update_index_in_dim(b, 0.5 * a[0] * x[1], i % 3, 0), i
        case "floor":
            return 0.5 * a + 0.1 * fnp.floor(2 * b + 0.123), b, i


def run(program, state, w, x, lib):
    for each in program:
        state = step(each, state, w, x) if isinstance(each, str) else lib[each[0]](lib, state, w, x, *each[1:])
    return state


def rows(w, x, n):
    return fnp.concatenate([w, w * x], 0)[:n]


def ours_scan(lib, state, w, x, inner, n, backward, checkpoint):
    cell = lambda s, v: (run(inner, s, w, v, lib), s[0] * v)
    state, ys = lax.scan(cell, state, rows(w, x, n), reverse=backward, checkpoint=checkpoint)
    return 0.5 * state[0] + 0.2 * fnp.sum(ys, 0), state[1], state[2]


def plain_scan(lib, state, w, x, inner, n, backward, checkpoint):
    xs, total = rows(w, x, n), fnp.zeros(3).astype("float64")
    for k in reversed(range(n)) if backward else range(n):
        total = total + state[0] * xs[k]
        state = run(inner, state, w, xs[k], lib)
    return 0.5 * state[0] + 0.2 * total, state[1], state[2]


def ours_while(lib, state, w, x, inner, n):
    return lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, run(inner, c[1], w, x, lib)), (0, state))[1]


def plain_while(lib, state, w, x, inner, n):
    for _ in range(n):
        state = run(inner, state, w, x, lib)
    return state


def ours_cond(lib, state, w, x, one, two):
    return lax.cond(state[0][0] > x[0], lambda s: run(one, s, w, x, lib), lambda s: run(two, s, w, x, lib), state)


def plain_cond(lib, state, w, x, one, two):
    return run(one if state[0][0] > x[0] else two, state, w, x, lib)


def ours_jit(lib, state, w, x, inner):
    return fl.jit(lambda s, x: run(inner, s, w, x, lib))(state, x)


def plain_jit(lib, state, w, x, inner):
    return run(inner, state, w, x, lib)


def with_grad(lib, state, w, x, inner):
    _, b, i = state
    g = fl.grad(lambda a: fnp.sum(fnp.sin(run(inner, (a, b, i), w, x, lib)[0])))(state[0])
    return state[0] - 0.1 * g, b, i


def ours_vmap(lib, state, w, x, inner):
    a, b, i = state
    made = fl.vmap(lambda a, x: run(inner, (a, b, i), w, x, lib)[:2])(fnp.stack([a, 2 * a]), fnp.stack([x, -x]))
    return 0.4 * fnp.sum(made[0], 0), made[1][1], i


def plain_vmap(lib, state, w, x, inner):
    a, b, i = state
    one, two = run(inner, (a, b, i), w, x, lib), run(inner, (2 * a, b, i), w, -x, lib)
    return 0.4 * (one[0] + two[0]), two[1], i


OURS = {"scan": ours_scan, "while": ours_while, "cond": ours_cond, "jit": ours_jit, "grad": with_grad,
        "vmap": ours_vmap}  # fmt: skip
PLAIN = {"scan": plain_scan, "while": plain_while, "cond": plain_cond, "jit": plain_jit, "grad": with_grad,
         "vmap": plain_vmap}  # fmt: skip


def value(program, lib):
    def f(w, a, x):
        a, b, i = run(program, (a, START[1], START[2]), w, x, lib)
        return fnp.sum(fnp.sin(a) * fnp.arange(1.0, 4.0)) + fnp.sum(fnp.tanh(b)) + i

    return f


def same(got, want):
    for a, b in zip(tree.leaves(got), tree.leaves(want), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-7, atol=1e-9)


@settings(max_examples=30)
@given(programs(2))
def test_first_derivatives(program):
    f, g = value(program, OURS), value(program, PLAIN)
    args = (W, A, X[0])
    want = fl.value_and_grad(g, (0, 1, 2))(*args)
    same(fl.value_and_grad(f, (0, 1, 2))(*args), want)
    ts = tuple([fnp.sin(x * 3) for x in args])
    same(fl.jvp(f, args, ts), (want[0], sum(fnp.sum(t * d) for t, d in zip(ts, want[1]))))


@settings(max_examples=15)
@given(programs(2))
def test_rows_do_not_meet(program):
    f, g = value(program, OURS), value(program, PLAIN)
    for axes in ((None, 0, 0), (0, None, None)):
        args = [fnp.stack([x, x * 0.5 - 0.2]) if b == 0 else x for x, b in zip((W, A, X[0]), axes)]
        row = lambda k: [x[k] if b == 0 else x for x, b in zip(args, axes)]
        same(fl.vmap(f, axes)(*args), fnp.stack([g(*row(k)) for k in range(2)]))
        same(fl.vmap(fl.grad(f), axes)(*args), fnp.stack([fl.grad(g)(*row(k)) for k in range(2)]))


@pytest.mark.slow
@settings(max_examples=20)
@given(programs(3))
def test_second_derivatives(program):
    f, g = value(program, OURS), value(program, PLAIN)
    hvp = lambda f: fl.jvp(fl.grad(f, (0, 1)), (W, A, X[0]), (fnp.sin(W), A, X[1]))[1]
    same(hvp(f), hvp(g))


@pytest.mark.slow
@settings(max_examples=5)
@given(programs(2))
def test_the_executors_agree(program):
    f = value(program, OURS)
    same(fl.jit(fl.value_and_grad(f, (0, 1, 2)))(W, A, X[0]), fl.value_and_grad(f, (0, 1, 2))(W, A, X[0]))
    many = fnp.stack([A, -A])
    rows = fl.vmap(fl.grad(f), (None, 0, None))
    same(fl.jit(rows)(W, many, X[0]), rows(W, many, X[0]))


def test_functions_jitted_one_after_the_other_are_told_apart():
    """The first is gone when the second is made, perhaps at the same place in memory."""
    f, g = (value(["count", ("jit", ["matrix"]), ("jit", ["reset"])], lib) for lib in (OURS, PLAIN))
    for _ in range(4):
        same(fl.grad(f)(W, A, X[0]), fl.grad(g)(W, A, X[0]))
