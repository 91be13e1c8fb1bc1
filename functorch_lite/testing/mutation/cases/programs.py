"""Cases of programs in programs: calls, branches, loops, solves, and functions with rules of their own."""

from __future__ import annotations

import numpy as np

import functorch_lite.numpy as fnp
from functorch_lite import lax
from functorch_lite.api.closures import linear_call
from functorch_lite.api.custom import custom_jvp, custom_rules, custom_vjp
from functorch_lite.api.jit import jit
from functorch_lite.api.remat import checkpoint, checkpoint_name, checkpoint_policies
from functorch_lite.api.reverse import grad
from functorch_lite.api.vmap import vmap
from functorch_lite.testing.mutation.cases.common import V, W, between, case

# ---- programs in programs ----

_inner = jit(lambda x, w: {"a": fnp.tanh(w @ x) * x, "b": fnp.sin(x)})


def _cell(c, row):
    return fnp.tanh(c * row) + 0.1 * row, c * row


case("jit", lambda x, w: _inner(x, w), V, W)
case("jit of a part", lambda x, w: _inner(x, w)["a"] * _inner(w[0], w)["b"], V, W)
case("jit of constants", lambda x: jit(lambda y: (y * 2.0, fnp.ones(3, np.float64)))(x), V)
case("remat", lambda x, w: checkpoint(lambda x, w: fnp.sin(w @ fnp.sin(x)) * x)(x, w), V, W)
case(
    "remat of saved dots",
    lambda x, w: checkpoint(lambda x: fnp.sin(fnp.sin(w @ x) @ w), policy=checkpoint_policies.dots_saveable)(x),
    V,
    W,
)
case(
    "remat of names",
    lambda x: checkpoint(
        lambda x: fnp.sin(checkpoint_name(fnp.sin(x), "a") * x), policy=checkpoint_policies.save_only_these_names("a")
    )(x),
    V,
)
case("name", lambda x: checkpoint_name(fnp.sin(x), "a") * x, V)
case("cond", lambda x, y: lax.cond(x[0] > 0, lambda x, y: x * y, lambda x, y: fnp.sin(y), x, y), V, V * 0.5)
case("cond not", lambda x, y: lax.cond(x[0] > 10, lambda x, y: x * y, lambda x, y: fnp.sin(y) + x, x, y), V, V * 0.5)
case("cond closes", lambda p, x, w: lax.cond(p, lambda x: (w @ x, x), lambda x: (x * x, w[0]), x), np.array(True), V, W)
case("cond of half", lambda p, x, y: lax.cond(p, lambda: x * 1.0, lambda: fnp.sin(y)), np.array(False), V, V * 0.5)
case(
    "switch",
    lambda n, x, w: lax.switch(n, [lambda x: w @ x, lambda x: x * x, lambda x: w[1] * x], x),
    np.int32(1),
    V,
    W,
)
case(
    "cond of integers",
    lambda p, x, n: lax.cond(p, lambda: (x * 2, n), lambda: (x, n + 1)),
    np.array(True),
    V,
    np.int32(3),
)
case("scan", lambda x, w: lax.scan(_cell, x, w), V, W)
case("scan reversed", lambda x, w: lax.scan(_cell, x, w, reverse=True), V, W)
case("scan closes", lambda x, w, y: lax.scan(lambda c, r: (fnp.sin(c * y + r), c @ y), x, w), V, W, V * 0.3)
case("scan of carried", lambda x: lax.scan(lambda c, _: (fnp.sin(c), c[0]), x, None, length=4), V)
case("scan of rows", lambda w: lax.scan(lambda c, r: (c, fnp.sin(r) * r), 0.0, w)[1], W)
case("scan counts", lambda x, w: lax.scan(lambda c, r: ((c[0] + 1, c[1] * r[c[0]]), c[1] * c[0]), (0, x), w), V, W)
case("scan unrolled", lambda x, w: lax.scan(_cell, x, w, unroll=2), V, W)
case("scan checkpointed", lambda x, w: lax.scan(_cell, x, w, checkpoint="sqrt"), V, W)
case("scan of one", lambda x, w: lax.scan(_cell, x, w[:1]), V, W)
case("scan of none", lambda x, w: lax.scan(_cell, x, w[:0])[0], V, W)
case("scan linear", lambda x, w: lax.scan(lambda c, r: (0.5 * c + r, 2.0 * c), x, w), V, W)
case("scan twice", lambda x, w: lax.scan(lambda c, r: (lax.scan(_cell, c, w)[0] * r, c), x, w), V, W * 0.5)
case("scan of a cond", lambda x, w: lax.scan(lambda c, r: (lax.cond(r[0] > 0, fnp.sin, fnp.cos, c * r), c), x, w), V, W)
case("scan of products", lambda w, rows: lax.scan(lambda c, r: (0.5 * c + w @ r, w @ c), rows[0], rows), W, W * 0.7)
case(
    "scan of constant products",
    lambda x, rows: lax.scan(lambda c, r: (0.5 * c + fnp.asarray(W) @ r, fnp.asarray(W) @ c), x, rows),
    V,
    W * 0.7,
)
case("scan of two", lambda x, w: lax.scan(lambda c, r: ((c[0] * r, fnp.sin(c[1])), c[1]), (x, x * 2), w), V, W)
case(
    "scan from a constant",
    lambda w: lax.scan(lambda c, r: ((c[0] * 2.0, c[1] * r + c[0]), c[0]), (fnp.asarray(V), fnp.asarray(V)), w),
    W,
)
case("scan swaps", lambda x, w: lax.scan(lambda c, r: ((c[1], fnp.sin(c[0] * r)), r[0]), (x, x * 2), w), V, W)
case(
    "while",
    lambda x, n: lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, fnp.sin(c[1]) * c[1]), (0, x))[1],
    V,
    np.int32(3),
)
case(
    "while closes",
    lambda x, w: lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, fnp.tanh(w @ c[1])), (0, x))[1],
    V,
    W,
)
case(
    "while tests",
    lambda x: lax.while_loop(lambda c: c[1][0] < 3, lambda c: (c[0] + c[1][1], c[1] * 1.7), (x[0], x)),
    V,
)
case(
    "while checkpointed",
    lambda x, n: lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, fnp.sin(c[1])), (0, x), checkpoints=4)[1],
    V,
    np.int32(9),
)
_body = lambda w: lambda c: (c[0] + 1, fnp.tanh(w @ c[1]) + 0.1 * c[2], c[2] * c[1])
for _slots, _turns in ((4, 3), (4, 14), (6, 9), (8, 30), (None, 5)):
    case(
        f"while of {_turns} turns in {_slots} places",
        lambda x, w, n, k=_slots: lax.while_loop(lambda c: c[0] < n, _body(w), (0, x, x * 0.5), checkpoints=k)[1:],
        V * 0.4,
        W,
        np.int32(_turns),
    )
case(
    "while ragged",
    lambda x, w: lax.while_loop(
        lambda c: c[0] < 7.0, lambda c: (c[0] + 1.0 + c[1][0] ** 2, fnp.sin(c[1] * w[0])), (x[0], x), checkpoints=4
    ),
    V,
    W,
)
case(
    "while in a while",
    lambda x, n: lax.while_loop(
        lambda c: c[0] < n,
        lambda c: (c[0] + 1, lax.while_loop(lambda d: d[0] < 2, lambda d: (d[0] + 1, fnp.sin(d[1]) * x), (0, c[1]))[1]),
        (0, x),
    )[1],
    V,
    np.int32(3),
)
case(
    "rows of loops",
    lambda w, n: vmap(
        lambda x, m: lax.while_loop(lambda c: c[0] < m, lambda c: (c[0] + 1, fnp.sin(c[1]) * x), (0, x), checkpoints=4)[
            1
        ]
    )(w, n),
    W,
    np.array([2, 5, 0], np.int32),
)
case("rows of branches", lambda w: vmap(lambda x: lax.cond(x[0] > 0, lambda x: fnp.sin(x), lambda x: x * x, x))(w), W)
case(
    "rows of branches with loops",
    lambda w: vmap(lambda x: lax.cond(x[0] > 0, lambda x: lax.scan(_cell, x, w)[0], lambda x: x * x, x))(w),
    W,
)
case("while not", lambda x: lax.while_loop(lambda c: c[0] > 100, lambda c: c * 2, x), V)
case("fori", lambda x, w: lax.fori_loop(0, 3, lambda k, c: fnp.sin(w[k] * c) + k * x, x), V, W)
case("fori dynamic", lambda x, n: lax.fori_loop(0, n, lambda k, c: fnp.sin(c) * x, x), V, np.int32(3))
case("fori writes", lambda x, w: lax.fori_loop(0, 3, lambda k, c: c.at[k].set(fnp.sum(w[k] * c)), x), V, W)
case(
    "while of a scan",
    lambda x, w, n: lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, lax.scan(_cell, c[1], w)[0]), (0, x))[1],
    V,
    W,
    np.int32(2),
)
case("map", lambda w: lax.map(lambda r: fnp.sin(r) * r[0], w), W)
case("associative_scan", lambda x: lax.associative_scan(fnp.multiply, x), between(0.5, 1.5, (5,)))
case("vmap inside", lambda x, w: vmap(lambda r: fnp.tanh(r @ x) * r)(w), V, W)
case("vmap of a sum", lambda x, w: vmap(lambda r: lax.psum(r * x, "rows"), axis_name="rows")(w), V, W)
case("grad inside", lambda x, w: grad(lambda x: fnp.sum(fnp.sin(w @ x) ** 2))(x), V, W)
case(
    "solve",
    lambda a, b: fnp.linalg.solve(a, b) if hasattr(fnp.linalg, "solve") else a @ b,
    np.eye(3) * 2 + W * 0.3,
    V,
)
case(
    "linear_solve",
    lambda d, b: lax.custom_linear_solve(lambda v: d * v, b, lambda mv, b: b / d, lambda mv, b: b / d),
    V,
    V * 0.3,
)
case(
    "linear_solve of b",
    lambda b: lax.custom_linear_solve(lambda v: V * v, b, lambda mv, b: b / V, lambda mv, b: b / V),
    V * 0.3,
)
case(
    "linear_solve of d",
    lambda d: lax.custom_linear_solve(lambda v: d * v, fnp.asarray(V), lambda mv, b: b / d, lambda mv, b: b / d),
    V * 1.3,
)
case(
    "root with a constant",
    lambda a, b: lax.custom_root(
        lambda x: x * x - a * b,
        fnp.ones(3, np.float64),
        lambda f, x: fnp.sqrt(a * b),
        lambda g, y: y / g(fnp.ones(3, np.float64)),
    ),
    V,
    V * 1.5,
)
case(
    "root of one",
    lambda a: lax.custom_root(
        lambda x: x * x - a * V,
        fnp.ones(3, np.float64),
        lambda f, x: fnp.sqrt(a * V),
        lambda g, y: y / g(fnp.ones(3, np.float64)),
    ),
    V,
)
case(
    "linear_solve symmetric",
    lambda d, b: lax.custom_linear_solve(lambda v: d * v, b, lambda mv, b: b / d, symmetric=True),
    V,
    V * 0.3,
)
case(
    "root",
    lambda a: lax.custom_root(
        lambda x: x * x - a,
        fnp.ones(3, np.float64),
        lambda f, x: fnp.sqrt(a),
        lambda g, y: y / g(fnp.ones(3, np.float64)),
    ),
    V,
)


@custom_jvp
def _with_jvp(x, y):
    return fnp.sin(x) * y


@_with_jvp.defjvp
def _(xs, ts):
    x, y = xs
    return fnp.sin(x) * y, fnp.cos(x) * y * ts[0] + fnp.sin(x) * ts[1]


@custom_vjp
def _with_vjp(x, y):
    return fnp.sin(x) * y, x * x


_with_vjp.defvjp(
    lambda x, y: ((fnp.sin(x) * y, x * x), (x, y)),
    lambda xy, cts: (fnp.cos(xy[0]) * xy[1] * cts[0] + 2 * xy[0] * cts[1], fnp.sin(xy[0]) * cts[0]),
)
_with_vmap = custom_rules(lambda x, y: fnp.sin(x) * y, vmap=lambda size, batched, x, y: (fnp.sin(x) * y, True))

case("custom_jvp", lambda x, y: _with_jvp(x, y) * x, V, V * 0.4)
case("custom_vjp", lambda x, y: _with_vjp(x, y), V, V * 0.4)
case("custom_vjp of one", lambda x: _with_vjp(x, fnp.ones(3, np.float64))[0], V)
_step = custom_jvp(fnp.floor)
_step.defjvp(lambda xs, ts: (fnp.floor(xs[0]), fnp.zeros_like(xs[0])))
case("custom_jvp of a step", lambda x: [_step(x) * x, _step(x)], np.array([0.4, 1.7, 2.3]))
case("custom_vmap", lambda x, y: _with_vmap(x, y), V, V * 0.4)
case("custom_jvp in a loop", lambda x, w: lax.scan(lambda c, r: (_with_jvp(c, r), c), x, w), V, W)
case("custom_vjp in a loop", lambda x, w: lax.scan(lambda c, r: (_with_vjp(c, r)[0], c), x, w), V, W)


# ---- with several constants, of which some have no tangent ----

_PAIR = fnp.asarray(V)
case(
    "linear_call of one of two",
    lambda r, x: linear_call(lambda r, x: r[0] * r[1] * x, lambda r, ct: r[0] * r[1] * ct, (_PAIR, r), x),
    V,
    V * 0.3,
)
case(
    "linear_solve of one of two",
    lambda d, b: lax.custom_linear_solve(
        lambda v: d * _PAIR * v, b, lambda mv, b: b / (d * _PAIR), lambda mv, b: b / (d * _PAIR)
    ),
    V,
    V * 0.3,
)
case(
    "linear_solve of two unknowns",
    lambda d: lax.custom_linear_solve(
        lambda v: (d * v[0], _PAIR * v[1]),
        (_PAIR, _PAIR * 2),
        lambda mv, b: (b[0] / d, b[1] / _PAIR),
        lambda mv, b: (b[0] / d, b[1] / _PAIR),
    ),
    V,
)
case(
    "root of two unknowns",
    lambda a: lax.custom_root(
        lambda x: (x[0] * x[0] - a, x[1] - _PAIR),
        (_PAIR, _PAIR),
        lambda f, x: (fnp.sqrt(a), _PAIR),
        lambda g, y: (y[0] / g((fnp.ones(3, np.float64), _PAIR))[0], y[1]),
    ),
    V,
)
case(
    "scan of two types",
    lambda s, w: lax.scan(lambda c, r: ((c[0] * c[1][0] + r[1], fnp.ones(3, np.float64)), c[1] * c[0]), (s, w[0]), w),
    np.array(0.7),
    W,
)
