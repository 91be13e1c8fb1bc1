"""Lowerings of `prims.shape`."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.ir import array_type
from functorch_lite.prims import shape as p
from functorch_lite.xla.module import lowering


@lowering(p.full_p)
def _full(low, xs, in_types, out_types, *, shape, value, weak):
    return low.constant(value.value, out_types[0])


@lowering(p.iota_p)
def _iota(low, xs, in_types, out_types, *, dtype, shape, dimension):
    attributes = low.memo(("iota", dimension), lambda: {"iota_dimension": low.d.i64[dimension]})
    return low.op("iota", out_types[0], [], attributes)


@lowering(p.reshape_p)
def _reshape(low, xs, in_types, out_types, *, shape):
    return low.op("reshape", out_types[0], xs)


@lowering(p.transpose_p)
def _transpose(low, xs, in_types, out_types, *, axes):
    attributes = low.memo(("transpose", axes), lambda: {"permutation": low.d.axes[axes]})
    return low.op("transpose", out_types[0], xs, attributes)


@lowering(p.broadcast_p)
def _broadcast(low, xs, in_types, out_types, *, shape, axes):
    return low.broadcast(xs[0], in_types[0], shape, axes)


@lowering(p.rev_p)
def _rev(low, xs, in_types, out_types, *, axes):
    attributes = low.memo(("reverse", axes), lambda: {"dimensions": low.d.axes[axes]})
    return low.op("reverse", out_types[0], xs, attributes)


def summing(dtype: np.dtype) -> np.dtype:
    """The dtype in which sums and products are formed: narrow floats in float32, rounded once at the end."""
    return np.dtype(np.float32) if dtypes.is_float(dtype) and dtype.itemsize < 4 else dtype


def converted(low, x, type_, dtype):
    """`x` of this type in another dtype."""
    return x if type_.dtype == dtype else low.op("convert", array_type(type_.shape, dtype), [x])


def reduce(low, x, in_type, out_type, axes, combine: str, start):
    """Combine all elements along axes by one operation."""
    element = array_type((), in_type.dtype)
    attributes = low.memo(("reduce", axes), lambda: {"dimensions": low.d.axes[axes]})
    op = low.op("reduce", out_type, [x, low.constant(start, element)], attributes, regions=1)
    low.block(op.regions[0], [element, element], lambda x, y: [low.op(combine, element, [x, y])])
    return op.result


def reduce_wide(low, x, in_type, out_type, axes, combine: str, start):
    """The same in the dtype `summing`."""
    wide = summing(in_type.dtype)
    x = converted(low, x, in_type, wide)
    made = reduce(low, x, array_type(in_type.shape, wide), array_type(out_type.shape, wide), axes, combine, start)
    return converted(low, made, array_type(out_type.shape, wide), out_type.dtype)


@lowering(p.reduce_sum_p)
def _reduce_sum(low, xs, in_types, out_types, *, axes):
    return reduce_wide(low, xs[0], in_types[0], out_types[0], axes, "add", 0)
