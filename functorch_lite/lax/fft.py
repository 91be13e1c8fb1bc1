"""`lax.fft`: Fourier transforms along the last axes."""

from __future__ import annotations

import enum

from functorch_lite.errors import ShapeError
from functorch_lite.lax.shape import ints
from functorch_lite.prims import fft as p
from functorch_lite.trace import at, typeof

__all__ = ["FftType", "fft"]


class FftType(enum.IntEnum):
    """Which transform `fft` computes: of complex numbers, of real ones, and their inverses."""

    FFT, IFFT, RFFT, IRFFT = range(4)


def fft(x, fft_type, fft_lengths):
    """The discrete Fourier transform over as many last axes as `fft_lengths` has entries.

    x: (..., *fft_lengths) complex -> the same type; for "RFFT" real -> complex, where the last axis keeps n // 2 + 1
    elements; for "IRFFT" back from there. fft_type: an `FftType` or its name. The inverses divide by the number of
    elements. Raises ValueError for other sizes, TypeError for other dtypes.
    """
    kind = _kind(fft_type)
    sizes = ints("fft", fft_lengths)
    ndim = typeof(x).ndim
    if not 1 <= len(sizes) <= ndim:
        raise ShapeError(f"fft: fft_lengths={sizes} for {typeof(x)} at {at()}; give the sizes of its last axes")
    axes = range(ndim - len(sizes), ndim)
    if kind == "rfft":
        x = p.fft(x, kind, sizes[-1], ndim - 1)
    inner = {"rfft": "fft", "irfft": "ifft"}.get(kind)
    for size, axis in zip(sizes, axes, strict=True):
        if inner is None or axis != ndim - 1:
            x = p.fft(x, inner or kind, size, axis)
    return p.fft(x, kind, sizes[-1], ndim - 1) if kind == "irfft" else x


def _kind(fft_type) -> str:
    try:
        return (FftType[fft_type] if isinstance(fft_type, str) else FftType(fft_type)).name.lower()
    except (KeyError, ValueError):
        known = ", ".join(FftType.__members__)
        raise ValueError(f"fft: fft_type={fft_type!r} is unknown, at {at()}; use one of {known}") from None
