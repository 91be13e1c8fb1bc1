"""Elementwise primitives that read or write the bits of numbers."""

from __future__ import annotations

from functorch_lite import dtypes
from functorch_lite.ir import Primitive, array_type
from functorch_lite.prims.linear import unary
from functorch_lite.prims.pointwise import binary, elementwise
from functorch_lite.prims.select import linear
from functorch_lite.trace import at, bind, typeof

# ---- shifts of integers; by the width or more, no bit of the operand is left ----

shift_left_p = elementwise("shift_left", admits="iu", jvp=(None, None))
shift_right_logical_p = elementwise("shift_right_logical", admits="iu", jvp=(None, None))  # zeros come in
shift_right_arithmetic_p = elementwise("shift_right_arithmetic", admits="iu", jvp=(None, None))  # the sign bit does
population_count_p = elementwise("population_count", admits="iu", jvp=(None,))
clz_p = elementwise("clz", admits="iu", jvp=(None,))  # how many zeros the binary form begins with

shift_left, shift_right_logical = binary(shift_left_p), binary(shift_right_logical_p)
shift_right_arithmetic = binary(shift_right_arithmetic_p)
population_count, clz = unary(population_count_p), unary(clz_p)

# ---- floats ----

nextafter_p = elementwise("nextafter", admits="f", jvp=(None, None))
nextafter = binary(nextafter_p)

reduce_precision_p = elementwise(
    "reduce_precision",
    admits="f",
    params=("exponent_bits", "mantissa_bits"),
    jvp=(lambda t, y, x, **bits: reduce_precision(t, **bits),),
    transpose=lambda ct, x, **bits: (linear(lambda c: reduce_precision(c, **bits), ct),))


def reduce_precision(operand, exponent_bits, mantissa_bits):
    """`operand` rounded to the numbers that a float of so many bits holds, in the same dtype."""
    if exponent_bits < 1 or mantissa_bits < 0:
        raise ValueError(f"reduce_precision: no float has {exponent_bits} exponent and {mantissa_bits} mantissa bits, "
                         f"at {at()}; give at least 1 and 0")  # fmt: skip
    return bind(reduce_precision_p, operand, exponent_bits=exponent_bits, mantissa_bits=mantissa_bits)


# ---- reinterpretation ----


def width(dtype) -> int:
    """The bits that an element takes; the narrow types of ml_dtypes take fewer than their bytes hold."""
    return dtypes.iinfo(dtype).bits if dtypes.is_integer(dtype) else dtypes.finfo(dtype).bits


def _infer_bitcast(x, *, dtype):
    if x.dtype == dtype:
        return x.strong()
    if any(dtypes.kind(d) not in "iuf" for d in (x.dtype, dtype)):
        raise TypeError(f"bitcast_convert_type: does not take {x} to {dtypes.short(dtype)}, at {at()}; booleans and "
                        "complex numbers have no bits to reinterpret")  # fmt: skip
    old, new = width(x.dtype), width(dtype)
    if old == new:
        return array_type(x.shape, dtype, False, x.vary)
    if old > new:
        return array_type((*x.shape, old // new), dtype, False, x.vary)
    if not x.ndim or x.shape[-1] != new // old:
        raise ValueError(f"bitcast_convert_type: {new // old} elements make one {dtypes.short(dtype)}, so the last "
                         f"axis must have that size, got {x} at {at()}")  # fmt: skip
    return array_type(x.shape[:-1], dtype, False, x.vary)


bitcast_p = Primitive(
    "bitcast",
    params=("dtype",),
    infer=_infer_bitcast,
    jvp=(None,),
    vmap=lambda size, xs, batched, *, dtype: bitcast(xs[0], dtype),
    weak=())


def bitcast(x, dtype):
    """The bits of `x` read as another dtype; a wider one takes the last axis together, a narrower one adds an axis."""
    return x if typeof(x).dtype == dtype else bind(bitcast_p, x, dtype=dtype)
