"""The functions on which the laws are tried when a rule has been changed: every primitive, in the ways it is used.

Arguments keep away from kinks, poles and branch cuts; which law of which case reaches a rule is measured, not written
down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import functorch_lite.numpy as fnp
from functorch_lite import lax
from functorch_lite.api.custom import custom_jvp, custom_rules, custom_vjp
from functorch_lite.api.jit import jit
from functorch_lite.api.remat import checkpoint, checkpoint_name, checkpoint_policies
from functorch_lite.api.reverse import grad
from functorch_lite.api.vmap import vmap
from functorch_lite.prims import activation, bits, cumulative, random, special
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import index as i
from functorch_lite.prims import reduce as r
from functorch_lite.prims import shape as s
from functorch_lite.prims import slicing as sl
from functorch_lite.prims import sort as so


class Case(NamedTuple):
    """A function at arguments at which it is smooth."""

    name: str
    fun: Callable
    args: tuple


CASES: list[Case] = []


def _case(name: str, fun: Callable, *args) -> None:
    CASES.append(Case(name, fun, tuple([np.asarray(x) for x in args])))


def _between(low, high, shape=(3,), salt=0):
    return np.random.default_rng((len(CASES), salt)).uniform(low, high, size=shape)


def _complex(salt=0, shape=(3,)):
    return _between(0.3, 1.2, shape, salt) + 1j * _between(0.2, 0.9, shape, salt + 10)


# ---- elementwise: (function, an interval per operand) ----

_UNARY = {
    "neg": (e.neg, (-2, 2)), "abs": (e.abs_, (-2, -0.1)), "sign": (e.sign, (0.1, 2)), "square": (e.square, (-2, 2)),
    "floor": (e.floor, (0.1, 0.9)), "ceil": (e.ceil, (0.1, 0.9)), "round": (e.round_, (0.6, 1.4)),
    "sqrt": (e.sqrt, (0.5, 3)), "rsqrt": (e.rsqrt, (0.5, 3)), "cbrt": (special.cbrt, (-3, -0.5)),
    "exp": (e.exp, (-2, 2)), "exp2": (special.exp2, (-2, 2)), "expm1": (special.expm1, (-2, 2)),
    "log": (e.log, (0.5, 3)), "log1p": (special.log1p, (-0.5, 3)), "sin": (e.sin, (-2, 2)), "cos": (e.cos, (-2, 2)),
    "tan": (e.tan, (-1, 1)), "asin": (special.asin, (-0.7, 0.7)), "acos": (special.acos, (-0.7, 0.7)),
    "atan": (special.atan, (-2, 2)), "sinh": (special.sinh, (-2, 2)), "cosh": (special.cosh, (-2, 2)),
    "tanh": (e.tanh, (-2, 2)), "asinh": (special.asinh, (-2, 2)), "acosh": (special.acosh, (1.5, 3)),
    "atanh": (special.atanh, (-0.7, 0.7)), "logistic": (e.logistic, (-2, 2)), "erf": (special.erf, (-2, 2)),
    "erfc": (special.erfc, (-2, 2)), "erf_inv": (special.erf_inv, (-0.7, 0.7)), "lgamma": (special.lgamma, (0.5, 3)),
    "digamma": (special.digamma, (0.7, 3)), "polygamma": (lambda x: special.polygamma(2.0, x), (0.7, 3)),
    "zeta": (lambda x: special.zeta(3.0, x), (0.7, 3)), "relu": (activation.relu, (0.3, 2)),
    "relu below": (activation.relu, (-2, -0.3)), "softplus": (activation.softplus, (-2, 2)),
    "reduce_precision": (lambda x: bits.reduce_precision(x, 11, 52), (-2, 2)),
    "integer_pow 3": (lambda x: e.integer_pow(x, 3), (0.5, 2)), "integer_pow -2": (lambda x: e.integer_pow(x, -2), (0.5, 2)),
    "integer_pow 2": (lambda x: e.integer_pow(x, 2), (0.5, 2)), "integer_pow 1": (lambda x: e.integer_pow(x, 1), (0.5, 2)),
    "integer_pow 0": (lambda x: e.integer_pow(x, 0), (0.5, 2)), "pow literal": (lambda x: e.pow_(x, 2.5), (0.5, 2)),
    "pow 0.0": (lambda x: e.pow_(x, 0.0), (0.5, 2)), "pow 1.0": (lambda x: e.pow_(x, 1.0), (0.5, 2)),
    "pow 2.0": (lambda x: e.pow_(x, 2.0), (0.5, 2)), "pow of a literal": (lambda x: e.pow_(1.7, x), (0.5, 2)),
    "pow of 0.0": (lambda x: e.pow_(0.0, x), (0.5, 2)), "clamp literal": (lambda x: e.clamp(0.0, x, 1.0), (0.2, 0.8)),
    "literals": (lambda x: e.div(e.sub(2.0, e.mul(x, -1.0)), e.add(e.mul(1.0, x), 0.5)), (0.5, 2)),
    "neg twice": (lambda x: e.mul(e.neg(e.neg(x)), e.sub(x, 0.0)), (0.5, 2)),
    "convert": (lambda x: e.mul(e.convert(x, np.dtype(complex)), 2j), (-2, 2)),
    "convert down": (lambda x: e.real(e.convert(e.mul(e.convert(x, np.dtype(complex)), 1 + 2j), np.dtype(complex))), (-2, 2)),
    "select literals": (lambda x: e.select(e.lt(x, 10), e.mul(x, x), 2.0), (-2, 2)),
    "stop_gradient": (lambda x: e.mul(e.stop_gradient(x), x) * 0 + x, (-2, 2)),
    "same operands": (lambda x: e.add(e.max_(x, x), e.mul(x, x)), (0.5, 2)),
    "half": (lambda x: e.mul(e.convert(x, np.dtype(np.float32)), 0.5), (0.5, 2)),
}  # fmt: skip
_BINARY = {
    "add": (e.add, (-2, 2), (-2, 2)), "sub": (e.sub, (-2, 2), (-2, 2)), "mul": (e.mul, (-2, 2), (-2, 2)),
    "div": (e.div, (-2, 2), (0.5, 2)), "rem": (e.rem, (6.1, 6.9), (1.9, 2)), "pow": (e.pow_, (0.5, 2), (-2, 2)),
    "max": (e.max_, (-2, 0), (1, 2)), "min": (e.min_, (-2, 0), (1, 2)), "max other": (e.max_, (1, 2), (-2, 0)),
    "atan2": (special.atan2, (0.5, 2), (0.5, 2)), "min constant": (lambda x, y: e.min_(e.mul(x, y), 1.5), (0, 1), (0, 1)),
    "eq": (lambda x, y: e.select(e.eq(x, y), x, y), (0, 1), (2, 3)),
    "select": (lambda x, y: e.select(e.lt(x, 0.5), e.mul(x, y), e.sin(y)), (0, 1), (0.4, 0.5)),
    "compare": (lambda x, y: [e.select(f(x, y), e.mul(x, y), e.add(x, x)) for f in (e.ne, e.le, e.gt, e.ge)], (0, 1), (2, 3)),
    "complex": (lambda x, y: e.real(e.mul(e.complex_(x, y), e.complex_(y, 1.0))), (-2, 2), (-2, 2)),
    "parts": (lambda x, y: e.add(e.abs_(e.exp(e.complex_(x, y))), e.imag(e.conj(e.complex_(y, x)))), (0.5, 2), (0.5, 2)),
    "real of complex": (lambda x, y: e.add(e.real(e.complex_(x, y)), e.imag(e.complex_(y, e.mul(x, x)))), (0.5, 2), (0.5, 2)),
    "max with a constant": (lambda x, y: e.max_(e.mul(x, y), s.full((3,), 0.1, np.dtype(float))), (1, 2), (1, 2)),
    "zeta of two": (lambda x, y: special.zeta(e.round_(x), y), (2.8, 3.2), (1, 2)),
    "polygamma of two": (lambda x, y: special.polygamma(e.round_(x), y), (1.8, 2.2), (1, 2)),
    "square root of a sum": (lambda x, y: e.sqrt(e.add(e.square(x), e.square(y))), (0.5, 1), (1, 2)),
    "one divided": (lambda x, y: e.add(e.div(1.0, x), e.div(y, 2.0)), (0.5, 1), (1, 2)),
    "nextafter": (lambda x, y: e.mul(e.round_(bits.nextafter(x, y)), y), (0.6, 1), (1, 2)),
}  # fmt: skip
for _name, (_fun, *_ranges) in {**_UNARY, **_BINARY}.items():
    _case(_name, _fun, *[_between(*where, salt=k) for k, where in enumerate(_ranges)])
for _name, _fun, *_ranges in (
    ("clamp", e.clamp, (-2, -1), (-0.5, 0.5), (1, 2)),
    ("clamp low", e.clamp, (-1, 0), (-2, -1.5), (1, 2)),
    ("clamp high", e.clamp, (-2, -1), (2, 3), (0, 1)),
):
    _case(_name, _fun, *[_between(*where, salt=k) for k, where in enumerate(_ranges)])
    _case(_name + ", scalars", _fun, *[_between(*w, (3,) if k == 1 else (), k) for k, w in enumerate(_ranges)])
for _name in ("neg", "abs", "sign", "square", "sqrt", "rsqrt", "exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan",
              "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "logistic"):  # fmt: skip
    _case(f"{_name} complex", _UNARY[_name][0], _complex())
for _name in ("add", "sub", "mul", "div", "pow"):
    _case(f"{_name} complex", _BINARY[_name][0], _complex(), _complex(1))
_case("parts complex", lambda x: e.add(e.mul(e.real(x), 2.0), e.mul(e.imag(x), e.real(e.conj(e.mul(x, x))))), _complex())
_case("convert complex", lambda x: e.convert(x, np.dtype(np.complex64)), _complex())
_case("select complex", lambda x, y: e.select(e.gt(e.real(x), 0), e.mul(x, y), y), _complex(), _complex(1))
_case("conj", lambda x: e.mul(e.conj(x), x), _complex())
_case("select one for all", lambda p, x, y: e.select(p, e.mul(x, y), y), np.array(True), _between(0, 1), _between(1, 2))
_case("select rows", lambda p, x, y: e.select(p, x, y), np.array([True, False, True]), _between(0, 1), _between(1, 2))
_case("pow of integers", lambda x, n: e.pow_(x, n), _between(0.5, 2), np.array([2, 0, -1]))
_case("single", lambda x, y: e.mul(e.sin(x), y), _between(0, 1).astype("f4"), _between(0, 1, salt=1).astype("f4"))

# ---- whole numbers and booleans ----

_N, _M = np.array([3, 5, -6], np.int32), np.array([2, 1, 3], np.int32)
_B = np.array([True, False, True])
_case("integers", lambda n, m: [f(n, m) for f in (e.add, e.sub, e.mul, e.div, e.rem, e.max_, e.min_)], _N, _M)
_case("bits", lambda n, m: [f(n, m) for f in (
    e.and_, e.or_, e.xor, bits.shift_left, bits.shift_right_logical, bits.shift_right_arithmetic)], _N, _M)
_case("bits of one", lambda n: [e.not_(n), bits.population_count(n), bits.clz(n), e.abs_(n), e.sign(n), e.neg(n)], _N)
_case("booleans", lambda p, x: e.select(e.or_(e.and_(p, e.not_(p)), e.xor(p, e.not_(p))), x, 0.0), _B, _between(0, 1))
_case("bitcast", lambda x, n: [bits.bitcast(x, np.dtype(np.int64)), bits.bitcast(n, np.dtype(np.uint8))], _between(0, 1), _N)
_case("is_finite", lambda x: e.select(e.is_finite(x), e.mul(x, x), 0.0), _between(0, 1))
_KEY = np.array([3, 8], np.uint32)
_case("random", lambda k, n: [random.random_bits(k, (2,), 32), random.random_split(k, (2,)),
                              random.random_fold_in(k, n)], _KEY, np.uint32(7))  # fmt: skip
_case("threefry", lambda a, b: random.threefry2x32(a, a, b, b), _KEY, np.array([1, 2], np.uint32))

# ---- shapes ----

_T = _between(-1, 1, (2, 3, 4))
_R = _between(-1, 1, (2, 3))
_V = _between(0.3, 2)
_case("reshape", lambda x: e.sin(s.reshape(x, (3, 8))), _T)
_case("transpose", lambda x: e.sin(s.transpose(x, (2, 0, 1))), _T)
_case("broadcast", lambda x: e.sin(s.broadcast(x, (2, 3, 4), (1,))), _V)
_case("broadcast twice", lambda x: e.sin(s.broadcast(s.broadcast(x, (2, 3), (1,)), (2, 3, 4), (0, 1))), _V)
_case("broadcast a scalar", lambda x: e.sin(s.broadcast(x, (2, 3))), np.array(0.4))
_case("broadcast ones", lambda x: e.sin(s.broadcast(x, (2, 3), (0, 1))), _between(0, 1, (2, 1)))
_case("rev", lambda x: e.mul(s.rev(x, (0, 2)), x), _T)
_case("reduce_sum", lambda x: e.sin(s.reduce_sum(x, (0, 2))), _T)
_case("sum of a broadcast", lambda x: s.reduce_sum(e.mul(s.broadcast(x, (2, 3), (1,)), 2.0), (0,)), _V)
_case("moved and back", lambda x: s.reshape(s.reshape(s.transpose(s.transpose(x, (1, 0)), (1, 0)), (6,)), (2, 3)), _R)
_case("iota", lambda x: e.mul(x, e.convert(s.iota(np.dtype(np.int32), (3,), 0), np.dtype(float))), _V)
_case("iota of two axes", lambda x: e.mul(x, s.iota(np.dtype(float), (2, 3), 1)), _R)
_case("slice", lambda x: e.sin(sl.slice(x, (0, 1, 0), (2, 3, 4), (1, 1, 3))), _T)
_case("slices", lambda x: [sl.slice(x, (k,), (k + 2,)) * (k + 1.0) for k in range(4)], _between(0, 1, (6,)))
_case("slices apart", lambda x: [sl.slice(x, (a, b), (a + 1, b + 2)) * (a + 2.0 * b + 1) for a in (0, 1) for b in (0, 1)], _R)
_case("slices with strides", lambda x: sl.slice(sl.slice(x, (1,), (8,), (2,)), (1,), (4,), (2,)), _between(0, 1, (9,)))
_case("slices in a line", lambda x: [sl.slice(x, (1,), (2,)), sl.slice(x, (3,), (5,)), sl.slice(x, (3,), (5,)) * 2.0],
      _between(0, 1, (6,)))  # fmt: skip
_case("pad", lambda x, v: e.sin(sl.pad(x, v, ((1, 2, 1), (0, 1, 2)))), _R, np.array(0.3))
_case("pad away", lambda x, v: e.sin(sl.pad(x, v, ((1, -1, 0), (-1, 2, 1)))), _R, np.array(0.3))
_case("pad zeros", lambda x: sl.pad(sl.pad(x, 0.0, ((1, 0, 0), (0, 1, 0))), 0.0, ((0, 1, 0), (1, 0, 0))) * 2.0, _R)
_case("pad only away", lambda x: e.sin(sl.pad(x, 0.0, ((0, -1, 0), (-1, 0, 0)))), _R)
_case("pad by a value", lambda v: e.sin(sl.pad(s.full((2,), 0.5, np.dtype(float)), v, ((1, 1, 1),))), np.array(0.3))
_case("concatenate", lambda x, y: e.sin(sl.concatenate([x, y, e.mul(x, 2.0)], 1)), _R, _between(0, 1, (2, 2)))
_case("concatenate one", lambda x: e.mul(sl.concatenate([x, s.full((1, 3), 0.5, np.dtype(float))], 0), 2.0), _R)
_case("slice of concatenated", lambda x, y: sl.slice(sl.concatenate([x, y], 0), (3,), (5,)) * 1.0, _V, _V * 1.5)
_case("concatenate constants", lambda x: e.mul(x, sl.concatenate([s.full((1,), 2.0, np.dtype(float))] * 3, 0)), _V)

# ---- reductions, running ones, products ----

for _name in ("reduce_prod", "reduce_max", "reduce_min"):
    _case(_name, lambda x, f=getattr(r, _name): e.sin(f(x, (1,))), _R)
    _case(f"{_name} of all", lambda x, f=getattr(r, _name): f(x, (0, 1, 2)), _T)
_case("reduce_prod with a zero", lambda x: r.reduce_prod(x, (0,)), np.array([0.5, 0.0, 2.0]))
_case("reduce ties", lambda x: [r.reduce_max(e.mul(sl.concatenate([x, x], 0), 1.0), (0,)),
                                r.reduce_min(sl.concatenate([x, x], 0), (0,))], _V)  # fmt: skip
_case("logic", lambda p: [r.reduce_and(p, (0,)), r.reduce_or(p, (0,)), r.reduce_xor(p, (0,))], _B.reshape(3, 1) & _B)
_case("argmax", lambda x: [r.argmax(x, 1, np.dtype(np.int32)), r.argmin(x, 0, np.dtype(np.int32))], _R)
_case("picked", lambda x: e.mul(x, s.broadcast(e.convert(r.argmax(x, 0, np.dtype(np.int32)), np.dtype(float)), (3,))), _V)
for _name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"):
    for _reverse in (False, True):
        _fun = lambda x, f=getattr(cumulative, _name), b=_reverse: e.sin(f(x, 1, b))
        _case(f"{_name}{' reversed' if _reverse else ''}", _fun, _R)
_case("cummax ties", lambda x: cumulative.cummax(sl.concatenate([x, x], 0), 0, False), np.array([0.5, 0.2, 0.9]))
_case("cumsum of one", lambda x: cumulative.cumsum(s.reshape(x, (3, 1)), 1), _V)
for _reverse in (False, True):
    _case(f"recurrence{' reversed' if _reverse else ''}", lambda a, b, v=_reverse: cumulative.recurrence(a, b, 0, v), _V, _V * 0.7)
_case("recurrence of a constant", lambda b: cumulative.recurrence(s.full((3,), 0.5, np.dtype(float)), b, 0, False), _V)
_case("softmax", lambda x: activation.softmax(x, (1,)), _R)
_case("softmax of all", lambda x: activation.softmax(x, (0, 1)), _R)
for _spec, _one, _two in (
    ("ij,jk->ik", (2, 3), (3, 4)), ("i,i->", (3,), (3,)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)), ("i,j->ij", (2,), (3,)),
    ("ij,j->i", (2, 3), (3,)), ("ji,jk->ki", (3, 2), (3, 4)), ("ij,ij->ij", (2, 3), (2, 3)), ("ijk,jk->i", (2, 3, 2), (3, 2)),
):  # fmt: skip
    _case(f"einsum {_spec}", lambda x, y, spec=_spec: fnp.einsum(spec, x, y), _between(-1, 1, _one), _between(-1, 1, _two, 1))
_case("dot of one", lambda x: fnp.einsum("ij,kj->ik", x, x), _R)
_case("dot complex", lambda x, y: fnp.dot(x, y), _complex(0, (2, 3)), _complex(1, (3,)))
_case("dot in double", lambda x, y: lax.dot(x, y, preferred_element_type=np.dtype(float)),
      _between(0, 1, (2, 3)).astype("f4"), _between(0, 1, (3,)).astype("f4"))  # fmt: skip
_case("convolve", lambda x, y: fnp.convolve(x, y), _between(0, 1, (5,)), _V)

# ---- positions that are data ----

_P = np.array([2, 0, 2], np.int32)
_Q = np.array([[0, 2], [1, 1]], np.int32)
_case("take", lambda x, n: x[:, n] * 2, _R, _P)
_case("take pairs", lambda x, n: x[n[:, 0], n[:, 1]], _R, _Q)
_case("take with fill", lambda x, n: x.at[n].get(mode="fill", fill_value=0.0), _V, np.array([0, 5, 1], np.int32))
_case("take along", lambda x, n: fnp.take_along_axis(x, n, 1), _R, np.array([[0, 2], [1, 1]], np.int32))
_case("take twice", lambda x, n: x[n] * x[n + 1], _between(0, 1, (5,)), _P)
_case("gather rows", lambda x, n: fnp.take(x, n, axis=0), _R, np.array([1, 0, 1], np.int32))
for _name in ("set", "add", "multiply", "min", "max"):
    _case(f"at {_name}", lambda x, n, y, f=_name: getattr(x.at[n], f)(y), _between(0, 1, (4,)), np.array([2, 0], np.int32),
          _between(0, 1, (2,), 1))  # fmt: skip
    _case(f"at {_name} of rows", lambda x, n, y, f=_name: e.sin(getattr(x.at[:, n], f)(y)), _between(0, 1, (2, 4)),
          np.array([2, 0], np.int32), _between(0, 1, (2, 2), 1))  # fmt: skip
    _case(f"at {_name} unique", lambda x, n, y, f=_name: getattr(x.at[n], f)(y, unique_indices=True), _between(0, 1, (4,)),
          np.array([2, 0], np.int32), _between(0, 1, (2,), 1))  # fmt: skip
    _case(f"at {_name} only y", lambda n, y, f=_name: getattr(fnp.ones(4, np.float64).at[n], f)(y), np.array([2, 0], np.int32),
          _between(1.5, 2.5, (2,)) if _name in ("max", "multiply") else _between(0.1, 0.4, (2,)))  # fmt: skip
    _case(f"at {_name} only x", lambda x, n, f=_name: getattr(x.at[n], f)(0.5), _between(0.6, 0.9, (4,)), np.array([2, 0], np.int32))
for _name in ("set", "add", "multiply"):
    _case(f"at {_name} twice", lambda x, n, y, f=_name: getattr(x.at[n], f)(y), _between(0, 1, (4,)), _P, _between(0, 1, (3,), 1))
_case("at multiply zeros", lambda x, n, y: x.at[n].multiply(y), _between(0, 1, (4,)), np.array([1, 1, 3], np.int32),
      np.array([0.0, 0.5, 0.3]))  # fmt: skip
_case("at max ties", lambda x, n: x.at[n].max(x[0]), np.array([0.5, 0.1, 0.2]), np.array([1, 2], np.int32))
_case("at add out of bounds", lambda x, n, y: x.at[n].add(y, mode="drop"), _V, np.array([1, 7], np.int32), _between(0, 1, (2,)))
_case("at add clipped", lambda x, n, y: x.at[n].add(y, mode="clip"), _V, np.array([1, 7], np.int32), _between(0, 1, (2,)))
_case("dynamic_slice", lambda x, n: e.sin(lax.dynamic_slice(x, (0, n), (2, 2))), _R, np.int32(1))
_case("dynamic_slice twice", lambda x, n: lax.dynamic_slice(x, (n,), (2,)) * lax.dynamic_slice(x, (n + 1,), (2,)),
      _between(0, 1, (5,)), np.int32(1))  # fmt: skip
_case("dynamic_update_slice", lambda x, y, n: e.sin(lax.dynamic_update_slice(x, y, (0, n))), _R, _between(0, 1, (2, 2)), np.int32(1))
_case("dynamic_update of x", lambda x, n: lax.dynamic_update_slice(x, x[:1] * 2, (n,)), _V, np.int32(1))
_case("dynamic_update of a constant", lambda y, n: lax.dynamic_update_slice(fnp.zeros(3, np.float64), y, (n,)), _between(0, 1, (2,)), np.int32(1))
_case("dynamic_update by a constant", lambda x, n: lax.dynamic_update_slice(x, fnp.ones(2, np.float64), (n,)) * 2, _V, np.int32(1))
_case("sort", lambda x: so.sort([x], 1)[0] * fnp.arange(3.0), np.array([[0.5, -1.0, 0.2], [3.0, 1.0, 2.0]]))
_case("sort two", lambda x, y: list(so.sort([x, y], 0)), np.array([0.5, -1.0, 0.2]), _V)
_case("sort one of two", lambda x, y: so.sort([x, e.sin(y)], 0)[1], np.array([0.5, -1.0, 0.2]), _V)
_case("sort by two keys", lambda n, x: list(so.sort([n, x, e.mul(x, x)], 0, 2)), np.array([1, 0, 1], np.int32), _V)
_case("top_k", lambda x: so.top_k(x, 2)[0] * fnp.array([2.0, 3.0]), np.array([0.5, -1.0, 0.2, 2.0]))
_case("top_k positions", lambda x: so.top_k(x, 2), np.array([[0.5, -1.0, 0.2, 2.0], [4.0, 1.0, 2.0, 3.0]]))

# ---- programs in programs ----

_W = _between(-0.8, 0.8, (3, 3))
_inner = jit(lambda x, w: {"a": fnp.tanh(w @ x) * x, "b": fnp.sin(x)})


def _cell(c, row):
    return fnp.tanh(c * row) + 0.1 * row, c * row


_case("jit", lambda x, w: _inner(x, w), _V, _W)
_case("jit of a part", lambda x, w: _inner(x, w)["a"] * _inner(w[0], w)["b"], _V, _W)
_case("jit of constants", lambda x: jit(lambda y: (y * 2.0, fnp.ones(3, np.float64)))(x), _V)
_case("remat", lambda x, w: checkpoint(lambda x, w: fnp.sin(w @ fnp.sin(x)) * x)(x, w), _V, _W)
_case("remat of saved dots", lambda x, w: checkpoint(lambda x: fnp.sin(fnp.sin(w @ x) @ w), policy=checkpoint_policies.dots_saveable)(x), _V, _W)
_case("remat of names", lambda x: checkpoint(lambda x: fnp.sin(checkpoint_name(fnp.sin(x), "a") * x),
                                             policy=checkpoint_policies.save_only_these_names("a"))(x), _V)  # fmt: skip
_case("name", lambda x: checkpoint_name(fnp.sin(x), "a") * x, _V)
_case("cond", lambda x, y: lax.cond(x[0] > 0, lambda x, y: x * y, lambda x, y: fnp.sin(y), x, y), _V, _V * 0.5)
_case("cond not", lambda x, y: lax.cond(x[0] > 10, lambda x, y: x * y, lambda x, y: fnp.sin(y) + x, x, y), _V, _V * 0.5)
_case("cond closes", lambda p, x, w: lax.cond(p, lambda x: (w @ x, x), lambda x: (x * x, w[0]), x), np.array(True), _V, _W)
_case("cond of half", lambda p, x, y: lax.cond(p, lambda: x * 1.0, lambda: fnp.sin(y)), np.array(False), _V, _V * 0.5)
_case("switch", lambda n, x, w: lax.switch(n, [lambda x: w @ x, lambda x: x * x, lambda x: w[1] * x], x), np.int32(1), _V, _W)
_case("cond of integers", lambda p, x, n: lax.cond(p, lambda: (x * 2, n), lambda: (x, n + 1)), np.array(True), _V, np.int32(3))
_case("scan", lambda x, w: lax.scan(_cell, x, w), _V, _W)
_case("scan reversed", lambda x, w: lax.scan(_cell, x, w, reverse=True), _V, _W)
_case("scan closes", lambda x, w, y: lax.scan(lambda c, r: (fnp.sin(c * y + r), c @ y), x, w), _V, _W, _V * 0.3)
_case("scan of carried", lambda x: lax.scan(lambda c, _: (fnp.sin(c), c[0]), x, None, length=4), _V)
_case("scan of rows", lambda w: lax.scan(lambda c, r: (c, fnp.sin(r) * r), 0.0, w)[1], _W)
_case("scan counts", lambda x, w: lax.scan(lambda c, r: ((c[0] + 1, c[1] * r[c[0]]), c[1] * c[0]), (0, x), w), _V, _W)
_case("scan unrolled", lambda x, w: lax.scan(_cell, x, w, unroll=2), _V, _W)
_case("scan checkpointed", lambda x, w: lax.scan(_cell, x, w, checkpoint="sqrt"), _V, _W)
_case("scan of one", lambda x, w: lax.scan(_cell, x, w[:1]), _V, _W)
_case("scan of none", lambda x, w: lax.scan(_cell, x, w[:0])[0], _V, _W)
_case("scan linear", lambda x, w: lax.scan(lambda c, r: (0.5 * c + r, 2.0 * c), x, w), _V, _W)
_case("scan twice", lambda x, w: lax.scan(lambda c, r: (lax.scan(_cell, c, w)[0] * r, c), x, w), _V, _W * 0.5)
_case("scan of a cond", lambda x, w: lax.scan(lambda c, r: (lax.cond(r[0] > 0, fnp.sin, fnp.cos, c * r), c), x, w), _V, _W)
_case("scan swaps", lambda x, w: lax.scan(lambda c, r: ((c[1], fnp.sin(c[0] * r)), r[0]), (x, x * 2), w), _V, _W)
_case("while", lambda x, n: lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, fnp.sin(c[1]) * c[1]), (0, x))[1], _V, np.int32(3))
_case("while closes", lambda x, w: lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, fnp.tanh(w @ c[1])), (0, x))[1], _V, _W)
_case("while tests", lambda x: lax.while_loop(lambda c: c[1][0] < 3, lambda c: (c[0] + c[1][1], c[1] * 1.7), (x[0], x)), _V)
_case("while checkpointed", lambda x, n: lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, fnp.sin(c[1])), (0, x), checkpoints=4)[1],
      _V, np.int32(9))  # fmt: skip
_case("while not", lambda x: lax.while_loop(lambda c: c[0] > 100, lambda c: c * 2, x), _V)
_case("fori", lambda x, w: lax.fori_loop(0, 3, lambda k, c: fnp.sin(w[k] * c) + k * x, x), _V, _W)
_case("fori dynamic", lambda x, n: lax.fori_loop(0, n, lambda k, c: fnp.sin(c) * x, x), _V, np.int32(3))
_case("fori writes", lambda x, w: lax.fori_loop(0, 3, lambda k, c: c.at[k].set(fnp.sum(w[k] * c)), x), _V, _W)
_case("while of a scan", lambda x, w, n: lax.while_loop(
    lambda c: c[0] < n, lambda c: (c[0] + 1, lax.scan(_cell, c[1], w)[0]), (0, x))[1], _V, _W, np.int32(2))  # fmt: skip
_case("map", lambda w: lax.map(lambda r: fnp.sin(r) * r[0], w), _W)
_case("associative_scan", lambda x: lax.associative_scan(fnp.multiply, x), _between(0.5, 1.5, (5,)))
_case("vmap inside", lambda x, w: vmap(lambda r: fnp.tanh(r @ x) * r)(w), _V, _W)
_case("vmap of a sum", lambda x, w: vmap(lambda r: lax.psum(r * x, "rows"), axis_name="rows")(w), _V, _W)
_case("grad inside", lambda x, w: grad(lambda x: fnp.sum(fnp.sin(w @ x) ** 2))(x), _V, _W)
_case("solve", lambda a, b: fnp.linalg.solve(a, b) if hasattr(fnp.linalg, "solve") else a @ b, np.eye(3) * 2 + _W * 0.3, _V)
_case("linear_solve", lambda d, b: lax.custom_linear_solve(
    lambda v: d * v, b, lambda mv, b: b / d, lambda mv, b: b / d), _V, _V * 0.3)  # fmt: skip
_case("linear_solve symmetric", lambda d, b: lax.custom_linear_solve(
    lambda v: d * v, b, lambda mv, b: b / d, symmetric=True), _V, _V * 0.3)  # fmt: skip
_case("root", lambda a: lax.custom_root(
    lambda x: x * x - a, fnp.ones(3, np.float64), lambda f, x: fnp.sqrt(a), lambda g, y: y / g(fnp.ones(3, np.float64))), _V)  # fmt: skip


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
    lambda xy, cts: (fnp.cos(xy[0]) * xy[1] * cts[0] + 2 * xy[0] * cts[1], fnp.sin(xy[0]) * cts[0]))
_with_vmap = custom_rules(
    lambda x, y: fnp.sin(x) * y,
    vmap=lambda size, batched, x, y: (fnp.sin(x) * y, True))

_case("custom_jvp", lambda x, y: _with_jvp(x, y) * x, _V, _V * 0.4)
_case("custom_vjp", lambda x, y: _with_vjp(x, y), _V, _V * 0.4)
_case("custom_vjp of one", lambda x: _with_vjp(x, fnp.ones(3, np.float64))[0], _V)
_case("custom_vmap", lambda x, y: _with_vmap(x, y), _V, _V * 0.4)
_case("custom_jvp in a loop", lambda x, w: lax.scan(lambda c, r: (_with_jvp(c, r), c), x, w), _V, _W)
_case("custom_vjp in a loop", lambda x, w: lax.scan(lambda c, r: (_with_vjp(c, r)[0], c), x, w), _V, _W)
