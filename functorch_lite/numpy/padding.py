"""`pad`, in all the modes of NumPy."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.numpy import reductions, statistics, ufuncs
from functorch_lite.numpy.editing import picked, runs
from functorch_lite.numpy.indexing import getitem
from functorch_lite.numpy.joining import concatenate
from functorch_lite.numpy.promote import as_array, asarray, convert, said
from functorch_lite.numpy.shape import broadcast_to, immutable, moveaxis
from functorch_lite.trace import at, typeof

__all__ = ["pad"]

_ALLOWED = {
    "constant": {"constant_values"},
    "edge": set(),
    "empty": set(),
    "linear_ramp": {"end_values"},
    "maximum": {"stat_length"},
    "mean": {"stat_length"},
    "median": {"stat_length"},
    "minimum": {"stat_length"},
    "reflect": {"reflect_type"},
    "symmetric": {"reflect_type"},
    "wrap": set(),
}


def pad(array, pad_width, mode="constant", **kwargs):
    """`array` with `pad_width` more elements before and after each axis.

    pad_width: an integer, a pair for all axes, a pair per axis, or a dict from axis to either. mode: "constant"
    (constant_values), "edge", "linear_ramp" (end_values), "maximum", "mean", "median", "minimum" (stat_length),
    "reflect", "symmetric" (reflect_type "even" or "odd"), "wrap", "empty" (zeros), or a function that NumPy's `pad`
    would take and that returns the padded vector.
    """
    array = as_array("pad", array)
    widths = _pairs("pad_width", _width_dict(pad_width, array.ndim), array.ndim)
    if any([w < 0 for pair in widths for w in pair]):
        raise ValueError(f"pad: widths are at least 0, got {widths} at {at()}; use an index to cut")
    if callable(mode):
        return _by_function(array, widths, mode, kwargs)
    if mode not in _ALLOWED:
        raise ValueError(f"pad: mode {mode!r} at {at()} is unknown; use one of {', '.join(_ALLOWED)}")
    if set(kwargs) - _ALLOWED[mode]:
        raise ValueError(f"pad: mode {mode!r} does not take {', '.join(set(kwargs) - _ALLOWED[mode])}, at {at()}")
    if mode in ("constant", "empty"):
        return _constant(array, widths, kwargs.get("constant_values", 0))
    for axis, pair in enumerate(widths):
        if not array.shape[axis] and any(pair):
            raise ValueError(
                f"pad: axis {axis} of {typeof(array)} is empty, so mode {mode!r} has nothing to repeat, at {at()}"
            )
    return immutable(_MODES[mode](array, widths, mode, **kwargs))


def _width_dict(pad_width, ndim):
    if not isinstance(pad_width, dict):
        return pad_width
    rows = [(0, 0)] * ndim
    for axis, pair in pad_width.items():
        rows[axis] = (pair, pair) if np.ndim(pair) == 0 else tuple(pair)
    return rows


def _pairs(name, given, ndim) -> list[tuple[int, int]]:
    """A pair per axis, of integers."""
    value = np.asarray(given)
    try:
        rows = np.broadcast_to(value, (ndim, 2)).tolist() if ndim or value.ndim == 0 else []
    except ValueError:
        raise ValueError(
            f"pad: {name}={said(given)} does not broadcast to {ndim} pairs, at {at()}; give a pair per axis"
        ) from None
    if value.dtype.kind not in "iu" and rows:
        raise TypeError(f"pad: {name} holds integers, got {said(given)} at {at()}")
    return [tuple(row) for row in rows]


def _values(given, array) -> list:
    """A pair of scalars of the array's dtype per axis."""
    given = convert("pad", given, array.dtype)
    shape = (array.ndim, 2)
    full = broadcast_to(given, shape) if given.ndim else None
    return [tuple([given if full is None else getitem(full, (k, j)) for j in range(2)]) for k in range(array.ndim)]


def _constant(array, widths, values):
    edges = [(low, high, 0) for low, high in widths]
    if not any([any(pair) for pair in widths]):
        return immutable(array)
    if np.ndim(values) == 0 or getattr(values, "ndim", None) == 0:
        return lax.pad(array, convert("pad", values, array.dtype), edges)
    for axis, pair in enumerate(_values(values, array)):
        for side in range(2):
            if widths[axis][side]:
                edge = [(0, 0, 0)] * array.ndim
                edge[axis] = (widths[axis][0], 0, 0) if side == 0 else (0, widths[axis][1], 0)
                array = lax.pad(array, pair[side], edge)
    return array


def _repeating(array, widths, mode, reflect_type="even"):
    """Modes that repeat elements: every axis is a few runs of the old positions."""
    if reflect_type == "odd" and mode != "edge":
        return _odd(array, widths, mode)
    if reflect_type not in ("even", "odd"):
        raise ValueError(f"pad: reflect_type {reflect_type!r} at {at()} is unknown; use 'even' or 'odd'")
    for axis, pair in enumerate(widths):
        if any(pair):
            which = np.pad(np.arange(array.shape[axis]), pair, mode)
            array = concatenate([picked(array, axis, *run) for run in runs(which)], axis)
    return array


def _odd(array, widths, mode):
    """Reflected through the edge value: `2 * edge - element`, again where the padding is longer than the array."""
    for axis, (low, high) in enumerate(widths):
        skip = 1 if mode == "reflect" else 0
        if array.shape[axis] == 1 and skip:
            array = _repeating(array, [(low, high) if k == axis else (0, 0) for k in range(array.ndim)], "edge")
            continue
        while low or high:
            n = array.shape[axis]
            left, right = min(low, n - skip), min(high, n - skip)
            low, high = low - left, high - right
            part = lambda start, stop: getitem(array, (slice(None),) * axis + (slice(start, stop),))  # noqa: B023
            reflected = lambda edge, old: ufuncs.subtract(ufuncs.multiply(edge, 2), lax.rev(old, (axis,)))  # noqa: B023
            pieces = [array]
            if left:
                pieces.insert(0, reflected(part(0, 1), part(skip, skip + left)))
            if right:
                pieces.append(reflected(part(n - 1, n), part(n - skip - right, n - skip)))
            array = concatenate(pieces, axis)
    return array


def _ramp(array, widths, mode, end_values=0):
    """A straight line from the edge to the end value, which is reached at the last element."""
    ends = _values(end_values, array)
    for axis, (low, high) in enumerate(widths):
        n = array.shape[axis]
        pieces = [array]
        if low:
            pieces.insert(0, _line(array, axis, 0, ends[axis][0], np.arange(low)[::-1] + 1, low))
        if high:
            pieces.append(_line(array, axis, n - 1, ends[axis][1], np.arange(high) + 1, high))
        array = concatenate(pieces, axis)
    return array


def _line(array, axis, edge_position, end, steps, width):
    edge = getitem(array, (slice(None),) * axis + (slice(edge_position, edge_position + 1),))
    exact = dtypes.is_inexact(array.dtype)
    dtype = array.dtype if exact else np.dtype(np.float64)
    along = asarray((steps / width).astype(np.float64)).reshape([-1 if k == axis else 1 for k in range(array.ndim)])
    edge, end, along = [convert("pad", v, dtype) for v in (edge, end, along)]
    line = ufuncs.add(edge, ufuncs.multiply(ufuncs.subtract(end, edge), along))
    return convert("pad", line if exact else ufuncs.floor(line), array.dtype)


def _statistic(array, widths, mode, stat_length=None):
    """The maximum, mean, median or minimum of the `stat_length` elements next to the edge (of all if None)."""
    lengths = [(None, None)] * array.ndim if stat_length is None else _pairs("stat_length", stat_length, array.ndim)
    if any([v is not None and v < 1 for pair in lengths for v in pair]):
        raise ValueError(f"pad: stat_length is at least 1, got {stat_length} at {at()}")
    reduce = {
        "maximum": reductions.max,
        "minimum": reductions.min,
        "mean": reductions.mean,
        "median": statistics.median,
    }
    for axis, pair in enumerate(widths):
        n, pieces = array.shape[axis], [array]
        for side in range(2):
            if pair[side]:
                length = n if lengths[axis][side] is None else min(lengths[axis][side], n)
                part = slice(0, length) if side == 0 else slice(n - length, n)
                value = reduce[mode](getitem(array, (slice(None),) * axis + (part,)), axis=axis, keepdims=True)
                if not dtypes.is_inexact(array.dtype) and mode in ("mean", "median"):
                    value = ufuncs.rint(value)
                wide = (*array.shape[:axis], pair[side], *array.shape[axis + 1 :])
                pieces.insert(0 if side == 0 else len(pieces), broadcast_to(convert("pad", value, array.dtype), wide))
        array = concatenate(pieces, axis)
    return array


_MODES = {
    "edge": _repeating, "reflect": _repeating, "symmetric": _repeating, "wrap": _repeating,
    "linear_ramp": _ramp,
    "maximum": _statistic, "mean": _statistic, "median": _statistic, "minimum": _statistic,
}  # fmt: skip


def _by_function(array, widths, function, kwargs):
    """`function(vector, (low, high), axis, kwargs)` for every vector of the array padded with zeros."""
    array = _constant(array, widths, 0)
    for axis, pair in enumerate(widths):
        rows = moveaxis(array, axis, -1)
        shape = rows.shape
        flat = rows.reshape((-1, shape[-1]))
        made = [function(row, pair, axis, kwargs) for row in flat]
        if any([row is None for row in made]):
            raise ValueError(f"pad: the function given as mode returned None at {at()}; return the padded vector")
        array = moveaxis(concatenate([asarray(row).reshape((1, -1)) for row in made], 0).reshape(shape), -1, axis)
    return array
