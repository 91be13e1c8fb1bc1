"""How few primitives fetch what an index selects.

Integers and slices become `slice`, `rev` and `reshape`; traced scalars `dynamic_slice`; arrays one `gather`. In a
compiled program the `mode` of `x.at[...]` decides about what is out of bounds; without one a fetch is clamped.
"""

from __future__ import annotations

import functools

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array, of_value
from functorch_lite.numpy.dispatch import REFUSED
from functorch_lite.numpy.pieces import (
    DEFAULT,
    Flag,
    How,
    Layout,
    New,
    Pick,
    Point,
    Span,
    backward,
    forward,
    host_index,
    layout,
    parse,
    window,
    within,
)
from functorch_lite.numpy.promote import asarray
from functorch_lite.prims.index import dynamic_slice, fill_of
from functorch_lite.prims.index import gather as gather_primitive
from functorch_lite.trace import SCALARS, Tracer, tracing, typeof


def getitem(x, index, how: How = DEFAULT):
    """`x[index]`, and `x.at[index].get(...)` with its keywords."""
    if type(x) is Array and not tracing and how.mode is None and how.wrap:
        where = host_index(index)
        if where is not None:
            try:
                return of_value(x._value[where])
            except (IndexError, *REFUSED):
                pass  # the general way raises our error
    if type(x) is np.ndarray:
        x = asarray(x)  # the result may be `x` itself
    key = static_key(index)
    if key is not None and ((how.mode is None and how.wrap) or not any([type(e) is int for e in key])):
        window, axes, shape = static_plan(typeof(x), key)
        if window is not None:
            x = lax.slice(x, *window)
        return lax_reshape(reverse(x, axes), shape)
    only = index[0] if type(index) is tuple and len(index) == 1 else index
    if type(only) is Tracer and how.mode is None and how.wrap:
        made = _rows(x, only, how)
        if made is not None:
            return made
    pieces = parse(typeof(x), index, how)
    if any(type(p) in (Pick, Flag) for p in pieces):
        return _take(x, pieces, how)
    return _cut(x, pieces)


def static_key(index) -> tuple | None:
    """An index of integers, slices of such, `...` and None as something to look up; None for others."""
    key = []
    for e in index if type(index) is tuple else (index,):
        if type(e) is slice:
            e = e.start, e.stop, e.step
            if not all([k is None or type(k) is int for k in e]):
                return None
        elif type(e) is not int and e is not None and e is not Ellipsis:
            return None
        key.append(e)
    return tuple(key)


@functools.lru_cache(4096)
def static_plan(type_, key) -> tuple:
    """(arguments of `slice` or None, axes to reverse, shape of the result) of a static index."""
    pieces = parse(type_, tuple([slice(*e) if type(e) is tuple else e for e in key]), DEFAULT)
    spans = [p for p in pieces if type(p) in (Span, Point)]
    shape = tuple([1 if type(p) is New else p.size for p in pieces if type(p) in (New, Span)])
    return bounds(type_.shape, spans), tuple([p.axis for p in spans if backward(p)]), shape


def _rows(x, index, how):
    """`x[index]` for one traced array of integers; None where the general way is needed."""
    shape, i = typeof(x).shape, index.type
    if not shape or 0 in shape or not i.size or dtypes.kind(i.dtype) not in "iu":
        return None
    index, n = wrapped(index, shape[0]), len(i.shape)
    if not n and how.otherwise != "fill":
        return lax_reshape(dynamic_slice(x, (index, *[0] * (len(shape) - 1)), (1, *shape[1:])), shape[1:])
    dims = tuple(range(n, n + len(shape) - 1)), (0,), (0,), (), ()
    return gather_primitive(x, lax.reshape(index, (*i.shape, 1)), dims, (1, *shape[1:]), how.otherwise,
                            python_scalar(how.fill_value), how.unique_indices, how.indices_are_sorted)  # fmt: skip


def _cut(x, pieces):
    """Integers and slices only."""
    spans = [p for p in pieces if type(p) in (Span, Point)]
    y = cut(x, spans)
    return lax_reshape(y, tuple([1 if type(p) is New else p.size for p in pieces if type(p) in (New, Span)]))


def cut(x, spans):
    """The window that spans and points select, all axes kept; a backward slice is taken forward, then reversed."""
    window = bounds(typeof(x).shape, spans)
    x = x if window is None else lax.slice(x, *window)
    return reverse(x, [p.axis for p in spans if backward(p)])


def bounds(shape, spans) -> tuple | None:
    """(starts, limits, strides) of the window that spans and points select; None where it is the whole array."""
    starts, limits, steps = map(list, ([0] * len(shape), shape, [1] * len(shape)))
    for p in spans:
        low, size, step = window(p)
        starts[p.axis], limits[p.axis], steps[p.axis] = low, low + (size - 1) * step + 1 if size else low, step
    if starts == [0] * len(shape) and limits == list(shape) and steps == [1] * len(shape):
        return None
    return tuple(starts), tuple(limits), tuple(steps)


def reverse(x, axes):
    return lax.rev(x, axes) if axes else x


def lax_reshape(x, shape):
    """`x` in another shape of as many elements."""
    if type(x) is Array and not tracing:
        value = x._value
        return x if value.shape == shape else of_value(value.reshape(shape))
    if type(x) is np.ndarray:
        return x.reshape(shape)  # so that numbers that are known stay known
    return x if typeof(x).shape == shape else lax.reshape(x, shape)


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
    y = dynamic_slice(x, starts, sizes)
    if max(steps) > 1:
        y = lax.slice(y, [0] * len(sizes), sizes, steps)
    y = reverse(y, [p.axis for p in plan.spans if backward(p)])
    return lax_reshape(y, plan.shape)


def convert(x, dtype):
    return x if x.dtype == dtype else lax.convert_element_type(x, dtype)


def wrapped(index, size):
    """Negative positions count from the end; narrow integers are widened first, since adding `size` may overflow."""
    if not isinstance(index, Tracer):
        return index  # `parse` has done it
    index = widened(index, size)
    if dtypes.kind(index.dtype) == "u":
        return index
    return lax.select(lax.lt(index, 0), lax.add(index, size), index)


def widened(index, size):
    need = _INT32 if size < 2**31 else _INT64
    return convert(index, need) if index.dtype.itemsize < need.itemsize else index


_INT32, _INT64 = np.dtype(np.int32), np.dtype(np.int64)


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
    nwindow, fill = type_.ndim - len(axes), python_scalar(how.fill_value)
    shape = [n for i, n in enumerate(type_.shape) if i not in axes]
    shape[plan.start : plan.start] = plan.batch
    if 0 in shape or 0 in [type_.shape[a] for a in axes]:  # nothing to fetch from, or nothing to fetch
        return lax.full(tuple(shape), fill_of(type_.dtype) if fill is None else fill, type_.dtype)
    numbers = lax.GatherDimensionNumbers(
        offset_dims=tuple([k if k < plan.start else k + len(plan.batch) for k in range(nwindow)]),
        collapsed_slice_dims=axes,
        start_index_map=axes,
    )
    nbatch, mode = len(plan.batch), how.mode or ("promise_in_bounds" if within(plan.picks, type_) else how.otherwise)
    columns = [(p.index, type_.shape[p.axis], tuple(range(nbatch - p.index.ndim, nbatch))) for p in plan.picks]
    return lax.gather(
        x,
        stacked(columns, plan.batch, how.wrap),
        numbers,
        tuple([1 if i in axes else n for i, n in enumerate(type_.shape)]),
        unique_indices=how.unique_indices,
        indices_are_sorted=how.indices_are_sorted,
        mode=mode,
        fill_value=fill if mode == "fill" else None,
    )


def python_scalar(value):
    """A fill value as a Python number, or None."""
    return value if value is None or type(value) in SCALARS else np.asarray(value).item()
