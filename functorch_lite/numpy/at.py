"""`x.at[index].set(value)` and its siblings: updates that return a new array.

Integers and slices become `dynamic_update_slice` with constant starts (or a select, where a slice has a step), a mask
with a value of any count becomes `where`, everything else one scatter. The value is converted to the dtype of the
array; what would change its kind (a float into integers) raises TypeError.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array, of_value
from functorch_lite.numpy import ufuncs
from functorch_lite.numpy.arithmetic import power
from functorch_lite.numpy.dispatch import REFUSED, quietly
from functorch_lite.numpy.indexing import convert, cut, getitem, lax_reshape, reverse, stacked
from functorch_lite.numpy.pieces import (
    Flag,
    How,
    New,
    Pick,
    Point,
    Span,
    backward,
    forward,
    host_index,
    layout,
    mode_name,
    parse,
    window,
    within,
)
from functorch_lite.numpy.promote import asarray, operand
from functorch_lite.trace import SCALARS, at, tracing, typeof

_COMBINE = {
    "add": lax.add,
    "multiply": lax.mul,
    "min": lax.min,
    "max": lax.max,
}
_SCATTER = {
    "set": lax.scatter,
    "add": lax.scatter_add,
    "multiply": lax.scatter_mul,
    "min": lax.scatter_min,
    "max": lax.scatter_max,
}
_new = object.__new__


class At:
    """What `x.at` is: index it, then call one of the methods below."""

    __slots__ = ("_array",)

    def __init__(self, array):
        self._array = array

    def __getitem__(self, index):
        update = _new(Update)
        update._array, update._index = self._array, index
        return update

    def __repr__(self) -> str:
        return f"At({self._array!r})"


class Update:
    """`x.at[index]`. Every method takes the keywords

    mode: what an index out of bounds does. "fill" or "drop": an update is dropped, a fetch gives `fill_value`; "clip":
        the nearest position is used; "promise_in_bounds": the caller vouches for it. Without a mode it raises
        IndexError in eager mode, and in compiled programs an update is dropped and a fetch clamped.
    indices_are_sorted, unique_indices: promises that allow faster programs.
    wrap_negative_indices: whether -1 means the last position (it does, unless False is given).
    """

    __slots__ = ("_array", "_index")

    def __repr__(self) -> str:
        return f"Update({self._array!r}, {self._index!r})"

    def get(self, *, indices_are_sorted=False, unique_indices=False, mode=None, fill_value=None,
            out_sharding=None, wrap_negative_indices=True):  # fmt: skip
        """`x[index]`. fill_value: what mode "fill", which it implies, gives (NaN, the least or largest integer)."""
        mode = "fill" if mode is None and fill_value is not None else mode_name(mode)
        how = How(mode, fill_value, indices_are_sorted, unique_indices, wrap_negative_indices)
        if how == How():
            return self._array[self._index]
        return getitem(self._array, self._index, how)

    def apply(self, func, *, indices_are_sorted=False, unique_indices=False, mode=None, wrap_negative_indices=True):
        """A copy with `x[index] = func(x[index])`; a position that occurs several times is replaced once."""
        how = How(mode_name(mode), None, indices_are_sorted, unique_indices, wrap_negative_indices)
        return update(self._array, self._index, "set", func(getitem(self._array, self._index, how)), how)

    def divide(self, values, **how):
        """A copy with `x[index] /= values`."""
        return ufuncs.divide(self._array, _neutral(self._array).at[self._index].multiply(values, **how))

    def power(self, values, **how):
        """A copy with `x[index] **= values`."""
        return power(self._array, _neutral(self._array).at[self._index].multiply(values, **how))

    def subtract(self, values, **how):
        """A copy with `x[index] -= values`."""
        x = asarray(self._array)
        value = _stored("subtract", typeof(x), operand("at[].subtract", values))
        return self.add(lax.neg(lax.full((), value, x.dtype) if type(value) in SCALARS else value), **how)


def _neutral(x):
    return lax.full(x.shape, 1, x.dtype)


def _method(name, ufunc, doc):
    def method(self, values, *, indices_are_sorted=False, unique_indices=False, mode=None,
               out_sharding=None, wrap_negative_indices=True):  # fmt: skip
        x = self._array
        if type(x) is Array and not tracing and mode is None:
            made = _on_host(ufunc, x, self._index, values)
            if made is not None:
                return made
        how = How(mode_name(mode), None, indices_are_sorted, unique_indices, wrap_negative_indices)
        return update(x, self._index, name, values, how)

    method.__name__ = name
    method.__qualname__ = f"Update.{name}"
    method.__doc__ = doc
    return method


_EACH = ", once for every time a position occurs."
Update.set = _method("set", None, "A copy with `x[index] = values`.")
Update.add = _method("add", np.add, f"A copy with `x[index] += values`{_EACH}")
Update.multiply = Update.mul = _method("multiply", np.multiply, f"A copy with `x[index] *= values`{_EACH}")
Update.min = _method("min", np.minimum, f"A copy with `x[index] = minimum(x[index], values)`{_EACH}")
Update.max = _method("max", np.maximum, f"A copy with `x[index] = maximum(x[index], values)`{_EACH}")


# ---- eager, on the host ----

_TAKES = {float: "f", int: "fiu"}  # Python scalars that NumPy stores as we do, by the kind of the array


def _host_value(value, new):
    """`new` as NumPy may store it in `value`; None where the general way has to look at it."""
    kind = type(new)
    if kind is Array:
        new = new._value
        return new if new.dtype is value.dtype else None
    if kind is np.ndarray:
        return new if new.dtype is value.dtype else None
    return new if value.dtype.kind in _TAKES.get(kind, "") else None


def _on_host(ufunc, x, index, values):
    """`x.at[index]` updated by NumPy's own assignment into a copy; None where the general way has to look at it."""
    value = x._value
    new, where = _host_value(value, values), host_index(index)
    if new is None or where is None:
        return None
    try:
        made = value.copy()
        if ufunc is None:
            made[where] = new
        elif type(where) is int or type(where) is slice:
            made[where] = quietly(ufunc, value[where], new)
        else:
            quietly(ufunc.at, made, where, new)
    except (IndexError, *REFUSED):
        return None  # the general way raises our error, or knows better
    return of_value(made)


# ---- the general way ----


def update(x, index, name, values, how: How):
    """`x` with the positions of `index` combined with `values` by `name`: set, add, multiply, min or max."""
    x = asarray(x)
    value = _stored(name, typeof(x), operand(f"at[].{name}", values))
    if how.mode is None:
        masked = _masked(x, index, name, value)
        if masked is not None:
            return masked
    pieces = parse(typeof(x), index, how)
    if all([type(p) not in (Pick, Flag) for p in pieces]):
        return _static(x, pieces, name, value)
    return _scatter(x, pieces, name, value, how)


def _rank(dtype) -> int:
    return "biufc".replace("u", "").index(dtypes.kind(dtype).replace("u", "i"))


def _stored(name, type_, value):
    """`value` in the dtype of the array. Raises TypeError where its kind does not fit."""
    t = typeof(value)
    if _rank(t.dtype) > _rank(type_.dtype):
        raise TypeError(
            f"at[].{name}: {t} does not go into {type_} without loss, at {at()}; convert one of them with astype"
        )
    if type(value) in SCALARS:
        return value
    return convert(value, type_.dtype)


def _combine(name, old, new):
    if name == "set":
        return new
    if dtypes.is_bool(old.dtype):
        return (lax.bitwise_and if name in ("multiply", "min") else lax.bitwise_or)(old, new)
    return _COMBINE[name](old, new)


def _fit(value, dtype, shape, to, name):
    """`value` broadcast to `shape` by NumPy's rule for assignment, then reshaped to `to`.

    Extra leading axes of size 1 fall away. `to` has the axes of `shape` but for some of size 1.
    """
    if type(value) in SCALARS:
        return lax.full(to, value, dtype)
    have = typeof(value).shape
    spare = max(len(have) - len(shape), 0)
    n = len(shape) - len(have) + spare
    if have[:spare] != (1,) * spare or any([h not in (1, s) for h, s in zip(have[spare:], shape[n:], strict=True)]):
        raise ValueError(
            f"at[].{name}: cannot broadcast {typeof(value)} to the indexed shape {shape} at {at()}; reshape the value"
        )
    if not have:
        return lax.broadcast_in_dim(value, to, ())
    value = lax_reshape(value, have[spare:])
    if have[spare:] != shape:
        value = lax.broadcast_in_dim(value, shape, tuple(range(n, len(shape))))
    return lax_reshape(value, to)


def _masked(x, index, name, value):
    """One mask, and a value that does not depend on how many are true: `where`. None if that is not the case."""
    entries = index if type(index) is tuple else (index,)
    masks = [k for k, e in enumerate(entries) if isinstance(e, (np.ndarray, Array)) and e.ndim and e.dtype == bool]
    others = [e for k, e in enumerate(entries) if k not in masks]
    ellipses = [k for k, e in enumerate(entries) if e is Ellipsis]
    if len(masks) != 1 or len(ellipses) > 1 or any([e is not Ellipsis and not _whole(e) for e in others]):
        return None
    (k,), mask = masks, entries[masks[0]]
    before = k if not ellipses or ellipses[0] > k else x.ndim - mask.ndim - (len(entries) - k - 1)
    after = x.ndim - before - mask.ndim
    if before < 0 or after < 0 or x.shape[before : before + mask.ndim] != mask.shape:
        return None  # `parse` says what is wrong
    have = () if type(value) in SCALARS else typeof(value).shape
    if len(have) > after:
        cut_at = len(have) - after
        if have[cut_at - 1] != 1:
            return None
        value = lax_reshape(value, (*have[: cut_at - 1], *(1,) * mask.ndim, *have[cut_at:]))
    mask = mask if mask.shape == x.shape else lax.broadcast_in_dim(mask, x.shape, tuple(range(before, x.ndim - after)))
    if name == "set" and type(value) in SCALARS:
        return lax.select(mask, _PYTHON[dtypes.kind(x.dtype)](value), x)
    new = _fit(value, x.dtype, x.shape, x.shape, name)
    return lax.select(mask, _combine(name, x, new), x)


_PYTHON = {"b": bool, "i": int, "u": int, "f": float, "c": complex}


def _whole(e) -> bool:
    return type(e) is slice and e == slice(None)


def _static(x, pieces, name, value):
    """Integers and slices only: the window is overwritten in place."""
    spans = [p for p in pieces if type(p) in (Span, Point)]
    windows = {p.axis: window(p) for p in spans}
    starts, sizes, steps = zip(*[windows[a] for a in range(x.ndim)], strict=True) if x.ndim else ((), (), ())
    shape = tuple([1 if type(p) is New else p.size for p in pieces if type(p) in (New, Span)])
    new = _fit(value, x.dtype, shape, sizes, name)
    if 0 in sizes:
        return x
    new = reverse(new, [p.axis for p in spans if backward(p)])
    if name != "set":
        new = _combine(name, cut(x, [forward(p) for p in spans]), new)
    if sizes == x.shape:
        return new
    if max(steps) == 1:
        return lax.dynamic_update_slice(x, new, starts)
    edges = [(low, n - low - (size - 1) * step - 1, step - 1)
             for n, low, size, step in zip(x.shape, starts, sizes, steps, strict=True)]  # fmt: skip
    mask = lax.pad(lax.full(sizes, True, bool), False, edges)
    return lax.select(mask, lax.pad(new, _zero(x.dtype), edges), x)


def _zero(dtype):
    return {"b": False, "f": 0.0, "c": 0j}.get(dtypes.kind(dtype), 0)


class _Part(NamedTuple):
    """One index component of a scatter: its numbers, along which batch axes they vary, and the axis they index."""

    axis: int
    index: Any
    along: tuple[int, ...]


def _scatter(x, pieces, name, value, how):
    """Index arrays or traced scalars: one scatter.

    A slice without a step is a window of the update with a constant start; one with a step is one more index array.
    """
    plan = layout(typeof(x), pieces)
    new_axes_out = tuple([p.size for p in plan.spans[: plan.start]]) + plan.batch + tuple(
        [p.size for p in plan.spans[plan.start :]])  # fmt: skip
    value = _fit(value, x.dtype, plan.shape, new_axes_out, name)
    if 0 in new_axes_out or any([x.shape[p.axis] == 0 for p in plan.picks]):
        return x
    places = [k if k < plan.start else k + len(plan.batch) for k in range(len(plan.spans))]
    value = reverse(value, [k for k, p in zip(places, plan.spans, strict=True) if backward(p)])
    windows = [k for k, p in zip(places, plan.spans, strict=True) if window(p)[2] == 1]
    batch_axes = [k for k in range(len(new_axes_out)) if k not in windows]
    parts = _parts(x, pieces, plan, places, batch_axes)
    if not parts:
        return _combine(name, x, lax_reshape(value, x.shape))
    batch = tuple([new_axes_out[k] for k in batch_axes])
    inserted = [p.axis for p in pieces if type(p) in (Pick, Point) or (type(p) is Span and window(p)[2] != 1)]
    numbers = lax.ScatterDimensionNumbers(
        update_window_dims=tuple(windows),
        inserted_window_dims=tuple(sorted(inserted)),
        scatter_dims_to_operand_dims=tuple([p.axis for p in parts]),
    )
    indices = stacked([(p.index, x.shape[p.axis], p.along) for p in parts], batch, how.wrap)
    unique = how.unique_indices or not batch or (name in ("set", "multiply") and _distinct(plan.picks))
    mode = how.mode or ("promise_in_bounds" if within(plan.picks, typeof(x)) else "drop")
    return _SCATTER[name](x, indices, value, numbers, indices_are_sorted=how.indices_are_sorted or not batch,
                          unique_indices=unique, mode=mode)  # fmt: skip


def _parts(x, pieces, plan, places, batch_axes) -> list[_Part]:
    """The index components; constants vary along no batch axis."""
    block = batch_axes.index(plan.start) if plan.batch else 0
    parts = []
    for p in pieces:
        if type(p) is Pick:
            last = block + len(plan.batch)
            parts.append(_Part(p.axis, p.index, tuple(range(last - p.index.ndim, last))))
        elif type(p) is Point:
            parts.append(_Part(p.axis, np.array(p.index), ()))
        elif type(p) is Span:
            low, size, step = window(p)
            if step != 1:
                place = batch_axes.index(places[plan.spans.index(p)])
                parts.append(_Part(p.axis, low + step * np.arange(size), (place,)))
            elif size != x.shape[p.axis]:
                parts.append(_Part(p.axis, np.array(low), ()))
    return parts


def _distinct(picks) -> bool:
    """Whether one array of known positions names none twice; longer ones are not worth the search."""
    index = picks[0].index if len(picks) == 1 else None
    return isinstance(index, np.ndarray) and index.size <= _SHORT and np.unique(index).size == index.size


_SHORT = 1024
