"""NumPy's indexing rules: what an index means for a shape, and how few primitives fetch it.

`parse` turns an index into pieces, one per axis or new axis. Integers and slices become `slice`, `rev` and `reshape`;
traced scalars become `dynamic_slice`; arrays become one `gather`. What is out of bounds raises IndexError wherever the
numbers are known to Python: always for integers, and for index arrays while nothing is being compiled. In a compiled
program the `mode` of `x.at[...]` decides, by default as in JAX: a fetch is clamped, an update is dropped.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array
from functorch_lite.errors import NonConcreteBooleanIndexError
from functorch_lite.numpy.promote import as_array
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


def known(x) -> np.ndarray | None:
    """The numbers of `x`, or None for a tracer that has only a type."""
    if isinstance(x, Tracer):
        x = x.frame.value(x.number) if x.frame.open else x.concrete()
    return None if x is None else np.asarray(x)


# ---- from an index to pieces ----


def parse(type_, index, how: How) -> list:
    """The pieces of `index` for an array of `type_`: every axis is in one of them, in order."""
    entries = [_entry(i) for i in (index if isinstance(index, tuple) else (index,))]
    used = sum([_axes_of(e) for e in entries])
    if used > type_.ndim:
        raise IndexError(
            f"too many indices for array: {type_} is {type_.ndim}-dimensional, but {used} were indexed, at {at()}")
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
        raise IndexError(f"{e!r} ({kind.__name__}) at {at()} is no index; {_ALLOWED}") from None


def _array_entry(e):
    try:
        kind = dtypes.kind(e.dtype)
    except TypeError:
        kind = "O"
    if kind not in "iub":
        raise IndexError(f"an index of dtype {e.dtype} at {at()} is no index; {_ALLOWED}")
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
    return [Pick(axis, _checked(type_, axis, e, how))]


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
    except TypeError as error:
        tracer = next((v for v in (s.start, s.stop, s.step) if isinstance(v, Tracer)), None)
        if tracer is None:
            raise IndexError(f"a slice takes integers or None, got {s} at {at()}") from None
        raise type(error)(
            f"a slice takes static integers, got {typeof(tracer)} at {at()}; use `lax.dynamic_slice(x, starts, sizes)`, "
            "whose sizes are static") from None
    return start, len(range(start, stop, step)), step


def _mask(type_, axis, mask):
    """A boolean entry as integer arrays: what `nonzero` gives."""
    for k, n in enumerate(mask.shape):
        if n != type_.shape[axis + k]:
            raise IndexError(
                f"boolean index did not match {type_} along axis {axis + k}; size of axis is {type_.shape[axis + k]} but "
                f"size of corresponding boolean axis is {n}, at {at()}")
    value = known(mask)
    if value is None:
        raise NonConcreteBooleanIndexError(
            f"the mask {typeof(mask)} at {at()} is traced with its type only, so the shape of the result is unknown; "
            "use `where(mask, x, value)`, `x.at[mask].set(scalar)`, or `nonzero(mask, size=n)`")
    if value.ndim == 0:
        return [Flag(int(value))]
    return [Pick(axis + k, i) for k, i in enumerate(np.nonzero(value))]


def _checked(type_, axis, index, how):
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


# ---- fetching ----


def getitem(x, index, how: How = How()):
    """`x[index]`, and `x.at[index].get(...)` with its keywords."""
    pieces = parse(typeof(x), index, how)
    if any(type(p) in (Pick, Flag) for p in pieces):
        return _take(x, pieces, how)
    return _cut(x, pieces)


def _cut(x, pieces):
    """Integers and slices only."""
    spans = [p for p in pieces if type(p) in (Span, Point)]
    y = cut(x, spans)
    return lax_reshape(y, tuple([1 if type(p) is New else p.size for p in pieces if type(p) in (New, Span)]))


def cut(x, spans):
    """The window that spans and points select, all axes kept; a backward slice is taken forward, then reversed."""
    shape = typeof(x).shape
    starts, limits, steps = map(list, ([0] * len(shape), shape, [1] * len(shape)))
    for p in spans:
        low, size, step = window(p)
        starts[p.axis], limits[p.axis], steps[p.axis] = low, low + (size - 1) * step + 1 if size else low, step
    if starts != [0] * len(shape) or limits != list(shape) or steps != [1] * len(shape):
        x = lax.slice(x, starts, limits, steps)
    return reverse(x, [p.axis for p in spans if backward(p)])


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


def reverse(x, axes):
    return lax.rev(x, axes) if axes else x


def lax_reshape(x, shape):
    return x if typeof(x).shape == tuple(shape) else lax.reshape(x, tuple(shape))


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
            f"at {at()}; reshape one of them") from None
    before = [p for p in pieces[:first] if type(p) in (Span, New)]
    after = [p for p in pieces[first:] if type(p) in (Span, New)]
    sizes = lambda ps: tuple([1 if type(p) is New else p.size for p in ps])
    start = len([p for p in before if type(p) is Span])
    spans = [p for p in pieces if type(p) is Span]
    return Layout(batch, start, spans, picks, sizes(before) + batch + sizes(after))


def _take(x, pieces, how):
    """At least one piece is an array, a traced scalar or a boolean scalar."""
    type_ = typeof(x)
    plan = layout(type_, pieces)
    if (how.mode or how.otherwise) != "fill" and not plan.batch and all(type(p) is not Flag for p in pieces):
        return _dynamic(x, pieces, plan, how)
    points = [p for p in pieces if type(p) is Point]
    x = cut(x, [forward(p) for p in plan.spans] + points)
    if points:
        gone = {p.axis for p in points}
        x = lax.reshape(x, tuple([n for i, n in enumerate(typeof(x).shape) if i not in gone]))
        axis_of = {a: k for k, a in enumerate(a for a in range(type_.ndim) if a not in gone)}
        plan = plan._replace(picks=[p._replace(axis=axis_of[p.axis]) for p in plan.picks])
    y = gather(x, plan, how) if plan.picks else _flagged(x, plan)
    results = [k if k < plan.start else k + len(plan.batch) for k in range(len(plan.spans))]
    y = reverse(y, [k for k, p in zip(results, plan.spans, strict=True) if backward(p)])
    return lax_reshape(y, plan.shape)


def _flagged(x, plan):
    """Boolean scalars alone: one new axis of size 1 or 0."""
    shape = list(typeof(x).shape)
    shape.insert(plan.start, 1)
    y = lax.reshape(x, tuple(shape))
    if plan.batch == (1,):
        return y
    return lax.slice(y, [0] * len(shape), [0 if k == plan.start else n for k, n in enumerate(shape)])


def _dynamic(x, pieces, plan, how):
    """Traced scalars beside integers and slices: one `dynamic_slice`, which clamps."""
    shape = typeof(x).shape
    starts: list = [0] * len(shape)
    sizes, steps = list(shape), [1] * len(shape)
    for p in pieces:
        if type(p) is Pick:
            starts[p.axis], sizes[p.axis] = wrapped(p.index, shape[p.axis]) if how.wrap else p.index, 1
        elif type(p) in (Span, Point):
            low, size, step = window(p)
            starts[p.axis], sizes[p.axis], steps[p.axis] = low, (size - 1) * step + 1 if size else 0, step
    y = lax.dynamic_slice(x, one_dtype(starts), sizes)
    if max(steps) > 1:
        y = lax.slice(y, [0] * len(sizes), sizes, steps)
    y = reverse(y, [p.axis for p in plan.spans if backward(p)])
    return lax_reshape(y, plan.shape)


def one_dtype(starts):
    """Start indices of one dtype; those that are Python integers follow the traced ones."""
    arrays = [s for s in starts if not isinstance(s, int)]
    dtype = dtypes.promote(tuple([s.dtype for s in arrays]), (False,) * len(arrays))[0]
    return [np.array(s, dtype) if isinstance(s, int) else convert(s, dtype) for s in starts]


def convert(x, dtype):
    return x if x.dtype == dtype else lax.convert_element_type(x, dtype)


def wrapped(index, size):
    """Negative positions count from the end; narrow integers are widened first, since adding `size` may overflow."""
    if not isinstance(index, Tracer):
        return index  # `parse` has done it
    index = widened(index, size)
    if dtypes.kind(index.dtype) == "u":
        return index
    return lax.select(lax.lt(index, zero(index)), lax.add(index, full_like(index, size)), index)


def widened(index, size):
    info = dtypes.iinfo(index.dtype)
    need = np.dtype(np.int32 if size < 2**31 else np.int64)
    return convert(index, need) if info.bits < need.itemsize * 8 else index


def zero(x):
    return full_like(x, 0)


def full_like(x, value):
    return lax.full(x.shape, value, x.dtype)


def stacked(columns, batch, wrap=True):
    """The index arrays of a gather or scatter as one array (*batch, number of arrays).

    columns: per array (index, size of the axis that it indexes, batch axes along which it varies).
    """
    arrays = [(wrapped(i, n) if wrap else i, along) for i, n, along in columns]
    if all([isinstance(a, np.ndarray) for a, _ in arrays]):
        made = np.stack([np.broadcast_to(_spread(a, along, len(batch)), batch) for a, along in arrays], -1)
        return made.astype(np.int32) if max([n for _, n, _ in columns]) < 2**31 and _fits(made) else made
    dtype = dtypes.promote(tuple([a.dtype for a, _ in arrays]), (False,) * len(arrays))[0]
    dtype = dtype if dtypes.is_integer(dtype) else np.dtype(np.int64)  # uint64 with int64 has no integer above
    made = [expanded(convert(a, dtype), along, batch) for a, along in arrays]
    return made[0] if len(made) == 1 else lax.concatenate(made, len(batch))


def _spread(a, along, ndim):
    shape = [1] * ndim
    for n, k in zip(a.shape, along, strict=True):
        shape[k] = n
    return a.reshape(shape)


def _fits(made):
    info = np.iinfo(np.int32)
    return made.size == 0 or (info.min <= made.min() and made.max() <= info.max)


def expanded(index, along, batch):
    """`index` broadcast to (*batch, 1) in one operation."""
    if index.shape == batch:
        return lax.reshape(index, (*batch, 1))
    return lax.broadcast_in_dim(index, (*batch, 1), along)


def gather(x, plan: Layout, how: How):
    """One gather: index arrays on some axes of `x`, all others whole; new axes left out."""
    type_ = typeof(x)
    axes = tuple([p.axis for p in plan.picks])
    nwindow = type_.ndim - len(axes)
    shape = [n for i, n in enumerate(type_.shape) if i not in axes]
    shape[plan.start : plan.start] = plan.batch
    if 0 in shape or 0 in [type_.shape[a] for a in axes]:  # nothing to fetch from, or nothing to fetch
        value = fill_value_of(type_.dtype, how.fill_value)
        return lax.full(tuple(shape), value, type_.dtype)
    numbers = lax.GatherDimensionNumbers(
        offset_dims=tuple([k if k < plan.start else k + len(plan.batch) for k in range(nwindow)]),
        collapsed_slice_dims=axes,
        start_index_map=axes)
    nbatch, mode = len(plan.batch), how.mode or how.otherwise
    columns = [(p.index, type_.shape[p.axis], tuple(range(nbatch - p.index.ndim, nbatch))) for p in plan.picks]
    return lax.gather(
        x, stacked(columns, plan.batch, how.wrap), numbers,
        tuple([1 if i in axes else n for i, n in enumerate(type_.shape)]),
        unique_indices=how.unique_indices, indices_are_sorted=how.indices_are_sorted, mode=lax.GatherScatterMode.from_any(mode),
        fill_value=fill_value_of(type_.dtype, how.fill_value) if mode == "fill" else None)


def scatter_mode(name: str | None):
    """Without a mode an update in a compiled program is dropped."""
    return lax.GatherScatterMode.from_any(name or "fill")


def fill_value_of(dtype, value=None):
    """What an out-of-bounds fetch gives in mode `fill`: NaN, the lowest signed, the highest unsigned integer, True."""
    if value is not None:
        return value if type(value) in (bool, int, float, complex) else np.asarray(value).item()
    kind = dtypes.kind(dtype)
    if kind in "fc":
        return float("nan")
    if kind == "b":
        return True
    info = dtypes.iinfo(dtype)
    return int(info.min if kind == "i" else info.max)
