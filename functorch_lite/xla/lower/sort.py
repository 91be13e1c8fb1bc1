"""Lowerings of `prims.sort`."""

from __future__ import annotations

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo as hlo

from functorch_lite import dtypes
from functorch_lite.ir import array_type
from functorch_lite.prims import sort as p
from functorch_lite.xla.lower.index import gather
from functorch_lite.xla.module import lowering

_FLAG = array_type((), np.dtype(bool))
_KIND = {"b": "UNSIGNED", "u": "UNSIGNED", "i": "SIGNED", "f": "FLOAT", "c": "FLOAT"}
_PACKED = frozenset("bool int8 int16 int32 uint8 uint16 uint32 float16 bfloat16 float32".split())
_LARGE = 1 << 15  # elements: there packing saves 13 ms of 18, and costs 80 ms more to compile
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


# ---- as integers ----
# XLA's CPU sorts one array by a plain `<` four times as fast as by any other comparison, or as several arrays.


def _ascending(low, x, type_):
    """Signed integers of the same width that are in the order of these floats, and their type; NaN is one number."""
    bits = np.dtype(_BITS[type_.dtype.name])
    whole = type_.with_dtype(bits)
    x = _replaced(low, x, type_, "NE", x, float("nan"))
    return _flipped(low, low.op("bitcast_convert", whole, [x]), whole), whole


def _replaced(low, x, type_, direction, y, value):
    """`x`, but `value` where the comparison with `y` holds."""
    compare = low.memo(("order", direction, "FLOAT"), lambda: {
        "comparison_direction": hlo.ComparisonDirectionAttr.get(direction),
        "compare_type": hlo.ComparisonTypeAttr.get("FLOAT")})  # fmt: skip
    where = low.op("compare", type_.with_dtype(_FLAG.dtype), [x, y], compare)
    return low.op("select", type_, [where, low.constant(value, type_), x])


def _flipped(low, x, type_):
    """The bits below the sign reversed in negative numbers; twice, and they are as before."""
    width = type_.dtype.itemsize * 8
    sign = low.op("shift_right_arithmetic", type_, [x, low.constant(width - 1, type_)])
    mask = low.op("and", type_, [sign, low.constant(2 ** (width - 1) - 1, type_)])
    return low.op("xor", type_, [x, mask])


def _sorted_floats(low, x, type_, emit):
    """One array of floats; -0.0 so comes before 0.0."""
    bits, whole = _ascending(low, x, type_)
    (y,) = emit([bits], [whole], _Compare(low, whole.dtype).less)
    return [low.op("bitcast_convert", type_, [_flipped(low, y, whole)])]


def _sorted_packed(low, xs, types, dimension, emit):
    """By one key of 32 bits or fewer: key and position packed into 64 bits are sorted, then the positions fetched."""
    key, key_type = xs[0], types[0]
    if key_type.dtype.name in _BITS:
        key = _replaced(low, key, key_type, "EQ", low.constant(0.0, key_type), 0.0)  # -0.0 becomes 0.0
        key, key_type = _ascending(low, key, key_type)
    long = key_type.with_dtype(np.dtype(np.uint64))
    if dtypes.kind(key_type.dtype) == "i":
        half, start = key_type.with_dtype(np.dtype(np.int64)), 2 ** (key_type.dtype.itemsize * 8 - 1)
        key, key_type = low.op("add", half, [low.op("convert", half, [key]), low.constant(start, half)]), half
    key = low.op("shift_left", long, [low.op("convert", long, [key]), low.constant(32, long)])
    attributes = low.memo(("iota", dimension), lambda: {"iota_dimension": low.d.i64[dimension]})
    key = low.op("or", long, [key, low.op("iota", long, [], attributes)])
    (packed,) = emit([key], [long], _Compare(low, long.dtype).less)
    half = long.with_dtype(np.dtype(np.uint32))
    positions = low.op("convert", half, [packed])
    indices = half.with_shape((*half.shape, 1))
    order = low.op("reshape", indices, [positions])
    others = tuple([a for a in range(half.ndim) if a != dimension])
    dims = ((), (dimension,), (dimension,), others, others)

    def fetch(x, t):
        made = getattr(x.owner, "operation", None)  # None: an argument of the program
        if made is not None and made.name == "stablehlo.iota" and made.attributes["iota_dimension"].value == dimension:
            return low.op("convert", t, [positions])  # an argsort
        return gather(low, [x, order], [t, indices], [t], dims=dims, slice_sizes=(1,) * t.ndim, mode="promise",
                      fill=None, unique=True, ordered=False)  # fmt: skip

    return [fetch(x, t) for x, t in zip(xs, types, strict=True)]


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
        return _sorted_floats(low, xs[0], in_types[0], emit)
    if len(xs) > 1 and num_keys == 1 and in_types[0].dtype.name in _PACKED and in_types[0].size >= _LARGE:
        return _sorted_packed(low, xs, in_types, dimension, emit)
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
