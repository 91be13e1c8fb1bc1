"""Cases of operations that move, reduce, multiply and index."""

from __future__ import annotations

import numpy as np

import functorch_lite.numpy as fnp
from functorch_lite import lax
from functorch_lite.api.vmap import vmap
from functorch_lite.prims import activation, contract, cumulative
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import fft as fourier
from functorch_lite.prims import reduce as r
from functorch_lite.prims import shape as s
from functorch_lite.prims import slicing as sl
from functorch_lite.prims import sort as so
from functorch_lite.testing.mutation.cases.common import B, N, P, Q, R, T, V, between, case, complexes

# ---- shapes ----

case("reshape", lambda x: e.sin(s.reshape(x, (3, 8))), T)
case("transpose", lambda x: e.sin(s.transpose(x, (2, 0, 1))), T)
case("broadcast", lambda x: e.sin(s.broadcast(x, (2, 3, 4), (1,))), V)
case("broadcast twice", lambda x: e.sin(s.broadcast(s.broadcast(x, (2, 3), (1,)), (2, 3, 4), (0, 1))), V)
case("broadcast a scalar", lambda x: e.sin(s.broadcast(x, (2, 3))), np.array(0.4))
case("broadcast ones", lambda x: e.sin(s.broadcast(x, (2, 3), (0, 1))), between(0, 1, (2, 1)))
case("rev", lambda x: e.mul(s.rev(x, (0, 2)), x), T)
case("reduce_sum", lambda x: e.sin(s.reduce_sum(x, (0, 2))), T)
case("sum of a broadcast", lambda x: s.reduce_sum(e.mul(s.broadcast(x, (2, 3), (1,)), 2.0), (0,)), V)
case("moved and back", lambda x: s.reshape(s.reshape(s.transpose(s.transpose(x, (1, 0)), (1, 0)), (6,)), (2, 3)), R)
case("iota", lambda x: e.mul(x, e.convert(s.iota(np.dtype(np.int32), (3,), 0), np.dtype(float))), V)
case("iota of two axes", lambda x: e.mul(x, s.iota(np.dtype(float), (2, 3), 1)), R)
case("slice", lambda x: e.sin(sl.slice(x, (0, 1, 0), (2, 3, 4), (1, 1, 3))), T)
case("slices", lambda x: [sl.slice(x, (k,), (k + 2,)) * (k + 1.0) for k in range(4)], between(0, 1, (6,)))
case(
    "slices apart",
    lambda x: [sl.slice(x, (a, b), (a + 1, b + 2)) * (a + 2.0 * b + 1) for a in (0, 1) for b in (0, 1)],
    R,
)
case("slices with strides", lambda x: sl.slice(sl.slice(x, (1,), (8,), (2,)), (1,), (4,), (2,)), between(0, 1, (9,)))
case(
    "slices in a line",
    lambda x: [sl.slice(x, (1,), (2,)), sl.slice(x, (3,), (5,)), sl.slice(x, (3,), (5,)) * 2.0],
    between(0, 1, (6,)),
)
case(
    "slices that overlap",
    lambda x: [sl.slice(x, (2,), (4,)) * 2.0, sl.slice(x, (3,), (6,)), sl.slice(x, (5,), (6,))],
    between(0, 1, (8,)),
)
case("rows of concatenated", lambda x, y: sl.slice(sl.concatenate([x, y], 0), (2, 1), (4, 3)), R, R * 1.5)
case("columns of concatenated", lambda x, y: sl.slice(sl.concatenate([x, y], 1), (0, 4), (2, 6)), R, R * 1.5)
case("pad", lambda x, v: e.sin(sl.pad(x, v, ((1, 2, 1), (0, 1, 2)))), R, np.array(0.3))
case("pad away", lambda x, v: e.sin(sl.pad(x, v, ((1, -1, 0), (-1, 2, 1)))), R, np.array(0.3))
case("pad zeros", lambda x: sl.pad(sl.pad(x, 0.0, ((1, 0, 0), (0, 1, 0))), 0.0, ((0, 1, 0), (1, 0, 0))) * 2.0, R)
case("pad only away", lambda x: e.sin(sl.pad(x, 0.0, ((0, -1, 0), (-1, 0, 0)))), R)
case("pad by a value", lambda v: e.sin(sl.pad(s.full((2,), 0.5, np.dtype(float)), v, ((1, 1, 1),))), np.array(0.3))
case("concatenate", lambda x, y: e.sin(sl.concatenate([x, y, e.mul(x, 2.0)], 1)), R, between(0, 1, (2, 2)))
case("concatenate one", lambda x: e.mul(sl.concatenate([x, s.full((1, 3), 0.5, np.dtype(float))], 0), 2.0), R)
case("slice of concatenated", lambda x, y: sl.slice(sl.concatenate([x, y], 0), (3,), (5,)) * 1.0, V, V * 1.5)
case("concatenate constants", lambda x: e.mul(x, sl.concatenate([s.full((1,), 2.0, np.dtype(float))] * 3, 0)), V)

# ---- reductions, running ones, products ----

for _name in ("reduce_prod", "reduce_max", "reduce_min"):
    _fun = getattr(r, _name)
    case(_name, lambda x, f=_fun: e.sin(f(x, (1,))), R)
    case(f"{_name} of all", lambda x, f=_fun: f(x, (0, 1, 2)), T)
case("reduce_prod with a zero", lambda x: r.reduce_prod(x, (0,)), np.array([0.5, 0.0, 2.0]))
case(
    "reduce ties",
    lambda x: [
        r.reduce_max(e.mul(sl.concatenate([x, x], 0), 1.0), (0,)),
        r.reduce_min(sl.concatenate([x, x], 0), (0,)),
    ],
    V,
)
case("logic", lambda p: [r.reduce_and(p, (0,)), r.reduce_or(p, (0,)), r.reduce_xor(p, (0,))], B.reshape(3, 1) & B)
case("argmax", lambda x: [r.argmax(x, 1, np.dtype(np.int32)), r.argmin(x, 0, np.dtype(np.int32))], R)
case("picked", lambda x: e.mul(x, s.broadcast(e.convert(r.argmax(x, 0, np.dtype(np.int32)), np.dtype(float)), (3,))), V)
for _name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"):
    for _reverse in (False, True):
        _fun = getattr(cumulative, _name)
        case(f"{_name}{' reversed' if _reverse else ''}", lambda x, f=_fun, b=_reverse: e.sin(f(x, 1, b)), R)
case("cummax ties", lambda x: cumulative.cummax(sl.concatenate([x, x], 0), 0, False), np.array([0.5, 0.2, 0.9]))
case("cumsum of one", lambda x: cumulative.cumsum(s.reshape(x, (3, 1)), 1), V)
for _reverse in (False, True):
    case(
        f"recurrence{' reversed' if _reverse else ''}",
        lambda a, b, v=_reverse: cumulative.recurrence(a, b, 0, v),
        V,
        V * 0.7,
    )
case("recurrence of a constant", lambda b: cumulative.recurrence(s.full((3,), 0.5, np.dtype(float)), b, 0, False), V)
case("softmax", lambda x: activation.softmax(x, (1,)), R)
case("softmax of all", lambda x: activation.softmax(x, (0, 1)), R)
for _n in (1, 4, 5):
    _there = lambda x, n=_n: fourier.fft(x, "rfft", n, 1)
    case(
        f"rfft of {_n}",
        lambda x, n=_n, there=_there: e.sin(fourier.fft(e.mul(there(x), there(x)), "irfft", n, 1)),
        between(-1, 1, (2, _n)),
    )
case("fft", lambda x, y: e.real(fourier.fft(e.sin(fourier.fft(e.complex_(x, y), "fft", 3, 0)), "ifft", 3, 0)), V, V)
for _spec, _one, _two in (
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("i,i->", (3,), (3,)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    ("i,j->ij", (2,), (3,)),
    ("ij,j->i", (2, 3), (3,)),
    ("ji,jk->ki", (3, 2), (3, 4)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("ijk,jk->i", (2, 3, 2), (3, 2)),
):
    case(
        f"einsum {_spec}",
        lambda x, y, spec=_spec: fnp.einsum(spec, x, y),
        between(-1, 1, _one),
        between(-1, 1, _two, 1),
    )
case("dot of the first letters", lambda x, y: contract.dot(x, y, "bc,ca->ba"), R, between(0, 1, (3, 4)))
case("dot of one", lambda x: fnp.einsum("ij,kj->ik", x, x), R)
case("dot complex", lambda x, y: fnp.dot(x, y), complexes(0, (2, 3)), complexes(1, (3,)))
case(
    "dot in double",
    lambda x, y: lax.dot(x, y, preferred_element_type=np.dtype(float)),
    between(0, 1, (2, 3)).astype("f4"),
    between(0, 1, (3,)).astype("f4"),
)
case("convolve", lambda x, y: fnp.convolve(x, y), between(0, 1, (5,)), V)

# ---- positions that are data ----

case("take", lambda x, n: x[:, n] * 2, R, P)
case("take pairs", lambda x, n: x[n[:, 0], n[:, 1]], R, Q)
case("take with fill", lambda x, n: x.at[n].get(mode="fill", fill_value=0.0), V, np.array([0, 5, 1], np.int32))
case("take along", lambda x, n: fnp.take_along_axis(x, n, 1), R, np.array([[0, 2], [1, 1]], np.int32))
case("take twice", lambda x, n: x[n] * x[n + 1], between(0, 1, (5,)), P)
case("gather rows", lambda x, n: fnp.take(x, n, axis=0), R, np.array([1, 0, 1], np.int32))
for _name in ("set", "add", "multiply", "min", "max"):
    case(
        f"at {_name}",
        lambda x, n, y, f=_name: getattr(x.at[n], f)(y),
        between(0, 1, (4,)),
        np.array([2, 0], np.int32),
        between(0, 1, (2,), 1),
    )
    case(
        f"at {_name} of rows",
        lambda x, n, y, f=_name: e.sin(getattr(x.at[:, n], f)(y)),
        between(0, 1, (2, 4)),
        np.array([2, 0], np.int32),
        between(0, 1, (2, 2), 1),
    )
    case(
        f"at {_name} unique",
        lambda x, n, y, f=_name: getattr(x.at[n], f)(y, unique_indices=True),
        between(0, 1, (4,)),
        np.array([2, 0], np.int32),
        between(0, 1, (2,), 1),
    )
    case(
        f"at {_name} only y",
        lambda n, y, f=_name: getattr(fnp.ones(4, np.float64).at[n], f)(y),
        np.array([2, 0], np.int32),
        between(1.5, 2.5, (2,)) if _name in ("max", "multiply") else between(0.1, 0.4, (2,)),
    )
    case(
        f"at {_name} only x",
        lambda x, n, f=_name: getattr(x.at[n], f)(0.5),
        between(0.6, 0.9, (4,)),
        np.array([2, 0], np.int32),
    )
for _name in ("set", "add", "multiply"):
    case(
        f"at {_name} twice",
        lambda x, n, y, f=_name: getattr(x.at[n], f)(y),
        between(0, 1, (4,)),
        P,
        between(0, 1, (3,), 1),
    )
case(
    "at multiply zeros",
    lambda x, n, y: x.at[n].multiply(y),
    between(0, 1, (4,)),
    np.array([1, 1, 3], np.int32),
    np.array([0.0, 0.5, 0.3]),
)
case("at max ties", lambda x, n: x.at[n].max(x[0]), np.array([0.5, 0.1, 0.2]), np.array([1, 2], np.int32))
case(
    "at add out of bounds",
    lambda x, n, y: x.at[n].add(y, mode="drop"),
    V,
    np.array([1, 7], np.int32),
    between(0, 1, (2,)),
)
case("at add clipped", lambda x, n, y: x.at[n].add(y, mode="clip"), V, np.array([1, 7], np.int32), between(0, 1, (2,)))
case("argmax of integers", lambda n: [r.argmax(n, 0, np.dtype(np.int32)), r.argmin(n, 0, np.dtype(np.int32))], N)
case(
    "is_finite of quotients",
    lambda n: e.is_finite(e.div(1.0, e.convert(n, np.dtype(float)))),
    np.array([1, 0, -3], np.int32),
)
case(
    "dynamic_slice of two",
    lambda x, n, m: lax.dynamic_slice(x, (n, m), (2, 2)) * 2,
    between(0, 1, (3, 4)),
    np.int32(1),
    np.int64(2),
)
case(
    "dynamic_update of two",
    lambda x, y, n, m: lax.dynamic_update_slice(x, y, (n, m)) * 2,
    between(0, 1, (3, 4)),
    between(0, 1, (2, 2)),
    np.int32(1),
    np.int64(2),
)
case(
    "starts that differ",
    lambda x, n: vmap(lambda k: lax.dynamic_slice(x, (k, 1), (2, 2)))(n),
    between(0, 1, (4, 4)),
    P,
)
case(
    "updates that differ",
    lambda x, y, n: vmap(lambda k: lax.dynamic_update_slice(x, y, (k, 1)))(n),
    between(0, 1, (4, 4)),
    between(0, 1, (2, 2)),
    P,
)
case("pad and cut", lambda x: sl.pad(sl.pad(x, 0.0, ((2, 1, 0), (0, 0, 0))), 0.0, ((-3, 0, 0), (1, 1, 1))) * 2.0, R)
case("cut and pad", lambda x: sl.pad(sl.pad(x, 0.0, ((-1, 0, 0), (0, -1, 0))), 0.0, ((2, 0, 0), (0, 2, 0))) * 2.0, R)
case("dynamic_slice", lambda x, n: e.sin(lax.dynamic_slice(x, (0, n), (2, 2))), R, np.int32(1))
case(
    "dynamic_slice twice",
    lambda x, n: lax.dynamic_slice(x, (n,), (2,)) * lax.dynamic_slice(x, (n + 1,), (2,)),
    between(0, 1, (5,)),
    np.int32(1),
)
case(
    "dynamic_update_slice",
    lambda x, y, n: e.sin(lax.dynamic_update_slice(x, y, (0, n))),
    R,
    between(0, 1, (2, 2)),
    np.int32(1),
)
case("dynamic_update of x", lambda x, n: lax.dynamic_update_slice(x, x[:1] * 2, (n,)), V, np.int32(1))
case(
    "dynamic_update of a constant",
    lambda y, n: lax.dynamic_update_slice(fnp.zeros(3, np.float64), y, (n,)),
    between(0, 1, (2,)),
    np.int32(1),
)
case(
    "dynamic_update by a constant",
    lambda x, n: lax.dynamic_update_slice(x, fnp.ones(2, np.float64), (n,)) * 2,
    V,
    np.int32(1),
)
case("sort", lambda x: so.sort([x], 1)[0] * fnp.arange(3.0), np.array([[0.5, -1.0, 0.2], [3.0, 1.0, 2.0]]))
case("sort two", lambda x, y: list(so.sort([x, y], 0)), np.array([0.5, -1.0, 0.2]), V)
case("sort one of two", lambda x, y: so.sort([x, e.sin(y)], 0)[1], np.array([0.5, -1.0, 0.2]), V)
case("sort by two keys", lambda n, x: list(so.sort([n, x, e.mul(x, x)], 0, 2)), np.array([1, 0, 1], np.int32), V)
case("top_k", lambda x: so.top_k(x, 2)[0] * fnp.array([2.0, 3.0]), np.array([0.5, -1.0, 0.2, 2.0]))
case("top_k positions", lambda x: so.top_k(x, 2), np.array([[0.5, -1.0, 0.2, 2.0], [4.0, 1.0, 2.0, 3.0]]))
