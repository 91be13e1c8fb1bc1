"""NumPy's indexing rules: what an index means for a shape.

`parse` turns an index into pieces, one per axis or new axis. What is out of bounds raises IndexError wherever the
numbers are known to Python: always for integers, and for index arrays while nothing is being compiled.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from functorch_lite import dtypes
from functorch_lite.array import Array
from functorch_lite.errors import (
    BadIndexError,
    ConcretizationError,
    NonConcreteBooleanIndexError,
    NonConcreteSliceError,
)
from functorch_lite.numpy.promote import as_array, said
from functorch_lite.trace import Tracer, at, current_frame, typeof


class New(NamedTuple):
    """`None`: a result axis of size 1."""


class Span(NamedTuple):
    """A slice: the positions `start + k * step` of `axis`, for `k < size`."""

    axis: int
    start: int
    size: int
    step: int


class Point(NamedTuple):
    """A Python integer, in bounds and not negative."""

    axis: int
    index: int


class Pick(NamedTuple):
    """Integers that are data: an ndarray already wrapped and checked, or a tracer still to be wrapped."""

    axis: int
    index: Any


class Flag(NamedTuple):
    """A boolean scalar: a result axis of size 0 or 1."""

    size: int


class How(NamedTuple):
    """The keywords of `x.at[index].get` and its siblings; `otherwise` is what a compiled fetch does without a mode."""

    mode: str | None = None
    fill_value: Any = None
    indices_are_sorted: bool = False
    unique_indices: bool = False
    wrap: bool = True
    otherwise: str = "clip"


DEFAULT = How()
_MODES = {"fill": "fill", "drop": "fill", "clip": "clip", "promise_in_bounds": "promise_in_bounds"}
_ALLOWED = "use integers, slices, `...`, None, and arrays of integers or booleans"


def mode_name(mode) -> str | None:
    """The canonical name of a mode given as a string, None, or a member of `lax.GatherScatterMode`."""
    if mode is None:
        return None
    name = mode if isinstance(mode, str) else getattr(mode, "name", str(mode))
    name = {"fill_or_drop": "fill"}.get(name.lower(), name.lower())
    if name not in _MODES:
        raise ValueError(f"index mode {mode!r} at {at()} is unknown; use 'fill', 'drop', 'clip' or 'promise_in_bounds'")
    return _MODES[name]


# ---- what is known ----


def is_abstract() -> bool:
    """Whether a trace that sees types only is going on."""
    frame = current_frame()
    return frame is not None and not frame.concrete


def known(x) -> Any:
    """The numbers of `x` as an ndarray, or None for a tracer that has only a type."""
    if isinstance(x, Tracer):
        x = x.frame.value(x.number) if x.frame.open else x.concrete()
    return None if x is None else np.asarray(x)


def demanded(x, what: str) -> np.ndarray:
    """The numbers of `x`. Raises ConcretizationError, naming `what`, for a tracer that has only a type."""
    return np.asarray(x.concrete(ConcretizationError, what) if isinstance(x, Tracer) else x)


_PLAIN = frozenset((int, slice, type(None), type(Ellipsis), np.ndarray, np.int32, np.int64, np.uint32, np.uint64))


def host_index(index):
    """`index` as NumPy takes it; None where the general way has to look at it."""
    kind = type(index)
    if kind in _PLAIN:
        return index if index is not None else (None,)
    if kind is Array:
        return index._value
    if kind is tuple:
        entries = tuple([e._value if type(e) is Array else e for e in index])
        return entries if all([type(e) in _PLAIN for e in entries]) else None
    return None


# ---- from an index to pieces ----


def parse(type_, index, how: How) -> list:
    """The pieces of `index` for an array of `type_`: every axis is in one of them, in order."""
    entries = [_entry(i) for i in (index if isinstance(index, tuple) else (index,))]
    used = sum([_axes_of(e) for e in entries])
    if used > type_.ndim:
        raise IndexError(
            f"too many indices for array: {type_} is {type_.ndim}-dimensional, but {used} were indexed, at {at()}"
        )
    ellipses = [k for k, e in enumerate(entries) if e is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError(f"an index can only have a single ellipsis ('...'), got {len(ellipses)} at {at()}")
    where = ellipses[0] if ellipses else len(entries)
    entries[where : where + 1] = [_REST] * (type_.ndim - used) or [_NOTHING]
    pieces: list = []
    axis = 0
    for e in entries:
        pieces.extend(_piece(type_, axis, e, how))
        axis += _axes_of(e)
    return pieces


_REST = slice(None)
_NOTHING = Ellipsis  # an ellipsis that stands for no axis still keeps the arrays around it apart


def _entry(e):
    """One entry of an index tuple in a canonical form: int, slice, None, Ellipsis, or something with a type."""
    kind = type(e)
    if kind is int or kind is slice or e is None or e is Ellipsis:
        return e
    if kind is bool:
        return np.bool_(e)
    if isinstance(e, (list, tuple)):
        e = as_array("index", e) if len(e) else np.zeros(0, np.int64)
    if isinstance(e, (np.ndarray, np.generic, Array, Tracer)):
        return _array_entry(e)
    try:
        return operator.index(e)
    except TypeError:
        if hasattr(kind, "__array__"):
            return _array_entry(as_array("index", e))
        raise BadIndexError(f"{said(e)} ({kind.__name__}) at {at()} is no index; {_ALLOWED}") from None


def _array_entry(e):
    try:
        kind = dtypes.kind(e.dtype)
    except TypeError:
        kind = "O"
    if kind not in "iub":
        raise BadIndexError(f"an index of dtype {e.dtype} at {at()} is no index; {_ALLOWED}")
    return int(e) if isinstance(e, (np.ndarray, np.generic)) and e.ndim == 0 and kind != "b" else e


def _axes_of(e) -> int:
    if e is None or e is Ellipsis:
        return 0
    if type(e) in (int, slice):
        return 1
    return e.ndim if dtypes.kind(e.dtype) == "b" else 1


def _piece(type_, axis, e, how):
    """The pieces of one entry; a mask gives one per axis that it covers."""
    if e is None:
        return [New()]
    if e is Ellipsis:
        return [_NOTHING]
    if type(e) is int:
        return [_point(type_, axis, e, how)]
    if type(e) is slice:
        return [Span(axis, *_slice(e, type_.shape[axis]))]
    if dtypes.kind(e.dtype) == "b":
        return _mask(type_, axis, e)
    return [Pick(axis, checked(type_, axis, e, how))]


def _point(type_, axis, i, how):
    size = type_.shape[axis]
    j = i + size if i < 0 and how.wrap else i
    if 0 <= j < size:
        return Point(axis, j)
    if how.mode is None:
        raise out_of_bounds(i, axis, type_)
    return Pick(axis, np.array(j, np.int64))


def out_of_bounds(i, axis, type_) -> IndexError:
    n = type_.shape[axis]
    way = f"use {-n} to {n - 1}, or `x.at[index]` with a mode" if n else "the axis is empty"
    return IndexError(f"index {i} is out of bounds for axis {axis} with size {n} of {type_}, at {at()}; {way}")


def _slice(s: slice, size: int) -> tuple[int, int, int]:
    try:
        start, stop, step = s.indices(size)
    except ValueError:
        raise ValueError(f"slice step cannot be zero, at {at()}") from None
    except TypeError:
        tracer = next((v for v in (s.start, s.stop, s.step) if isinstance(v, Tracer)), None)
        if tracer is None:
            raise BadIndexError(f"a slice takes integers or None, got {s} at {at()}") from None
        raise NonConcreteSliceError(
            f"a slice takes static integers, got {typeof(tracer)} at {at()}; use `lax.dynamic_slice`, whose sizes "
            "are static"
        ) from None
    return start, len(range(start, stop, step)), step


def _mask(type_, axis, mask):
    """A boolean entry as integer arrays: what `nonzero` gives."""
    for k, n in enumerate(mask.shape):
        if n != type_.shape[axis + k]:
            raise IndexError(
                f"boolean index did not match {type_} along axis {axis + k}; size of axis is {type_.shape[axis + k]} "
                f"but size of corresponding boolean axis is {n}, at {at()}"
            )
    value = known(mask)
    if value is None:
        raise NonConcreteBooleanIndexError(
            f"the mask {typeof(mask)} at {at()} is traced with its type only, so the shape of the result is unknown; "
            "use `where(mask, x, value)`, `x.at[mask].set(scalar)`, or `nonzero(mask, size=n)`"
        )
    if value.ndim == 0:
        return [Flag(int(value))]
    return [Pick(axis + k, i) for k, i in enumerate(np.nonzero(value))]


def checked(type_, axis, index, how):
    """Wrapped, and checked where the numbers are known and nobody chose a mode."""
    if isinstance(index, Tracer):
        if typeof(index).size and type_.shape[axis] == 0 and (how.mode or how.otherwise) != "fill":
            raise out_of_bounds(index, axis, type_)
        return index
    value, n = np.asarray(index), type_.shape[axis]
    if value.dtype.itemsize < 8:
        value = value.astype(np.int64)
    wrapped = np.where(value < 0, value + n, value) if how.wrap and value.dtype.kind == "i" else value
    if value.size and how.mode is None and (n == 0 or not is_abstract()):
        bad = (wrapped < 0) | (wrapped >= n)
        if bad.any():
            raise out_of_bounds(value[bad].flat[0], axis, type_)
    return wrapped


# ---- what pieces select ----


def window(p) -> tuple[int, int, int]:
    """(lowest position, size, step > 0) of a span or a point."""
    if type(p) is Point:
        return p.index, 1, 1
    if p.size < 2:
        return p.start * p.size, p.size, 1
    return (p.start, p.size, p.step) if p.step > 0 else (p.start + (p.size - 1) * p.step, p.size, -p.step)


def forward(p):
    """A span in the order of memory."""
    return Span(p.axis, *window(p)) if type(p) is Span else p


def backward(p) -> bool:
    return type(p) is Span and p.step < 0 and p.size > 1


class Layout(NamedTuple):
    """Where things are in a result that has array indices: `front` of them all, or where the first one stood."""

    batch: tuple[int, ...]  # the shape that index arrays broadcast to
    start: int  # the result axis where it begins, new axes not counted
    spans: list
    picks: list
    shape: tuple[int, ...]  # of the result, new axes counted


def layout(type_, pieces) -> Layout:
    """NumPy's rule: neighbouring arrays (integers count as arrays) are replaced by one block, others move in front."""
    advanced = [k for k, p in enumerate(pieces) if type(p) in (Pick, Flag, Point)]
    together = advanced[-1] - advanced[0] + 1 == len(advanced)
    first = advanced[0] if together else 0
    picks = [p for p in pieces if type(p) is Pick]
    shapes = [p.index.shape for p in picks]
    shapes += [(p.size,) for p in pieces if type(p) is Flag]
    try:
        batch = np.broadcast_shapes(*shapes)
    except ValueError:
        raise IndexError(
            f"shape mismatch: the index arrays of shapes {' and '.join(map(str, shapes))} do not broadcast together, "
            f"at {at()}; reshape one of them"
        ) from None
    before = [p for p in pieces[:first] if type(p) in (Span, New)]
    after = [p for p in pieces[first:] if type(p) in (Span, New)]
    sizes = lambda ps: tuple([1 if type(p) is New else p.size for p in ps])
    start = len([p for p in before if type(p) is Span])
    spans = [p for p in pieces if type(p) is Span]
    return Layout(batch, start, spans, picks, sizes(before) + batch + sizes(after))


def within(picks, type_) -> bool:
    """Whether all positions are known and in bounds, so that nobody has to look again."""
    for p in picks:
        i = p.index
        if not isinstance(i, np.ndarray) or (i.size and not (0 <= i.min() and i.max() < type_.shape[p.axis])):
            return False
    return True
