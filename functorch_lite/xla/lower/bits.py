"""Lowerings of `prims.bits`."""

from __future__ import annotations

from functorch_lite.prims import bits as p
from functorch_lite.xla.lower.elementwise import simple
from functorch_lite.xla.module import lowering

simple(p.shift_left_p, "shift_left")
simple(p.shift_right_logical_p, "shift_right_logical")
simple(p.shift_right_arithmetic_p, "shift_right_arithmetic")
simple(p.population_count_p, "popcnt")
simple(p.clz_p, "count_leading_zeros")
simple(p.nextafter_p, "chlo.next_after")


@lowering(p.reduce_precision_p)
def _reduce_precision(low, xs, in_types, out_types, *, exponent_bits, mantissa_bits):
    attributes = low.memo(("reduce_precision", exponent_bits, mantissa_bits), lambda: {
        "exponent_bits": low.d.parsed[f"{exponent_bits} : i32"],
        "mantissa_bits": low.d.parsed[f"{mantissa_bits} : i32"]})  # fmt: skip
    return low.op("reduce_precision", out_types[0], xs, attributes)


@lowering(p.bitcast_p)
def _bitcast(low, xs, in_types, out_types, *, dtype):
    return low.op("bitcast_convert", out_types[0], xs)
