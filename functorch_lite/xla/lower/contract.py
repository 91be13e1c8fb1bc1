"""Lowerings of `prims.contract`."""

from __future__ import annotations

from jaxlib.mlir.dialects import stablehlo as hlo

from functorch_lite.ir import array_type
from functorch_lite.prims import contract as p
from functorch_lite.xla.module import lowering


@lowering(p.dot_p)
def _dot(low, xs, in_types, out_types, *, spec, precision, preferred):
    """dot_general, then a transpose where the letters come in another order."""
    a, b, out = p.split(spec)
    shared = [c for c in a if c in b and c in out]
    summed = [c for c in a if c in b and c not in out]
    got = [*shared, *[c for c in a if c not in b], *[c for c in b if c not in a]]
    size = dict(zip(out, out_types[0].shape, strict=True))
    result = array_type(tuple([size[c] for c in got]), out_types[0].dtype)

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

    value = low.op("dot_general", result, xs, low.memo(("dot", spec, precision), attributes))
    if got == list(out):
        return value
    order = tuple([got.index(c) for c in out])
    permutation = low.memo(("transpose", order), lambda: {"permutation": low.d.axes[order]})
    return low.op("transpose", out_types[0], [value], permutation)
