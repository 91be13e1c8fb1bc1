"""`scan`, `map`, `associative_scan`: every transform gives what it gives of the same loop written out in Python."""

import itertools

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import ir, lax, tree
from functorch_lite.control import chunks, fission, loops, scan
from functorch_lite.transforms import common, jvp, reverse, simplify, transpose, vmap

rng = np.random.RandomState(0)
W, H, XS = map(fnp.array, (rng.randn(3, 3) * 0.5, np.array([0.3, -0.7, 0.2]), rng.randn(5, 3)))
ZERO = fnp.array(0)


def unrolled(f, init, xs=None, length=None, reverse=False, unroll=1, checkpoint=None):
    """What `scan` means."""
    n = length if length is not None else len(tree.leaves(xs)[0])
    carry, ys = init, []
    for i in reversed(range(n)) if reverse else range(n):
        carry, y = f(carry, tree.map(lambda x, i=i: x[i], xs))
        ys.append(y)
    ys = ys[::-1] if reverse else ys
    return carry, tree.map(lambda *rows: fnp.stack(rows), *ys)


@pytest.fixture(autouse=True)
def checked(monkeypatch):
    """Every graph that a pass returns is type-checked, with the graphs inside it."""
    rebuild, compact = common.rebuild, ir.compact

    def checking(*args):
        return ir.check(rebuild(*args))

    for module in (jvp, transpose, vmap, reverse, scan, loops, chunks):
        monkeypatch.setattr(module, "rebuild", checking)
    monkeypatch.setattr(fission, "_part", lambda *args: ir.check(_part(*args)))
    monkeypatch.setattr(scan, "rewired", lambda *args: ir.check(rewired(*args)))
    monkeypatch.setattr(scan, "compact", lambda *args: ir.check(compact(*args)))
    fl.clear_caches()


_part, rewired = fission._part, loops.rewired


def same(got, want, tol=1e-9):
    got, want = tree.flatten(got), tree.flatten(want)
    assert got[1] == want[1]
    for a, b in zip(got[0], want[0], strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype and a.shape == b.shape, (a.dtype, a.shape, b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol)


# ---- programs: (scan, weights, start, rows) -> a tree of arrays ----


def rnn(scan, w, h, xs):
    def cell(h, x):
        h = fnp.tanh(w @ h + x)
        return h, fnp.sin(h)

    return scan(cell, h, xs)


def backward(scan, w, h, xs):
    return scan(lambda h, x: (fnp.tanh(w @ h + x), h * x[0]), h, xs, reverse=True)


def layers(scan, w, h, xs):
    """Products that are computed for all rows at once, before the loop and after it."""

    def cell(h, x):
        h = fnp.tanh(w @ h + w.T @ x)
        return h, (w @ h, w @ fnp.sin(x))

    return scan(cell, h, xs)


def unchanged(scan, w, h, xs):
    """The weights are carried though they never change; a product of constants is computed once."""

    def cell(carry, x):
        w, h = carry["w"], carry["h"]
        return {"w": w, "h": fnp.sin(w @ w @ h) + x}, (w[0], x, fnp.ones(2))

    return scan(cell, {"w": w, "h": h}, xs)


def counting(scan, w, h, xs):
    """Integers and booleans are carried; a result is None."""

    def cell(carry, x):
        i, h, odd = carry
        h = h * w[i % 3] + fnp.where(odd, x, fnp.cos(x))
        return (i + 1, h, ~odd), (None, i)

    return scan(cell, (ZERO, h, ZERO > 0), xs)


def forgetting(scan, w, h, xs):
    """A carried value that is replaced in each turn, and one that is no function of what is differentiated."""

    def cell(carry, x):
        a, b = carry
        return (x * w[1], fnp.floor(b) + 1.0), a * b

    return scan(cell, (h, h), xs)


def chained(scan, w, h, xs):
    """What one carried value gets reaches the next one a turn later."""

    def cell(carry, x):
        a, b, c, d = carry
        return (x[0] * 1.0, fnp.sin(a), b * b, c + d), d

    return scan(cell, (h[1], h[2], h[1], h[0]), xs)


def buffer(scan, w, h, xs):
    """An array is carried, and updated in place; another one is read by position."""

    def cell(carry, x):
        i, out = carry
        row = lax.dynamic_index_in_dim(w, i % 3, keepdims=False)
        return (i + 1, lax.dynamic_update_index_in_dim(out, fnp.sum(row * x) * out[0], i, 0)), row

    return scan(cell, (ZERO, fnp.concatenate([h, h])), xs)


def counted(scan, w, h, xs):
    return scan(lambda h, _: (fnp.tanh(w @ h) + xs[0], fnp.sum(h)), h, length=4)


def single(scan, w, h, xs):
    return scan(lambda h, x: (fnp.tanh(w @ h) + x, h), h, xs[:1])


def in_pairs(scan, w, h, xs):
    return scan(lambda h, x: (fnp.tanh(w @ h) * x, h + x), h, xs, unroll=2)


def jitted(scan, w, h, xs):
    cell = fl.jit(lambda w, h, x: (fnp.tanh(w @ h) * x, fnp.exp(h)))
    return scan(lambda h, x: cell(w, h, x), h, xs)


def nested(scan, w, h, xs):
    def cell(h, x):
        k, ys = scan(lambda k, v: (fnp.sin(w @ k) * v, k[0] * x), h, x)
        return k + h, ys

    return scan(cell, h, xs)


def deep(scan, w, h, xs):
    def inner(a, x):
        b, _ = scan(lambda b, v: (fnp.sin(b * x) + v * a, None), a, w[0])
        return b, fnp.sum(b)

    def cell(h, x):
        a, ys = scan(inner, h, w)
        return fnp.tanh(a) + x, ys

    return scan(cell, h, xs)


def differentiated(scan, w, h, xs):
    """A derivative inside of the body, and one of a loop."""

    def cell(h, x):
        loss = lambda h: fnp.sum(scan(lambda c, v: (c * fnp.cos(h * v), None), h, w)[0])
        return h - 0.1 * fl.grad(loss)(h), fl.vmap(lambda a, b: a * b)(h, x)

    return scan(cell, h, xs[:2])


def masked(scan, w, h, xs):
    """A branch that is not taken has an infinite derivative."""
    return scan(lambda h, x: (fnp.where(x > 0, fnp.sqrt(fnp.abs(x) * h * h), fnp.tanh(w @ h)), h[0]), h, xs)


PROGRAMS = {f.__name__: f for f in (rnn, backward, layers, unchanged, counting, forgetting, chained, buffer, counted,
                                    single, in_pairs, jitted, nested, deep, differentiated, masked)}  # fmt: skip
ARGS = (W, H, XS)


def scalar(program, scan):
    """A program as a function to a number that tells all results apart."""

    def loss(*args):
        total = 0.0
        for k, y in enumerate(tree.leaves(program(scan, *args))):
            if fl.dtypes.is_float(y.dtype):
                total = total + fnp.sum(fnp.sin(y + k) * fnp.arange(1.0, y.size + 1).reshape(y.shape))
        return total

    return loss


def tangents(seed=1):
    r = np.random.RandomState(seed)
    return tuple([r.randn(*x.shape) for x in ARGS])


every_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)


@every_program
def test_values(program):
    want = program(unrolled, *ARGS)
    same(program(lax.scan, *ARGS), want)
    same(program(lax.scan, *ARGS), want)  # compiled now, where it is long
    same(fl.jit(lambda *args: program(lax.scan, *args))(*ARGS), want)


@every_program
def test_gradients(program):
    f, g = scalar(program, lax.scan), scalar(program, unrolled)
    want = fl.grad(g, (0, 1, 2))(*ARGS)
    same(fl.grad(f, (0, 1, 2))(*ARGS), want)
    same(fl.jit(fl.grad(f, (0, 1, 2)))(*ARGS), want)
    for k in range(3):
        same(fl.grad(f, k)(*ARGS), want[k])


@every_program
def test_forward_mode(program):
    loss, reference = scalar(program, lax.scan), scalar(program, unrolled)
    ts = tangents()
    want = fl.jvp(reference, ARGS, ts)
    same(fl.jvp(loss, ARGS, ts), want)
    value, push = fl.linearize(loss, *ARGS)
    same((value, push(*ts)), want)
    same(fl.jit(lambda: fl.jvp(loss, ARGS, ts))(), want)
    for k in range(3):
        one = lambda x, k=k: loss(*ARGS[:k], x, *ARGS[k + 1 :])
        two = lambda x, k=k: reference(*ARGS[:k], x, *ARGS[k + 1 :])
        same(fl.jvp(one, (ARGS[k],), (ts[k],)), fl.jvp(two, (ARGS[k],), (ts[k],)))


@every_program
def test_second_derivatives(program):
    f, g = scalar(program, lax.scan), scalar(program, unrolled)
    want = fl.hessian(lambda h: g(W, h, XS))(H)
    same(fl.hessian(lambda h: f(W, h, XS))(H), want)
    same(fl.jacrev(fl.grad(lambda h: f(W, h, XS)))(H), want)
    ts = tangents(2)
    both = lambda loss: fl.jvp(fl.grad(loss, (0, 1, 2)), ARGS, ts)
    same(both(f), both(g))
    inner = lambda loss: fl.grad(lambda *args: sum(fnp.sum(a * t) for a, t in
                                                   zip(fl.grad(loss, (0, 1, 2))(*args), ts)), (0, 1, 2))(*ARGS)  # fmt: skip
    same(inner(f), inner(g))


@every_program
def test_mapped_over_every_choice_of_arguments(program):
    many = tuple([np.stack([x, x * 0.5 + 0.1]) for x in ARGS])
    for mask in itertools.product([True, False], repeat=3):
        if any(mask):
            args = [m if b else x for m, x, b in zip(many, ARGS, mask)]
            axes = tuple([0 if b else None for b in mask])
            rows = [program(unrolled, *[m[i] if b else x for m, x, b in zip(many, ARGS, mask)]) for i in range(2)]
            want = tree.map(lambda *r: fnp.stack(r), *rows)
            same(fl.vmap(lambda *a: program(lax.scan, *a), axes)(*args), want)


@every_program
def test_mapped_gradients(program):
    many = tuple([np.stack([x, x * 0.5 + 0.1]) for x in ARGS])
    f, g = scalar(program, lax.scan), scalar(program, unrolled)
    for axes in ((0, 0, 0), (None, 0, None), (0, None, 0)):
        args = [m if a == 0 else x for m, x, a in zip(many, ARGS, axes)]
        rows = [fl.grad(g, (0, 1, 2))(*[m[i] if a == 0 else x for m, x, a in zip(many, ARGS, axes)]) for i in range(2)]
        same(fl.vmap(fl.grad(f, (0, 1, 2)), axes)(*args), tree.map(lambda *r: fnp.stack(r), *rows))
    total = lambda loss: fl.grad(lambda *a: fnp.sum(fl.vmap(loss)(*a)), (0, 1, 2))(*many)
    same(total(f), total(g))
