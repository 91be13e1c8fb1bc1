"""Differences, gradients, integrals, interpolation, convolution and cross products."""

from __future__ import annotations

import math

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array, of_value
from functorch_lite.numpy.arithmetic import remainder
from functorch_lite.numpy.contract import product
from functorch_lite.numpy.dispatch import by_numpy, quietly
from functorch_lite.numpy.promote import (
    INEXACT,
    NUMBER,
    PYTHON,
    as_array,
    canonical_axis,
    convert,
    one_integer,
    operand,
    promote_dtypes,
    promote_shapes,
)
from functorch_lite.numpy.reductions import sum
from functorch_lite.numpy.selecting import take, where
from functorch_lite.numpy.shape import broadcast_to, moveaxis
from functorch_lite.numpy.sorting import searchsorted
from functorch_lite.numpy.ufuncs import add, divide, multiply, not_equal, real_only, subtract
from functorch_lite.trace import at, tracing, typeof

__all__ = [
    "convolve", "correlate", "cross", "diff", "ediff1d", "gradient", "interp", "trapezoid", "unwrap",
]  # fmt: skip


def cut(x, axis: int, start: int, stop: int):
    """x[start:stop] along one axis."""
    shape = typeof(x).shape
    if (start, stop) == (0, shape[axis]):
        return x
    starts = tuple([start if i == axis else 0 for i in range(len(shape))])
    return lax.slice(x, starts, tuple([stop if i == axis else n for i, n in enumerate(shape)]))


# ---- differences ----


def diff(a, n=1, axis=-1, prepend=None, append=None):
    """The differences of neighbours along an axis, taken n times; of booleans, whether they differ.

    a: (..., m, ...) -> (..., m - n, ...). prepend, append: what is put before and behind first, a number or an array
    with any size along the axis. Raises ValueError for a negative n.
    """
    made = by_numpy(np.diff, a, n, axis) if prepend is None and append is None else None
    if made is not None:
        return made
    a, n = as_array("diff", a), one_integer("diff", "n", n)
    ndim = typeof(a).ndim
    if n < 0 or not ndim:
        raise ValueError(f"diff: takes arrays with axes and n of at least 0, got {typeof(a)} and n={n} at {at()}")
    axis = canonical_axis("diff", axis, ndim)
    ends = [None if x is None else _as_end(x, a, axis) for x in (prepend, append)]
    if n and any(x is not None for x in ends):
        parts = [x for x in (ends[0], a, ends[1]) if x is not None]
        a = lax.concatenate(promote_dtypes("diff", *parts), axis)
    subtracted = not_equal if dtypes.is_bool(typeof(a).dtype) else subtract
    for _ in range(n):
        m = typeof(a).shape[axis]
        if m == 0:
            return a
        a = subtracted(cut(a, axis, 1, m), cut(a, axis, 0, m - 1))
    return a


def _as_end(x, a, axis):
    x = as_array("diff", x)
    if typeof(x).ndim == 0:
        return broadcast_to(x, tuple([1 if i == axis else n for i, n in enumerate(typeof(a).shape)]))
    return x


def ediff1d(ary, to_end=None, to_begin=None):
    """The differences of neighbours in row-major order, between `to_begin` and `to_end` where they are given."""
    ary = vector("ediff1d", ary)
    parts = [diff(ary)]
    if to_begin is not None:
        parts.insert(0, in_dtype_of(vector("ediff1d", to_begin), ary))
    if to_end is not None:
        parts.append(in_dtype_of(vector("ediff1d", to_end), ary))
    return lax.concatenate(parts, 0) if len(parts) > 1 else parts[0]


def vector(name, x):
    """The elements in row-major order."""
    x = as_array(name, x)
    return lax.reshape(x, (typeof(x).size,))


def in_dtype_of(x, like):
    """`x` in the dtype of another array."""
    return lax.convert_element_type(x, typeof(like).dtype)


def gradient(f, *varargs, axis=None, edge_order=None):
    """Derivatives by central differences in the interior and one-sided ones at the ends.

    f: samples; varargs: the spacing for all axes, one for each, or vectors of coordinates -> an array like f for one
    axis, else a list of one per axis. Raises ValueError for fewer than 2 samples. Source: second-order differences on
    an uneven grid, as in `numpy.gradient`.
    """
    if edge_order not in (None, 1):
        raise ValueError(f"gradient: edge_order={edge_order} at {at()}; only 1 is there")
    (f,) = promote_dtypes("gradient", as_array("gradient", f), rule=INEXACT)
    shape = typeof(f).shape
    if axis is None:
        axes = tuple(range(len(shape)))
    else:
        given = axis if type(axis) in (tuple, list) else [axis]
        axes = tuple([canonical_axis("gradient", a, len(shape)) for a in given])
    if len(varargs) not in (0, 1, len(axes)):
        raise ValueError(f"gradient: {len(varargs)} spacings for {len(axes)} axes at {at()}; give none, one, or all")
    spacings = varargs if len(varargs) == len(axes) else (varargs or (1.0,)) * len(axes)
    found = [_gradient(f, a, h) for a, h in zip(axes, spacings)]
    return found[0] if len(found) == 1 else found


def _gradient(f, axis, spacing):
    shape = typeof(f).shape
    n = shape[axis]
    if n < 2:
        raise ValueError(f"gradient: {typeof(f)} has {n} samples along axis {axis} at {at()}; at least 2 are needed")
    spacing = operand("gradient", spacing)
    steps = subtract(cut(f, axis, 1, n), cut(f, axis, 0, n - 1))
    if type(spacing) in PYTHON or typeof(spacing).ndim == 0:
        slopes = divide(steps, spacing)
        inner = multiply(add(cut(slopes, axis, 1, n - 1), cut(slopes, axis, 0, n - 2)), 0.5)
    else:
        if typeof(spacing).shape != (n,):
            raise ValueError(f"gradient: coordinates {typeof(spacing)} for {n} samples along axis {axis} at {at()}")
        h = diff(spacing)
        h = lax.reshape(h, tuple([n - 1 if i == axis else 1 for i in range(len(shape))]))
        slopes = divide(steps, h)
        left, right = cut(h, axis, 0, n - 2), cut(h, axis, 1, n - 1)
        weighted = add(multiply(right, cut(slopes, axis, 0, n - 2)), multiply(left, cut(slopes, axis, 1, n - 1)))
        inner = divide(weighted, add(left, right))
    return lax.concatenate([cut(slopes, axis, 0, 1), inner, cut(slopes, axis, n - 2, n - 1)], axis)


def trapezoid(y, x=None, dx=1.0, axis=-1):
    """The integral along an axis by the trapezoidal rule, over coordinates `x` or in steps of `dx`.

    y: (..., n, ...); x: (n,) or like y -> the other axes.
    """
    made = by_numpy(np.trapezoid, y, x, dx, axis)
    if made is not None:
        return made
    (y,) = promote_dtypes("trapezoid", as_array("trapezoid", y), rule=INEXACT)
    ndim = typeof(y).ndim
    axis = canonical_axis("trapezoid", axis, ndim)
    n = typeof(y).shape[axis]
    if x is not None:
        x = as_array("trapezoid", x)
        dx = diff(x) if typeof(x).ndim == 1 else diff(x, axis=axis)
        if typeof(x).ndim == 1:
            dx = lax.reshape(dx, tuple([typeof(dx).shape[0] if i == axis else 1 for i in range(ndim)]))
    if n == 0:
        return sum(y, axis)
    means = add(cut(y, axis, 1, n), cut(y, axis, 0, n - 1))
    return multiply(sum(multiply(means, dx), axis), 0.5)


def unwrap(p, discont=None, axis=-1, period=2 * math.pi):
    """Angles without jumps: where neighbours differ by more than `discont` (at least half a period), periods are added.

    p: any -> the same shape, as floats.
    """
    (p,) = promote_dtypes("unwrap", as_array("unwrap", p), rule=INEXACT)
    axis = canonical_axis("unwrap", axis, typeof(p).ndim)
    if not typeof(p).shape[axis]:
        return p
    d = diff(p, axis=axis)
    half = period / 2
    wrapped = subtract(remainder(add(d, half), period), half)
    wrapped = where(_wrong_edge(wrapped, d, -half), half, wrapped)
    correction = subtract(wrapped, d)
    correction = where(lax.lt(lax.abs(d), discont if discont is not None else half), 0.0, correction)
    n = typeof(p).shape[axis]
    moved = add(cut(p, axis, 1, n), lax.cumsum(correction, axis))
    return lax.concatenate([cut(p, axis, 0, 1), moved], axis)


def _wrong_edge(wrapped, d, edge):
    """Where an upward jump of exactly half a period was wrapped downwards."""
    return lax.bitwise_and(lax.eq(wrapped, edge), lax.gt(d, 0))


# ---- interpolation and convolution ----


def interp(x, xp, fp, left=None, right=None, period=None):
    """Linear interpolation of the points (xp, fp) at x; outside, `left` and `right`, by default the values at the ends.

    x: any shape; xp: increasing, (n,); fp: (n,) -> the shape of x, as floats. left, right: a number, or "extrapolate"
    for the line through the two points there. With `period`, xp is taken modulo it, and sorted. Raises ValueError if
    xp and fp do not fit, or for another word.
    """
    for side, end in (("left", left), ("right", right)):
        if isinstance(end, str) and end != "extrapolate":
            raise ValueError(f'interp: {side}={end!r} at {at()}; give a number or "extrapolate"')
    x, xp, fp = [as_array("interp", v) for v in (x, xp, fp)]
    for v in (x, xp):
        real_only("interp", dtypes.kind(typeof(v).dtype), v)
    x, xp, fp = promote_dtypes("interp", x, xp, fp, rule=INEXACT)
    n = typeof(xp).size
    if typeof(xp).ndim != 1 or typeof(xp).shape != typeof(fp).shape or n == 0:
        raise ValueError(f"interp: takes points as equally long vectors, got {typeof(xp)} and {typeof(fp)} at {at()}")
    if period is not None:
        x, xp, fp = _periodic(x, xp, fp, period)
        left = right = None
        n += 2
    i = lax.min(lax.max(searchsorted(xp, x, side="right"), 1), max(n - 1, 1))
    x0, x1, f0, f1 = [take(v, j, mode="clip") for v in (xp, fp) for j in (lax.sub(i, 1), i)]
    dx = lax.sub(x1, x0)
    flat = lax.eq(dx, 0)
    slope = lax.div(lax.sub(f1, f0), where(flat, 1.0, dx))
    found = where(flat, f1, lax.add(f0, lax.mul(lax.sub(x, x0), slope)))
    if period is not None:
        return found
    for beyond, k, value in ((lax.lt, 0, left), (lax.gt, n - 1, right)):
        if not isinstance(value, str):
            edge, value = cut(xp, 0, k, k + 1), cut(fp, 0, k, k + 1) if value is None else value
            edge, value = [broadcast_to(_number(v), typeof(x).shape) for v in (edge, value)]
            found = where(beyond(x, edge), value, found)
    return found


def _number(v):
    v = as_array("interp", v)
    return lax.reshape(v, ()) if typeof(v).size == 1 else v


def _periodic(x, xp, fp, period):
    """Points in order within one period, with one more on either side."""
    if np.ndim(period):
        raise ValueError(f"interp: the period is one number, got {typeof(period)} at {at()}; give an element of it")
    size = abs(period) if type(period) in PYTHON else lax.abs(convert("interp", period, typeof(x).dtype))
    x, xp = remainder(x, size), remainder(xp, size)
    xp, fp = lax.sort((xp, fp), dimension=0, num_keys=1)
    n = typeof(xp).size
    xp = lax.concatenate([subtract(cut(xp, 0, n - 1, n), size), xp, add(cut(xp, 0, 0, 1), size)], 0)
    return x, xp, lax.concatenate([cut(fp, 0, n - 1, n), fp, cut(fp, 0, 0, 1)], 0)


def convolve(a, v, mode="full", *, precision=None, preferred_element_type=None):
    """The sums of a[k - i] * v[i]: all of them ("full"), as many as `a` has ("same"), or those with no end ("valid").

    a, v: vectors -> a vector of n + m - 1, max(n, m), or max(n, m) - min(n, m) + 1 elements. Raises ValueError for
    arrays that are no vectors, or empty.
    """
    return _convolve("convolve", a, v, mode, precision, preferred_element_type)


def correlate(a, v, mode="valid", *, precision=None, preferred_element_type=None):
    """The sums of a[k + i] * conj(v[i]): see `convolve`."""
    a, v = as_array("correlate", a), as_array("correlate", v)
    if typeof(a).ndim != 1 or typeof(v).ndim != 1:
        return _convolve("correlate", a, v, mode, precision, preferred_element_type)  # which refuses them
    if typeof(a).size < typeof(v).size:  # the centre of "same" is that of the longer one
        return _turned(correlate(v, a, mode, precision=precision, preferred_element_type=preferred_element_type))
    return _convolve("correlate", a, _turned(v), mode, precision, preferred_element_type)


def _turned(v):
    """The conjugates in reverse order."""
    return lax.rev(lax.conj(v) if dtypes.is_complex(typeof(v).dtype) else v, (0,))


def _convolve(name, a, v, mode, precision, preferred):
    a, v = promote_dtypes(name, as_array(name, a), as_array(name, v), rule=NUMBER)
    if typeof(a).ndim != 1 or typeof(v).ndim != 1 or not (typeof(a).size and typeof(v).size):
        raise ValueError(f"{name}: takes two vectors that are not empty, got {typeof(a)} and {typeof(v)} at {at()}")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f'{name}: mode={mode!r} at {at()}; give "full", "same" or "valid"')
    n, m = typeof(a).size, typeof(v).size
    if type(a) is Array and type(v) is Array and not tracing and preferred is None and a.dtype.char in "fdFDil":
        return of_value(quietly(np.convolve, a._value, v._value, mode))
    if n < m:
        a, v, n, m = v, a, m, n
    total = product(name, v, _shifted(a, m), "r,rc->c", precision, preferred)
    start, count = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[mode]
    return cut(total, 0, start, start + count)


def _shifted(a, m: int):
    """The m by (n + m - 1) matrix whose row i is `a` moved i to the right, zeros elsewhere.

    Rows of n + m elements, read in rows that are one shorter, move on by one in each row.
    """
    n = typeof(a).size
    long = lax.pad(a, lax.full((), 0, typeof(a).dtype), [(0, m, 0)])
    rows = lax.reshape(lax.broadcast_in_dim(long, (m, n + m), (1,)), (m * (n + m),))
    return lax.reshape(cut(rows, 0, 0, m * (n + m - 1)), (m, n + m - 1))


# ---- cross products ----


def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """The cross products of vectors of two or three elements; of two vectors of two, only the third component.

    a, b: (..., 2 or 3) along the axes given -> (..., 3) along `axisc`, or (...). The other axes broadcast. Raises
    ValueError for vectors of other lengths.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    made = by_numpy(_host_cross, a, b, axisa, axisb, axisc)
    if made is not None:
        return made
    a, b = promote_dtypes("cross", as_array("cross", a), as_array("cross", b))
    a = moveaxis(a, canonical_axis("cross", axisa, typeof(a).ndim), -1)
    b = moveaxis(b, canonical_axis("cross", axisb, typeof(b).ndim), -1)
    sizes = typeof(a).shape[-1], typeof(b).shape[-1]
    if not set(sizes) <= {2, 3}:
        raise ValueError(f"cross: takes vectors of two or three elements, got {typeof(a)} and {typeof(b)} at {at()}")
    if sizes == (2, 2):
        a0, a1, b0, b1 = [_component(x, k) for x in (a, b) for k in (0, 1)]
        return subtract(multiply(a0, b1), multiply(a1, b0))
    a, b = promote_shapes("cross", _with_third(a), _with_third(b))
    made = _rolled(subtract(multiply(a, _rolled(b)), multiply(_rolled(a), b)))
    return moveaxis(made, -1, canonical_axis("cross", axisc, typeof(made).ndim))


def _host_cross(a, b, axisa, axisb, axisc):
    if np.shape(a)[axisa] != 3 or np.shape(b)[axisb] != 3:
        raise ValueError  # NumPy has given vectors of two elements up
    return np.cross(a, b, axisa, axisb, axisc)


def _component(x, k: int):
    shape = typeof(x).shape
    return lax.reshape(cut(x, len(shape) - 1, k, k + 1), shape[:-1])


def _with_third(x):
    shape = typeof(x).shape
    if shape[-1] == 3:
        return x
    return lax.pad(x, lax.full((), 0, typeof(x).dtype), [*[(0, 0, 0)] * (len(shape) - 1), (0, 1, 0)])


def _rolled(x):
    """The components (y, z, x)."""
    axis = typeof(x).ndim - 1
    return lax.concatenate([cut(x, axis, 1, 3), cut(x, axis, 0, 1)], axis)
