"""Laws of vmap: it is a loop, for every choice of axes and any size, and commutes with the other transforms."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from functorch_lite import dtypes, tree
from functorch_lite.api.forward import jvp as jvp_of
from functorch_lite.api.jit import jit as jit_of
from functorch_lite.api.reverse import vjp as vjp_of
from functorch_lite.api.vmap import vmap as vmap_of
from functorch_lite.testing.bounds import Bound, rounding
from functorch_lite.testing.laws.common import Problem, arrays, bound_of, directions, law

_ROWS = 3
_EVERY = 4  # of so many mapped leaves every choice is tried; of more, all, each alone, and all but each


def rows_of(p: Problem, size: int = _ROWS) -> list[list[np.ndarray]]:
    """Per argument leaf, `size` rows near it: floats scaled a little, which keeps them in the domain; of whole numbers
    the same ones in another order, of booleans the others."""
    made = []
    for i, x in enumerate(p.xs):
        array = np.asarray(x._value)
        rows = []
        for k in range(size):
            if dtypes.is_inexact(array.dtype):
                factor = 1 + 0.02 * k * p.rng(100 + 7 * i + k).uniform(-1, 1, size=array.shape)
                rows.append(np.asarray(array * factor).astype(array.dtype))
            elif dtypes.is_bool(array.dtype):
                rows.append(~array if k else array)
            else:  # rows that are the same from behind would hide that they were turned around
                rows.append(np.roll(array, min(k, len(array) - 1), axis=0) if array.ndim and len(array) else array)
        made.append(rows)
    return made


def choices(n: int) -> list[tuple[bool, ...]]:
    """Which leaves are mapped: every choice but none, or of many leaves the telling ones."""
    if n <= _EVERY:
        return [c for c in itertools.product((True, False), repeat=n) if any(c)]
    alone = [tuple([i == k for i in range(n)]) for k in range(n)]
    return [(True,) * n, *alone, *[tuple([not b for b in c]) for c in alone]]


def _stacked(rows, axes):
    """The arguments of vmap: stacks along the mapped axes, the first row elsewhere."""
    return [r[0] if a is None else np.stack(r, a) for r, a in zip(rows, axes, strict=True)]


def _row(rows, axes, k: int):
    return [r[0] if a is None else r[k] for r, a in zip(rows, axes, strict=True)]


def _loop(p: Problem, rows, axes, size: int):
    """Per result, the stack of what `f` gives row by row; and the bound of the rows, when it is needed."""
    results = [arrays(p.flat(*_row(rows, axes, k))) for k in range(size)]
    stacks = [np.stack(ys) for ys in zip(*results, strict=True)]

    def bound():
        parts = [rounding(p.flat, _row(rows, axes, k)) for k in range(size)]
        return Bound([np.stack(s) for s in zip(*[q.sizes for q in parts], strict=True)], parts[0].equations)

    return stacks, bound


@law("batching")
def vmap(p: Problem):
    """vmap(f) stacks what f gives row by row: for every choice of mapped arguments, axes in front and elsewhere."""
    if not p.xs:
        return
    rows, rng = rows_of(p), p.rng(30)
    for mapped in choices(len(p.xs)):
        some = [int(rng.integers(0, x.ndim + 1)) if m else None for x, m in zip(p.xs, mapped, strict=True)]
        front = [0 if m else None for m in mapped]
        last = [-1 if m else None for m in mapped]
        for axes in (front, some) if any(a for a in some) else (front, last):
            _is_loop(p, rows, axes)


def _is_loop(p: Problem, rows, axes) -> None:
    """vmap along these axes is a loop over the rows."""
    size = len(rows[0])
    want, bound = _loop(p, rows, axes, size)
    got = vmap_of(p.flat, in_axes=tuple(axes))(*_stacked(rows, axes))
    p.agree(f"vmap(f, in_axes={tuple(axes)}) and a loop over {size} rows", got, want, bound)


def rows(f: Callable, *stacks: Any, tol: float | None = None, seed: int = 0) -> None:
    """`laws.vmap` with rows of one's own: every array of the arguments has them along axis 0.

    Every choice of mapped arrays is tried; of an array that is not mapped, the first row. Raises LawError where vmap(f)
    and a loop differ, ValueError where there are no rows, or not as many in each array.
    """
    leaves, structure = tree.flatten(tuple(stacks))
    sizes = {np.shape(x)[:1] for x in leaves}
    if len(sizes) != 1 or not all([size and size[0] for size in sizes]):
        raise ValueError(f"laws.rows: takes arrays with as many rows each, got shapes {[np.shape(x) for x in leaves]}")
    p = Problem("rows", f, structure.unflatten([np.asarray(x)[0] for x in leaves]), tol, seed)
    for mapped in choices(len(leaves)):
        _is_loop(p, [list(np.asarray(x)) for x in leaves], [0 if m else None for m in mapped])


@law("batching")
def vmap_out_axes(p: Problem):
    """out_axes says where the rows of a result go, and nothing else."""
    if not p.xs:
        return
    rows = rows_of(p)
    axes = [0] * len(p.xs)
    want, bound = _loop(p, rows, axes, _ROWS)
    stacks = _stacked(rows, axes)
    got = arrays(vmap_of(p.flat, out_axes=-1)(*stacks))
    p.agree("vmap(f, out_axes=-1) and a loop, rows last", [np.moveaxis(y, -1, 0) for y in got], want, bound)


@law("batching")
def vmap_twice(p: Problem):
    """Of two nested maps, which is the inner one makes no difference."""
    if not p.xs:
        return
    rows = rows_of(p, 4)
    grid = [np.stack(r).reshape(2, 2, *np.shape(r[0])) for r in rows]
    one = vmap_of(vmap_of(p.flat))(*grid)
    other = vmap_of(vmap_of(p.flat), in_axes=1, out_axes=1)(*grid)

    def bound():
        made = [rounding(p.flat, [g[i, j] for g in grid]) for i, j in itertools.product(range(2), repeat=2)]
        return Bound([np.max(s, axis=0) for s in zip(*[m.sizes for m in made], strict=True)], made[0].equations)

    p.agree("vmap(vmap(f)) and the same with the two axes swapped", other, one, bound)


@law("batching")
def vmap_sizes(p: Problem):
    """A map of one row is that row, and a map of none is empty, with the right types."""
    if not p.xs:
        return
    one = vmap_of(p.flat)(*[np.asarray(x._value)[None] for x in p.xs])

    def bound():
        made = rounding(p.flat, p.xs)
        return Bound([s[None] for s in made.sizes], made.equations)

    p.agree("vmap(f) of one row and f", one, [y[None] for y in p.ys], bound)
    empty = [np.zeros((0, *y.shape), y.dtype) for y in p.ys]
    for mapped in choices(len(p.xs)):
        given = [np.zeros((0, *x.shape), x.dtype) if m else x for x, m in zip(p.xs, mapped, strict=True)]
        axes = tuple([0 if m else None for m in mapped])
        p.agree(f"vmap(f, in_axes={axes}) of no rows and the type of f", vmap_of(p.flat, axes)(*given), empty, bound)


def _mapped_bound(fun, stacks, size: int = _ROWS):
    """The bound of a function of rows, mapped."""

    def bound():
        parts = [rounding(fun, [s[k] for s in stacks]) for k in range(size)]
        return Bound([np.stack(s) for s in zip(*[q.sizes for q in parts], strict=True)], parts[0].equations)

    return bound


@law("batching")
def vmap_of_derivatives(p: Problem):
    """jvp and vjp under vmap are a loop over rows, and so are they of vmap: the three commute."""
    n = len(p.floats)
    rows = _stacked(rows_of(p), [0] * len(p.xs))
    floats = [rows[i] for i in p.active]
    rng = p.rng(31)
    ts = [np.asarray(t) for t in directions(rng, floats)]
    stacked = [np.stack([y] * _ROWS) for y, s in zip(p.ys, p.smooth, strict=True) if s]
    cts = [np.asarray(t) for t in directions(rng, stacked)]
    fixed = [rows[i] for i in range(len(p.xs)) if i not in p.active]
    row = _row_function(p)

    def push(*leaves):
        xs, ts, rest = leaves[:n], leaves[n : 2 * n], leaves[2 * n :]
        return list(jvp_of(lambda *xs: row(xs, rest), xs, ts)[1])

    def pull(*leaves):
        xs, cts, rest = leaves[:n], leaves[n : len(leaves) - len(fixed)], leaves[len(leaves) - len(fixed) :]
        return list(vjp_of(lambda *xs: row(xs, rest), *xs)[1](list(cts)))

    many = lambda *xs: vmap_of(lambda *leaves: row(leaves[:n], leaves[n:]))(*xs, *fixed)
    loop = lambda fun, stacks: [
        np.stack(ys) for ys in zip(*[arrays(fun(*[s[k] for s in stacks])) for k in range(_ROWS)], strict=True)]
    given = [*floats, *ts, *fixed]
    want, bound = loop(push, given), _mapped_bound(push, given)
    p.agree("vmap(jvp(f)) and a loop", vmap_of(push)(*given), want, bound, ["tangents"] * len(want))
    p.agree("jvp(vmap(f)) and a loop", jvp_of(many, floats, ts)[1], want, bound, ["tangents"] * len(want))
    given = [*floats, *cts, *fixed]
    want, bound = loop(pull, given), _mapped_bound(pull, given)
    names = [f"the cotangent of argument leaf {i}" for i in p.active]
    p.agree("vmap(vjp(f)) and a loop", vmap_of(pull)(*given), want, bound, names)
    p.agree("vjp(vmap(f)) and a loop", vjp_of(many, *floats)[1](cts), want, bound, names)


def _row_function(p: Problem):
    """(floats, other leaves) -> the float results."""

    def row(floats, rest):
        leaves, it, others = [], iter(floats), iter(rest)
        for i in range(len(p.xs)):
            leaves.append(next(it) if i in p.active else next(others))
        return p.inexact(*leaves)

    return row


@law("batching")
def derivatives_of_no_rows(p: Problem):
    """A map of no rows has derivatives, which are empty."""
    n = len(p.floats)
    stacks = [np.zeros((0, *x.shape), x.dtype) for x in p.xs]
    ys = [np.zeros((0, *y.shape), y.dtype) for y, s in zip(p.ys, p.smooth, strict=True) if s]
    floats, fixed = [stacks[i] for i in p.active], [x for i, x in enumerate(stacks) if i not in p.active]
    row = _row_function(p)

    def pull(*leaves):
        xs, cts, rest = leaves[:n], leaves[n : n + len(ys)], leaves[n + len(ys) :]
        return list(vjp_of(lambda *xs: row(xs, rest), *xs)[1](list(cts)))

    many = lambda *xs: vmap_of(lambda *leaves: row(leaves[:n], leaves[n:]))(*xs, *fixed)
    names = [f"the cotangent of argument leaf {i}" for i in p.active]
    nothing = lambda: Bound([np.zeros(np.shape(x)) for x in floats], 0)
    p.agree("vmap(vjp(f)) of no rows and no cotangents", vmap_of(pull)(*floats, *ys, *fixed), floats, nothing, names)
    p.agree("vjp(vmap(f)) of no rows and no cotangents", vjp_of(many, *floats)[1](ys), floats, nothing, names)


@law("batching")
def shared_cotangents(p: Problem):
    """What is not mapped gets the sum of the cotangents of all rows."""
    if len(p.floats) > 1:
        rows = rows_of(p)
        for k in range(len(p.active)):
            _shared(p, rows, k)


def _shared(p: Problem, rows, k: int) -> None:
    """The cotangent of the k-th float, which all rows share."""
    i = p.active[k]
    stacks = _stacked(rows, [None if j == i or j not in p.active else 0 for j in range(len(p.xs))])
    row, rest = _row_function(p), [stacks[j] for j in range(len(p.xs)) if j not in p.active]
    axes = tuple([None if j == i else 0 for j in p.active])
    floats = [stacks[j] for j in p.active]
    many = lambda *xs: vmap_of(lambda *f: row(f, rest), in_axes=axes)(*xs)
    cts = directions(p.rng(32), arrays(many(*floats)))
    pull = lambda *xs: [vjp_of(many, *xs)[1](list(cts))[k]]
    parts = []
    for n in range(_ROWS):
        at = [x if a is None else x[n] for x, a in zip(floats, axes, strict=True)]
        back = vjp_of(lambda *f: row(f, rest), *at)[1]
        parts.append(np.asarray(back([np.asarray(ct)[n] for ct in cts])[k]))
    p.agree("the cotangent of what all rows share, and the sum over rows", pull(*floats), [sum(parts)],
            bound_of(pull, floats), [f"the cotangent of argument leaf {i}"])  # fmt: skip


@law("batching", compiles=True)
def jit_commutes(p: Problem):
    """Transforms of jit(f), and jit of transforms of f, are transforms of f."""
    compiled = jit_of(p.flat)
    if p.xs:
        rows = rows_of(p)
        axes = [0] * len(p.xs)
        stacks = _stacked(rows, axes)
        want, bound = _loop(p, rows, axes, _ROWS)[0], _compiled_bound(p, rows, axes)
        p.agree("vmap(jit(f)) and a loop", vmap_of(compiled)(*stacks), want, bound)
        p.agree("jit(vmap(f)) and a loop", jit_of(vmap_of(p.flat))(*stacks), want, bound)
    if p.active and any(p.smooth):
        inner = jit_of(p.varying)
        cts = p.cotangents(33)
        pull = lambda f: lambda *floats: list(vjp_of(f, *floats)[1](cts))
        want = pull(p.varying)(*p.floats)
        bound = bound_of(pull(p.varying), p.floats, compiled=True)
        names = [f"the cotangent of argument leaf {i}" for i in p.active]
        p.agree("vjp(jit(f)) and vjp(f)", pull(inner)(*p.floats), want, bound, names)
        p.agree("jit(vjp(f)) and vjp(f)", jit_of(pull(p.varying))(*p.floats), want, bound, names)


def _compiled_bound(p: Problem, rows, axes):
    def bound():
        parts = [rounding(p.flat, _row(rows, axes, k), compiled=True) for k in range(_ROWS)]
        return Bound([np.stack(s) for s in zip(*[q.sizes for q in parts], strict=True)], parts[0].equations)

    return bound
