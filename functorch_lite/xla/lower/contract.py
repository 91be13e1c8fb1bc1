"""Lowerings of `prims.contract`."""

from __future__ import annotations

import numpy as np
from jaxlib.mlir.dialects import stablehlo as hlo

from functorch_lite import dtypes
from functorch_lite.ir import array_type
from functorch_lite.prims import contract as p
from functorch_lite.xla.lower.shape import converted
from functorch_lite.xla.module import lowering


@lowering(p.dot_p)
def _dot(low, xs, in_types, out_types, *, spec, precision, preferred):
    a, b, out = p.split(spec)
    if any(c in a and c in b and c not in out for c in a):
        return _contraction(low, xs, in_types, out_types[0], spec, precision)
    parts = [_spread(low, x, t, term, out, out_types[0]) for x, t, term in zip(xs, in_types, (a, b), strict=True)]
    return low.op("multiply", out_types[0], parts)


def _spread(low, x, type_, term, out, out_type):
    """An operand of a product without sums, repeated over the axes of the result that it has not."""
    x = converted(low, x, type_, out_type.dtype)
    letters = sorted(term, key=out.index)
    x = _permuted(low, x, array_type(type_.shape, out_type.dtype), [term.index(c) for c in letters])
    if len(term) == len(out):
        return x
    small = array_type(tuple([type_.shape[term.index(c)] for c in letters]), out_type.dtype)
    return low.broadcast(x, small, out_type.shape, tuple([out.index(c) for c in letters]))


def _permuted(low, x, type_, order):
    """Result axis i is axis order[i] of `x`."""
    order = tuple(order)
    if order == tuple(range(len(order))):
        return x
    permutation = low.memo(("transpose", order), lambda: {"permutation": low.d.axes[order]})
    return low.op("transpose", array_type(tuple([type_.shape[i] for i in order]), type_.dtype), [x], permutation)


def _contraction(low, xs, in_types, out_type, spec, precision):
    """dot_general, then a transpose where the letters come in another order."""
    a, b, out = p.split(spec)
    shared = [c for c in a if c in b and c in out]
    summed = [c for c in a if c in b and c not in out]
    got = [*shared, *[c for c in a if c not in b], *[c for c in b if c not in a]]
    size = dict(zip(out, out_type.shape, strict=True))
    result = array_type(tuple([size[c] for c in got]), out_type.dtype)

    def attributes():
        numbers = hlo.DotDimensionNumbers.get(
            [a.index(c) for c in shared], [b.index(c) for c in shared],
            [a.index(c) for c in summed], [b.index(c) for c in summed])  # fmt: skip
        made = {"dot_dimension_numbers": numbers}
        if precision is not None:
            pair = precision if type(precision) is tuple else (precision, precision)
            made["precision_config"] = low.d.parsed[
                "[" + ", ".join([f"#stablehlo<precision {word.upper()}>" for word in pair]) + "]"]
        return made

    made = low.memo(("dot", spec, precision), attributes)
    order, wide = [got.index(c) for c in out], _summable(in_types[0].dtype)
    if wide is None:
        return _permuted(low, low.op("dot_general", result, xs, made), result, order)
    xs = [converted(low, x, t, wide) for x, t in zip(xs, in_types, strict=True)]
    value = low.op("dot_general", result.with_dtype(wide), xs, made)
    return _permuted(low, converted(low, value, result.with_dtype(wide), result.dtype), result, order)


def _summable(dtype: np.dtype) -> np.dtype | None:
    """The dtype to which operands are converted that XLA multiplies badly or not at all; None for all others."""
    if dtype.isbuiltin == 1 or dtype.name.startswith(("bfloat16", "float16", "float8_e4", "float8_e5")):
        return None
    return np.dtype(np.float32 if dtypes.is_float(dtype) else np.int32)
