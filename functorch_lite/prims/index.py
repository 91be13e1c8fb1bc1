"""Reading and writing at positions that are data: gather, the scatters, and slices with dynamic starts.

`dims` is what XLA calls dimension numbers, five tuples of axes; the last axis of the indices is the index vector:

    gather:  offset, collapsed, index_map, batching, index_batching
    scatter: update_window, inserted, index_map, batching, index_batching

Component k of an index vector is a position along operand axis index_map[k]. A window lies along the operand axes that
are neither collapsed (inserted) nor batching; its axes are the `offset` (`update_window`) axes of the result (updates),
whose other axes are those of the indices, in order. Operand axis batching[k] and indices axis index_batching[k] run
together.

Out of bounds means that the window is not inside the operand. Modes: "clip" moves it inside, "fill" (gather) gives
`fill`, "drop" (scatter) leaves it out, "promise" says that there is no such window: then gather clips, scatter drops.
"""

from __future__ import annotations

import math

import numpy as np

from functorch_lite import dtypes
from functorch_lite.errors import ShapeError
from functorch_lite.ir import Primitive, array_type, literal
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import shape as s
from functorch_lite.prims.factors import other_factors
from functorch_lite.prims.linear import Deferred, is_linear
from functorch_lite.prims.shape import zeros_like
from functorch_lite.prims.slicing import concatenate
from functorch_lite.prims.slicing import slice as static_slice
from functorch_lite.trace import at, bind, typeof

I32, I64 = np.dtype(np.int32), np.dtype(np.int64)
_I32_MOST = np.iinfo(I32).max


def window_axes(ndim: int, dims) -> tuple[int, ...]:
    """The operand axes along which windows lie, in order."""
    return tuple([a for a in range(ndim) if a not in dims[1] and a not in dims[3]])


def batch_axes(ndim: int, dims) -> tuple[int, ...]:
    """The axes of the result (updates) that are axes of the indices, in order."""
    return tuple([a for a in range(ndim) if a not in dims[0]])


def placed(window, batch, where) -> tuple[int, ...]:
    """The shape with the window's sizes at the axes `where` and the batch's sizes at the others."""
    n, window, batch = len(where) + len(batch), iter(window), iter(batch)
    return tuple([next(window) if a in where else next(batch) for a in range(n)])


# ---- what gather and scatter have in common ----


def _ascending(axes, n) -> bool:
    return list(axes) == sorted(set(axes)) and all(0 <= a < n for a in axes)


def _distinct(axes, n) -> bool:
    return len(set(axes)) == len(axes) and all(0 <= a < n for a in axes)


def _check(name, x, indices, dims, window_word, dropped_word):
    """Raise TypeError or ValueError where `dims` and the indices do not fit the operand."""

    def fail(what):
        raise ShapeError(f"{name}: {what}; the operand is {x}, the indices are {indices}, at {at()}")

    if dtypes.kind(indices.dtype) not in "iu":
        raise TypeError(f"{name}: indices are integers, got {indices} at {at()}; convert them")
    if not indices.ndim:
        fail("the last axis of the indices holds the index vectors, so they need one; reshape them")
    window, dropped, index_map, batching, index_batching = dims
    if not _ascending(dropped, x.ndim) or not _ascending(batching, x.ndim) or set(dropped) & set(batching):
        fail(f"{dropped_word} {dropped} and operand_batching_dims {batching} must be ascending, apart, and axes of it")
    if not _distinct(index_map, x.ndim) or set(index_map) & set(batching):
        fail(f"the index vectors point along axes {index_map}, which must differ from each other and from {batching}")
    if len(index_map) != indices.shape[-1]:
        fail(f"index vectors have {indices.shape[-1]} components, but point along the axes {index_map}")
    if len(batching) != len(index_batching) or not _distinct(index_batching, indices.ndim - 1):
        fail(f"operand_batching_dims {batching} and those of the indices {index_batching} must be pairs of axes")
    if any(x.shape[a] != indices.shape[b] for a, b in zip(batching, index_batching, strict=True)):
        fail(f"sizes along operand_batching_dims {batching} differ from those along {index_batching} of the indices")
    n = x.ndim - len(dropped) - len(batching)
    if len(window) != n or not _ascending(window, n + indices.ndim - 1):
        fail(f"{window_word} {window} must be {n} ascending axes below {n + indices.ndim - 1}")
    return fail


def _up(axes):
    return tuple([a + 1 for a in axes])


def _batched_dims(dims, operand: bool, indices: bool):
    """`dims` with the mapped axis in front of the operand, the indices or both."""
    window, dropped, index_map, batching, index_batching = dims
    if not indices:
        return (0, *_up(window)), _up(dropped), _up(index_map), _up(batching), index_batching
    if not operand:
        return _up(window), dropped, index_map, batching, _up(index_batching)
    return _up(window), _up(dropped), _up(index_map), (0, *_up(batching)), (0, *_up(index_batching))


def vectors(indices) -> int:
    """How many index vectors there are."""
    return math.prod(indices.shape[:-1])


# ---- gather ----


def _infer_gather(x, indices, *, dims, slice_sizes, mode, fill, unique, ordered):
    fail = _check("gather", x, indices, dims, "offset_dims", "collapsed_slice_dims")
    if len(slice_sizes) != x.ndim or any(not 0 <= n <= size for n, size in zip(slice_sizes, x.shape, strict=True)):
        fail(f"slice_sizes {slice_sizes} must be one size per axis, none larger than the axis")
    if any(slice_sizes[a] != 1 for a in (*dims[1], *dims[3])):
        fail(f"slice_sizes {slice_sizes} must be 1 along collapsed_slice_dims {dims[1]} and batching {dims[3]}")
    if mode not in ("clip", "fill", "promise") or (mode == "fill") != (fill is not None):
        fail(f"unknown mode {mode!r} with fill value {fill}")
    sizes = [slice_sizes[a] for a in window_axes(x.ndim, dims)]
    return array_type(placed(sizes, indices.shape[:-1], dims[0]), x.dtype)


def _jvp_gather(t, y, x, indices, **params):
    fill = params["fill"]
    return bind(gather_p, t, indices, **{**params, "fill": fill and literal(0, fill.dtype)})


def _transpose_gather(ct, x, indices, *, dims, slice_sizes, mode, fill, unique, ordered):
    return Deferred(_added, (indices, ct, dims, _SCATTER_MODE[mode], unique, ordered)), None


def _added(parts, type_, total):
    """The cotangents of many gathers of one array are added into one buffer."""
    total = zeros_like(type_) if total is None else total
    for part in parts:
        total = scatter_add(total, *part)
    return total


_SCATTER_MODE = {"fill": "drop", "clip": "clip", "promise": "promise"}
_GATHER_MODE = {"drop": "fill", "clip": "clip", "promise": "promise"}


def _vmap_gather(size, xs, batched, *, dims, slice_sizes, mode, fill, unique, ordered):
    x, indices = xs
    if size == 0:
        params = {"slice_sizes": slice_sizes, "mode": mode, "fill": fill, "unique": unique, "ordered": ordered}
        row = [array_type(typeof(v).shape[1:], v.dtype) if b else typeof(v) for v, b in zip(xs, batched, strict=True)]
        return zeros_like(array_type((0, *_infer_gather(*row, dims=dims, **params).shape), x.dtype))
    if batched[0]:
        slice_sizes = (1 if batched[1] else size, *slice_sizes)
    if batched[1] and not batched[0]:
        unique = ordered = False  # rows may repeat each other's positions
    return bind(gather_p, x, indices, dims=_batched_dims(dims, *batched), slice_sizes=slice_sizes, mode=mode,
                fill=fill, unique=unique, ordered=ordered)  # fmt: skip


gather_p = Primitive(
    "gather",
    params=("dims", "slice_sizes", "mode", "fill", "unique", "ordered"),
    infer=_infer_gather,
    jvp=(_jvp_gather, None),
    transpose=_transpose_gather,
    vmap=_vmap_gather,
    weak=(0,),
)


def gather(x, indices, dims, slice_sizes, mode="clip", fill=None, unique=False, ordered=False):
    """The windows of `x` that index vectors point at.

    dims: five tuples of axes (see the module); slice_sizes: the window, 1 along collapsed and batching axes.
    mode: "clip", "fill" or "promise"; fill: a Python scalar, None for `fill_of` the dtype.
    """
    if mode == "fill":
        dtype = typeof(x).dtype
        fill = literal(fill_of(dtype) if fill is None else fill, dtype)
    return bind(gather_p, x, indices, dims=tuple(dims), slice_sizes=tuple(slice_sizes), mode=mode,
                fill=fill if mode == "fill" else None, unique=unique, ordered=ordered)  # fmt: skip


def fill_of(dtype):
    """What stands for "no element": NaN, the least signed, the greatest unsigned integer, True."""
    kind = dtypes.kind(dtype)
    if kind in "fc":
        return float("nan")
    if kind == "b":
        return True
    info = dtypes.iinfo(dtype)
    return int(info.min if kind == "i" else info.max)


# ---- scatter ----


def _infer_scatter(name, admits):
    def infer(x, indices, updates, *, dims, mode, unique, ordered):
        fail = _check(name, x, indices, dims, "update_window_dims", "inserted_window_dims")
        if dtypes.kind(x.dtype) not in admits:
            raise TypeError(f"{name}: does not take {x}, at {at()}; convert it")
        if x.dtype != updates.dtype:
            raise TypeError(f"{name}: dtypes differ, {x} and updates {updates}, at {at()}; convert one of them")
        if mode not in ("clip", "drop", "promise"):
            fail(f"unknown mode {mode!r}")
        if updates.ndim != len(dims[0]) + indices.ndim - 1:
            fail(f"the updates {updates} must have {len(dims[0]) + indices.ndim - 1} axes, window and indices together")
        batch = [updates.shape[a] for a in batch_axes(updates.ndim, dims)]
        if batch != list(indices.shape[:-1]):
            fail(f"the updates {updates} have sizes {batch} where the indices have {list(indices.shape[:-1])}")
        room = [x.shape[a] for a in window_axes(x.ndim, dims)]
        if any(updates.shape[a] > n for a, n in zip(dims[0], room, strict=True)):
            fail(f"the windows of the updates {updates} do not fit into the operand")
        if updates.size and 0 in [x.shape[a] for a in dims[1]]:
            fail("there is no position along an axis of size 0")
        return array_type(x.shape, x.dtype)

    return infer


def window_sizes(ndim, updates_shape, dims) -> tuple[int, ...]:
    """The sizes of the window per operand axis, as gather takes them."""
    sizes = [1] * ndim
    for a, b in zip(window_axes(ndim, dims), dims[0], strict=True):
        sizes[a] = updates_shape[b]
    return tuple(sizes)


def _gathered(x, indices, updates, dims, mode, unique, ordered, fill=0):
    """What stands in `x` where the updates go; `fill` where they are dropped."""
    sizes = window_sizes(typeof(x).ndim, updates.shape, dims)
    return gather(x, indices, dims, sizes, _GATHER_MODE[mode], fill, unique, ordered)


def _numbered(shape):
    """The elements of a shape by number, the last axis the fastest."""
    n = math.prod(shape)
    return s.reshape(s.iota(I32 if n <= _I32_MOST else I64, (n,), 0), shape)


def _winners(x, indices, updates, rest):
    """Which update is the one that remains at each position, by number (-1: none), and a mask of the updates."""
    numbers = _numbered(updates.shape)
    winner = scatter(s.full(x.shape, -1, typeof(numbers).dtype), indices, numbers, *rest)
    return winner, e.eq(_gathered(winner, indices, updates, *rest, fill=-1), numbers)


def _zeros(x):
    return zeros_like(typeof(x))


def _jvp_set(ts, y, x, indices, updates, *, dims, mode, unique, ordered):
    """Where several updates meet, the tangent follows the one that remained."""
    tx, _, tu = ts
    rest = (dims, mode, unique, ordered)
    if tu is None:
        return scatter(tx, indices, _zeros(updates), *rest)
    if unique:
        return scatter(_zeros(x) if tx is None else tx, indices, tu, *rest)
    winner, won = _winners(x, indices, updates, rest)
    below = _zeros(x) if tx is None else e.select(e.lt(winner, 0), tx, 0)
    return scatter_add(below, indices, e.select(won, tu, 0), *rest)


def _transpose_set(ct, x, indices, updates, *, dims, mode, unique, ordered):
    rest = (dims, mode, unique, ordered)
    cu = None
    if is_linear(updates):
        cu = _gathered(ct, indices, updates, *rest)
        if not unique:
            cu = e.select(_winners(x, indices, updates, rest)[1], cu, 0)
    return scatter(ct, indices, zeros_like(updates.type), *rest) if is_linear(x) else None, None, cu


def _jvp_add(ts, y, x, indices, updates, **params):
    tx, _, tu = ts
    if tu is None:
        return tx
    return bind(scatter_add_p, _zeros(x) if tx is None else tx, indices, tu, **params)


def _transpose_add(ct, x, indices, updates, *, dims, mode, unique, ordered):
    cu = _gathered(ct, indices, updates, dims, mode, unique, ordered) if is_linear(updates) else None
    return ct if is_linear(x) else None, None, cu


def _jvp_mul(ts, y, x, indices, updates, *, dims, mode, unique, ordered):
    tx, _, tu = ts
    rest = (dims, mode, unique, ordered)
    part = None if tx is None else scatter_mul(tx, indices, updates, *rest)
    if tu is None:
        return part
    if not unique:
        tu = e.mul(tu, _other_factors(x, indices, updates, rest))
    moved = e.mul(x, scatter_add(_zeros(x), indices, tu, *rest))
    return moved if part is None else e.add(part, moved)


def _other_factors(x, indices, updates, rest):
    """Per update, the product of the others at its position; those that are dropped are together, and do not matter."""
    shape, n = typeof(updates).shape, typeof(updates).size
    keys = s.reshape(_gathered(_numbered(typeof(x).shape), indices, updates, *rest, fill=-1), (n,))
    return s.reshape(other_factors(keys, s.reshape(updates, (n,))), shape)


def _transpose_mul(ct, x, indices, updates, *, dims, mode, unique, ordered):
    rest = (dims, mode, unique, ordered)
    if is_linear(x):
        return scatter_mul(ct, indices, updates, *rest), None, None
    if not unique:
        raise TypeError("`scatter_mul` is linear in its updates only if no index occurs twice; say unique_indices=True")
    return None, None, _gathered(e.mul(ct, x), indices, updates, *rest)


def _jvp_extreme(ts, y, x, indices, updates, *, dims, mode, unique, ordered):
    """All that equal the extreme share its tangent."""
    tx, _, tu = ts
    rest = (dims, mode, unique, ordered)
    kept = e.convert(e.eq(x, y), x.dtype)
    hit = e.convert(e.eq(updates, _gathered(y, indices, updates, *rest)), x.dtype)
    count = scatter_add(kept, indices, hit, *rest)
    total = _zeros(x) if tx is None else e.mul(tx, kept)
    if tu is not None:
        total = scatter_add(total, indices, e.mul(tu, hit), *rest)
    return e.div(total, count)


def _record(name, jvp, transpose=None, admits="biufc"):
    def vmap(size, xs, batched, **params):
        x, indices, updates = [
            v if b or k == 1 else s.batch(v, size) for k, (v, b) in enumerate(zip(xs, batched, strict=True))]
        if size == 0:
            return x
        return bind(prim, x, indices, updates, **{**params, "dims": _batched_dims(params["dims"], True, batched[1])})

    prim = Primitive(
        name,
        params=("dims", "mode", "unique", "ordered"),
        infer=_infer_scatter(name, admits),
        jvp=jvp,
        transpose=transpose,
        vmap=vmap,
        weak=(0, 2),
    )
    return prim


scatter_p = _record("scatter", _jvp_set, _transpose_set)
scatter_add_p = _record("scatter_add", _jvp_add, _transpose_add)
scatter_mul_p = _record("scatter_mul", _jvp_mul, _transpose_mul)
scatter_min_p = _record("scatter_min", _jvp_extreme, admits="biuf")
scatter_max_p = _record("scatter_max", _jvp_extreme, admits="biuf")


def _binder(prim, doc):
    def op(x, indices, updates, dims, mode="drop", unique=False, ordered=False):
        unique = unique or vectors(typeof(indices)) <= 1
        return bind(prim, x, indices, updates, dims=tuple(dims), mode=mode, unique=unique, ordered=ordered)

    op.__name__ = op.__qualname__ = prim.name
    op.__doc__ = f"{doc}\n\n    dims: five tuples of axes (see the module); mode: 'drop', 'clip' or 'promise'.\n    "
    return op


scatter = _binder(scatter_p, "`x` with the windows that index vectors point at replaced by `updates`.")
scatter_add = _binder(scatter_add_p, "`x` with `updates` added where index vectors point; for booleans, or.")
scatter_mul = _binder(scatter_mul_p, "`x` multiplied by `updates` where index vectors point; for booleans, and.")
scatter_min = _binder(scatter_min_p, "The minimum of `x` and the `updates` where index vectors point.")
scatter_max = _binder(scatter_max_p, "The maximum of `x` and the `updates` where index vectors point.")


# ---- slices with dynamic starts: operand, (update,) then one scalar per None in `starts` ----


def _check_window(name, x, starts, sizes):
    if len(starts) != x.ndim or len(sizes) != x.ndim:
        raise ShapeError(
            f"{name}: got {len(starts)} start indices and {len(sizes)} sizes for {x}, at {at()}; give one per axis")
    if any(not 0 <= n <= size for n, size in zip(sizes, x.shape, strict=True)):
        raise ShapeError(f"{name}: a slice of sizes {sizes} does not fit into {x}, at {at()}; make it smaller")


def _check_starts(name, x, starts, sizes, where):
    _check_window(name, x, starts, sizes)
    for t in where:
        if t.ndim or dtypes.kind(t.dtype) not in "iu":
            raise TypeError(f"{name}: start indices are integers without axes, got {t} at {at()}; convert them")
    assert len(where) == starts.count(None), (where, starts)


def _infer_slice(x, *where, starts, sizes):
    _check_starts("dynamic_slice", x, starts, sizes, where)
    return array_type(sizes, x.dtype)


def _vmap_slice(size, xs, batched, *, starts, sizes):
    x, *where = xs
    if not any(batched[1:]):
        return bind(dynamic_slice_p, x, *where, starts=(0, *starts), sizes=(size, *sizes))
    indices, axes = _start_vectors(size, where, batched[1:], starts)
    dims = (tuple(range(len(sizes))), (), axes, (), ())
    if not batched[0]:
        return gather(x, indices, _batched_dims(dims, False, True), sizes)
    if size == 0:
        return zeros_like(array_type((0, *sizes), x.dtype))
    return gather(x, indices, _batched_dims(dims, True, True), (1, *sizes))


def _start_vectors(size, where, batched, starts):
    """Starts of which some are batched, as index vectors (size, k), and the operand axes along which they point."""
    axes = tuple([a for a, start in enumerate(starts) if start != 0])
    kinds = {typeof(w).dtype for w in where}
    dtype = kinds.pop() if len(kinds) == 1 else I64
    given, flags, columns = iter(where), iter(batched), []
    for a in axes:
        if starts[a] is not None:
            columns.append(s.full((size, 1), starts[a], dtype))
            continue
        w = e.convert(next(given), dtype)
        columns.append(s.reshape(w, (size, 1)) if next(flags) else s.broadcast(w, (size, 1), ()))
    return columns[0] if len(columns) == 1 else concatenate(columns, 1), axes


def _ignored(where):
    return [None] * len(where)


def _slice(x, where, starts, sizes):
    if None in starts:
        return bind(dynamic_slice_p, x, *where, starts=starts, sizes=sizes)
    return static_slice(x, starts, [a + n for a, n in zip(starts, sizes, strict=True)])


def _updated(parts, type_, total):
    """The cotangents of many slices of one array are added into one buffer."""
    for ct, where, starts in parts:
        if total is None:
            total = zeros_like(type_)
        else:
            ct = e.add(_slice(total, where, starts, ct.shape), ct)
        total = bind(dynamic_update_slice_p, total, ct, *where, starts=starts)
    return total


dynamic_slice_p = Primitive(
    "dynamic_slice",
    params=("starts", "sizes"),
    infer=_infer_slice,
    jvp=lambda ts, y, x, *where, **params: bind(dynamic_slice_p, ts[0], *where, **params),
    transpose=lambda ct, x, *where, starts, sizes: (Deferred(_updated, (ct, where, starts)), *_ignored(where)),
    vmap=_vmap_slice,
    simplify=lambda x, *where, starts, sizes: x if x.shape == sizes else None,
    weak=(0,),
)


def _split_starts(name, x, starts, sizes):
    """Starts as a parameter, clamped where they are Python integers, and the others as operands."""
    _check_window(name, x, starts, sizes)
    fixed, where = [], []
    for start, n, size in zip(starts, x.shape, sizes, strict=True):
        if isinstance(start, (int, np.integer)):
            fixed.append(max(0, min(int(start), n - size)))
        else:
            fixed.append(None)
            where.append(start)
    return tuple(fixed), where


def dynamic_slice(x, starts, sizes):
    """The slice of `x` of these sizes that begins at `starts`, one per axis, moved inside where it sticks out."""
    sizes = tuple(sizes)
    fixed, where = _split_starts("dynamic_slice", typeof(x), starts, sizes)
    return _slice(x, where, fixed, sizes)


def _infer_update(x, update, *where, starts):
    if x.dtype != update.dtype:
        raise TypeError(f"dynamic_update_slice: dtypes differ, {x} and {update}, at {at()}; convert one of them")
    _check_starts("dynamic_update_slice", x, starts, update.shape, where)
    return array_type(x.shape, x.dtype)


def _jvp_update(ts, y, x, update, *where, starts):
    tx, tu = [_zeros(v) if t is None else t for t, v in zip(ts[:2], (x, update), strict=True)]
    return bind(dynamic_update_slice_p, tx, tu, *where, starts=starts)


def _transpose_update(ct, x, update, *where, starts):
    cx = bind(dynamic_update_slice_p, ct, zeros_like(update.type), *where, starts=starts) if is_linear(x) else None
    cu = _slice(ct, where, starts, update.shape) if is_linear(update) else None
    return cx, cu, *_ignored(where)


def _vmap_update(size, xs, batched, *, starts):
    x, update, *where = xs
    x, update = [v if b else s.batch(v, size) for v, b in zip((x, update), batched[:2], strict=True)]
    if not any(batched[2:]):
        return bind(dynamic_update_slice_p, x, update, *where, starts=(0, *starts))
    if size == 0:
        return x
    indices, axes = _start_vectors(size, where, batched[2:], starts)
    dims = (tuple(range(len(starts))), (), axes, (), ())
    return scatter(x, indices, update, _batched_dims(dims, True, True), "clip", True, True)


dynamic_update_slice_p = Primitive(
    "dynamic_update_slice",
    params=("starts",),
    infer=_infer_update,
    jvp=_jvp_update,
    transpose=_transpose_update,
    vmap=_vmap_update,
    simplify=lambda x, update, *where, starts: update if x.shape == update.shape else None,
    weak=(0, 1),
)


def dynamic_update_slice(x, update, starts):
    """`x` with the slice that begins at `starts` replaced by `update`, moved inside where it sticks out."""
    fixed, where = _split_starts("dynamic_update_slice", typeof(x), starts, typeof(update).shape)
    return bind(dynamic_update_slice_p, x, update, *where, starts=fixed)
