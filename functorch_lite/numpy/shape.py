"""Functions that look at or change the shape of one array, and its dtype; nothing here computes."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.api.devices import device_put
from functorch_lite.array import Array, of_value
from functorch_lite.errors import ShapeError
from functorch_lite.numpy.indexing import convert as convert_operand
from functorch_lite.numpy.indexing import lax_reshape
from functorch_lite.numpy.promote import (
    as_array,
    asarray,
    canonical_axes,
    canonical_axis,
    canonical_shape,
    convert,
    one_integer,
    operand,
    user_dtype,
)
from functorch_lite.trace import at, tracing, typeof

__all__ = [
    "astype", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_shapes", "broadcast_to", "copy",
    "expand_dims", "flip", "fliplr", "flipud", "iscomplexobj", "isrealobj", "isscalar", "iterable", "matrix_transpose",
    "moveaxis", "ndim", "permute_dims", "ravel", "reshape", "resize", "roll", "rollaxis", "rot90", "shape", "size",
    "squeeze", "swapaxes", "transpose", "trim_zeros",
]  # fmt: skip


def immutable(x):
    """An operand that is returned as it is must be an Array or a tracer: others could be written to."""
    return x if isinstance(x, Array) else asarray(x)


# ---- what is known without looking ----


def shape(a) -> tuple[int, ...]:
    """The sizes of the axes."""
    return typeof(operand("shape", a)).shape


def ndim(a) -> int:
    """The number of axes."""
    return typeof(operand("ndim", a)).ndim


def size(a, axis=None) -> int:
    """The number of elements, or the product of the sizes along `axis` (an integer or several)."""
    t = typeof(operand("size", a))
    return (
        t.size if axis is None else int(np.prod([t.shape[k] for k in canonical_axes("size", axis, t.ndim)], dtype=int))
    )


def iscomplexobj(x) -> bool:
    """Whether the dtype is complex."""
    return x is not None and dtypes.is_complex(typeof(operand("iscomplexobj", x)).dtype)


def isrealobj(x) -> bool:
    """Whether the dtype is not complex."""
    return not iscomplexobj(x)


def isscalar(element: Any) -> bool:
    """Whether `element` is a number, or an array without axes."""
    if isinstance(element, (np.ndarray, Array)):
        return element.ndim == 0
    return bool(np.isscalar(element))


def iterable(y: Any) -> bool:
    """Whether `y` can be iterated over."""
    if isinstance(y, Array):
        return y.ndim > 0
    return isinstance(y, Iterable) or np.iterable(y)


# ---- dtype ----


def astype(x, dtype, /, *, copy=False, device=None):
    """The elements of `x` as `dtype`, by the meaning compiled code gives a conversion.

    x: any shape. Floats lose their fraction towards 0; what an integer dtype does not hold becomes its nearest limit,
    NaN becomes 0; complex numbers lose their imaginary part. None stands for the default float dtype.
    """
    x = operand("astype", x)
    wanted: Any = user_dtype("astype", float if dtype is None else dtype)
    made = convert("astype", x, wanted)
    return immutable(made) if device is None else device_put(immutable(made), device)


def copy(a, order=None):
    """The array itself: arrays never change. order: None, "K" or "C"."""
    if order not in (None, "K", "A", "C"):
        raise ValueError(f"copy: order={order!r} at {at()} is not kept, arrays are row-major; leave it out")
    return asarray(a)


# ---- order of elements kept ----


def reshape(a, shape, order="C", *, copy=None, out_sharding=None):
    """The elements of `a` in row-major order, in another shape.

    shape: an integer or integers, one of which may be -1 and is then found from the others. order: "C", or "F" for
    column-major reading and writing. Raises ValueError if the elements do not fill the shape.
    """
    if type(a) is not Array:
        a = as_array("reshape", a)
    t = a.type if isinstance(a, Array) else typeof(a)
    new = _full_shape(t, shape)
    if order in ("F",):
        return transpose(immutable(lax_reshape(transpose(a), new[::-1])))
    if order not in ("C", "A", "K"):
        raise ValueError(f"reshape: order={order!r} at {at()} is unknown; use 'C' or 'F'")
    return immutable(lax_reshape(a, new))


def _full_shape(t, shape) -> tuple[int, ...]:
    """`shape` with -1 replaced."""
    try:
        new = [operator.index(n) for n in shape] if isinstance(shape, (tuple, list)) else None
    except TypeError as error:
        if type(error) is not TypeError:
            raise
        new = None
    if new is None:
        given = np.asarray(shape).tolist() if isinstance(shape, (np.ndarray, Array)) else shape
        new = list(canonical_shape("reshape", given)) if given != -1 else [-1]
    unknown = [k for k, n in enumerate(new) if n == -1]
    rest = 1
    for n in new:
        rest *= n if n != -1 else 1
    if len(unknown) == 1 and rest > 0 and t.size % rest == 0:
        new[unknown[0]] = t.size // rest
        rest = t.size
    if len(unknown) > 1 or -1 in new or min(new, default=0) < 0 or rest != t.size:
        raise ShapeError(f"reshape: {t} has {t.size} elements, which do not fill the shape {tuple(new)}, at {at()}")
    return tuple(new)


def ravel(a, order="C", *, out_sharding=None):
    """The elements of `a` as one axis. order: "C" for row-major, "F" for column-major."""
    return reshape(a, (-1,) if ndim(a) == 0 or size(a) else (0,), order)


def expand_dims(a, axis):
    """New axes of size 1 at the positions `axis` (an integer or several) of the result."""
    a = as_array("expand_dims", a)
    axes = canonical_axes("expand_dims", axis, a.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1))
    old = iter(a.shape)
    new = tuple([1 if k in axes else next(old) for k in range(a.ndim + len(axes))])
    return immutable(lax_reshape(a, new))


def squeeze(a, axis=None):
    """Without the axes of size 1, or without those in `axis`. Raises ValueError where one has another size."""
    a = as_array("squeeze", a)
    if axis is None:
        axes = tuple([k for k, n in enumerate(a.shape) if n == 1])
    else:
        axes = canonical_axes("squeeze", axis, a.ndim)
    if any([a.shape[k] != 1 for k in axes]):
        raise ValueError(f"squeeze: axis {axis} of {typeof(a)} at {at()} is not of size 1; use a reduction or an index")
    return immutable(lax_reshape(a, tuple([n for k, n in enumerate(a.shape) if k not in axes])))


def atleast_1d(*arys):
    """Each array with at least one axis; a list if several are given."""
    return _at_least(arys, lambda s: s or (1,))


def atleast_2d(*arys):
    """Each array with at least two axes, new ones in front; a list if several are given."""
    return _at_least(arys, lambda s: (1,) * (2 - len(s)) + s)


def atleast_3d(*arys):
    """Each array with at least three axes: (n,) becomes (1, n, 1) and (m, n) becomes (m, n, 1)."""
    return _at_least(arys, lambda s: {0: (1, 1, 1), 1: (1, *s, 1), 2: (*s, 1)}.get(len(s), s))


def _at_least(arys, wider):
    made = [immutable(lax_reshape(a, wider(a.shape))) for a in [as_array("atleast", a) for a in arys]]
    return made[0] if len(made) == 1 else made


# ---- order of axes ----


def transpose(a, axes=None):
    """The axes in the order `axes`: result axis i is operand axis `axes[i]`; reversed if None."""
    if type(a) is Array and axes is None and not tracing:
        return of_value(np.transpose(a._value))
    a = as_array("transpose", a)
    n = a.ndim
    if axes is None:
        order = tuple(range(n))[::-1]
    else:
        order = tuple([canonical_axis("transpose", k, n) for k in (axes if isinstance(axes, Iterable) else (axes,))])
        if sorted(order) != list(range(n)):
            raise ValueError(f"transpose: {axes} is no order of the {n} axes of {typeof(a)}, at {at()}; name each once")
    if type(a) is Array and not tracing:
        return of_value(a._value.transpose(order))
    return immutable(a if order == tuple(range(n)) else lax.transpose(a, order))


def permute_dims(a, /, axes):
    """`transpose(a, axes)`."""
    return transpose(a, axes)


def matrix_transpose(x, /):
    """The last two axes swapped. Raises ValueError for fewer than two."""
    x = as_array("matrix_transpose", x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: {typeof(x)} at {at()} has fewer than two axes")
    return swapaxes(x, -1, -2)


def swapaxes(a, axis1, axis2):
    """Two axes exchanged."""
    a = as_array("swapaxes", a)
    order = list(range(a.ndim))
    i, j = [canonical_axis("swapaxes", k, a.ndim) for k in (axis1, axis2)]
    order[i], order[j] = order[j], order[i]
    return transpose(a, order)


def moveaxis(a, source, destination):
    """The axes `source` moved to the positions `destination`; the others stay in order."""
    a = as_array("moveaxis", a)
    pairs = [(k if isinstance(k, (tuple, list)) else (k,)) for k in (source, destination)]
    source, destination = [[canonical_axis("moveaxis", k, a.ndim) for k in ks] for ks in pairs]
    if len(source) != len(destination) or len(set(source)) != len(source) or len(set(destination)) != len(source):
        raise ShapeError(
            f"moveaxis: cannot move axes {source} to {destination} at {at()}; give equally many, each once"
        )
    order = [k for k in range(a.ndim) if k not in source]
    for to, k in sorted(zip(destination, source)):
        order.insert(to, k)
    return transpose(a, order)


def rollaxis(a, axis, start=0):
    """The axis moved back until it stands before `start`."""
    a = as_array("rollaxis", a)
    axis = canonical_axis("rollaxis", axis, a.ndim)
    start = canonical_axis("rollaxis", start, a.ndim + 1) if start >= 0 else start + a.ndim
    return moveaxis(a, axis, start - 1 if axis < start else start)


# ---- repeating ----


def broadcast_to(array, shape, *, out_sharding=None):
    """`array` repeated to `shape` by NumPy's rule: axes are aligned at the end, and those of size 1 grow."""
    array = as_array("broadcast_to", array)
    new = canonical_shape("broadcast_to", shape)
    n = len(new) - array.ndim
    if array.shape == new:
        return immutable(array)
    if n < 0 or any([have not in (1, want) for have, want in zip(array.shape, new[n:])]):
        raise ShapeError(
            f"broadcast_to: {typeof(array)} does not broadcast to the shape {new}, at {at()}; reshape it first"
        )
    if type(array) is Array and not tracing:
        return of_value(np.broadcast_to(array._value, new))
    return lax.broadcast_in_dim(array, new, tuple(range(n, len(new))))


def broadcast_shapes(*shapes) -> tuple[int, ...]:
    """The shape to which all `shapes` broadcast. Raises ValueError if there is none."""
    shapes = [canonical_shape("broadcast_shapes", s) for s in shapes]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"broadcast_shapes: {' and '.join(map(str, shapes))} do not broadcast, at {at()}") from None


def broadcast_arrays(*args) -> list:
    """The arrays, each repeated to the shape that all broadcast to."""
    arrays = [as_array("broadcast_arrays", x) for x in args]
    new = broadcast_shapes(*[x.shape for x in arrays])
    return [broadcast_to(x, new) for x in arrays]


def resize(a, new_shape):
    """The elements of `ravel(a)`, over again as often as needed, in `new_shape`; zeros if there are none."""
    new = canonical_shape("resize", new_shape)
    a = ravel(a)
    count = int(np.prod(new, dtype=object))
    if not a.size or not count:
        return lax.full(new, 0, a.dtype)
    times = -(-count // a.size)
    if times > 1:
        a = lax.reshape(lax.broadcast_in_dim(a, (times, a.size), (1,)), (times * a.size,))
    return immutable(lax_reshape(a if a.size == count else lax.slice(a, [0], [count]), new))


# ---- turning round ----


def flip(m, axis=None):
    """The order of elements reversed along `axis` (an integer or several, all if None)."""
    m = as_array("flip", m)
    axes = canonical_axes("flip", axis, m.ndim)
    return immutable(lax.rev(m, axes) if axes else m)


def fliplr(m):
    """Reversed along the second axis."""
    return flip(m, 1)


def flipud(m):
    """Reversed along the first axis."""
    return flip(m, 0)


def rot90(m, k=1, axes=(0, 1)):
    """Turned by k quarter turns in the plane of two axes, from the first towards the second."""
    m = as_array("rot90", m)
    if np.shape(axes) != (2,):
        raise ValueError(f"rot90: turns in the plane of two axes, got {axes} at {at()}")
    i, j = [canonical_axis("rot90", a, m.ndim) for a in axes]
    k = one_integer("rot90", "the number of turns", k)
    if i == j:
        raise ValueError(f"rot90: the two axes are the same, {axes} at {at()}; give a plane")
    if k % 4 == 0:
        return immutable(m)
    if k % 4 == 2:
        return flip(m, (i, j))
    return swapaxes(flip(m, j), i, j) if k % 4 == 1 else flip(swapaxes(m, i, j), j)


def roll(a, shift, axis=None):
    """The elements moved by `shift` positions along `axis`; those that leave come in at the other end.

    shift, axis: integers, or equally many of each. Without an axis `ravel(a)` is rolled. A traced shift is possible.
    """
    a = as_array("roll", a)
    if axis is None:
        return immutable(lax_reshape(roll(ravel(a), shift, 0), a.shape))
    axes = [canonical_axis("roll", k, a.ndim) for k in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    shifts = _shifts(shift)
    if len(shifts) == 1:
        shifts = shifts * len(axes)
    elif len(axes) == 1:
        axes = axes * len(shifts)
    if len(shifts) != len(axes):
        raise ValueError(f"roll: got {len(shifts)} shifts for {len(axes)} axes at {at()}; give one for each")
    for s, k in zip(shifts, axes):
        a = _roll(a, s, k)
    return immutable(a)


def _shifts(shift) -> list:
    if isinstance(shift, (tuple, list)):
        return list(shift)
    if isinstance(shift, (np.ndarray, Array)) and shift.ndim:
        return list(immutable(shift))
    return [shift]


def _roll(a, shift, axis):
    n = a.shape[axis]
    if not n:
        return a
    parts = lambda k: (lax.slice_in_dim(a, n - k, n, axis=axis), lax.slice_in_dim(a, 0, n - k, axis=axis))
    try:
        shift = operator.index(shift) % n
    except TypeError:
        shift = as_array("roll", shift)
        if not dtypes.is_integer(shift.dtype) or shift.ndim:
            raise TypeError(f"roll: a shift is an integer, got {typeof(shift)} at {at()}") from None
        start = lax.rem(lax.sub(n, lax.rem(convert_operand(shift, np.dtype(np.int64)), n)), n)
        return lax.dynamic_slice_in_dim(lax.concatenate([a, a], axis), start, n, axis)
    return lax.concatenate(parts(shift), axis) if shift else a


def trim_zeros(filt, trim="fb", axis=None):
    """Without the zeros at the front ("f") and the back ("b"); needs known numbers, as the shape depends on them."""
    filt = as_array("trim_zeros", filt)
    if not isinstance(trim, str) or trim.lower() not in ("f", "b", "fb", "bf"):
        raise ValueError(f'trim_zeros: trim={trim!r} at {at()}; give "f", "b" or "fb"')
    if not filt.ndim:
        raise ValueError(f"trim_zeros: {typeof(filt)} at {at()} has no axes; use `atleast_1d`")
    value = np.asarray(filt.concrete() if hasattr(filt, "concrete") else filt)
    axes = canonical_axes("trim_zeros", axis, filt.ndim)
    index = [slice(None)] * filt.ndim
    found = np.nonzero(value)
    for k in axes:
        low, high = (found[k].min(), found[k].max() + 1) if found[k].size else (0, 0)
        low = low if "f" in trim.lower() or not found[k].size else 0
        high = high if "b" in trim.lower() or not found[k].size else filt.shape[k]
        index[k] = slice(int(low), int(high))
    return immutable(filt)[tuple(index)]
