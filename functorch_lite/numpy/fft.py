"""`numpy.fft`: discrete Fourier transforms, of any number of axes one after another.

All take `norm`: "backward" divides the inverse by the number of elements, "forward" the other direction, "ortho" both
by its square root. Integers and booleans are transformed as floats, floats of 16 bits or fewer in float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.numpy.creation import or_float
from functorch_lite.numpy.promote import (
    INEXACT,
    as_array,
    asarray,
    canonical_axes,
    canonical_axis,
    one_integer,
    placed,
    promote_dtypes,
    said,
)
from functorch_lite.numpy.shape import roll
from functorch_lite.numpy.ufuncs import conj, divide, multiply
from functorch_lite.prims import fft as p
from functorch_lite.trace import at, typeof

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft",
    "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

_NORMS = ("backward", "ortho", "forward")


# ---- one axis ----


def _operand(name, a, kind):
    """`a` in the dtype that a transform of this kind takes."""
    (a,) = promote_dtypes(name, as_array(name, a), rule=INEXACT)
    dtype = typeof(a).dtype
    if kind == "rfft":
        if dtypes.is_complex(dtype):
            raise TypeError(f"{name}: takes real numbers, got {typeof(a)} at {at()}; use `fft`, or take the real part")
        wide = dtypes.promote((dtype, np.dtype(np.float32)), (False, False))[0]
    else:
        wide = dtypes.complex_of(dtype)
    return a if dtype == wide else lax.convert_element_type(a, wide)


def _fitted(a, n, axis):
    """`a` with n elements along `axis`: cut, or with zeros at the end."""
    have = typeof(a).shape[axis]
    if n < have:
        return lax.slice_in_dim(a, 0, n, axis=axis)
    config = [(0, n - have if k == axis else 0, 0) for k in range(typeof(a).ndim)]
    return lax.pad(a, lax.full((), 0, typeof(a).dtype), config) if n > have else a


def _scale(name, norm, n, inverse) -> float:
    """The factor beside the transform, whose inverse divides by n already."""
    if not (norm is None or (isinstance(norm, str) and norm in _NORMS)):
        raise ValueError(f"{name}: norm={said(norm)} at {at()}; give {', '.join(map(repr, _NORMS))}")
    power = {"ortho": 0.5, "forward": 1.0}.get(norm or "backward", 0.0)
    return n**power if inverse else n**-power


def _size(name, n) -> int:
    n = one_integer(name, "a size", n)
    if n < 1:
        raise ValueError(f"{name}: transforms at least one element, got {n} at {at()}")
    return n


def _along(name, kind, a, n, axis, norm):
    a = _operand(name, a, kind)
    axis = canonical_axis(name, axis, typeof(a).ndim)
    have = typeof(a).shape[axis]
    n = _size(name, (2 * (have - 1) if kind == "irfft" else have) if n is None else n)
    made = p.fft(_fitted(a, p.half(n) if kind == "irfft" else n, axis), kind, n, axis)
    scale = _scale(name, norm, n, kind.startswith("i"))
    return made if scale == 1 else lax.mul(made, scale)


def fft(a, n=None, axis=-1, norm=None):
    """The transform of complex or real numbers along `axis`, of which `n` are taken, with zeros where there are fewer.

    a: any shape -> that shape with n along `axis`, complex. Raises ValueError for n < 1.
    """
    return _along("fft", "fft", a, n, axis, norm)


def ifft(a, n=None, axis=-1, norm=None):
    """The inverse of `fft`."""
    return _along("ifft", "ifft", a, n, axis, norm)


def rfft(a, n=None, axis=-1, norm=None):
    """The first n // 2 + 1 elements of `fft` of real numbers: the others are conjugates of them.

    Raises TypeError for complex numbers.
    """
    return _along("rfft", "rfft", a, n, axis, norm)


def irfft(a, n=None, axis=-1, norm=None):
    """The inverse of `rfft`: n real numbers, by default 2 (m - 1) for m elements."""
    return _along("irfft", "irfft", a, n, axis, norm)


def hfft(a, n=None, axis=-1, norm=None):
    """The `fft` of a signal with conjugate symmetry, given by its first half: n real numbers."""
    return _along("hfft", "irfft", conj(as_array("hfft", a)), n, axis, _turned(norm))


def ihfft(a, n=None, axis=-1, norm=None):
    """The inverse of `hfft`: n // 2 + 1 complex numbers."""
    return conj(_along("ihfft", "rfft", a, n, axis, _turned(norm)))


def _turned(norm):
    """The name of a norm in the opposite direction; what is none is refused later."""
    return "forward" if norm in (None, "backward") else "backward" if norm == "forward" else norm


# ---- several axes ----


def _axes(name, a, s, axes) -> list[tuple]:
    """(axis, size or None for that of the axis) in order."""
    ndim = typeof(a).ndim
    s = s if s is None or isinstance(s, Sequence) else (s,)
    if axes is None:
        axes = range(ndim) if s is None else range(ndim - len(s), ndim)
    axes = [canonical_axis(name, k, ndim) for k in (axes if isinstance(axes, Sequence) else (axes,))]
    sizes = [None] * len(axes) if s is None else [None if n == -1 else n for n in s]
    if len(sizes) != len(axes):
        raise ValueError(f"{name}: got {len(sizes)} sizes for {len(axes)} axes at {at()}; give one for each")
    return list(zip(axes, sizes, strict=True))


def _over(name, kind, a, s, axes, norm):
    a = as_array(name, a)
    pairs = _axes(name, a, s, axes)
    if not pairs:
        if kind in ("rfft", "irfft"):
            raise ValueError(f"{name}: needs at least one axis, got none at {at()}")
        return _operand(name, a, kind)
    outer = {"rfft": "fft", "irfft": "ifft"}.get(kind, kind)
    others, (axis, n) = pairs[:-1], pairs[-1]
    if kind != "irfft":
        a = _along(name, kind, a, n, axis, norm)
    for k, m in reversed(others):
        a = _along(name, outer, a, m, k, norm)
    return _along(name, kind, a, n, axis, norm) if kind == "irfft" else a


def fftn(a, s=None, axes=None, norm=None):
    """`fft` along several axes, by default all (with `s`, the last ones); s: the sizes along them."""
    return _over("fftn", "fft", a, s, axes, norm)


def ifftn(a, s=None, axes=None, norm=None):
    """The inverse of `fftn`."""
    return _over("ifftn", "ifft", a, s, axes, norm)


def rfftn(a, s=None, axes=None, norm=None):
    """`rfft` along the last of several axes, `fft` along the others."""
    return _over("rfftn", "rfft", a, s, axes, norm)


def irfftn(a, s=None, axes=None, norm=None):
    """The inverse of `rfftn`."""
    return _over("irfftn", "irfft", a, s, axes, norm)


def fft2(a, s=None, axes=(-2, -1), norm=None):
    """`fftn` along two axes."""
    return _over("fft2", "fft", a, s, axes, norm)


def ifft2(a, s=None, axes=(-2, -1), norm=None):
    """The inverse of `fft2`."""
    return _over("ifft2", "ifft", a, s, axes, norm)


def rfft2(a, s=None, axes=(-2, -1), norm=None):
    """`rfftn` along two axes."""
    return _over("rfft2", "rfft", a, s, axes, norm)


def irfft2(a, s=None, axes=(-2, -1), norm=None):
    """The inverse of `rfft2`."""
    return _over("irfft2", "irfft", a, s, axes, norm)


# ---- frequencies ----


def fftfreq(n, d=1.0, *, dtype=None, device=None):
    """The frequencies of the elements of `fft` of n numbers that lie d apart: k / (n d), the negative ones last."""
    n = _size("fftfreq", n)
    count = np.arange(n)
    return _frequencies("fftfreq", np.where(2 * count < n, count, count - n), n, d, dtype, device)


def rfftfreq(n, d=1.0, *, dtype=None, device=None):
    """The frequencies of the elements of `rfft` of n numbers that lie d apart: k / (n d)."""
    n = _size("rfftfreq", n)
    return _frequencies("rfftfreq", np.arange(p.half(n)), n, d, dtype, device)


def _frequencies(name, counts, n, d, dtype, device):
    made = asarray(counts.astype(or_float(name, dtype)))
    return placed(divide(made, multiply(d, float(n))), device)


def fftshift(x, axes=None):
    """The frequency 0 moved to the middle of `axes`, by default of all."""
    return _shifted("fftshift", x, axes, 1)


def ifftshift(x, axes=None):
    """The inverse of `fftshift`."""
    return _shifted("ifftshift", x, axes, -1)


def _shifted(name, x, axes, sign):
    x = as_array(name, x)
    axes = canonical_axes(name, axes, typeof(x).ndim)
    return roll(x, tuple([sign * (typeof(x).shape[k] // 2) for k in axes]), axes)
