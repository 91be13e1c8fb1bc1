"""Host functions of `prims.bits`."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.host.elementwise import simple
from functorch_lite.host.registry import host, wide
from functorch_lite.prims import bits as p

# NumPy, too, shifts all bits out by the width or more, and takes negative distances for large ones.
simple(p.shift_left_p, np.left_shift)


def _unsigned(dtype: np.dtype):
    """A function from integers of the dtype to unsigned ones with the same bits; their width."""
    bits, inside = p.width(dtype), wide(dtype)
    view = np.dtype(f"uint{8 * inside.itemsize}")
    if bits == 8 * inside.itemsize:
        return (lambda x: np.asarray(x).view(view)), bits
    return (lambda x: x.astype(inside).view(view) & view.type(2**bits - 1)), bits


@host(p.shift_right_logical_p)
def _shift_right_logical(in_types, out_types):
    dtype = in_types[0].dtype
    unsigned, _ = _unsigned(dtype)
    return lambda x, y: np.right_shift(unsigned(x), unsigned(y)).astype(dtype)


@host(p.shift_right_arithmetic_p)
def _shift_right_arithmetic(in_types, out_types):
    """The first bit comes in, of unsigned integers too."""
    dtype = in_types[0].dtype
    bits, signed = p.width(dtype), np.dtype(f"int{8 * wide(dtype).itemsize}")

    def shift(x, y):
        x, y = np.asarray(x).astype(signed), np.asarray(y).astype(signed)
        if bits < 8:  # the sign of the narrow number goes to the first bit
            x, y = (x << (8 - bits)) >> (8 - bits), y & signed.type(2**bits - 1)
        return np.right_shift(x, y).astype(dtype)

    return shift


@host(p.population_count_p)
def _population_count(in_types, out_types):
    dtype = in_types[0].dtype
    unsigned, _ = _unsigned(dtype)
    return lambda x: np.bitwise_count(unsigned(x)).astype(dtype)


@host(p.clz_p)
def _clz(in_types, out_types):
    dtype = in_types[0].dtype
    unsigned, bits = _unsigned(dtype)

    def length(n):
        """The bits that a number of at most 53 bits takes."""
        return np.frexp(n.astype(np.float64))[1]

    def clz(x):
        n = unsigned(x)
        if bits < 64:
            return (bits - length(n)).astype(dtype)
        high = n >> np.uint64(32)
        return np.where(high == 0, 64 - length(n & np.uint64(2**32 - 1)), 32 - length(high)).astype(dtype)

    return clz


@host(p.nextafter_p)
def _nextafter(in_types, out_types):
    return np.nextafter


# ---- rounding to fewer bits ----

_BITS = {2: np.dtype(np.uint16), 4: np.dtype(np.uint32), 8: np.dtype(np.uint64)}


@host(p.reduce_precision_p)
def _reduce_precision(in_types, out_types, *, exponent_bits, mantissa_bits):
    dtype = in_types[0].dtype
    inside = dtype if dtype.itemsize > 1 else wide(dtype)
    bits, exponent, mantissa = _BITS[inside.itemsize], dtypes.finfo(inside).nexp, dtypes.finfo(inside).nmant
    sign = bits.type(1 << (exponent + mantissa))
    infinite = bits.type(((1 << exponent) - 1) << mantissa)

    def nearest(n):
        """Ties to even, by adding just less than half of the last bit that stays."""
        drop = mantissa - mantissa_bits
        last = bits.type(1 << drop)
        odd = (n & last) >> bits.type(drop)
        return (n + odd + ((last >> bits.type(1)) - bits.type(1))) & ~(last - bits.type(1))

    def bounded(n):
        """Infinity above the exponents that are left, zero below."""
        size, bias, left = n & ~sign, (1 << (exponent - 1)) - 1, (1 << (exponent_bits - 1)) - 1
        n = np.where((size & infinite) > bits.type((bias + left) << mantissa), (n & sign) | infinite, n)
        return np.where((size & infinite) <= bits.type((bias - left) << mantissa), n & sign, n)

    def reduce(x):
        x = np.asarray(x).astype(inside)
        n = x.view(bits)
        n = nearest(n) if mantissa_bits < mantissa else n
        n = bounded(n) if exponent_bits < exponent else n
        return np.where(np.isnan(x), x, n.view(inside)).astype(dtype)

    return reduce


# ---- reinterpretation ----


@host(p.bitcast_p)
def _bitcast(in_types, out_types, *, dtype):
    source, shape = in_types[0].dtype, out_types[0].shape
    if min(p.width(source), p.width(dtype)) >= 8:
        return lambda x: np.ascontiguousarray(x).reshape(-1).view(dtype).reshape(shape)
    return lambda x: _packed(_bits_of(x, p.width(source)), p.width(dtype), dtype).reshape(shape)


def _bits_of(x, width: int):
    """The bits of all elements in a row, the lowest of each first."""
    octets = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
    return np.unpackbits(octets, bitorder="little").reshape(-1, max(8, width))[:, :width].reshape(-1)


def _packed(row, width: int, dtype):
    """Elements of the dtype from a row of bits; a narrow one takes a whole byte each."""
    row = row.reshape(-1, width)
    if width < 8:
        row = np.pad(row, ((0, 0), (0, 8 - width)))
    octets = np.packbits(row.reshape(-1), bitorder="little")
    return octets.view(np.int8).astype(dtype) if dtypes.is_integer(dtype) and width < 8 else octets.view(dtype)
