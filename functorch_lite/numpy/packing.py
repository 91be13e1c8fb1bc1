"""Booleans packed into bytes, and back."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.numpy.promote import as_array, canonical_axis
from functorch_lite.numpy.reductions import sum
from functorch_lite.numpy.shape import moveaxis
from functorch_lite.trace import at, typeof

__all__ = ["packbits", "unpackbits"]

_BYTE = np.dtype(np.uint8)


def _places(name, bitorder):
    """How far the bits of a byte are shifted, in order; (8,) uint8."""
    if bitorder not in ("big", "little"):
        raise ValueError(f'{name}: bitorder={bitorder!r} at {at()}; give "big" or "little"')
    up = lax.iota(_BYTE, 8)
    return lax.sub(7, up) if bitorder == "big" else up


def packbits(a, axis=None, bitorder="big"):
    """Every eight elements along an axis as the bits of one byte, filled up with zeros; nonzero elements are 1.

    a: booleans or integers (..., n, ...) -> uint8 (..., ceil(n / 8), ...), a vector if `axis` is None.
    """
    a = as_array("packbits", a)
    if dtypes.kind(typeof(a).dtype) not in "biu":
        raise TypeError(f"packbits: takes booleans or integers, got {typeof(a)} at {at()}; compare with 0")
    places = _places("packbits", bitorder)
    if axis is None:
        a, axis = lax.reshape(a, (typeof(a).size,)), 0
    axis = canonical_axis("packbits", axis, typeof(a).ndim)
    bits = moveaxis(lax.convert_element_type(lax.ne(a, 0), _BYTE), axis, -1)
    *rest, n = typeof(bits).shape
    if n % 8:
        bits = lax.pad(bits, lax.full((), 0, _BYTE), [*[(0, 0, 0)] * len(rest), (0, -n % 8, 0)])
    shape = (*rest, -(-n // 8), 8)
    shifted = lax.shift_left(lax.reshape(bits, shape), lax.broadcast_in_dim(places, shape, (len(rest) + 1,)))
    return moveaxis(sum(shifted, -1, promote_integers=False), -1, axis)


def unpackbits(a, axis=None, count=None, bitorder="big"):
    """The bits of bytes along an axis as zeros and ones.

    a: uint8 (..., n, ...) -> uint8 (..., 8 n, ...), a vector if `axis` is None. count: how many bits to keep; a
    negative one says how many to leave out. Raises TypeError for other dtypes.
    """
    a = as_array("unpackbits", a)
    if typeof(a).dtype != _BYTE:
        raise TypeError(f"unpackbits: takes u8, got {typeof(a)} at {at()}; convert it")
    places = _places("unpackbits", bitorder)
    if axis is None:
        a, axis = lax.reshape(a, (typeof(a).size,)), 0
    axis = canonical_axis("unpackbits", axis, typeof(a).ndim)
    a = moveaxis(a, axis, -1)
    *rest, n = typeof(a).shape
    shape = (*rest, n, 8)
    wide = lax.broadcast_in_dim(a, shape, tuple(range(len(rest) + 1)))
    bits = lax.shift_right_logical(wide, lax.broadcast_in_dim(places, shape, (len(rest) + 1,)))
    bits = lax.reshape(lax.bitwise_and(bits, 1), (*rest, 8 * n))
    if count is not None:
        kept = min(max(count if count >= 0 else 8 * n + count, 0), 8 * n)
        bits = lax.slice(bits, (0,) * (len(rest) + 1), (*rest, kept))
        if count > 8 * n:
            bits = lax.pad(bits, lax.full((), 0, _BYTE), [*[(0, 0, 0)] * len(rest), (0, count - 8 * n, 0)])
    return moveaxis(bits, -1, axis)
