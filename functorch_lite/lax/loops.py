"""`lax`: loops over the rows of arrays: `scan`, `map`, `associative_scan`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from functorch_lite.api.arguments import check_callable, name_of
from functorch_lite.control.chunks import chunk_sizes, chunked
from functorch_lite.control.counted import counted
from functorch_lite.control.scan import Loop
from functorch_lite.control.scan import scan as run_loop
from functorch_lite.errors import ConcretizationError
from functorch_lite.lax.carry import (
    Carry,
    Watched,
    operand,
    operands,
    path_of,
    results,
    run_of,
    unwatched,
    without_rules,
)
from functorch_lite.prims.shape import broadcast, reshape, rev
from functorch_lite.prims.slicing import concatenate, slice
from functorch_lite.trace import Traced, at, trace, typeof
from functorch_lite.transforms.close import Mapping, closing
from functorch_lite.transforms.common import via
from functorch_lite.transforms.vmap import vmap as vmap_pass

__all__ = ["associative_scan", "map", "scan"]


def scan(
    f: Callable,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    checkpoint: str | int | None = None,
) -> tuple[Any, Any]:
    """Run `carry, y = f(carry, x)` over the rows x of `xs`; returns (the last carry, all y stacked).

    init: a tree; f must return the carry as the same tree with the same shapes. Its dtypes are promoted to what f
    returns where nothing is lost by that. xs: a tree of arrays of one length along axis 0, or None with `length`.
    reverse: from the last row to the first. unroll: how many turns are compiled as one; True: all.
    checkpoint: what reverse mode saves in a loop of n turns. None: what each turn needs. An int k: the carry of every
    k-th turn, and one chunk of k turns at a time. "sqrt": chunks of about sqrt(n). "binomial": chunks of chunks, memory
    for about 2 log2(n) turns, each turn being computed about log4(n) times more.
    f is traced once, with types only. Raises TypeError where the carry changes its tree or types, ValueError where
    lengths disagree.
    """
    f, watched = unwatched(f)
    check_callable("scan", f)
    rows, rows_tree, length = _rows("scan", xs, length)
    unroll, sizes = _unroll(unroll, length), chunk_sizes(_checkpoint(checkpoint), length)
    carry = Carry("scan", f, init)
    row_types = [x.type.with_shape(x.type.shape[1:]) for x in rows]
    trees = []

    def flat(*tracers):
        n = len(carry.leaves)
        made = f(carry.structure.unflatten(tracers[:n]), rows_tree.unflatten(tracers[n:]))
        if not (isinstance(made, (tuple, list)) and len(made) == 2):
            raise TypeError(f"scan: `{name_of(f)}` must return a pair (carry, y), got {type(made).__name__}, at {at()}")
        carried, structure = results("scan", f, made[0], "the carry")
        carry.check_tree(structure)
        ys, ys_tree = results("scan", f, made[1], "y")
        trees.append(ys_tree)
        return [*carry.returned(carried), *ys]

    graph, captured = carry.settle(
        lambda: trace(flat, [*carry.types, *row_types], transform="scan", name=name_of(f)))
    n = len(carry.leaves)
    loop = Loop(without_rules(graph), len(captured), n, length, bool(reverse), unroll, False)
    given = [*captured, *carry.start(), *rows]
    with run_of(f):
        if watched is None:
            made = chunked(loop, given, sizes, graph.sources)
        else:
            loop, given = counted(loop, given, watched.handle)
            made = chunked(loop, given, sizes, loop.graph.sources)[1:]
    return carry.structure.unflatten(made[:n]), trees[-1].unflatten(made[n:])


def _rows(construct: str, xs: Any, length: Any) -> tuple[list, Any, int]:
    """The leaves of `xs`, their tree, and their length along axis 0. Raises ValueError where there is no common one."""
    leaves, structure = operands(xs, f"{construct}: xs")
    if length is not None:
        length = _static("length", construct, length)
        if length < 0:
            raise ValueError(f"{construct}: the length is {length}, at {at()}; it must not be negative")
    for i, x in enumerate(leaves):
        if not x.type.shape:
            raise ValueError(f"{construct}: xs{path_of(xs, i)} is {x.type}, which has no rows, at {at()}; give it an "
                             "axis, or close over it")  # fmt: skip
    sizes = {x.type.shape[0] for x in leaves}
    if length is None and not leaves:
        raise ValueError(f"{construct}: there are neither xs nor a length, at {at()}; give one")
    if len(sizes | ({length} if length is not None else set())) > 1:
        found = [f"{x.type.shape[0]} of xs{path_of(xs, i)} ({x.type})" for i, x in enumerate(leaves)]
        found += [f"length={length}"] if length is not None else []
        raise ValueError(f"{construct}: lengths disagree, at {at()}: {', '.join(found)}; cut the arrays to one length")
    return leaves, structure, length if length is not None else sizes.pop()


def _static(what: str, construct: str, x: Any) -> int:
    """A Python int. Raises ConcretizationError for a traced value, TypeError for what is no int."""
    try:
        return operator.index(x)
    except ConcretizationError:
        raise ConcretizationError(
            f"{construct}: {what} is a traced value {typeof(x)}, at {at()}, but the sizes of arrays depend on it; mark "
            "the argument static, or use `while_loop` or `fori_loop`") from None
    except TypeError:
        raise TypeError(f"{construct}: {what} must be an int, got {type(x).__name__} {x!r:.40} at {at()}") from None


def _unroll(unroll: Any, length: int) -> int:
    if isinstance(unroll, bool):
        return max(length, 1) if unroll else 1
    unroll = _static("unroll", "scan", unroll)
    if unroll < 1:
        raise ValueError(f"scan: unroll is {unroll}, at {at()}; give a positive int, or True for all turns")
    return min(unroll, max(length, 1))


def _checkpoint(checkpoint: Any) -> str | int | None:
    if checkpoint is None or checkpoint in ("sqrt", "binomial"):
        return checkpoint
    if isinstance(checkpoint, (str, bool)):
        raise ValueError(f'scan: checkpoint={checkpoint!r} at {at()}; give "sqrt", "binomial", an int or None')
    checkpoint = _static("checkpoint", "scan", checkpoint)
    if checkpoint < 1:
        raise ValueError(f"scan: checkpoint is {checkpoint}, at {at()}; give a positive number of turns")
    return checkpoint


# ---- map ----


def map(f: Callable, xs: Any, *, batch_size: int | None = None) -> Any:
    """`f` of each row of `xs`, one after the other; the results stacked.

    xs: a tree of arrays of one length along axis 0. batch_size: so many rows at a time, as by `vmap`; those that are
    left over come last. Raises ValueError where lengths disagree.
    """
    f, watched = unwatched(f)
    check_callable("map", f)
    rows, structure, length = _rows("map", xs, None)
    types = [x.type.with_shape(x.type.shape[1:]) for x in rows]
    with run_of(f):
        if batch_size is None:
            traced, out = _traced_row(f, structure, types, None)
            return out.unflatten(_each(traced, rows, length, watched))
        size = _static("batch_size", "map", batch_size)
        if size < 1:
            raise ValueError(f"map: batch_size is {size}, at {at()}; give a positive int")
        whole, rest = divmod(length, size)
        blocks = [(0, whole, size), (whole * size, 1, rest)]
        parts = []
        for start, turns, n in [each for each in blocks if each[1] * each[2]] or blocks[:1]:
            traced, out = _traced_row(f, structure, types, Mapping(n, None))
            parts.append(_blocks(traced, [_cut(x, start, start + turns * n) for x in rows], turns, n, watched))
        return out.unflatten([concatenate(list(column), 0) for column in zip(*parts, strict=True)])


def _traced_row(f: Callable, structure: Any, types: list, kind: Mapping | None) -> tuple[Traced, Any]:
    """The graph of `f` of one row, and the tree of its result; `kind`: by what it will be mapped."""
    trees = []

    def flat(*tracers):
        made, out = results("map", f, f(structure.unflatten(tracers)), "the result")
        trees.append(out)
        return made

    prepare = kind and closing(kind, lambda frame: set(range(len(types))))
    return trace(flat, types, transform="map", name=name_of(f), prepare=prepare), trees[-1]


def _blocks(traced: Traced, rows: list, turns: int, n: int, watched: Watched | None) -> list:
    """The rows in `turns` blocks of n, each of them mapped; watched are the blocks, if there are several."""
    graph, captured = traced
    blocks = [reshape(x, (turns, n, *x.type.shape[1:])) for x in rows]
    mapped, flags = vmap_pass(graph, n, (*[False] * len(captured), *[True] * len(rows)))
    made = _each(Traced(via(mapped, graph), captured), blocks, turns, watched if turns > 1 else None)
    wide = [y if b else _spread(y, n) for y, b in zip(made, flags, strict=True)]
    return [reshape(y, (turns * n, *y.type.shape[2:])) for y in wide]


def _each(traced: Traced, rows: list, length: int, watched: Watched | None) -> list:
    graph, captured = traced
    loop = Loop(without_rules(graph), len(captured), 0, length, False, 1, False)
    if watched is None:
        return run_loop(loop, [*captured, *rows], graph.sources)
    loop, given = counted(loop, [*captured, *rows], watched.handle)
    return run_loop(loop, given, loop.graph.sources)[1:]


def _spread(y: Any, n: int) -> Any:
    """The rows of `y` once for each of the `n` elements of their block."""
    first, *rest = y.type.shape
    return broadcast(y, (first, n, *rest), (0, *range(2, len(rest) + 2)))


def _cut(x: Any, start: int, stop: int, axis: int = 0, stride: int = 1) -> Any:
    shape = x.type.shape
    low, high, strides = [0] * len(shape), list(shape), [1] * len(shape)
    low[axis], high[axis], strides[axis] = start, stop, stride
    return slice(x, low, high, strides)


# ---- associative_scan ----


def associative_scan(fn: Callable, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """The running reduction of the elements along an axis by an associative function: y[i] = fn(y[i-1], x[i]).

    fn: (a, b) -> c over trees like `elems`, given many elements at once, along the same axis, and so called about
    2 log2(n) times only. elems: a tree of arrays of one length along `axis`; reverse: y[i] = fn(y[i+1], x[i]).
    Raises ValueError where lengths disagree, TypeError where fn returns another tree or other shapes.
    """
    check_callable("associative_scan", fn)
    leaves, structure = operands(elems, "associative_scan: elems")
    if not leaves:
        return elems
    axes = [_axis_of(x, axis, elems, i) for i, x in enumerate(leaves)]
    lengths = {x.type.shape[a] for x, a in zip(leaves, axes, strict=True)}
    if len(lengths) > 1:
        sizes = [x.type.shape[a] for x, a in zip(leaves, axes, strict=True)]
        found = [f"{n} of elems{path_of(elems, i)} ({leaves[i].type})" for i, n in enumerate(sizes)]
        raise ValueError(f"associative_scan: lengths along axis {axis} disagree, at {at()}: {', '.join(found)}")

    def combine(a, b):
        given = structure.unflatten(a), structure.unflatten(b)
        made, out = results("associative_scan", fn, fn(*given), "the combined elements")
        if out != structure or [typeof(y).shape for y in made] != [x.type.shape for x in a]:
            got = ", ".join([str(typeof(y)) for y in made])
            raise TypeError(f"associative_scan: `{name_of(fn)}` must return elements like those it was given, "
                            f"{', '.join([str(x.type) for x in a])}, got {got}, at {at()}")  # fmt: skip
        return [operand(y, lambda: "the result") for y in made]

    flipped = [rev(x, (a,)) for x, a in zip(leaves, axes, strict=True)] if reverse else leaves
    made = _running(combine, flipped, axes)
    return structure.unflatten([rev(y, (a,)) for y, a in zip(made, axes, strict=True)] if reverse else made)


def _axis_of(x: Any, axis: Any, elems: Any, i: int) -> int:
    axis, n = _static("axis", "associative_scan", axis), x.type.ndim
    if not -n <= axis < n:
        raise ValueError(f"associative_scan: elems{path_of(elems, i)} is {x.type}, which has no axis {axis}, at {at()}")
    return axis % n


def _running(combine: Callable, xs: list, axes: list[int]) -> list:
    """Combine neighbours, run over the pairs, and combine each pair with the element behind it.

    Source: Blelloch, "Prefix sums and their applications", CMU-CS-90-190 (1990).
    """
    n = xs[0].type.shape[axes[0]]
    if n < 2:
        return xs
    cut = lambda ys, start, stop, stride=1: [_cut(y, start, stop, a, stride) for y, a in zip(ys, axes, strict=True)]
    odd = _running(combine, combine(cut(xs, 0, n - 1, 2), cut(xs, 1, n, 2)), axes)
    even = cut(xs, 0, 1)
    if n > 2:
        more = combine(cut(odd, 0, (n - 1) // 2), cut(xs, 2, n, 2))
        even = [concatenate([a, b], axis) for a, b, axis in zip(even, more, axes, strict=True)]
    return [_interleaved(a, b, axis) for a, b, axis in zip(even, odd, axes, strict=True)]


def _interleaved(a: Any, b: Any, axis: int) -> Any:
    """The elements of a and b in turn; a may have one more."""
    n, shape = b.type.shape[axis], b.type.shape
    thin = (*shape[: axis + 1], 1, *shape[axis + 1 :])
    pairs = concatenate([reshape(_cut(a, 0, n, axis), thin), reshape(b, thin)], axis + 1)
    made = reshape(pairs, (*shape[:axis], 2 * n, *shape[axis + 1 :]))
    last = a.type.shape[axis] - n
    return concatenate([made, _cut(a, n, n + 1, axis)], axis) if last else made
