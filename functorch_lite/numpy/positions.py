"""Positions as arrays: flat and per axis, open meshes, masks' indices, and the index makers `s_`, `r_`, `c_`."""

from __future__ import annotations

import math

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.config import config
from functorch_lite.numpy.creation import arange, linspace, meshgrid, ones
from functorch_lite.numpy.indexing import lax_reshape
from functorch_lite.numpy.joining import concatenate, stack
from functorch_lite.numpy.pieces import demanded, known
from functorch_lite.numpy.promote import (
    as_array,
    asarray,
    canonical_shape,
    convert,
    promote_dtypes,
    promote_shapes,
    user_dtype,
)
from functorch_lite.numpy.selecting import index_dtype, integers, nonzero, split_index
from functorch_lite.numpy.shape import moveaxis
from functorch_lite.trace import at, typeof

__all__ = ["c_", "index_exp", "ix_", "mask_indices", "mgrid", "ogrid", "r_", "ravel_multi_index", "s_", "unravel_index"]


def ix_(*args) -> tuple:
    """Open meshes: the k-th array, of one axis, as an index along axis k: `x[ix_(rows, columns)]` is their product.

    A mask stands for the positions where it holds.
    """
    made = []
    for k, x in enumerate(args):
        x = as_array("ix_", x)
        if x.ndim != 1:
            raise ValueError(f"ix_: takes arrays of one axis, got {typeof(x)} at {at()}")
        if dtypes.is_bool(x.dtype):
            (x,) = nonzero(x)
        elif not x.size:
            x = lax.full((0,), 0, config.default_int)
        made.append(asarray(lax_reshape(x, (1,) * k + (x.size,) + (1,) * (len(args) - k - 1))))
    return tuple(made)


def mask_indices(n, mask_func, k=0, *, size=None) -> tuple:
    """The positions where `mask_func(ones((n, n)), k)` is not 0. size: as in `nonzero`."""
    return nonzero(mask_func(ones((n, n)), k), size=size)


def unravel_index(indices, shape) -> tuple:
    """The coordinates of row-major positions in an array of `shape`, an array per axis; negatives count from the end.

    Out of bounds raises ValueError where the numbers are known, and is clamped in compiled programs.
    """
    indices = integers("unravel_index", indices)
    shape = canonical_shape("unravel_index", shape)
    n = math.prod(shape)
    value = known(indices)
    if value is not None and value.size and not (-n <= value.min() and value.max() < n):
        bad = value.min() if value.min() < -n else value.max()
        raise ValueError(f"unravel_index: {bad} is out of bounds for the {n} elements of the shape {shape}, at {at()}")
    if not shape:
        return ()
    indices = convert("unravel_index", indices, index_dtype(n))
    indices = lax.select(lax.lt(indices, 0), lax.add(indices, n), indices)
    return tuple([asarray(i) for i in split_index(lax.clamp(0, indices, max(n - 1, 0)), shape)])


def ravel_multi_index(multi_index, dims, mode="raise", order="C", *, dtype=None):
    """The flat position of coordinates in an array of the shape `dims`.

    multi_index: an integer array per axis. mode: "raise" (needs known numbers), "wrap" or "clip", or one per axis.
    order: "C", or "F" for column-major. dtype: of the result; by default the default integer.
    """
    dims = canonical_shape("ravel_multi_index", dims)
    arrays = [integers("ravel_multi_index", i) for i in multi_index]
    modes = (mode,) * len(dims) if isinstance(mode, str) else tuple(mode)
    if len(arrays) != len(dims) or len(modes) != len(dims):
        raise ValueError(f"ravel_multi_index: got {len(arrays)} indices for the {len(dims)} axes {dims}, at {at()}")
    if order not in ("C", "F"):
        raise ValueError(f"ravel_multi_index: order={order!r} at {at()} is unknown; use 'C' or 'F'")
    dtype = user_dtype("ravel_multi_index", dtype) or index_dtype(math.prod(dims))
    checked = [_within(i, n, m, dtype) for i, n, m in zip(arrays, dims, modes)]
    checked = promote_shapes("ravel_multi_index", *checked)
    total = lax.full((), 0, dtype)
    pairs = list(zip(checked, dims))
    for k, (i, n) in enumerate(pairs if order == "C" else pairs[::-1]):
        total = i if not k else lax.add(lax.mul(total, n), i)
    return asarray(total)


def _within(i, n, mode, dtype):
    if mode == "raise":
        value = demanded(i, "for mode='raise' (use mode='wrap' or 'clip'), the value")
        if value.size and not (value.min() >= 0 and value.max() < n):
            raise ValueError(f"ravel_multi_index: invalid entry in {typeof(i)} for an axis of size {n}, at {at()}")
    i = convert("ravel_multi_index", i, dtype)
    if mode == "clip":
        return lax.clamp(0, i, max(n - 1, 0))
    if mode == "wrap":
        i = lax.rem(i, n)
        return lax.select(lax.lt(i, 0), lax.add(i, n), i)
    if mode != "raise":
        raise ValueError(f"ravel_multi_index: mode {mode!r} at {at()} is unknown; use 'raise', 'wrap' or 'clip'")
    return i


# ---- index makers ----

s_, index_exp = np.s_, np.index_exp  # what they make are Python's slices


class _Joined:
    """`r_[...]` and `c_[...]`: arrays, numbers and slices (as ranges) joined along an axis."""

    def __init__(self, name, axis, ndmin, place):
        self._name, self._defaults = name, (axis, ndmin, place)

    def __getitem__(self, key):
        parts = key if isinstance(key, tuple) else (key,)
        axis, ndmin, place = self._defaults
        if parts and isinstance(parts[0], str):
            axis, ndmin, place = self._directive(parts[0])
            parts = parts[1:]
        arrays = [self._part(p, ndmin, place) for p in parts]
        return concatenate(arrays, axis)

    def _directive(self, text):
        try:
            numbers = [int(n) for n in text.split(",")]
            return (*numbers, *self._defaults[len(numbers) :])
        except ValueError:
            raise ValueError(f"{self._name}: {text!r} at {at()} is not understood; use up to three integers") from None

    def _part(self, p, ndmin, place):
        made = _as_range(p) if isinstance(p, slice) else asarray(p)
        new = ndmin - made.ndim
        if new <= 0:
            return made
        old = made.ndim
        made = made.reshape((1,) * new + made.shape)
        if place < 0:
            place += new + 1
        order = list(range(new, ndmin))
        return moveaxis(made, order, [min(place, new) + k for k in range(old)])


def _as_range(s: slice):
    step = 1 if s.step is None else s.step
    if isinstance(step, complex):
        return linspace(0 if s.start is None else s.start, s.stop, int(abs(step)))
    return arange(0 if s.start is None else s.start, s.stop, step)


class _Mesh:
    """`mgrid[...]` and `ogrid[...]`: the coordinates of a grid given by slices, whose step may count points (`5j`)."""

    def __init__(self, name, open_):
        self._name, self._open = name, open_

    def __getitem__(self, key):
        if isinstance(key, slice):
            return _as_range(key)
        arrays = promote_dtypes(self._name, *[_as_range(s) for s in key])
        if self._open:
            return [a.reshape([-1 if j == k else 1 for j in range(len(arrays))]) for k, a in enumerate(arrays)]
        return stack(meshgrid(*arrays, indexing="ij"))


mgrid, ogrid = _Mesh("mgrid", False), _Mesh("ogrid", True)
r_ = _Joined("r_", 0, 1, -1)
c_ = _Joined("c_", -1, 2, 0)
