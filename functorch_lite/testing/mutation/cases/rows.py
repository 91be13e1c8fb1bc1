"""Cases where rows go their own ways: loops that end apart, axes of several sizes at once, positions that meet."""

from __future__ import annotations

import numpy as np

import functorch_lite.numpy as fnp
from functorch_lite import lax
from functorch_lite.api.callbacks import debug_callback
from functorch_lite.api.custom import custom_jvp
from functorch_lite.api.forward import jvp
from functorch_lite.api.reverse import grad, linear_transpose, vjp
from functorch_lite.api.vmap import vmap
from functorch_lite.prims import bits
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import slicing as sl
from functorch_lite.testing.mutation.cases.common import V, W, between, case

# ---- loops of different lengths ----

_TURNS = np.array([2, 5, 0], np.int32)


def _loop(x, m, u, w, seen=None):
    """`m` turns that read what they carry, their number, and what all rows share."""

    def turn(c):
        if seen is not None:
            debug_callback(seen, c[1])
        return c[0] + 1, fnp.sin(c[1] * fnp.asarray(w)[c[0] % 3]) * u + 0.1 * c[1]

    return lax.while_loop(lambda c: c[0] < m, turn, (0, x), checkpoints=4)[1]


case("while that reads by number", lambda x, u, n: _loop(x, n, u, W), V, V * 0.6, np.int32(4))
case("while that reads all by number", lambda x, w, n: _loop(x, n, V, w), V, W, np.int32(4))
case("rows of loops that share", lambda x, u, n: vmap(lambda r, m: _loop(r, m, u, W))(x, n), W, V * 0.6, _TURNS)
case("rows of loops of what is shared", lambda u, n: vmap(lambda m: _loop(fnp.asarray(V), m, u, W))(n), V * 0.6, _TURNS)
case("rows of loops of counts", lambda x, n: vmap(lambda m: _loop(x, m, fnp.asarray(V), W))(n), V, _TURNS)


def _pulled(seen):
    """The gradient of each row, of loops that act: they are recorded one by one, and need not have kept the same."""
    row = lambda x, m, u: grad(lambda x, u: fnp.sum(_loop(x, m, u, W, seen)), (0, 1))(x, u)
    return lambda x, u, n: vmap(row, in_axes=(0, 0, None))(x, n, u)


for _name, _turns in (("apart", [1, 3]), ("alike", [2, 2])):
    case(f"rows of loops that act, {_name}", _pulled(lambda x: None), W[:2], np.array(0.6), np.array(_turns, np.int32),
         same=_pulled(None))  # fmt: skip

# ---- loops that carry what has no tangent, and products that are taken out of them ----

_PAIRS = fnp.asarray(between(0.5, 1.5, (3, 2)))
case(
    "scan of a constant row",
    lambda s, w: lax.scan(
        lambda c, r: ((c[0] * fnp.sum(c[1]) + r[1][0], r[0]), c[1] * c[0]), (s, _PAIRS[0] * s), (_PAIRS, w)
    ),
    np.array(0.7),
    W,
)
_LARGE = fnp.asarray(between(-0.4, 0.4, (14, 14)))


def _counted(x, large=_LARGE):
    """Products with rows that are only known when the turns have been counted."""
    step = lambda c, r: ((c[0] + 1.0, 0.5 * c[1] + large @ (r * c[0])), fnp.sum(c[1]) * c[0])
    (_, y), sums = lax.scan(step, (0.0, x[0]), x)
    return y, sums


case(
    "transpose of counted products",
    lambda ct: linear_transpose(_counted, between(0, 1, (3, 14), 1))((ct, fnp.asarray(V)))[0],
    between(0, 1, (14,)),
    same=lambda ct: vjp(_counted, fnp.asarray(between(0, 1, (3, 14), 1)))[1]((ct, fnp.asarray(V)))[0],
)
case("root that stays", lambda a: lax.custom_root(
    lambda x: (x - V) * a, fnp.ones(3, np.float64), lambda f, x: fnp.asarray(V), lambda g, y: y / g(fnp.ones(3, "f8"))
), V * 0.6)  # fmt: skip

# ---- results that all rows share, by a rule whose tangents they do not share ----

_same = custom_jvp(lambda x, y: fnp.sin(y))
_same.defjvp(lambda xs, ts: (fnp.sin(xs[1]), fnp.cos(xs[1]) * ts[1] * xs[0]))
for _name in (None, "rows"):
    case(
        f"tangents of rows with {_name or 'no name'}",
        lambda x, y, t, name=_name: jvp(lambda y: vmap(_same, (0, None), axis_name=name)(x, y), (y,), (t,))[1],
        W,
        V,
        V * 0.3,
        same=lambda x, y, t: fnp.cos(y) * t * x,
    )

# ---- axes of several sizes ----

_FULL = between(0, 1, (2, 3, 4, 2))  # axes a, b, c of sizes 2, 3, 4, of which c is mapped first


def _three(f, axes):
    """A collective over axes in this order, as one function of the array; and what it does to the rows in a line."""
    sizes, order = {"a": 2, "b": 3, "c": 4}, ["abc".index(a) for a in axes]
    shape = [sizes[a] for a in axes]

    def mapped(x):
        fun = lambda r: f(fnp.sin(r), axes)
        for name in "cba":
            fun = vmap(fun, axis_name=name)
        return fun(x)

    def plain(x, on_rows):
        rows = fnp.transpose(fnp.sin(x), (*order, 3, *range(4, x.ndim))).reshape((24, *x.shape[3:]))
        made = on_rows(rows)
        back = [order.index(k) for k in range(3)]
        return fnp.transpose(made.reshape((*shape, *made.shape[1:])), (*back, *range(3, made.ndim + 2)))

    return mapped, plain


_PERM = tuple([(k, (7 * k + 5) % 24) for k in range(24) if k % 5])
for _axes in (("a", "c", "b"), ("c", "a", "b"), ("b", "c", "a")):

    def _sent(x):
        made = fnp.zeros(x.shape, np.float64)
        return made.at[np.array([d for _, d in _PERM])].set(x[np.array([s for s, _ in _PERM])])

    _name, (_mapped, _plain) = ", ".join(_axes), _three(lambda r, axes: lax.ppermute(r, axes, _PERM), _axes)
    case(f"permute over {_name}", _mapped, _FULL, same=lambda x, plain=_plain, sent=_sent: plain(x, sent))
    _mapped, _plain = _three(lambda r, axes: lax.all_gather(r, axes)[::5], _axes)
    _every = lambda x: fnp.broadcast_to(x[::5], (24, 5, 2))
    case(f"gather over {_name}", _mapped, _FULL, same=lambda x, plain=_plain, every=_every: plain(x, every))

_ties = lambda x: lambda t: jvp(lambda r: lax.pmax(r, "rows"), (x,), (t,))[1]
case(
    "ties of pmax inside",
    lambda t: vmap(lambda r, t: _ties(r)(t), axis_name="rows")(np.array([[1.0, 2.0], [1.0, 3.0], [0.5, 3.0]]), t),
    between(0, 1, (3, 2)),
    same=lambda t: fnp.stack([(t[0, 0] + t[1, 0]) / 2, (t[1, 1] + t[2, 1]) / 2]) + fnp.zeros((3, 1), np.float64),
)

# ---- positions that meet ----

_MANY = np.array([1, 1, 3, 1, 1, 1, 3], np.int32)
case("many factors at one place", lambda x, n, y: x.at[n].multiply(y), between(0.5, 1, (4,)), _MANY,
     between(0.5, 1.5, (7,)))  # fmt: skip
case(
    "factors, some dropped",
    lambda x, n, y: x.at[n].multiply(y, mode="drop"),
    between(0.5, 1, (3,)),
    np.array([0, 1, 7, 0, 1, 9], np.int32),
    between(0.5, 1.5, (6,)),
)
case(
    "rows that read the same",
    lambda x, n: vmap(lambda k: x.at[k].get(unique_indices=True))(n),
    between(0, 1, (4,)),
    np.array([[0, 2], [2, 1], [0, 3]], np.int32),
)
case(
    "rows that read in order",
    lambda x, n: vmap(lambda r, k: r.at[k].get(unique_indices=True), in_axes=(0, None))(x, n),
    between(0, 1, (2, 4)),
    np.array([0, 2], np.int32),
)
case(
    "slices at the same place",
    grad(lambda x: fnp.sum(sl.slice(x, (1,), (3,)) * 2.0) + fnp.sum(fnp.sin(sl.slice(x, (1,), (3,))))),
    V,
    same=lambda x: (2.0 + fnp.cos(x)) * np.array([0.0, 1.0, 1.0]),
)
case("slices of a number", lambda x: sl.slice(x, (), ()) * 2.0 + fnp.sin(sl.slice(x, (), ())), np.array(0.4),
     same=lambda x: 2.0 * x + fnp.sin(x))  # fmt: skip
case("neighbours up and down", lambda x, y: e.gt(bits.nextafter(x, y), x), V, V + np.array([1.0, -1.0, -1.0]))
