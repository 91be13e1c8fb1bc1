"""Whole Jacobians as graphs: forward or reverse mode, mapped over a basis, one block per argument or result."""

from __future__ import annotations

from functorch_lite.ir import ArrayType, Graph
from functorch_lite.prims.elementwise import convert, eq
from functorch_lite.prims.shape import iota, reshape, transpose, zeros_like
from functorch_lite.trace import inline
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import pick, rebuild, rewrite, via
from functorch_lite.transforms.jvp import jvp
from functorch_lite.transforms.reverse import backward, linearize, simplified


def basis(type_: ArrayType):
    """All unit vectors of a type, along a new leading axis."""
    n = type_.size
    rows, columns = iota("int32", (n, n), 0), iota("int32", (n, n), 1)
    return reshape(convert(eq(rows, columns), type_.dtype), (n, *type_.shape))


def _one(type_: ArrayType):
    """The unit vector of a type of one element without axes."""
    return zeros_like(type_, 1)


@rewrite
def reverse_blocks(graph: Graph, active: tuple[bool, ...], results: int) -> Graph:
    """(x...) -> (y...) becomes (x...) -> (y..., block of y[i] and x[k]...) for i < results and active k.

    A block has the shape of y[i] followed by that of x[k].
    """
    halves, out_active = linearize(graph, active)
    wanted = pick(graph.in_types, active)

    def body(*xs):
        values = inline(halves.first, xs)
        residuals, blocks = halves.forward(xs, values), []
        for i, y in enumerate(graph.out_types[:results]):
            given = tuple([j == i for j, a in enumerate(out_active) if a])
            found = {}
            if out_active[i]:
                back, mask = backward(graph, active, given)
                if y.shape:
                    rows_of, found_mask = vmap_pass.vmap(back, y.size, (*[False] * len(residuals), True))
                    rows = inline(via(rows_of, back), [*residuals, basis(y)])
                    rows = [r if b else None for r, b in zip(rows, found_mask, strict=True)]
                else:
                    rows = inline(back, [*residuals, _one(y)])
                found = dict(zip([k for k, m in enumerate(mask) if m], rows, strict=True))
            for k, x in enumerate(wanted):
                row = found.get(k)
                block = y.with_shape((*y.shape, *x.shape)).with_dtype(x.dtype)
                blocks.append(zeros_like(block) if row is None else reshape(row, block.shape))
        return [*values[: len(graph.outs)], *blocks]

    return simplified(rebuild(body, graph.in_types, "jacrev"))


@rewrite
def _second_along(graph: Graph, active: tuple[bool, ...], k: int) -> tuple[Graph, tuple[bool, ...]]:
    """(residuals..., t of the k-th active x) -> (its part of the t of active y...), and which of them have one.

    Linear as the second half is, it is its own derivative: what the other tangents decide drops out of it.
    """
    second = linearize(graph, active).halves.second
    fixed = len(second.ins) - sum(active)
    if sum(active) == 1:
        return second, (True,) * len(second.outs)
    both, mask = jvp(second, tuple([i == fixed + k for i in range(len(second.ins))]))

    def body(*xs):
        rest = [zeros_like(t) for t in second.in_types[fixed:]]
        return inline(via(both, second), [*xs[:-1], *rest, xs[-1]])[len(second.outs) :]

    return simplified(rebuild(body, (*second.in_types[:fixed], second.in_types[fixed + k]), "jacfwd")), mask


def _along_basis(graph: Graph, fixed, x: ArrayType) -> list:
    """What `graph` makes of `fixed` and every unit vector of `x`, along axis 0; None where they do not matter."""
    if not x.shape:
        return inline(graph, [*fixed, _one(x)])
    mapped, mask = vmap_pass.vmap(graph, x.size, (*[False] * len(fixed), True))
    made = inline(via(mapped, graph), [*fixed, basis(x)])
    return [m if b else None for m, b in zip(made, mask, strict=True)]


def _columns(graph: Graph, active: tuple[bool, ...], xs) -> tuple[list, dict]:
    """The results of `graph`, and {(i, k): dy[i]/dx[k], a leading axis for x[k]} where they may be other than zero.

    What the primals decide, effects too, happens once: a first half is shared by the active arguments.
    """
    halves, out_active = linearize(graph, active)
    values, columns = inline(halves.first, xs), {}
    residuals, tangents = halves.forward(xs, values), [i for i, a in enumerate(out_active) if a]
    for position, k in enumerate([k for k, a in enumerate(active) if a]):
        second, mask = _second_along(graph, active, position)
        made = _along_basis(second, residuals, graph.in_types[k])
        columns.update(zip([(i, k) for i, m in zip(tangents, mask, strict=True) if m], made, strict=True))
    return values[: len(graph.outs)], columns


@rewrite
def forward_blocks(graph: Graph, active: tuple[bool, ...], start: int, stop: int) -> Graph:
    """(x...) -> (y...) becomes (x...) -> (y..., block of y[i] and x[k]...) for start <= i < stop and active k.

    A block has the shape of y[i] followed by that of x[k].
    """

    def body(*xs):
        values, columns = _columns(graph, active, xs)
        blocks = []
        for i in range(start, stop):
            y = graph.out_types[i]
            for k in pick(range(len(active)), active):
                x, column = graph.in_types[k], columns.get((i, k))
                block = y.with_shape((*y.shape, *x.shape)).strong()
                if column is None:
                    column = zeros_like(block)
                elif x.shape:
                    column = reshape(transpose(column, (*range(1, y.ndim + 1), 0)), block.shape)
                blocks.append(column)
        return [*values, *blocks]

    return simplified(rebuild(body, graph.in_types, "jacfwd"))


@rewrite
def hessian_blocks(graph: Graph, active: tuple[bool, ...], results: int) -> Graph:
    """(x...) -> (y...) becomes (x...) -> (y..., block of y[i], x[j] and x[k]...): forward over reverse."""
    first = reverse_blocks(graph, active, results)
    n, m = len(graph.outs), len(first.outs)
    second = forward_blocks(first, active, n, m)
    outs = (*second.outs[:n], *second.outs[m:])
    made = Graph(second.types, second.ins, second.eqns, outs, second.sources)
    return simplified(via(made, first))
