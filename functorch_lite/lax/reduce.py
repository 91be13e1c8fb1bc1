"""`lax`: reductions, running reductions, and products of arrays. Axes may be negative."""

from __future__ import annotations

import enum
import functools
import math
import string
from collections.abc import Callable
from typing import Any

from functorch_lite import dtypes
from functorch_lite.api.vmap import vmap
from functorch_lite.errors import ShapeError
from functorch_lite.ir import ArrayType, Primitive, array_type
from functorch_lite.lax.shape import axes_of, axis_of, full
from functorch_lite.prims import contract as _contract
from functorch_lite.prims import cumulative as _cumulative
from functorch_lite.prims import reduce as _reduce
from functorch_lite.prims import shape as _shape
from functorch_lite.prims.elementwise import convert, max_p, min_p, mul_p
from functorch_lite.prims.select import add_p, and_p, or_p, xor_p
from functorch_lite.prims.slicing import concatenate
from functorch_lite.prims.slicing import slice as slice_
from functorch_lite.trace import SCALARS, at, bind, trace, typeof

__all__ = [
    "Precision", "argmax", "argmin", "batch_matmul", "cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum", "dot",
    "dot_general", "reduce", "reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod", "reduce_sum",
    "reduce_xor",
]  # fmt: skip

# ---- reductions ----


def _reduction(name: str, fun: Callable, doc: str) -> Callable:
    def op(operand, axes):
        return fun(operand, axes_of(name, axes, typeof(operand).ndim))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


reduce_sum = _reduction("reduce_sum", _shape.reduce_sum, "The sum over axes, in the operand's dtype; 0 of nothing.")
reduce_prod = _reduction("reduce_prod", _reduce.reduce_prod, "The product over axes; 1 of nothing.")
reduce_max = _reduction("reduce_max", _reduce.reduce_max, "The largest element over axes, NaN if there is one.")
reduce_min = _reduction("reduce_min", _reduce.reduce_min, "The smallest element over axes, NaN if there is one.")
reduce_and = _reduction("reduce_and", _reduce.reduce_and, "The logical or bitwise `and` over axes.")
reduce_or = _reduction("reduce_or", _reduce.reduce_or, "The logical or bitwise `or` over axes.")
reduce_xor = _reduction("reduce_xor", _reduce.reduce_xor, "The logical or bitwise exclusive `or` over axes.")


def _position(name: str, fun: Callable, doc: str) -> Callable:
    def op(operand, axis, index_dtype):
        return fun(operand, axis_of(name, axis, typeof(operand).ndim), index_dtype)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


argmax = _position("argmax", _reduce.argmax, "The position of the first largest element, or first NaN, along an axis.")
argmin = _position("argmin", _reduce.argmin, "The position of the first smallest element, or first NaN, along an axis.")

_REDUCERS: dict[Primitive, Callable] = {
    add_p: _shape.reduce_sum,
    mul_p: _reduce.reduce_prod,
    max_p: _reduce.reduce_max,
    min_p: _reduce.reduce_min,
    and_p: _reduce.reduce_and,
    or_p: _reduce.reduce_or,
    xor_p: _reduce.reduce_xor,
}


def reduce(operands, init_values, computation, dimensions):
    """Combine the elements over axes, and a scalar for the start, by an associative function of two scalars.

    operands: an array, or a tuple of arrays of one shape, beside a tuple of scalars of their dtypes and a function from
    two tuples to one. add, mul, max, min, and, or, xor are one operation; others are computed for halves of what is
    left, which should then give the same in any order. Raises ValueError where shapes differ, TypeError for results of
    other dtypes.
    """
    single = not isinstance(operands, (tuple, list))
    xs, inits = ([operands], [init_values]) if single else (list(operands), list(init_values))
    types = [typeof(x) for x in xs]
    if len(inits) != len(xs) or len({t.shape for t in types}) != 1:
        shown = " and ".join(map(str, types))
        raise ValueError(f"reduce: takes arrays of one shape and a start for each, got {shown} at {at()}")
    axes = axes_of("reduce", dimensions, types[0].ndim)
    shape = tuple([n for i, n in enumerate(types[0].shape) if i not in axes])
    inits = [i if type(i) in SCALARS else _shape.broadcast(convert(i, t.dtype), shape) for i, t in zip(inits, types)]

    def combine(xs, ys):
        made = computation(xs[0], ys[0]) if single else computation(tuple(xs), tuple(ys))
        return list(made) if isinstance(made, (tuple, list)) else [made]

    prim = _primitive_of(combine, array_type((), types[0].dtype), computation) if len(xs) == 1 else None
    if prim is not None:
        nothing = not types[0].size and prim in (max_p, min_p)
        made = [full(shape, inits[0], types[0].dtype) if nothing else bind(prim, _REDUCERS[prim](xs[0], axes), *inits)]
    else:
        inits = [full(shape, i, t.dtype) if type(i) in SCALARS else i for i, t in zip(inits, types)]
        made = _by_halves([_rows(x, axes) for x in xs], inits, combine) if types[0].size else inits
    return made[0] if single else tuple(made)


def _primitive_of(combine: Callable, element: ArrayType, computation: Callable) -> Primitive | None:
    """The primitive that a function of two scalars is, if it is one of those that reduce."""
    name = getattr(computation, "__name__", "computation")
    traced = trace(lambda x, y: combine([x], [y]), [element, element], transform="reduce", name=name)
    eqns = traced.graph.eqns
    prim = eqns[0].prim if len(eqns) == 1 and not traced.captured else None
    return prim if prim in _REDUCERS and sorted(eqns[0].ins) == [0, 1] and traced.graph.outs == eqns[0].outs else None


def _rows(x, axes):
    """The elements to combine along a new first axis."""
    kept = tuple([i for i in range(typeof(x).ndim) if i not in axes])
    moved = _shape.transpose(x, (*axes, *kept))
    shape = typeof(moved).shape
    return _shape.reshape(moved, (math.prod(shape[: len(axes)]), *shape[len(axes) :]))


def _by_halves(xs: list, inits: list, combine: Callable) -> list:
    """Both halves of what is left combined, until one row is left, and that with the start."""
    shape, dtypes_of = typeof(inits[0]).shape, [typeof(x).dtype for x in xs]

    def combined(xs, ys):
        rows, flat = typeof(xs[0]).shape[0], (typeof(xs[0]).size,)
        made = vmap(lambda *v: combine(v[: len(xs)], v[len(xs) :]))(*[_shape.reshape(v, flat) for v in (*xs, *ys)])
        if [(typeof(y).shape, typeof(y).dtype) for y in made] != [(flat, d) for d in dtypes_of]:
            shown = " and ".join([dtypes.short(typeof(y).dtype) for y in made])
            raise TypeError(f"reduce: the function made {shown} at {at()}; return scalars of the dtypes that it takes")
        return [_shape.reshape(y, (rows, *shape)) for y in made]

    while (n := typeof(xs[0]).shape[0]) > 1:
        half = n // 2
        low, high, rest = [[_part(x, *ends) for x in xs] for ends in ((0, half), (half, 2 * half), (2 * half, n))]
        xs = combined(low, high)
        xs = [concatenate([x, r], 0) for x, r in zip(xs, rest)] if n % 2 else xs
    first = [_shape.reshape(i, (1, *shape)) for i in inits]
    return [_shape.reshape(y, shape) for y in combined(first, xs)]


def _part(x, start: int, stop: int):
    shape = typeof(x).shape
    return slice_(x, (start, *[0] * (len(shape) - 1)), (stop, *shape[1:]))


# ---- running reductions ----


def _running(name: str, fun: Callable, what: str) -> Callable:
    def op(operand, axis=0, reverse=False):
        return fun(operand, axis_of(name, axis, typeof(operand).ndim), reverse)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{what} of the elements up to each one along an axis; in `reverse`, of those from it on."
    return op


cumsum = _running("cumsum", _cumulative.cumsum, "The sum")
cumprod = _running("cumprod", _cumulative.cumprod, "The product")
cummax = _running("cummax", _cumulative.cummax, "The largest")
cummin = _running("cummin", _cumulative.cummin, "The smallest")
cumlogsumexp = _running("cumlogsumexp", _cumulative.cumlogsumexp, "The logarithm of the sum of the exponentials")


# ---- products ----


class Precision(enum.Enum):
    """How exact an accelerator computes products of float32. CPUs always compute them in full."""

    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2


_WORDS = {"default": None, "fastest": None, "bfloat16": None, "high": "high", "tensorfloat32": "high",
          "bfloat16_3x": "high", "highest": "highest", "float32": "highest"}  # fmt: skip


def precision_of(name: str, precision: Any):
    """The parameter of `dot` that a precision means: None, a word, or a pair of words. Raises ValueError."""
    if precision is None:
        return None
    if isinstance(precision, (tuple, list)) and len(precision) == 2:
        pair = tuple([precision_of(name, each) for each in precision])
        return pair[0] if pair[0] == pair[1] else tuple([word or "default" for word in pair])
    word = precision.name.lower() if isinstance(precision, enum.Enum) else precision
    if word not in _WORDS:
        raise ValueError(f"{name}: {precision!r} is no precision, at {at()}; give \"default\", \"high\" or \"highest\"")
    return _WORDS[word]


def dot_general(lhs, rhs, dimension_numbers, precision=None, preferred_element_type=None):
    """Multiply two arrays, summing over pairs of axes and running along pairs of batch axes.

    dimension_numbers: ((axes of lhs, axes of rhs) to sum over, (axes of lhs, axes of rhs) of the batch). The result has
    the batch axes, then the other axes of lhs, then those of rhs. Dtypes may differ only if preferred_element_type, the
    dtype in which to sum and return, is given. Raises ValueError where sizes differ.
    """
    (sum_x, sum_y), (batch_x, batch_y) = dimension_numbers
    x, y = typeof(lhs), typeof(rhs)
    sum_x, batch_x = axes_of("dot_general", sum_x, x.ndim), axes_of("dot_general", batch_x, x.ndim)
    sum_y, batch_y = axes_of("dot_general", sum_y, y.ndim), axes_of("dot_general", batch_y, y.ndim)
    both_x, both_y = (*batch_x, *sum_x), (*batch_y, *sum_y)
    if len(batch_x) != len(batch_y) or [x.shape[i] for i in both_x] != [y.shape[i] for i in both_y]:
        raise ShapeError(f"dot_general: axes {both_x} of {x} do not fit axes {both_y} of {y}, at {at()}; transpose or "
                         "reshape one of them")  # fmt: skip
    if len(set(both_x)) < len(both_x) or len(set(both_y)) < len(both_y):
        raise ShapeError(f"dot_general: an axis is both summed over and of the batch in {dimension_numbers}, at {at()}")
    preferred = None if preferred_element_type is None else _shape.given_dtype(preferred_element_type)
    if x.dtype != y.dtype and preferred is not None:
        lhs, rhs = convert(lhs, preferred), convert(rhs, preferred)
    spec = _spec(x.ndim, y.ndim, both_x, both_y, batch_x)
    return _contract.dot_as(lhs, rhs, spec, precision_of("dot_general", precision), preferred)


@functools.lru_cache(4096)
def _spec(n: int, m: int, both_x, both_y, batch_x) -> str:
    """The einsum of two operands with n and m axes that share the axes `both`."""
    if n + m - len(both_x) > len(string.ascii_letters):
        raise ValueError(f"dot_general: {n} and {m} axes are more than there are letters for, at {at()}; reshape one")
    letters = iter(string.ascii_letters)
    a = [next(letters) for _ in range(n)]
    b = [a[both_x[both_y.index(j)]] if j in both_y else next(letters) for j in range(m)]
    left, right = [a[i] for i in range(n) if i not in both_x], [b[j] for j in range(m) if j not in both_y]
    return f"{''.join(a)},{''.join(b)}->{''.join([*[a[i] for i in batch_x], *left, *right])}"


def dot(lhs, rhs, *, dimension_numbers=None, precision=None, preferred_element_type=None):
    """The product of two vectors or matrices; with `dimension_numbers`, `dot_general`."""
    if dimension_numbers is None:
        n, m = typeof(lhs).ndim, typeof(rhs).ndim
        if n not in (1, 2) or m not in (1, 2):
            raise ShapeError(f"dot: takes vectors and matrices, got {typeof(lhs)} and {typeof(rhs)} at {at()}; use "
                             "`dot_general` or `batch_matmul`")  # fmt: skip
        dimension_numbers = (((n - 1,), (0,)), ((), ()))
    return dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type)


def batch_matmul(lhs, rhs, precision=None):
    """The products of two stacks of matrices: (..., n, k) and (..., k, m) -> (..., n, m)."""
    n, m = typeof(lhs).ndim, typeof(rhs).ndim
    if n < 2 or n != m:
        raise ShapeError(f"batch_matmul: takes two stacks of matrices with as many axes, got {typeof(lhs)} and "
                         f"{typeof(rhs)} at {at()}; reshape one of them")  # fmt: skip
    batch = tuple(range(n - 2))
    return dot_general(lhs, rhs, (((n - 1,), (n - 2,)), (batch, batch)), precision)
