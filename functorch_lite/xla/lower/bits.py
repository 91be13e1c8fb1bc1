"""Lowerings of `prims.bits`."""

from __future__ import annotations

from functorch_lite import dtypes
from functorch_lite.prims import bits as p
from functorch_lite.xla.lower.elementwise import simple, widened
from functorch_lite.xla.module import lowering

simple(p.shift_left_p, "shift_left")
simple(p.shift_right_logical_p, "shift_right_logical")
simple(p.shift_right_arithmetic_p, "shift_right_arithmetic")
simple(p.clz_p, "count_leading_zeros")
simple(p.nextafter_p, "chlo.next_after")


@lowering(p.population_count_p)
def _population_count(low, xs, in_types, out_types):
    """XLA keeps integers of fewer than 8 bits in bytes and counts the repeated sign bit, too."""
    bits = p.width(in_types[0].dtype)
    if bits == 8 * in_types[0].dtype.itemsize:
        return low.op("popcnt", out_types[0], xs)
    octets = in_types[0].with_dtype(dtypes.canonical("uint8"))
    inside = low.op("and", octets, [low.op("convert", octets, xs), low.constant(2**bits - 1, octets)])
    return low.op("convert", out_types[0], [low.op("popcnt", octets, [inside])])


@lowering(p.reduce_precision_p)
def _reduce_precision(low, xs, in_types, out_types, *, exponent_bits, mantissa_bits):
    attributes = low.memo(("reduce_precision", exponent_bits, mantissa_bits), lambda: {
        "exponent_bits": low.d.parsed[f"{exponent_bits} : i32"],
        "mantissa_bits": low.d.parsed[f"{mantissa_bits} : i32"]})  # fmt: skip
    return widened(low, lambda ys, type_: low.op("reduce_precision", type_, ys, attributes), xs, out_types[0])


@lowering(p.bitcast_p)
def _bitcast(low, xs, in_types, out_types, *, dtype):
    return low.op("bitcast_convert", out_types[0], xs)
