"""Lowerings of `prims.index`."""

from __future__ import annotations

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo as hlo

from functorch_lite import dtypes
from functorch_lite.ir import array_type
from functorch_lite.prims import index as p
from functorch_lite.xla.module import lowering


def wide(low, indices, type_):
    """Indices of at least 32 bits: the bounds they are compared with may not fit into less."""
    if type_.dtype.itemsize >= 4:
        return indices, type_
    type_ = type_.with_dtype(p.I32)
    return low.op("convert", type_, [indices]), type_


def _bounds(low, type_, values):
    """A constant per component of the index vectors, repeated over their shape."""
    limit = dtypes.iinfo(type_.dtype).max
    row = np.array([min(v, limit) for v in values], type_.dtype)
    return low.broadcast(low.dense(row), array_type(row.shape, row.dtype), type_.shape, (type_.ndim - 1,))


def _inside(low, indices, type_, high):
    """A mask of the index vectors that lie within 0 and `high`."""
    flags, element = type_.with_dtype(np.dtype(bool)), array_type((), np.dtype(bool))

    def compare(bound, direction):
        kind = "UNSIGNED" if dtypes.kind(type_.dtype) == "u" else "SIGNED"
        return low.op("compare", flags, [indices, bound], low.memo(("inside", direction, kind), lambda: {
            "comparison_direction": hlo.ComparisonDirectionAttr.get(direction),
            "compare_type": hlo.ComparisonTypeAttr.get(kind)}))  # fmt: skip

    good = compare(_bounds(low, type_, high), "LE")
    if dtypes.kind(type_.dtype) == "i":
        good = low.op("and", flags, [good, compare(low.constant(0, type_), "GE")])
    axes = (type_.ndim - 1,)
    attributes = low.memo(("reduce", axes), lambda: {"dimensions": low.d.axes[axes]})
    made = low.op("reduce", array_type(type_.shape[:-1], element.dtype), [good, low.constant(True, element)],
                  attributes, regions=1)  # fmt: skip
    low.block(made.regions[0], [element, element], lambda a, b: [low.op("and", element, [a, b])])
    return made.result


@lowering(p.gather_p)
def gather(low, xs, in_types, out_types, *, dims, slice_sizes, mode, fill, unique, ordered):
    x_type, out = in_types[0], out_types[0]
    indices, i_type = wide(low, xs[1], in_types[1])
    window, dropped, index_map, batching, index_batching = dims
    attributes = low.memo(("gather", dims, i_type.ndim, slice_sizes, ordered), lambda: {
        "dimension_numbers": hlo.GatherDimensionNumbers.get(
            list(window), list(dropped), list(batching), list(index_batching), list(index_map), i_type.ndim - 1),
        "slice_sizes": low.d.axes[slice_sizes],
        "indices_are_sorted": ir.BoolAttr.get(ordered)})  # fmt: skip
    y = low.op("gather", out, [xs[0], indices], attributes)
    if fill is None or not index_map:
        return y
    good = _inside(low, indices, i_type, [x_type.shape[a] - slice_sizes[a] for a in index_map])
    flag = array_type(i_type.shape[:-1], np.dtype(bool))
    good = low.broadcast(good, flag, out.shape, p.batch_axes(out.ndim, dims))
    return low.op("select", out, [good, y, low.constant(fill.value, out)])


def _register(prim, combine):
    """XLA leaves out the windows that stick out, which is mode `drop`; `clip` moves their starts before."""

    @lowering(prim)
    def rule(low, xs, in_types, out_types, *, dims, mode, unique, ordered):
        x_type, u_type = in_types[0], in_types[2]
        indices, i_type = wide(low, xs[1], in_types[1])
        window, dropped, index_map, batching, index_batching = dims
        if mode == "clip" and index_map:
            sizes = p.window_sizes(x_type.ndim, u_type.shape, dims)
            high = _bounds(low, i_type, [x_type.shape[a] - sizes[a] for a in index_map])
            indices = low.op("clamp", i_type, [low.constant(0, i_type), indices, high])
        attributes = low.memo(("scatter", dims, i_type.ndim, unique, ordered), lambda: {
            "scatter_dimension_numbers": hlo.ScatterDimensionNumbers.get(
                list(window), list(dropped), list(batching), list(index_batching), list(index_map), i_type.ndim - 1),
            "indices_are_sorted": ir.BoolAttr.get(ordered),
            "unique_indices": ir.BoolAttr.get(unique)})  # fmt: skip
        made = low.op("scatter", out_types[0], [xs[0], indices, xs[2]], attributes, regions=1)
        element = array_type((), x_type.dtype)
        body = (lambda x, u: [u]) if combine is None else (lambda x, u: [low.op(combine, element, [x, u])])
        low.block(made.regions[0], [element, element], body)
        return made.result


for _prim, _combine in [
    (p.scatter_p, None),
    (p.scatter_add_p, "add"),
    (p.scatter_mul_p, "multiply"),
    (p.scatter_min_p, "minimum"),
    (p.scatter_max_p, "maximum"),
]:
    _register(_prim, _combine)


def _starts(low, starts, where, types):
    """All start indices in one dtype, as XLA wants them."""
    kinds = {t.dtype for t in types}
    dtype = kinds.pop() if len(kinds) == 1 else np.dtype(np.int64 if kinds else np.int32)
    scalar = array_type((), dtype if dtype.itemsize >= 4 else p.I32)
    given = iter(zip(where, types, strict=True))
    made = []
    for start in starts:
        if start is not None:
            made.append(low.constant(start, scalar))
            continue
        x, t = next(given)
        made.append(x if t.dtype == scalar.dtype else low.op("convert", scalar, [x]))
    return made


@lowering(p.dynamic_slice_p)
def _dynamic_slice(low, xs, in_types, out_types, *, starts, sizes):
    x, *where = xs
    if not where:
        limits = tuple([a + n for a, n in zip(starts, sizes, strict=True)])
        attributes = low.memo(("slice", starts, limits, 1), lambda: {
            "start_indices": low.d.axes[starts], "limit_indices": low.d.axes[limits],
            "strides": low.d.axes[(1,) * len(starts)]})  # fmt: skip
        return low.op("slice", out_types[0], [x], attributes)
    attributes = low.memo(("dynamic_slice", sizes), lambda: {"slice_sizes": low.d.axes[sizes]})
    return low.op("dynamic_slice", out_types[0], [x, *_starts(low, starts, where, in_types[1:])], attributes)


@lowering(p.dynamic_update_slice_p)
def _dynamic_update_slice(low, xs, in_types, out_types, *, starts):
    x, update, *where = xs
    return low.op("dynamic_update_slice", out_types[0], [x, update, *_starts(low, starts, where, in_types[2:])])
