"""Strategies of trees, of the axes that vmap maps, and of device meshes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from hypothesis import strategies as st

import functorch_lite as fl
from functorch_lite import tree

Strategy = st.SearchStrategy


class Mesh(NamedTuple):
    """The shape of an arrangement of devices, and the names of its axes."""

    shape: tuple[int, ...]
    axis_names: tuple[str, ...]


def pytrees(leaves: Strategy, *, max_leaves: int = 5) -> Strategy:
    """Trees with these leaves: tuples, lists, dicts and None, in each other. Raises TypeError or ValueError."""
    if not isinstance(leaves, Strategy):
        raise TypeError(f"pytrees: leaves has to be a strategy, such as arrays(), got a {type(leaves).__name__}")
    if leaves.is_empty:
        raise ValueError("pytrees: leaves is an empty strategy; give one that has a leaf to draw")
    if type(max_leaves) is not int or max_leaves < 1:
        raise ValueError(f"pytrees: max_leaves is {max_leaves!r}; it has to be an int of at least 1")

    def nodes(children):
        lists = st.lists(children, max_size=3)
        return lists | lists.map(tuple) | st.dictionaries(st.sampled_from("abc"), children, max_size=3)

    return st.recursive(leaves | st.none(), nodes, max_leaves=max_leaves)


def in_axes(args: Any) -> Strategy:
    """What `vmap` takes as `in_axes` for these arguments, a tuple of trees of arrays: at least one axis is mapped.

    Axes have one size, may count from the end, and stand for whole subtrees where all leaves have the same.
    Raises ValueError where no argument has an axis.
    """
    if not isinstance(args, (tuple, list)):
        raise TypeError(f"in_axes: takes the tuple of arguments, got a {type(args).__name__}")
    leaves, structure = tree.flatten(tuple(args))
    shapes = [fl.typeof(x).shape for x in leaves]
    sizes = sorted({n for shape in shapes for n in shape})
    if not sizes:
        raise ValueError("in_axes: none of the arguments has an axis to map; give one of them an axis")

    @st.composite
    def drawn(draw):
        size = draw(st.sampled_from(sizes))
        spots = [[a for k, n in enumerate(shape) if n == size for a in (k, k - len(shape))] for shape in shapes]
        first = draw(st.sampled_from([i for i, s in enumerate(spots) if s]))
        chosen = [draw(st.sampled_from(s) if i == first else st.sampled_from([None, *s])) for i, s in enumerate(spots)]
        axes = tuple([_merged(part) for part in structure.unflatten([_Axis(a) for a in chosen])])
        return axes[0] if len(set(map(str, axes))) == 1 and type(axes[0]) is int and draw(st.booleans()) else axes

    return drawn()


class _Axis:
    """An axis as a leaf of a tree, which None is not."""

    def __init__(self, axis: int | None):
        self.axis = axis


def _merged(part: Any) -> Any:
    """A tree of axes; where all leaves have the same, the axis in the tree's place."""
    leaves, _ = tree.flatten(part)
    axes = {leaf.axis for leaf in leaves}
    if len(axes) <= 1:
        return axes.pop() if axes else None
    if isinstance(part, dict):
        return {k: _merged(v) for k, v in part.items()}
    if isinstance(part, (list, tuple)):
        return type(part)([_merged(v) for v in part])
    return tree.map(lambda leaf: leaf.axis, part)


def meshes(*, devices: int = 8, max_axes: int = 3) -> Strategy[Mesh]:
    """Meshes of at most `devices` devices: a shape, and a name per axis. Raises ValueError where there is none."""
    if type(devices) is not int or devices < 1:
        raise ValueError(f"meshes: devices is {devices!r}; it has to be an int of at least 1")
    if type(max_axes) is not int or not 1 <= max_axes <= 4:
        raise ValueError(f"meshes: max_axes is {max_axes!r}; it has to be an int from 1 to 4")

    def extended(shape: tuple[int, ...]) -> Strategy[tuple[int, ...]]:
        room = devices // math.prod(shape)
        if len(shape) == max_axes:
            return st.just(shape)
        return st.just(shape) | st.integers(1, room).flatmap(lambda n: extended((*shape, n)))

    shapes = st.integers(1, devices).flatmap(lambda n: extended((n,)))
    return shapes.map(lambda shape: Mesh(shape, tuple("ijkl"[: len(shape)])))
