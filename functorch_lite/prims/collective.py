"""Collectives: operations across a named axis, whose rows are those of a `vmap` or the devices of a `pmap`.

A type tells over which axes a value varies. `vary` regards a value that is the same everywhere as one that varies; it
is inserted where operands differ, and its transpose is `psum`: so a loss that does not vary counts once, and one that
does is summed over the axis. Of several axes, the first one is the slowest in the order of the rows. An array that is
sent in parts, or was gathered from them, has them along axis 0.

Under vmap over its axis a collective becomes an operation on rows: there is one function of rows per collective, for
groups of rows too, and one rule for what is left of it over further axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functorch_lite.ir import ArrayType, Primitive, Unvaried, array_type
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.reduce import reduce_max, reduce_min
from functorch_lite.prims.shape import batch, broadcast, full, iota, reduce_sum, reshape, transpose, zeros_like
from functorch_lite.prims.slicing import concatenate, slice
from functorch_lite.trace import bind, typeof

I32 = np.dtype(np.int32)
Groups = tuple[tuple[int, ...], ...]


def named(*, axes, **_) -> tuple[str, ...]:
    """The axes that a collective with these parameters reads."""
    return axes


def _must_vary(x: ArrayType, axes: Sequence[str]) -> None:
    missing = tuple([a for a in axes if a not in x.vary])
    if missing:
        raise Unvaried([missing])


def _less(x: ArrayType, axes: Sequence[str]) -> tuple[str, ...]:
    return tuple([a for a in x.vary if a not in axes])


def _without(axes: tuple[str, ...], axis: str | None) -> tuple[str, ...]:
    return tuple([a for a in axes if a != axis])


def _sides(axes: Sequence[str], sizes: Sequence[int], axis: Any) -> tuple[int, int]:
    """How many rows the axes before `axis` have together, and those after it."""
    k = axes.index(axis)
    return math.prod(sizes[:k]), math.prod(sizes[k + 1 :])


def _rest(axes: tuple[str, ...], sizes: tuple[int, ...], axis: str | None) -> tuple[tuple, tuple]:
    """Names and sizes of the axes but one."""
    return _without(axes, axis), tuple([n for a, n in zip(axes, sizes, strict=True) if a != axis])


def _rows(x: Any, size: int, batched: bool) -> Any:
    return x if batched else batch(x, size)


# ---- on rows ----


def take_rows(x: Any, rows: Sequence[int | None]) -> Any:
    """These rows of `x`, and zeros where there is None: one slice for each run of consecutive ones."""
    parts, shape, k = [], typeof(x).shape, 0
    if not rows:
        return slice(x, (0,) * len(shape), (0, *shape[1:]))
    while k < len(rows):
        first, start = rows[k], k
        while k < len(rows) and rows[k] == (None if first is None else first + k - start):
            k += 1
        if first is None:
            parts.append(zeros_like(typeof(x).with_shape((k - start, *shape[1:]))))
        else:
            parts.append(slice(x, (first, *[0] * (len(shape) - 1)), (first + k - start, *shape[1:])))
    return concatenate(parts, 0) if len(parts) > 1 else parts[0]


def _all(size: int, groups: Groups | None) -> Groups:
    return (tuple(range(size)),) if groups is None else groups


def _grouped(x: Any, groups: Groups) -> Any:
    """(rows, ...) as (groups, members, ...)."""
    taken = take_rows(x, [i for g in groups for i in g])
    return reshape(taken, (len(groups), len(groups[0]), *typeof(x).shape[1:]))


def _ungrouped(x: Any, groups: Groups) -> Any:
    """The inverse of `_grouped`."""
    order = [i for g in groups for i in g]
    flat = reshape(x, (len(order), *typeof(x).shape[2:]))
    return take_rows(flat, [order.index(i) for i in range(len(order))])


def _reduced_rows(reduce: Callable) -> Callable:
    def rows(x, groups):
        if len(groups) == 1:
            return batch(reduce(x, (0,)), typeof(x).shape[0])
        made = reduce(_grouped(x, groups), (1,))
        return take_rows(made, [k for i in range(typeof(x).shape[0]) for k, g in enumerate(groups) if i in g])

    return rows


def _gathered_rows(x, groups):
    return _ungrouped(_spread(_grouped(x, groups)), groups)


def _spread(x):
    """(groups, members, ...) repeated for each member: (groups, members, members, ...)."""
    g, m, *shape = typeof(x).shape
    return broadcast(x, (g, m, m, *shape), (0, *range(2, len(shape) + 3)))


def _scattered_rows(x, groups):
    return _ungrouped(reduce_sum(_grouped(x, groups), (1,)), groups)


def _exchanged_rows(x, groups):
    made = _grouped(x, groups)
    return _ungrouped(transpose(made, (0, 2, 1, *range(3, typeof(made).ndim))), groups)


# ---- vary ----


def vary(x: Any, axes: Sequence[str]) -> Any:
    """`x` as a value that varies over these axes, although it is the same everywhere."""
    axes = tuple([a for a in axes if a not in typeof(x).vary])
    return bind(vary_p, x, axes=axes) if axes else x


vary_p = Primitive(
    "vary",
    params=("axes",),
    infer=lambda x, *, axes: array_type(x.shape, x.dtype, x.weak, tuple(sorted({*x.vary, *axes}))),
    jvp=(lambda t, y, x, *, axes: vary(t, axes),),
    transpose=lambda ct, x, *, axes: (psum(ct, [a for a in axes if a not in x.type.vary]),),
    vmap=lambda size, xs, batched, *, axes, axis_name=None: (vary(xs[0], _without(axes, axis_name)), batched[0]),
    simplify=lambda x, *, axes: x if set(axes) <= set(x.type.vary) else None,
    names_axis=named,
)


# ---- psum, pmax, pmin ----


def psum(x: Any, axes: Sequence[str], groups: Groups | None = None) -> Any:
    """The sum over named axes, or within groups of the rows of one."""
    return bind(psum_p, x, axes=tuple(axes), groups=groups) if axes else x


def _reducing(name: str, apply: Callable, reduce: Callable, **rules: Any) -> Primitive:
    rows_of = _reduced_rows(reduce)

    def infer(x, *, axes, groups):
        _must_vary(x, axes)
        return array_type(x.shape, x.dtype, False, _less(x, axes) if groups is None else x.vary)

    def vmap(size, xs, batched, *, axes, groups, axis_name=None):
        x, rest = xs[0], _without(axes, axis_name)
        if rest == axes:
            return apply(x, axes, groups), True
        if groups is not None:
            return rows_of(_rows(x, size, batched[0]), groups), True
        if batched[0]:
            return apply(reduce(x, (0,)), rest), False
        return apply(e.mul(x, full(typeof(x).shape, size, typeof(x).dtype)) if name == "psum" else x, rest), False

    return Primitive(name, params=("axes", "groups"), infer=infer, vmap=vmap, names_axis=named, **rules)


psum_p = _reducing(
    "psum", psum, reduce_sum,
    jvp=(lambda t, y, x, *, axes, groups: psum(t, axes, groups),),
    transpose=lambda ct, x, *, axes, groups: (vary(ct, axes) if groups is None else psum(ct, axes, groups),),
)  # fmt: skip


def _jvp_extremum(t, y, x, *, axes, groups):
    """Ties share the tangent equally."""
    best = e.eq(x, y)
    zero = zeros_like(typeof(t))
    count = psum(e.convert(best, typeof(t).dtype), axes, groups)
    return e.div(psum(e.select(best, t, zero), axes, groups), count)


def pmax(x: Any, axes: Sequence[str], groups: Groups | None = None) -> Any:
    """The maximum over named axes, or within groups of the rows of one."""
    return bind(pmax_p, x, axes=tuple(axes), groups=groups) if axes else x


def pmin(x: Any, axes: Sequence[str], groups: Groups | None = None) -> Any:
    """The minimum over named axes, or within groups of the rows of one."""
    return bind(pmin_p, x, axes=tuple(axes), groups=groups) if axes else x


pmax_p = _reducing("pmax", pmax, reduce_max, jvp=(_jvp_extremum,))
pmin_p = _reducing("pmin", pmin, reduce_min, jvp=(_jvp_extremum,))


# ---- gathering and scattering ----


def all_gather(x: Any, axes: Sequence[str], sizes: Sequence[int], groups: Groups | None = None) -> Any:
    """All rows along a new axis 0, the same everywhere; of groups, those of one's own."""
    return bind(all_gather_p, x, axes=tuple(axes), sizes=tuple(sizes), groups=groups)


def _infer_all_gather(x, *, axes, sizes, groups):
    _must_vary(x, axes)
    n = math.prod(sizes) if groups is None else len(groups[0])
    return array_type((n, *x.shape), x.dtype, x.weak, _less(x, axes) if groups is None else x.vary)


def _vmap_all_gather(size, xs, batched, *, axes, sizes, groups, axis_name=None):
    x = xs[0]
    if axis_name not in axes:
        y = all_gather(x, axes, sizes, groups)
        return transpose(y, (1, 0, *range(2, typeof(y).ndim))), True
    x = _rows(x, size, batched[0])
    if groups is not None:
        return _gathered_rows(x, groups), True
    if len(axes) == 1:
        return x, False
    before, after = _sides(axes, sizes, axis_name)
    y = all_gather(x, *_rest(axes, sizes, axis_name))
    y = reshape(y, (before, after, *typeof(x).shape))
    y = transpose(y, (0, 2, 1, *range(3, typeof(y).ndim)))
    return reshape(y, (before * size * after, *typeof(x).shape[1:])), False


def _transpose_all_gather(ct, x, *, axes, sizes, groups):
    return (own_row(ct, axes, sizes) if groups is None else psum_scatter(ct, axes, sizes, groups),)


all_gather_p = Primitive(
    "all_gather",
    params=("axes", "sizes", "groups"),
    infer=_infer_all_gather,
    jvp=(lambda t, y, x, *, axes, sizes, groups: all_gather(t, axes, sizes, groups),),
    transpose=_transpose_all_gather,
    vmap=_vmap_all_gather,
    names_axis=named,
)


def own_row(x: Any, axes: Sequence[str], sizes: Sequence[int]) -> Any:
    """Of an array that is the same everywhere, the row at one's own position: the transpose of `all_gather`."""
    return bind(own_row_p, x, axes=tuple(axes), sizes=tuple(sizes))


def _infer_own_row(x, *, axes, sizes):
    return array_type(x.shape[1:], x.dtype, x.weak, tuple(sorted({*x.vary, *axes})))


def _vmap_own_row(size, xs, batched, *, axes, sizes, axis_name=None):
    x = xs[0]
    if axis_name not in axes:
        return own_row(transpose(x, (1, 0, *range(2, typeof(x).ndim))), axes, sizes), True
    before, after = _sides(axes, sizes, axis_name)
    shape = typeof(x).shape[1 + batched[0] :]
    if batched[0]:  # it varies nevertheless, so that each row has an array of its own
        x = reshape(x, (size, before, size, after, *shape))
        x = transpose(x, (0, 2, 1, *range(3, typeof(x).ndim)))
        mine = e.eq(iota(I32, (size, size), 0), iota(I32, (size, size), 1))
        mine = broadcast(mine, typeof(x).shape, (0, 1))
        x = reduce_sum(e.select(mine, x, zeros_like(typeof(x))), (1,))
    else:
        x = reshape(x, (before, size, after, *shape))
        x = transpose(x, (1, 0, *range(2, typeof(x).ndim)))
    x = reshape(x, (size, before * after, *shape))
    if len(axes) == 1:
        return reshape(x, (size, *shape)), True
    return own_row(transpose(x, (1, 0, *range(2, typeof(x).ndim))), *_rest(axes, sizes, axis_name)), True


def _simplify_own_row(x, *, axes, sizes):
    """One's own row of a sum is all that has to be formed of it."""
    summed = x.made_by(psum_p)
    if summed and summed["groups"] is None and summed["axes"] == axes:
        return psum_scatter_p, x.operands(), {"axes": axes, "sizes": sizes, "groups": None}
    return None


own_row_p = Primitive(
    "own_row",
    params=("axes", "sizes"),
    infer=_infer_own_row,
    jvp=(lambda t, y, x, *, axes, sizes: own_row(t, axes, sizes),),
    transpose=lambda ct, x, *, axes, sizes: (all_gather(ct, axes, sizes),),
    vmap=_vmap_own_row,
    simplify=_simplify_own_row,
    names_axis=named,
)


def psum_scatter(x: Any, axes: Sequence[str], sizes: Sequence[int], groups: Groups | None = None) -> Any:
    """The row at one's own position of the sum of all `x`; of groups, the sum within one's own."""
    return bind(psum_scatter_p, x, axes=tuple(axes), sizes=tuple(sizes), groups=groups)


def _infer_parts(name: str, keep: bool) -> Callable:
    def infer(x, *, axes, sizes, groups):
        _must_vary(x, axes)
        n = math.prod(sizes) if groups is None else len(groups[0])
        assert x.shape[0] == n, (name, x, n)
        return array_type(x.shape if keep else x.shape[1:], x.dtype, False, x.vary)

    return infer


def _vmap_psum_scatter(size, xs, batched, *, axes, sizes, groups, axis_name=None):
    x = xs[0]
    if axis_name not in axes:
        return psum_scatter(transpose(x, (1, 0, *range(2, typeof(x).ndim))), axes, sizes, groups), True
    if len(axes) == 1:
        return _scattered_rows(_rows(x, size, batched[0]), _all(size, groups)), True
    whole, _ = psum_p.vmap(size, xs, batched, axes=axes, groups=None, axis_name=axis_name)
    return _vmap_own_row(size, [whole], [False], axes=axes, sizes=sizes, axis_name=axis_name)


psum_scatter_p = Primitive(
    "psum_scatter",
    params=("axes", "sizes", "groups"),
    infer=_infer_parts("psum_scatter", keep=False),
    jvp=(lambda t, y, x, *, axes, sizes, groups: psum_scatter(t, axes, sizes, groups),),
    transpose=lambda ct, x, *, axes, sizes, groups: (vary(all_gather(ct, axes, sizes, groups), axes),),
    vmap=_vmap_psum_scatter,
    names_axis=named,
)


# ---- sending ----


def all_to_all(x: Any, axes: Sequence[str], sizes: Sequence[int], groups: Groups | None = None) -> Any:
    """Row j of the result is the row that is sent from j: element i of its `x` for who is at position i."""
    return bind(all_to_all_p, x, axes=tuple(axes), sizes=tuple(sizes), groups=groups)


def _vmap_all_to_all(size, xs, batched, *, axes, sizes, groups, axis_name=None):
    x = xs[0]
    if axis_name not in axes:
        y = all_to_all(transpose(x, (1, 0, *range(2, typeof(x).ndim))), axes, sizes, groups)
        return transpose(y, (1, 0, *range(2, typeof(y).ndim))), True
    x = _rows(x, size, batched[0])
    if len(axes) == 1:
        return _exchanged_rows(x, _all(size, groups)), True
    before, after = _sides(axes, sizes, axis_name)
    shape = typeof(x).shape[2:]
    tail = range(4, 4 + len(shape))
    x = transpose(reshape(x, (size, before, size, after, *shape)), (1, 3, 0, 2, *tail))  # to (before, after), from, to
    y = all_to_all(reshape(x, (before * after, size, size, *shape)), *_rest(axes, sizes, axis_name))
    y = transpose(reshape(y, (before, after, size, size, *shape)), (3, 0, 2, 1, *tail))  # to, from (before, row, after)
    return reshape(y, (size, before * size * after, *shape)), True


all_to_all_p = Primitive(
    "all_to_all",
    params=("axes", "sizes", "groups"),
    infer=_infer_parts("all_to_all", keep=True),
    jvp=(lambda t, y, x, *, axes, sizes, groups: all_to_all(t, axes, sizes, groups),),
    transpose=lambda ct, x, *, axes, sizes, groups: (all_to_all(ct, axes, sizes, groups),),
    vmap=_vmap_all_to_all,
    names_axis=named,
)


def ppermute(x: Any, axes: Sequence[str], sizes: Sequence[int], perm: Sequence[tuple[int, int]]) -> Any:
    """What the row s sends arrives at row d, for the pairs (s, d) of `perm`; zeros where nothing arrives."""
    return bind(ppermute_p, x, axes=tuple(axes), sizes=tuple(sizes), perm=tuple(perm))


def _infer_ppermute(x, *, axes, sizes, perm):
    _must_vary(x, axes)
    return array_type(x.shape, x.dtype, x.weak, x.vary)


def _split_pairs(perm, before: int, size: int, after: int) -> dict:
    """{(row s, row d): the permutation of the other axes that goes from one to the other}."""
    found: dict[tuple[int, int], list] = {}
    for s, d in perm:
        s_rest, d_rest = [i // (size * after) * after + i % after for i in (s, d)]
        s_row, d_row = s // after % size, d // after % size
        found.setdefault((s_row, d_row), []).append((s_rest, d_rest))
    return found


def _vmap_ppermute(size, xs, batched, *, axes, sizes, perm, axis_name=None):
    x = xs[0]
    if axis_name not in axes:
        return ppermute(x, axes, sizes, perm), True
    x = _rows(x, size, batched[0])
    if len(axes) == 1:
        sources = {d: s for s, d in perm}
        return take_rows(x, [sources.get(d) for d in range(size)]), True
    before, after = _sides(axes, sizes, axis_name)
    identity = [(i, i) for i in range(before * after)]
    rest, made = _rest(axes, sizes, axis_name), {}
    for (s, d), pairs in _split_pairs(perm, before, size, after).items():
        row = take_rows(x, [s])
        part = row if sorted(pairs) == identity else ppermute(row, *rest, pairs)
        made[d] = part if d not in made else e.add(made[d], part)
    zero = zeros_like(typeof(x).with_shape((1, *typeof(x).shape[1:])))
    return concatenate([made.get(d, zero) for d in range(size)], 0), True


ppermute_p = Primitive(
    "ppermute",
    params=("axes", "sizes", "perm"),
    infer=_infer_ppermute,
    jvp=(lambda t, y, x, *, axes, sizes, perm: ppermute(t, axes, sizes, perm),),
    transpose=lambda ct, x, *, axes, sizes, perm: (ppermute(ct, axes, sizes, [(d, s) for s, d in perm]),),
    vmap=_vmap_ppermute,
    names_axis=named,
)


# ---- where one is ----


def axis_index(axes: Sequence[str], sizes: Sequence[int]) -> Any:
    """The position along the axes together, an int32."""
    total = None
    for k, (axis, size) in enumerate(zip(axes, sizes, strict=True)):
        index = bind(axis_index_p, axes=(axis,), sizes=(size,))
        stride = math.prod(sizes[k + 1 :])
        part = e.mul(index, full((), stride, I32)) if stride > 1 else index
        total = part if total is None else e.add(total, part)
    return total


def _vmap_axis_index(size, xs, batched, *, axes, axis_name, **_):
    return iota(I32, (size,), 0), True


axis_index_p = Primitive(
    "axis_index",
    params=("axes", "sizes"),
    infer=lambda *, axes, sizes: array_type((), I32, False, axes),
    jvp=(),
    vmap=_vmap_axis_index,
    names_axis=named,
)


# ---- groups over several axes ----

_ROWS = {psum_p: _reduced_rows(reduce_sum), pmax_p: _reduced_rows(reduce_max), pmin_p: _reduced_rows(reduce_min),
         all_gather_p: _gathered_rows, psum_scatter_p: _scattered_rows, all_to_all_p: _exchanged_rows}  # fmt: skip


def in_groups(prim: Primitive, x: Any, axes: Sequence[str], sizes: Sequence[int], groups: Groups) -> Any:
    """A collective within groups of an axis that is split in several: all rows are gathered, and one's own is kept."""
    return own_row(_ROWS[prim](all_gather(x, axes, sizes), groups), axes, sizes)
