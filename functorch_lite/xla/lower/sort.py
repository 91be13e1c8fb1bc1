"""Lowerings of `prims.sort`."""

from __future__ import annotations

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo as hlo

from functorch_lite import dtypes
from functorch_lite.ir import array_type
from functorch_lite.prims import sort as p
from functorch_lite.xla.module import lowering

_FLAG = array_type((), np.dtype(bool))
_KIND = {"b": "UNSIGNED", "u": "UNSIGNED", "i": "SIGNED", "f": "FLOAT", "c": "FLOAT"}
_BITS = {"float16": "int16", "bfloat16": "int16", "float32": "int32", "float64": "int64"}


class _Compare:
    """Emits the comparisons of two scalars of one dtype."""

    def __init__(self, low, dtype):
        self.low, self.dtype = low, dtype
        self.type, self.kind = array_type((), dtype), dtypes.kind(dtype)

    def _is(self, x, y, direction):
        attributes = self.low.memo(("order", direction, _KIND[self.kind]), lambda: {
            "comparison_direction": hlo.ComparisonDirectionAttr.get(direction),
            "compare_type": hlo.ComparisonTypeAttr.get(_KIND[self.kind])})  # fmt: skip
        return self.low.op("compare", _FLAG, [x, y], attributes)

    def _both(self, name, x, y):
        return self.low.op(name, _FLAG, [x, y])

    def less(self, x, y):
        """x before y: of floats, x is a number and not y <= x, which holds if y is NaN too."""
        if self.kind != "f":
            return self._is(x, y, "LT")
        return self._both("and", self._is(x, x, "EQ"), self.low.op("not", _FLAG, [self._is(x, y, "GE")]))

    def same(self, x, y):
        equal = self._is(x, y, "EQ")
        if self.kind != "f":
            return equal
        return self._both("or", equal, self._both("and", self._is(x, x, "NE"), self._is(y, y, "NE")))

    def parts(self, x, y):
        """(comparison, x, y) for each number that counts, the first one first."""
        if self.kind != "c":
            return [(self, x, y)]
        real = _Compare(self.low, dtypes.real_of(self.dtype))
        return [(real, *[self.low.op(name, real.type, [v]) for v in (x, y)]) for name in ("real", "imag")]


def _sorted_bits(low, x, type_, emit):
    """Floats as integers of the same order, which XLA sorts several times faster; -0.0 so comes before 0.0."""
    bits = np.dtype(_BITS[type_.dtype.name])
    whole, width = type_.with_dtype(bits), bits.itemsize * 8

    def flipped(v):
        sign = low.op("shift_right_arithmetic", whole, [v, low.constant(width - 1, whole)])
        mask = low.op("and", whole, [sign, low.constant(2 ** (width - 1) - 1, whole)])
        return low.op("xor", whole, [v, mask])

    compare = low.memo(("order", "NE", "FLOAT"), lambda: {
        "comparison_direction": hlo.ComparisonDirectionAttr.get("NE"),
        "compare_type": hlo.ComparisonTypeAttr.get("FLOAT")})  # fmt: skip
    is_nan = low.op("compare", type_.with_dtype(_FLAG.dtype), [x, x], compare)
    x = low.op("select", type_, [is_nan, low.constant(float("nan"), type_), x])
    (y,) = emit([flipped(low.op("bitcast_convert", whole, [x]))], [whole], _Compare(low, bits).less)
    return [low.op("bitcast_convert", type_, [flipped(y)])]


def _unpacked(dtype):
    """Bytes for integers of less than one, on which XLA's own steps fail here."""
    return {"int2": np.dtype(np.int8), "int4": np.dtype(np.int8), "uint2": np.dtype(np.uint8),
            "uint4": np.dtype(np.uint8)}.get(dtype.name, dtype)  # fmt: skip


@lowering(p.sort_p)
def _sort(low, xs, in_types, out_types, *, dimension, num_keys, stable):
    attributes = low.memo(("sort", dimension, stable), lambda: {
        "dimension": low.d.i64[dimension], "is_stable": ir.BoolAttr.get(stable)})  # fmt: skip

    def emit(operands, types, less=None):
        made = low.op("sort", types, operands, attributes, regions=1)
        scalars = [array_type((), t.dtype) for t in types for _ in range(2)]
        low.block(made.regions[0], scalars, (lambda x, y: [less(x, y)]) if less else before)
        return list(made.results)

    def before(*pairs):
        parts = []
        for k in range(num_keys):
            parts += _Compare(low, in_types[k].dtype).parts(pairs[2 * k], pairs[2 * k + 1])
        compare, x, y = parts[-1]
        result = compare.less(x, y)
        for compare, x, y in reversed(parts[:-1]):
            tie = low.op("and", _FLAG, [compare.same(x, y), result])
            result = low.op("or", _FLAG, [compare.less(x, y), tie])
        return [result]

    if len(xs) == 1 and in_types[0].dtype.name in _BITS:
        return _sorted_bits(low, xs[0], in_types[0], emit)
    wide = [t.with_dtype(_unpacked(t.dtype)) for t in in_types]
    change = lambda vs, have, want: [
        v if a.dtype == b.dtype else low.op("convert", b, [v]) for v, a, b in zip(vs, have, want, strict=True)]
    return change(emit(change(xs, in_types, wide), wide), wide, out_types)


@lowering(p.top_k_p)
def _top_k(low, xs, in_types, out_types, *, k):
    wide = out_types[0].with_dtype(_unpacked(in_types[0].dtype))
    x = low.op("convert", in_types[0].with_dtype(wide.dtype), xs) if wide is not out_types[0] else xs[0]
    types = [low.d.type[wide], low.d.type[out_types[1]]]
    y, positions = ir.Operation.create("chlo.top_k", types, [x], {"k": low.d.i64[k]}, loc=low.loc).results
    return [low.op("convert", out_types[0], [y]) if wide is not out_types[0] else y, positions]
