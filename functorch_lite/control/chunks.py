"""Loops in chunks: the turns of a chunk are a loop inside a turn of another one, which a derivative computes again.

What is saved are the carried values before each chunk, and inside of one chunk at a time what its turns need; the
chunks may themselves be made of chunks. Source: Griewank & Walther, ACM Trans. Math. Software 26 (2000).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from functorch_lite.control.scan import Loop, scan, stacked
from functorch_lite.prims.shape import reshape
from functorch_lite.prims.slicing import concatenate, slice
from functorch_lite.trace import typeof
from functorch_lite.transforms.common import rebuild, rewrite


def chunk_sizes(checkpoint: str | int | None, length: int) -> tuple[int, ...]:
    """How many turns the chunks have, from the outermost ones in; empty: no chunks."""
    if checkpoint is None or length < 2:
        return ()
    if isinstance(checkpoint, int):
        return (checkpoint,) if checkpoint < length else ()
    if checkpoint == "sqrt":
        return (length // _near(length, math.isqrt(length)),)
    sizes, n = [], length
    while n > 4:
        n //= next((k for k in (4, 3, 5) if n % k == 0), 4)
        sizes.append(n)
    return tuple(sizes)


def _near(length: int, count: int) -> int:
    """A number of chunks close to this one, such that no turns are left over if there is one."""
    return next((k for k in range(count, count * 3 // 4, -1) if length % k == 0), count)


def chunked(loop: Loop, operands: Sequence, sizes: Sequence[int], sources: Sequence | None = None) -> list:
    """Run a loop in chunks of these sizes; the turns that are left over come last."""
    if not sizes or not loop.length:
        return scan(loop, operands, sources)
    graph = _chunk(loop.graph, loop.consts, loop.carry, loop[3:], tuple(sizes))
    count, left = divmod(loop.length, sizes[0])
    shared, start, rows = loop.parts(operands)
    main, rest = _divided(rows, left, loop.reverse)
    rows = [reshape(x, (count, sizes[0], *typeof(x).shape[1:])) for x in main]
    outer = Loop(graph, loop.consts, loop.carry, count, loop.reverse, 1, True)
    made = scan(outer, [*shared, *start, *rows])
    carried, ys = made[: loop.carry], made[loop.carry :]
    ys = [reshape(y, (count * sizes[0], *typeof(y).shape[2:])) for y in ys]
    if not left:
        return [*carried, *ys]
    made = scan(loop._replace(length=left), [*shared, *carried, *rest], sources)
    both = [(y, z) if loop.reverse else (z, y) for y, z in zip(made[loop.carry :], ys, strict=True)]
    return [*made[: loop.carry], *[concatenate(pair, 0) for pair in both]]


def _divided(rows: Sequence, left: int, reverse: bool) -> tuple[list, list]:
    """The rows that chunks take, and the `left` ones that come after them."""
    if not left:
        return list(rows), []
    main, rest = [], []
    for x in rows:
        n = typeof(x).shape[0]
        front, back = _cut(x, 0, left if reverse else n - left), _cut(x, left if reverse else n - left, n)
        main.append(back if reverse else front)
        rest.append(front if reverse else back)
    return main, rest


def _cut(x, start: int, stop: int):
    shape = typeof(x).shape
    return slice(x, (start, *[0] * (len(shape) - 1)), (stop, *shape[1:]))


@rewrite
def _chunk(graph, consts: int, carry: int, rest: tuple, sizes: tuple[int, ...]):
    """The body of the loop over chunks: the loop over the turns of one."""
    loop = Loop(graph, consts, carry, *rest)._replace(length=sizes[0])
    own, rows = graph.in_types[: consts + carry], graph.in_types[consts + carry :]

    def body(*xs):
        return chunked(loop, xs, sizes[1:])

    return rebuild(body, [*own, *[stacked(t, sizes[0]) for t in rows]], "scan")
