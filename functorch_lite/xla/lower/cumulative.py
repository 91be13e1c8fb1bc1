"""Lowerings of `prims.cumulative`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxlib.mlir import ir

from functorch_lite import dtypes
from functorch_lite.ir import Primitive, array_type
from functorch_lite.prims import cumulative as p
from functorch_lite.xla.lower.reduce import compare, highest, lowest
from functorch_lite.xla.lower.shape import converted, summing
from functorch_lite.xla.module import lowering


def window(low, x, type_, axis, reverse, start, combine: Callable):
    """Combine all elements up to each one along an axis. XLA rewrites such a window as a tree of short ones."""
    n, element = type_.shape[axis], array_type((), type_.dtype)

    def attributes():
        sizes = [n if a == axis else 1 for a in range(type_.ndim)]
        padding = np.zeros((type_.ndim, 2), np.int64)
        padding[axis] = (0, n - 1) if reverse else (n - 1, 0)
        ones = low.d.axes[(1,) * type_.ndim]
        return {"window_dimensions": low.d.axes[tuple(sizes)], "window_strides": ones, "base_dilations": ones,
                "window_dilations": ones, "padding": ir.DenseElementsAttr.get(padding)}  # fmt: skip

    made = low.memo(("window", type_.ndim, axis, n, reverse), attributes)
    op = low.op("reduce_window", type_, [x, low.constant(start, element)], made, regions=1)
    low.block(op.regions[0], [element, element], lambda a, b: [combine(low, element, a, b)])
    return op.result


def _add_exponentials(low, element, a, b):
    """log(exp(a) + exp(b)), also where both are the same infinity."""
    op = lambda name, *xs: low.op(name, element, xs)
    larger, difference = op("maximum", a, b), op("subtract", a, b)
    total = op("add", larger, op("log_plus_one", op("exponential", op("negate", op("abs", difference)))))
    undefined = compare(low, "NE", difference, difference)
    return op("select", undefined, larger, total)


def _running(prim: Primitive, start: Callable, combine: Callable | str) -> None:
    if type(combine) is str:
        name = combine
        combine = lambda low, element, a, b: low.op(name, element, [a, b])

    @lowering(prim)
    def rule(low, xs, in_types, out_types, *, axis, reverse):
        type_ = in_types[0]
        if not type_.size:
            return xs[0]
        wide = type_.with_dtype(_wide(type_.dtype))
        x = converted(low, xs[0], type_, wide.dtype)
        made = window(low, x, wide, axis, reverse, start(wide.dtype), combine)
        return converted(low, made, wide, type_.dtype)


def _wide(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.int32) if dtypes.is_integer(dtype) and dtype.itemsize < 4 else summing(dtype)


for _prim, _start, _combine in [
    (p.cumsum_p, lambda dtype: 0, "add"),
    (p.cumprod_p, lambda dtype: 1, "multiply"),
    (p.cummax_p, lowest, "maximum"),
    (p.cummin_p, highest, "minimum"),
    (p.cumlogsumexp_p, lambda dtype: float("-inf"), _add_exponentials),
]:
    _running(_prim, _start, _combine)


@lowering(p.recurrence_p)
def _recurrence(low, xs, in_types, out_types, *, axis, reverse):
    """By doubling: after step k, y[i] depends on y[i - 2**k], with the product of the a between as its factor."""
    type_ = out_types[0].with_dtype(summing(out_types[0].dtype))
    a, y = [converted(low, x, t, type_.dtype) for x, t in zip(xs, in_types, strict=True)]
    n, shape = type_.shape[axis], type_.shape

    def part(x, start, limit):
        """The elements from start to limit, counted in the direction of the recurrence."""
        start, limit = (n - limit, n - start) if reverse else (start, limit)
        at = lambda value, others: tuple([value if i == axis else m for i, m in enumerate(others)])
        zeros, ones = (0,) * len(shape), (1,) * len(shape)
        key = at(start, zeros), at(limit, shape), ones
        names = ("start_indices", "limit_indices", "strides")
        attributes = low.memo(("slice", *key), lambda: {k: low.d.axes[v] for k, v in zip(names, key, strict=True)})
        return low.op("slice", array_type(at(limit - start, shape), type_.dtype), [x], attributes)

    def joined(x, y):
        attributes = low.memo(("concatenate", axis), lambda: {"dimension": low.d.i64[axis]})
        return low.op("concatenate", type_, [y, x] if reverse else [x, y], attributes)

    k = 1
    while k < n:
        later = array_type(tuple([n - k if i == axis else m for i, m in enumerate(shape)]), type_.dtype)
        factor = part(a, k, n)
        term = low.op("multiply", later, [factor, part(y, 0, n - k)])
        y = joined(part(y, 0, k), low.op("add", later, [part(y, k, n), term]))
        a = joined(part(a, 0, k), low.op("multiply", later, [factor, part(a, 0, n - k)]))
        k *= 2
    return converted(low, y, type_, out_types[0].dtype)
