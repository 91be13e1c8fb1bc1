"""Discrete Fourier transforms along one axis: of complex numbers, and of real ones by the half that tells the rest."""

from __future__ import annotations

from functorch_lite import dtypes
from functorch_lite.errors import ShapeError
from functorch_lite.ir import Primitive, array_type
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.shape import broadcast, full, iota
from functorch_lite.prims.slicing import pad
from functorch_lite.trace import at, bind, typeof

KINDS = {"fft": "c", "ifft": "c", "rfft": "f", "irfft": "c"}  # the kind of dtype that each transforms


def half(size: int) -> int:
    """How many elements of the transform of `size` real numbers tell the others, their conjugates."""
    return size // 2 + 1


def _infer(x, *, kind, size, axis):
    if dtypes.kind(x.dtype) != KINDS[kind] or x.dtype.itemsize < 4:
        wanted = "floats of 32 or 64 bits" if kind == "rfft" else "complex numbers"
        raise TypeError(f"{kind}: takes {wanted}, got {x} at {at()}; convert it")
    if not 0 <= axis < x.ndim:
        raise ShapeError(f"{kind}: {axis} is no axis of {x}, at {at()}")
    before, after = (half(size) if k == kind else size for k in ("irfft", "rfft"))
    if size < 1 or x.shape[axis] != before:
        raise ShapeError(f"{kind}: axis {axis} of {x} is not that of a transform of size {size}, at {at()}; "
                         f"its size is {before}")  # fmt: skip
    dtype = {"rfft": dtypes.complex_of, "irfft": dtypes.real_of}.get(kind, dtypes.canonical)(x.dtype)
    return array_type((*x.shape[:axis], after, *x.shape[axis + 1 :]), dtype)


def _transpose(ct, x, *, kind, size, axis):
    """The matrix of `fft` is symmetric, and `rfft` is a part of it.

    `irfft` gives y[j] = Re(sum over k of c[k] x[k] exp(2 pi i j k / size)) / size, where c is 1 at both ends of the
    whole spectrum and 2 between: the cotangent of x[k] is c[k] / size times the conjugate of rfft(ct)[k].
    """
    if kind in ("fft", "ifft"):
        return (fft(ct, kind, size, axis),)
    if kind == "rfft":
        config = [(0, size - half(size) if a == axis else 0, 0) for a in range(x.ndim)]
        return (e.real(fft(pad(ct, full((), 0, ct.dtype), config), "fft", size, axis)),)
    whole = e.conj(fft(ct, "rfft", size, axis))
    position = iota("int32", (half(size),), 0)
    ends = e.or_(e.eq(position, 0), e.eq(e.mul(position, 2), size))
    weight = e.select(ends, full((half(size),), 1 / size, x.dtype), 2 / size)
    return (e.mul(whole, broadcast(weight, x.shape, (axis,))),)


fft_p = Primitive(
    "fft",
    params=("kind", "size", "axis"),
    infer=_infer,
    jvp=(lambda t, y, x, *, kind, size, axis: fft(t, kind, size, axis),),
    transpose=_transpose,
    vmap=lambda size_, xs, batched, *, kind, size, axis: fft(xs[0], kind, size, axis + 1),
    simplify=lambda x, *, kind, size, axis: x if size == 1 and kind in ("fft", "ifft") else None,
)


def fft(x, kind, size, axis):
    """The transform of one of `KINDS` along `axis`: y[k] = sum over j of x[j] exp(-2 pi i j k / size).

    The inverses have the opposite sign, and divide by size: the number of elements of the real or complex signal.
    """
    return bind(fft_p, x, kind=kind, size=size, axis=axis % typeof(x).ndim)
