"""What `vmap` of branches and loops shares: rows that differ in which way they go, or in how long they run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functorch_lite.control.scan import Loop, scan
from functorch_lite.ir import Graph, Primitive
from functorch_lite.prims.elementwise import convert, select, stop_gradient
from functorch_lite.prims.index import dynamic_slice
from functorch_lite.prims.progress import EVENT
from functorch_lite.prims.reduce import argmax, reduce_and, reduce_or
from functorch_lite.prims.shape import batch, broadcast
from functorch_lite.trace import bind, inline, trace, typeof
from functorch_lite.transforms.common import rebuild, rewrite
from functorch_lite.transforms.vmap import vmap

I32 = np.dtype(np.int32)


def chosen(rows, x, y):
    """Row by row `x` where `rows` holds, else `y`; the axes of `rows` are the leading ones of `x` and `y`."""
    shape, n = typeof(x).shape, typeof(rows).ndim
    return select(broadcast(rows, shape, range(n)), x, y)


def acts(*graphs: Graph) -> bool:
    """Whether graphs have effects for the sake of which rows are run one by one; to show progress is none of these."""
    return any(kind != EVENT for graph in graphs for kind in graph.effects)


def any_of(rows):
    """Whether any row holds."""
    return reduce_or(rows, range(typeof(rows).ndim))


def all_of(rows):
    """Whether every row holds."""
    return reduce_and(rows, range(typeof(rows).ndim))


def first_of(rows):
    """The position of the first row that holds, 0 if there is none."""
    return argmax(convert(rows, I32), 0, I32)


def like_row(x, rows, k):
    """The rows of `x` that hold as they are; the others get row `k`, so that what is computed of them is sane too.

    Nothing of a row that does not hold may be used, so its derivative is cut.
    """
    shape = typeof(x).shape
    row = dynamic_slice(x, (k, *[0] * (len(shape) - 1)), (1, *shape[1:]))
    return chosen(rows, x, broadcast(stop_gradient(row), shape, range(len(shape))))


@rewrite
def mapped(graph: Graph, size: int, batched: tuple[bool, ...], out: tuple[bool, ...], axis: str | None = None) -> Graph:
    """`graph` under vmap, its results batched at least where `out` says so."""
    new, mask = vmap(graph, size, batched, axis)
    if all([m or not o for m, o in zip(mask, out, strict=True)]):
        return new

    def body(*xs):
        ys = zip(inline(new, xs), mask, out, strict=True)
        return [batch(y, size) if o and not m else y for y, m, o in ys]

    return rebuild(body, new.in_types, "vmap")


def unnamed(graph: Graph, axis: str) -> Graph:
    """A graph without collectives over a named axis, as it is where the axis has no name any more."""
    return vmap(graph, 1, (False,) * len(graph.ins), axis)[0]


def all_batched(xs: Sequence, batched: Sequence[bool], size: int) -> list:
    """Operands with the mapped axis in front."""
    return [x if b else batch(x, size) for x, b in zip(xs, batched, strict=True)]


def one_by_one(prim: Primitive, size: int, xs: Sequence, batched: Sequence[bool], **params) -> list:
    """Apply `prim` to one row after the other: how effects act for the rows that reach them only, in their order."""
    order = [k for k, b in enumerate(batched) if not b], [k for k, b in enumerate(batched) if b]

    def row(*args):
        given = dict(zip([*order[0], *order[1]], args, strict=True))
        return bind(prim, *[given[k] for k in range(len(xs))], **params)

    types = [typeof(xs[k]) for k in order[0]]
    types += [typeof(xs[k]).with_shape(typeof(xs[k]).shape[1:]) for k in order[1]]
    graph = trace(row, types, transform="vmap").graph
    return scan(Loop(graph, len(order[0]), 0, size, False, 1, False), [xs[k] for k in (*order[0], *order[1])])
