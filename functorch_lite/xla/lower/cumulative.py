"""Lowerings of `prims.cumulative`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxlib.mlir import ir

from functorch_lite import dtypes
from functorch_lite.control.scan import Loop, scan
from functorch_lite.ir import ArrayType, Graph, Primitive, array_type
from functorch_lite.prims import cumulative as p
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import shape as s
from functorch_lite.prims.slicing import pad, slice
from functorch_lite.prims.special import log1p
from functorch_lite.trace import trace
from functorch_lite.transforms.simplify import simplify
from functorch_lite.xla.lower.reduce import highest, lowest
from functorch_lite.xla.lower.shape import converted, summing
from functorch_lite.xla.module import lowering


def window(low, x, type_, axis, reverse, start, combine: str):
    """Combine all elements up to each one along an axis. XLA rewrites such a window as a tree of short ones."""
    n, element = type_.shape[axis], array_type((), type_.dtype)

    def attributes():
        sizes = [n if a == axis else 1 for a in range(type_.ndim)]
        padding = np.zeros((type_.ndim, 2), np.int64)
        padding[axis] = (0, n - 1) if reverse else (n - 1, 0)
        ones = low.d.axes[(1,) * type_.ndim]
        return {"window_dimensions": low.d.axes[tuple(sizes)], "window_strides": ones, "base_dilations": ones,
                "window_dilations": ones, "padding": ir.DenseElementsAttr.get(padding.data)}  # fmt: skip

    made = low.memo(("window", type_.ndim, axis, n, reverse), attributes)
    op = low.op("reduce_window", type_, [x, low.constant(start, element)], made, regions=1)
    low.block(op.regions[0], [element, element], lambda a, b: [low.op(combine, element, [a, b])])
    return op.result


def _windowed(prim: Primitive, start: Callable, combine: str) -> None:
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
]:
    _windowed(_prim, _start, _combine)


# ---- in chunks ----
# A window costs about 30 combinations per element. Where one is dear, or takes pairs, chunks of the axis run at once,
# each from its own start; then the starts are found, and what they add is combined with each element: 2 or 3 per
# element, and about 2 sqrt(n) turns of a loop. Measured for 10^6 float32: logsumexp 9 ms, by a window 310 ms; the
# recurrence 7 ms, by log2(n) doublings 430 ms. A sum takes 5 ms by either way.

_WHOLE = 32  # axes up to this size are one chunk


class Chunked(NamedTuple):
    """An associative combination of tuples of arrays: combine(left, right), and what it starts from."""

    combine: Callable
    start: tuple


def _logsumexp(left, right):
    (a,), (b,) = left, right
    larger, difference = e.max_(a, b), e.sub(a, b)
    total = e.add(larger, log1p(e.exp(e.neg(e.abs_(difference)))))
    return [e.select(e.ne(difference, difference), larger, total)]  # NaN, or twice the same infinity


def _affine(left, right):
    """Of maps y -> f y + b, the left one first. A b of 0 stays 0 whatever f is: it stands for no element."""
    (f, b), (g, c) = left, right
    return [e.mul(f, g), e.select(e.eq(b, 0), c, e.add(e.mul(g, b), c))]


_LOGSUMEXP, _AFFINE = Chunked(_logsumexp, (-math.inf,)), Chunked(_affine, (1, 0))


@functools.lru_cache(1024)
def _in_chunks(how: Chunked, types: tuple[ArrayType, ...], axis: int, reverse: bool) -> Graph:
    """The graph that combines all elements up to each one along an axis; returns the last array of the tuple."""
    shape, n = types[0].shape, types[0].shape[axis]
    length = n if n <= _WHOLE else math.isqrt(n - 1) + 1
    count = -(-n // length)
    front = (axis, *[i for i in range(len(shape)) if i != axis])
    rest, wide = tuple([shape[i] for i in front[1:]]), summing(types[0].dtype)
    back = tuple([front.index(i) for i in range(len(shape))])
    swap = (1, 0, *range(2, len(rest) + 2))

    def chunks(x, start):
        """(step in a chunk, chunk, rest), in the direction of combination."""
        x = s.transpose(e.convert(x, wide), front)
        x = s.rev(x, (0,)) if reverse else x
        x = pad(x, s.full((), start, wide), [(0, count * length - n, 0)] + [(0, 0, 0)] * len(rest))
        return s.transpose(s.reshape(x, (count, length, *rest)), swap)

    def looped(xs, size, keep):
        """Combine over the rows of axis 0. keep: the last values and all those before; else all those with the row."""
        k, row = len(xs), array_type(size, wide)
        body = lambda *xs: (lambda y: [*y, *(xs[:k] if keep else y)])(how.combine(xs[:k], xs[k:]))
        graph = trace(body, [row] * 2 * k, transform="running").graph
        starts = [s.full(size, start, wide) for start in how.start]
        made = scan(Loop(graph, 0, k, xs[0].shape[0], False, 1, False), [*starts, *xs])
        return made[:k], made[k:]

    def body(*xs):
        xs = [chunks(x, start) for x, start in zip(xs, how.start, strict=True)]
        ends, ys = looped(xs, (count, *rest), False)
        if count > 1:
            _, before = looped(ends, rest, True)
            ys = how.combine([s.batch(x, length) for x in before], ys)
        y = s.reshape(s.transpose(ys[-1], swap), (count * length, *rest))
        y = slice(y, (0,) * len(front), (n, *rest))
        y = s.transpose(s.rev(y, (0,)) if reverse else y, back)
        return [e.convert(y, types[0].dtype)]

    return simplify(trace(body, types, transform="running").graph)


def _chunked(prim: Primitive, how: Chunked) -> None:
    @lowering(prim)
    def rule(low, xs, in_types, out_types, *, axis, reverse):
        if not out_types[0].size:
            return xs[-1]
        return low.apply(_in_chunks(how, tuple([t.strong() for t in in_types]), axis, reverse), xs, prim.name)[0]


_chunked(p.cumlogsumexp_p, _LOGSUMEXP)
_chunked(p.recurrence_p, _AFFINE)
