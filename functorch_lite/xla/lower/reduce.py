"""Lowerings of `prims.reduce`."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.ir import Primitive, array_type
from functorch_lite.prims import reduce as p
from functorch_lite.xla.lower.shape import converted, reduce, reduce_wide
from functorch_lite.xla.module import lowering


@lowering(p.reduce_prod_p)
def _reduce_prod(low, xs, in_types, out_types, *, axes):
    return reduce_wide(low, xs[0], in_types[0], out_types[0], axes, "multiply", 1)


def lowest(dtype: np.dtype):
    """Where a maximum starts: no element is below."""
    kind = dtypes.kind(dtype)
    if kind == "b":
        return False
    if kind == "f" and np.isinf(np.asarray(-np.inf).astype(dtype).astype(np.float32)):
        return float("-inf")
    return (float if kind == "f" else int)((dtypes.finfo if kind == "f" else dtypes.iinfo)(dtype).min)


def highest(dtype: np.dtype):
    """Where a minimum starts: no element is above."""
    kind = dtypes.kind(dtype)
    if kind == "b":
        return True
    if kind == "f" and np.isinf(np.asarray(np.inf).astype(dtype).astype(np.float32)):
        return float("inf")
    return (float if kind == "f" else int)((dtypes.finfo if kind == "f" else dtypes.iinfo)(dtype).max)


def _all_ones(dtype: np.dtype):
    return True if dtypes.is_bool(dtype) else -1 if dtypes.kind(dtype) == "i" else int(dtypes.iinfo(dtype).max)


def _no_ones(dtype: np.dtype):
    return not dtypes.is_bool(dtype) and 0


def _simple(prim: Primitive, combine: str, start) -> None:
    @lowering(prim)
    def rule(low, xs, in_types, out_types, *, axes):
        return reduce(low, xs[0], in_types[0], out_types[0], axes, combine, start(in_types[0].dtype))


for _prim, _combine, _start in [
    (p.reduce_max_p, "maximum", lowest),
    (p.reduce_min_p, "minimum", highest),
    (p.reduce_and_p, "and", _all_ones),
    (p.reduce_or_p, "or", _no_ones),
    (p.reduce_xor_p, "xor", _no_ones),
]:
    _simple(_prim, _combine, _start)


def compare(low, direction: str, x, y, shape=()):
    attributes = low.memo(
        ("compare", direction),
        lambda: {"comparison_direction": low.d.parsed[f"#stablehlo<comparison_direction {direction}>"]})
    return low.op("compare", array_type(shape, BOOL), [x, y], attributes)


def _position(prim: Primitive, extremum: str, start, beats: str) -> None:
    @lowering(prim)
    def rule(low, xs, in_types, out_types, *, axis, dtype):
        packed = dtypes.is_integer(in_types[0].dtype) and not in_types[0].dtype.isbuiltin == 1
        type_ = in_types[0].with_dtype(I32) if packed else in_types[0]  # else their layouts differ from the positions'
        x = converted(low, xs[0], in_types[0], type_.dtype)
        by = _by_pairs if type_.shape[axis] <= _SHORT else _by_two
        made = by(low, x, type_, axis, start(type_.dtype), extremum, beats)
        return converted(low, made, array_type(out_types[0].shape, I32), dtype)


_SHORT = 64  # measured on CPU: rows of 10 take 77 us by pairs and 370 us by two, rows of 1000 take 4.4 and 0.65 ms
BOOL, I32 = np.dtype(bool), np.dtype(np.int32)


def _by_two(low, x, type_, axis, start, extremum, beats):
    """Reduce to the extremum, then to the first position where it, or a NaN, is."""
    shape, n = type_.shape, type_.shape[axis]
    small = array_type((*shape[:axis], *shape[axis + 1 :]), type_.dtype)
    y = reduce(low, x, type_, small, (axis,), extremum, start)
    y = low.broadcast(y, small, shape, tuple([a for a in range(len(shape)) if a != axis]))
    mask, where = array_type(shape, BOOL), array_type(shape, I32)
    hit = compare(low, "EQ", x, y, shape)
    if dtypes.is_float(type_.dtype):
        hit = low.op("or", mask, [hit, compare(low, "NE", x, x, shape)])
    position = low.op("iota", where, [], low.memo(("iota", axis), lambda: {"iota_dimension": low.d.i64[axis]}))
    position = low.op("select", where, [hit, position, low.constant(n, where)])
    return reduce(low, position, where, array_type(small.shape, I32), (axis,), "minimum", n)


def _by_pairs(low, x, type_, axis, start, extremum, beats):
    """Reduce pairs (element, position)."""
    shape = type_.shape
    value, index, mask = array_type((), type_.dtype), array_type((), I32), array_type((), BOOL)
    outs = [array_type((*shape[:axis], *shape[axis + 1 :]), d) for d in (type_.dtype, I32)]
    iota = low.memo(("iota", axis), lambda: {"iota_dimension": low.d.i64[axis]})
    operands = [x, low.op("iota", array_type(shape, I32), [], iota), low.constant(start, value), low.constant(0, index)]

    def better(a, i, b, j):
        first, tie = compare(low, beats, a, b), compare(low, "EQ", a, b)
        if dtypes.is_float(type_.dtype):
            p, q = compare(low, "NE", a, a), compare(low, "NE", b, b)
            first = low.op("or", mask, [first, compare(low, "GT", p, q)])
            tie = low.op("or", mask, [tie, low.op("and", mask, [p, q])])
        earlier = low.op("and", mask, [tie, compare(low, "LT", i, j)])
        take = low.op("or", mask, [first, earlier])
        return [low.op("select", value, [take, a, b]), low.op("select", index, [take, i, j])]

    op = low.op("reduce", outs, operands, low.memo(("reduce", (axis,)), lambda: {"dimensions": low.d.axes[(axis,)]}), 1)
    low.block(op.regions[0], [value, index, value, index], better)
    return op.results[1]


_position(p.argmax_p, "maximum", lowest, "GT")
_position(p.argmin_p, "minimum", highest, "LT")
