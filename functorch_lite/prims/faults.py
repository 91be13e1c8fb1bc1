"""What can silently go wrong in an operation: predicates that checked programs evaluate beside it.

A record's `faults` maps a kind of fault to (ys, *xs, **params) -> a boolean without axes, True where it happened, or
None where it cannot. Attached here, since the predicates are written with operations of all families.
"""

from __future__ import annotations

import functools

from functorch_lite import dtypes
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import index, random, reduce
from functorch_lite.prims.linear import shape_of
from functorch_lite.prims.shape import reshape
from functorch_lite.prims.slicing import slice as static_slice
from functorch_lite.trace import SCALARS, typeof


def some(x):
    """Whether any element of a boolean array is True."""
    return reduce.reduce_or(x, range(len(shape_of(x))))


def _either(parts):
    return functools.reduce(e.or_, parts) if parts else None


def nan_made(ys, xs):
    """Whether a float result holds NaN although no operand does."""
    is_nan = lambda x: some(e.ne(x, x))
    inexact = lambda x: type(x) not in SCALARS and dtypes.is_inexact(typeof(x).dtype)
    made = _either([is_nan(y) for y in ys if inexact(y)])
    given = _either([is_nan(x) for x in xs if inexact(x)])
    return made if made is None or given is None else e.and_(made, e.not_(given))


def _zero_divisor(ys, x, y):
    if type(y) in SCALARS:
        return None if y else some(e.eq(ys[0], ys[0])) if dtypes.is_integer(typeof(ys[0]).dtype) else None
    return some(e.eq(y, 0))


def _outside(indices, dims, shape, window):
    """Whether an index vector points at a window that is not inside the operand."""
    axis, parts = len(shape_of(indices)) - 1, []
    for k, a in enumerate(dims[2]):
        n = shape_of(indices)
        column = static_slice(indices, (*[0] * axis, k), (*n[:-1], k + 1))
        column = reshape(column, n[:-1])
        parts += [some(e.lt(column, 0)), some(e.gt(column, shape[a] - window[a]))]
    return _either(parts)


def _gather(ys, x, indices, *, dims, slice_sizes, **_):
    return _outside(indices, dims, shape_of(x), slice_sizes)


def _scatter(ys, x, indices, updates, *, dims, **_):
    shape, sizes = shape_of(x), iter([shape_of(updates)[a] for a in dims[0]])
    window = [1 if a in dims[1] or a in dims[3] else next(sizes) for a in range(len(shape))]
    return _outside(indices, dims, shape, window)


def _dynamic(sizes_of):
    def rule(ys, x, *rest, starts, **params):
        sizes, where = sizes_of(rest, params)
        free = [(n, size) for start, n, size in zip(starts, shape_of(x), sizes, strict=True) if start is None]
        parts = []
        for start, (n, size) in zip(where, free, strict=True):
            parts += [e.lt(start, 0), e.gt(start, n - size)]
        return _either(parts)

    return rule


e.div_p.faults = e.rem_p.faults = {"div": _zero_divisor}
index.gather_p.faults = {"index": _gather}
for _prim in (index.scatter_p, index.scatter_add_p, index.scatter_mul_p, index.scatter_min_p, index.scatter_max_p):
    _prim.faults = {"index": _scatter}
index.dynamic_slice_p.faults = {"index": _dynamic(lambda rest, params: (params["sizes"], rest))}
index.dynamic_update_slice_p.faults = {"index": _dynamic(lambda rest, params: (shape_of(rest[0]), rest[1:]))}

KEY_CONSUMERS = (random.random_bits_p, random.random_split_p)  # a key may be the operand of one of these once
