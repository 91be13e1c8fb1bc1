"""Host functions of `prims.index`: integer index arrays for the axes that are indexed, whole slices for the others."""

from __future__ import annotations

import math

import numpy as np

from functorch_lite.host.registry import host, wide
from functorch_lite.prims import index as p

_INTP = np.dtype(np.intp)


class Plan:
    """Where windows lie: the operand axes that index arrays address come first, the whole ones after them."""

    def __init__(self, shape, indices_shape, dims, sizes):
        window, dropped, index_map, batching, index_batching = dims
        batch = indices_shape[:-1]
        nb = len(batch)
        self.index_map = index_map
        self.high = [shape[a] - sizes[a] for a in index_map]  # the last start inside
        self.front = [a for a in range(len(shape)) if a in index_map or a in batching or sizes[a] != shape[a]]
        rest = [a for a in range(len(shape)) if a not in self.front]
        self.order = (*self.front, *rest)
        wide = [a for a in self.front if a not in dropped and a not in batching]  # they give window axes
        # what indexing gives: batch axes, window axes of the addressed axes, whole axes
        self.core = (*batch, *[sizes[a] for a in wide], *[sizes[a] for a in rest])
        whole = [a for a in rest if a not in dropped and a not in batching]
        at = dict(zip(p.window_axes(len(shape), dims), window, strict=True))
        result = nb + len(window)
        self.result_axes = (*[a for a in range(result) if a not in window], *[at[a] for a in (*wide, *whole)])
        self.squeezed = (*batch, *[sizes[a] for a in (*wide, *whole)])
        self.inverse = tuple([self.result_axes.index(a) for a in range(result)])
        self.flat = nb + len(wide)  # number of axes that index arrays have
        self.fixed = {}  # operand axis -> the part of its index array that is known
        for a in self.front:
            total = np.zeros((1,) * self.flat, _INTP)
            if a in batching:
                total = total + _along(shape[a], index_batching[batching.index(a)], self.flat)
            if a in wide:
                total = total + _along(sizes[a], nb + wide.index(a), self.flat)
            self.fixed[a] = total
        self.pad = (1,) * len(wide)

    def starts(self, indices):
        """The index vectors by component, as NumPy positions; huge unsigned ones stay out of bounds."""
        if indices.dtype == np.uint64:
            indices = np.minimum(indices, np.iinfo(_INTP).max)
        indices = indices.astype(_INTP, copy=False)
        return [indices[..., k] for k in range(len(self.index_map))]

    def inside(self, starts):
        """Which windows lie inside."""
        good = True
        for start, high in zip(starts, self.high, strict=True):
            good = good & (start >= 0) & (start <= high)
        return good

    def clipped(self, starts):
        return [np.clip(start, 0, high) for start, high in zip(starts, self.high, strict=True)]

    def positions(self, starts):
        """One index array per addressed axis."""
        found = dict(zip(self.index_map, starts, strict=True))
        arrays = []
        for a in self.front:
            start, fixed = found.get(a), self.fixed[a]
            arrays.append(fixed if start is None else np.reshape(start, (*start.shape, *self.pad)) + fixed)
        return tuple(arrays)


def _along(size, axis, ndim):
    return np.arange(size).reshape([size if k == axis else 1 for k in range(ndim)])


def _take_axis(shape, dims, sizes):
    """The axis of a plain `take`: one index component, the whole of all other axes; None if it is anything else."""
    _, dropped, index_map, batching, _ = dims
    if batching or len(index_map) != 1 or dropped != index_map:
        return None
    a = index_map[0]
    return a if all(n == m for k, (n, m) in enumerate(zip(shape, sizes, strict=True)) if k != a) else None


@host(p.gather_p)
def _gather(in_types, out_types, *, dims, slice_sizes, mode, fill, unique, ordered):
    x_type, i_type = in_types
    plan = Plan(x_type.shape, i_type.shape, dims, slice_sizes)
    missing = None if fill is None else np.asarray(fill.value).astype(x_type.dtype)
    spread = tuple([1 if a in dims[0] else n for a, n in enumerate(out_types[0].shape)])
    axis = _take_axis(x_type.shape, dims, slice_sizes)
    natural = axis is not None and dims[0] == tuple(
        [k if k < axis else k + i_type.ndim - 1 for k in range(x_type.ndim - 1)])  # fmt: skip

    def fun(x, indices):
        starts = plan.starts(indices)
        if natural:
            y = np.take(x, starts[0], axis, mode="clip")
        else:
            y = np.transpose(x, plan.order)[plan.positions(plan.clipped(starts))]
            y = np.transpose(np.broadcast_to(y, plan.core).reshape(plan.squeezed), plan.inverse)
        if missing is None:
            return y
        good = plan.inside(starts)
        return y if np.all(good) else np.where(np.reshape(good, spread), y, missing)

    return fun


def _add(y, where, u):
    y[where] += u


def _mul(y, where, u):
    y[where] *= u


def _min(y, where, u):
    y[where] = np.minimum(y[where], u)


def _max(y, where, u):
    y[where] = np.maximum(y[where], u)


def _register(prim, ufunc, once):
    @host(prim)
    def make(in_types, out_types, *, dims, mode, unique, ordered):
        x_type, i_type, u_type = in_types
        plan = Plan(x_type.shape, i_type.shape, dims, p.window_sizes(x_type.ndim, u_type.shape, dims))
        dtype = x_type.dtype
        inside = dtype if ufunc is None else wide(dtype)
        back = np.argsort(plan.order)

        def fun(x, indices, updates):
            u = np.transpose(updates.astype(inside, copy=False), plan.result_axes).reshape(plan.core)
            starts = plan.starts(indices)
            y = np.array(np.transpose(x, plan.order), inside, order="C")  # a fresh copy
            if not plan.front:
                y = y[None]
            if mode == "clip":
                where = plan.positions(plan.clipped(starts))
            else:
                good = plan.inside(starts)
                where = plan.positions(starts if np.all(good) else plan.clipped(starts))
                if not np.all(good):
                    where, u = _kept(good, where, u, plan)
            if not plan.index_map:  # every index vector is empty: the updates meet
                where = tuple([np.broadcast_to(w, u.shape[: plan.flat]) for w in where or (np.zeros((), _INTP),)])
            if ufunc is None:
                y[where] = u
            elif unique:
                once(y, where, u)
            else:
                _combine(ufunc, y, where, u, len(where))
            return np.transpose(y if plan.front else y[0], back).astype(dtype, copy=False)

        return fun


def _kept(good, where, u, plan):
    """Without the windows that stick out: the batch axes become one."""
    nb = good.ndim
    rows = np.flatnonzero(good)
    core = np.broadcast_shapes(plan.core[: plan.flat], *[w.shape for w in where])
    where = tuple([np.broadcast_to(w, core).reshape(-1, *core[nb:])[rows] for w in where])
    return where, u.reshape(-1, *u.shape[nb:])[rows]


def _combine(ufunc, y, where, u, n):
    """`ufunc.at` over flat positions, which NumPy does fast; `y` is changed."""
    flat, rest = np.zeros((), _INTP), math.prod(y.shape[n:])
    for w, size in zip(where, y.shape[:n], strict=True):
        flat = flat * size + w
    flat = np.broadcast_to(flat, u.shape[: u.ndim - (y.ndim - n)])
    if rest != 1:
        flat = flat[..., None] * rest + np.arange(rest)
    ufunc.at(y.reshape(-1), flat.reshape(-1), u.reshape(-1))


for _prim, _ufunc, _once in [
    (p.scatter_p, None, None),
    (p.scatter_add_p, np.add, _add),
    (p.scatter_mul_p, np.multiply, _mul),
    (p.scatter_min_p, np.minimum, _min),
    (p.scatter_max_p, np.maximum, _max),
]:
    _register(_prim, _ufunc, _once)


def _corner(starts, where, shape, sizes):
    """The slices of a window: dynamic starts are moved inside."""
    given = iter(where)
    at = [max(0, min(int(next(given)), n - m)) if s is None else s for s, n, m in zip(starts, shape, sizes)]
    return tuple([slice(a, a + n) for a, n in zip(at, sizes)])


@host(p.dynamic_slice_p)
def _dynamic_slice(in_types, out_types, *, starts, sizes):
    shape = in_types[0].shape
    return lambda x, *where: x[_corner(starts, where, shape, sizes)]


@host(p.dynamic_update_slice_p)
def _dynamic_update_slice(in_types, out_types, *, starts):
    shape, sizes = in_types[0].shape, in_types[1].shape

    def fun(x, update, *where):
        y = np.array(x)
        y[_corner(starts, where, shape, sizes)] = update
        return y

    return fun
