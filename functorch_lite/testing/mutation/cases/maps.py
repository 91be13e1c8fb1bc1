"""Cases of collectives, of linear functions turned around, and of what derivatives agree on at kinks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import functorch_lite.numpy as fnp
from functorch_lite import lax
from functorch_lite.api.closures import linear_call
from functorch_lite.api.custom import custom_jvp, custom_rules
from functorch_lite.api.forward import jvp
from functorch_lite.api.jit import jit
from functorch_lite.api.remat import checkpoint, checkpoint_name
from functorch_lite.api.reverse import linear_transpose, vjp
from functorch_lite.api.vmap import vmap
from functorch_lite.prims import bits
from functorch_lite.prims import elementwise as e
from functorch_lite.testing.mutation.cases.common import N, P, R, T, V, W, between, case, complexes

# ---- across named axes: inside a map derivatives are those of the whole ----


def _over_rows(name: str, f: Callable, x) -> None:
    """A function of a row with collectives; and its derivatives inside the map, which are those outside."""
    many = vmap(f, axis_name="rows")
    case(name, many, x)
    ts = between(-1, 1, np.shape(x), 5)
    push = vmap(lambda r, t: jvp(f, (r,), (t,))[1], axis_name="rows")
    case(f"{name}, jvp inside", push, x, ts, same=lambda x, t: jvp(many, (x,), (t,))[1])
    ct = between(-1, 1, np.shape(many(x)), 6)
    pull = vmap(lambda r, ct: vjp(f, r)[1](ct)[0], axis_name="rows")
    case(f"{name}, vjp inside", pull, x, ct, same=lambda x, ct: vjp(many, x)[1](ct)[0])


_over_rows("psum", lambda r: r * lax.psum(fnp.sin(r), "rows"), R)
_over_rows("pmean", lambda r: r * lax.pmean(r * r, "rows"), R)
_over_rows("pmax", lambda r: lax.pmax(r, "rows") * r, R)
_over_rows("pmin", lambda r: lax.pmin(fnp.sin(r), "rows") * r, R)
_over_rows("axis_index", lambda r: r * lax.axis_index("rows"), R)
_over_rows("all_gather", lambda r: fnp.sin(lax.all_gather(r, "rows")) * r, R)
_over_rows("psum_scatter", lambda r: fnp.sin(lax.psum_scatter(r, "rows")), between(0, 1, (3, 3, 2)))
_over_rows("all_to_all", lambda r: fnp.sin(lax.all_to_all(r, "rows", 0, 0)), between(0, 1, (3, 3, 2)))
_over_rows("ppermute", lambda r: fnp.sin(lax.ppermute(r, "rows", [(0, 1), (1, 0)])) * r, R)
_over_rows("ppermute some", lambda r: lax.ppermute(r, "rows", [(0, 2), (1, 0)]) * r, between(0, 1, (3, 2)))
_over_rows(
    "psum of groups", lambda r: lax.psum(r, "rows", axis_index_groups=[[0, 2], [1, 3]]) * r, between(0, 1, (4, 2))
)
_pairs = [[0, 2], [1, 3]]
_over_rows("pmax of groups", lambda r: lax.pmax(r, "rows", axis_index_groups=_pairs) * r, between(0, 1, (4, 2)))
_over_rows(
    "gather of groups", lambda r: fnp.sin(lax.all_gather(r, "rows", axis_index_groups=_pairs)), between(0, 1, (4, 2))
)
_over_rows(
    "scatter of groups",
    lambda r: fnp.sin(lax.psum_scatter(r, "rows", axis_index_groups=_pairs)),
    between(0, 1, (4, 2, 2)),
)
_over_rows(
    "exchange of groups",
    lambda r: fnp.sin(lax.all_to_all(r, "rows", 0, 0, axis_index_groups=_pairs)),
    between(0, 1, (4, 2, 3)),
)
case("psum of one", lambda x, w: vmap(lambda r: lax.psum(r * x, "rows") * r, axis_name="rows")(w), V, R)
case(
    "psum of the same",
    lambda x, w: vmap(lambda r: lax.psum(fnp.sin(x), "rows") * r, axis_name="rows")(w),
    V,
    R,
    same=lambda x, w: 2 * fnp.sin(x) * w,
)
case(
    "collectives in a loop",
    lambda x, w: vmap(
        lambda r: lax.scan(lambda c, y: (fnp.tanh(lax.psum(c * y, "rows")), c), x, w)[0] * r, axis_name="rows"
    )(w),
    V,
    R,
)
_two = lambda f: lambda x: vmap(vmap(f, axis_name="b"), axis_name="a")(x)
case("two axes", _two(lambda r: [r * lax.psum(r, ("a", "b")), lax.psum(r * r, "a") * lax.axis_index("b")]), T)
case("gather two axes", _two(lambda r: fnp.sin(lax.all_gather(r, ("a", "b")))), T)

case(
    "permute two axes",
    _two(lambda r: fnp.sin(lax.ppermute(r, ("a", "b"), [(0, 3), (1, 2), (2, 4), (3, 5), (4, 0), (5, 1)]))),
    between(0, 1, (2, 3, 2)),
)
case(
    "permute rows of two axes",
    _two(lambda r: fnp.sin(lax.ppermute(r, ("a", "b"), [(0, 1), (1, 0), (3, 4), (4, 5)]))),
    between(0, 1, (2, 3, 2)),
)
case("exchange two axes", _two(lambda r: fnp.sin(lax.all_to_all(r, ("a", "b"), 0, 0))), between(0, 1, (2, 3, 6, 2)))

_six = between(0, 1, (2, 3, 2))
_where = {"two axes": [(0, 3), (1, 2), (2, 4), (3, 5), (4, 0), (5, 1)], "rows": [(0, 1), (1, 0), (3, 4), (4, 5)]}
for _name, _perm in _where.items():

    def _moved(x, perm=_perm):
        y = fnp.zeros((6, 2), np.float64)
        for source, target in perm:
            y = y.at[target].set(fnp.sin(x.reshape((6, 2))[source]))
        return y.reshape((2, 3, 2))

    _fun = _two(lambda r, perm=_perm: lax.ppermute(fnp.sin(r), ("a", "b"), perm))
    case(f"permuted over {_name}", _fun, _six, same=_moved)
case(
    "index over two axes",
    _two(lambda r: r * lax.axis_index(("a", "b"))),
    _six,
    same=lambda x: x * fnp.arange(6.0).astype("float64").reshape((2, 3, 1)),
)

# ---- linear functions turned around: vjp goes another way, by the derivative ----


def _turned(name: str, fun: Callable, like, ct) -> None:
    case(
        f"transpose of {name}",
        lambda ct: linear_transpose(fun, like)(ct)[0],
        ct,
        same=lambda ct: vjp(fun, fnp.asarray(like))[1](ct)[0],
    )


_turned("names", lambda x: checkpoint_name(x * 2.0, "a"), V, V * 0.7)
_turned("sets", lambda y: fnp.zeros(4, np.float64).at[P].set(y), V, between(0, 1, (4,)))
_turned("sets of x", lambda x: x.at[P].set(0.0) + x, between(0, 1, (4,)), between(0, 1, (4,)))
_turned("products at", lambda x: x.at[np.array([2, 0])].multiply(V[:2]), V, V * 0.7)
_turned("factors at", lambda y: fnp.array(V).at[np.array([2, 0])].multiply(y, unique_indices=True), V[:2], V * 0.7)
_turned("updates", lambda y: lax.dynamic_update_slice(fnp.zeros(4, np.float64), y, (1,)), V, between(0, 1, (4,)))
_turned("parts", lambda z: fnp.real(z * (1 + 2j)) + fnp.imag(z), complexes(), V)
_turned("complexes", lambda x: fnp.real(lax.complex(x, 2 * x) * (1 + 2j)), V, V * 0.7)
case(
    "transpose of rounded",
    lambda n: linear_transpose(lambda x: bits.reduce_precision(x, 8, 2), V)(e.mul(e.convert(n, np.dtype(float)), 0.1))[
        0
    ],
    N,
    same=lambda n: bits.reduce_precision(e.mul(e.convert(n, np.dtype(float)), 0.1), 8, 2),
)
_turned(
    "narrowed",
    lambda x: e.convert(e.convert(x, np.dtype(np.complex64)), np.dtype(complex)).real,
    V,
    np.array([0.5, 0.25, 2.0]),
)
_turned("jit", lambda x: jit(lambda y: y @ fnp.array(R.T))(x), V, between(0, 1, (2,)))
_turned("remat", lambda x: checkpoint(lambda y: y @ fnp.array(R.T))(x), V, between(0, 1, (2,)))
_turned("a loop", lambda x: lax.scan(lambda c, r: (0.5 * c + r, 0.0), x[0], x)[0], W, V)
_turned("a branch", lambda x: lax.cond(True, lambda x: x * 2.0, lambda x: x[::-1], x), V, V * 0.6)
_turned(
    "a while loop",
    lambda x: lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, fnp.asarray(W) @ c[1]), (0, x))[1],
    V,
    V * 0.6,
)
_turned(
    "a loop that counts",
    lambda x: lax.scan(lambda c, r: ((c[0] + 1.0, c[1] * c[0] + r), r * c[0]), (0.0, x[0]), x)[0][1],
    W,
    V,
)
_turned(
    "a loop of products",
    lambda x: lax.scan(lambda c, r: (0.5 * c + fnp.asarray(W) @ r, fnp.asarray(W) @ r), x[0], x)[0],
    W,
    V,
)
_linear_rule = custom_jvp(lambda x: 2.0 * x)
_linear_rule.defjvp(lambda xs, ts: (2.0 * xs[0], 2.0 * ts[0]))
_linear_rows = custom_rules(lambda x: 2.0 * x, vmap=lambda size, batched, x: (2.0 * x, True))
_turned("a function with a rule", lambda x: _linear_rule(x) * 3.0, V, V * 0.6)
_turned("rows of a function with a rule", lambda x: vmap(_linear_rows)(x) * 3.0, W, W * 0.6)
case("linear_call", lambda r, x: linear_call(lambda r, x: r * x, lambda r, ct: r * ct, r, x), V, V * 0.3)
case("linear_call of x", lambda x: linear_call(lambda r, x: r * x, lambda r, ct: r * ct, fnp.asarray(V), x), V * 0.3)
case("linear_call of r", lambda r: linear_call(lambda r, x: r * x, lambda r, ct: r * ct, r, fnp.asarray(V)), V * 0.3)
case(
    "linear_call of sums",
    lambda r, x: fnp.sin(
        linear_call(
            lambda r, x: (r[0] * x, x[::-1] * r[1]), lambda r, ct: r[0] * ct[0] + (ct[1] * r[1])[::-1], (r, r * 2), x
        )[1]
    ),
    V,
    V * 0.3,
)

# ---- where a derivative is agreed on: ties share it equally, and nothing flows from what is 0 to the power of 0 ----

_tie = lambda f, *xs: lambda *ts: jvp(f, tuple(map(fnp.asarray, xs)), ts)[1]
case("ties of max", _tie(e.max_, V, V), V, V * 3, same=lambda t, u: (t + u) / 2)
case("ties of max with a constant", _tie(lambda x: e.max_(x, fnp.asarray(V)), V), V, same=lambda t: t / 2)
case("ties of one max", _tie(lambda x: e.mul(e.min_(x, float(V[0])), 2.0), np.full(3, V[0])), V, same=lambda t: t)
case(
    "ties of scatter max",
    _tie(lambda x: x.at[P[:2]].max(V[P[:2]]), V),
    V,
    same=lambda t: t * fnp.array([0.5, 1.0, 0.5]),
)
case(
    "ties of pmax",
    _tie(vmap(lambda r: lax.pmax(r, "rows"), axis_name="rows"), np.ones((3, 2))),
    between(0, 1, (3, 2)),
    same=lambda t: fnp.broadcast_to(fnp.mean(t, 0), (3, 2)),
)
case(
    "sign at 0", _tie(e.sign, np.array([0j, 1j])), complexes(0, (2,)), same=lambda t: fnp.array([0j, 1.0]) * fnp.real(t)
)
case(
    "powers at 0",
    _tie(lambda x: e.pow_(x, fnp.array([0.0, 3.0], np.float64)), np.array([0.0, 2.0])),
    between(0, 1, (2,)),
    same=lambda t: t * fnp.array([0.0, 12.0]),
)
case(
    "powers of 0 with the exponent 1",
    _tie(lambda x: e.pow_(x, fnp.array([1.0, 0.0], np.float64)), np.array([0.0, 2.0])),
    between(0, 1, (2,)),
    same=lambda t: t * fnp.array([1.0, 0.0]),
)
case(
    "powers of 0",
    _tie(lambda y: e.pow_(fnp.array([0.0, 2.0], np.float64), y), np.array([2.0, 3.0])),
    between(0, 1, (2,)),
    same=lambda t: t * fnp.array([0.0, 8 * np.log(2.0)]),
)
