"""`lax`: collectives, operations across a named axis of `vmap` or `pmap`."""

from __future__ import annotations

import difflib
import math
import numbers
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from functorch_lite import dtypes, tree
from functorch_lite.axes import Axis
from functorch_lite.config import config
from functorch_lite.errors import AxisNameError
from functorch_lite.ir import Primitive
from functorch_lite.lax.carry import operand
from functorch_lite.prims import collective as c
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.reduce import reduce_max, reduce_min
from functorch_lite.prims.shape import full, reduce_sum, reshape, transpose
from functorch_lite.trace import at, bind, current_frame, typeof

__all__ = [
    "all_gather", "all_to_all", "axis_index", "axis_size", "pmax", "pmean", "pmin", "ppermute", "pshuffle", "psum",
    "psum_scatter", "pswapaxes",
]  # fmt: skip


def _scope() -> dict[str, Axis]:
    frame = current_frame()
    return frame.axes if frame is not None else {}


def _axis(who: str, name: Any) -> Axis:
    scope = _scope()
    try:
        found = scope.get(name)
    except TypeError:
        found = None
    if found is not None:
        return found
    if not isinstance(name, str):
        raise TypeError(f"{who}: an axis name is a string, got {name!r:.40} at {at()}")
    near = difflib.get_close_matches(name, scope, 1)
    if near:
        raise AxisNameError(f"{who}: there is no axis {name!r} here, at {at()}; did you mean {near[0]!r}?")
    have = "the axes here are " + ", ".join(map(repr, scope)) if scope else "no named axis is in scope"
    raise AxisNameError(f"{who}: there is no axis {name!r} here, at {at()}: {have}; collectives belong inside "
                        f"`vmap(..., axis_name={name!r})` or `pmap(..., axis_name={name!r})`")  # fmt: skip


class _Axes:
    """Named axes as they are in the graph, and axes of the array itself, as far as some were given."""

    def __init__(self, who: str, given: Any, positions: bool = False):
        given = tuple(given) if isinstance(given, (tuple, list)) else (given,)
        ints = [a for a in given if isinstance(a, numbers.Integral) and not isinstance(a, bool)]
        self.positions = [operator.index(a) for a in ints] if positions else []
        found = [_axis(who, a) for a in given if not (positions and a in ints)]
        self.names = tuple([n for axis in found for n in axis.names])
        self.sizes = tuple([n for axis in found for n in axis.sizes])
        self.size = math.prod(self.sizes)
        if len(set(self.names)) < len(self.names):
            raise AxisNameError(f"{who}: an axis is named twice in {given!r}, at {at()}")
        self.many = len(found) > 1


def _groups(who: str, axes: _Axes, groups: Any) -> c.Groups | None:
    """The groups, checked: each row in exactly one, all of one size."""
    if groups is None:
        return None
    try:
        made = tuple([tuple([operator.index(i) for i in g]) for g in groups])
    except TypeError:
        raise TypeError(f"{who}: axis_index_groups must be lists of ints, got {groups!r:.60} at {at()}") from None
    if axes.many:
        raise ValueError(f"{who}: axis_index_groups need a single axis, got several, at {at()}")
    rows = sorted(i for g in made for i in g)
    if rows != list(range(axes.size)):
        missing = sorted(set(range(axes.size)) - set(rows))
        what = f"leave out {missing}" if missing else "name a position twice, or one that is not there"
        raise ValueError(f"{who}: axis_index_groups must cover the {axes.size} positions of the axis once each, but "
                         f"they {what}, at {at()}")  # fmt: skip
    if len({len(g) for g in made}) > 1:
        raise ValueError(f"{who}: axis_index_groups must have one size, got {sorted(map(len, made))}, at {at()}")
    return made


def _each(who: str, fun: Callable, x: Any) -> Any:
    """`fun` of every leaf as an operand."""

    def one(leaf):
        return fun(operand(leaf, lambda: f"{who}: a leaf"))

    return tree.map(one, x)


def _apply(prim: Primitive, x: Any, axes: _Axes, groups: c.Groups | None) -> Any:
    """One collective; groups of an axis that is split take the long way."""
    if groups is not None and len(axes.names) > 1:
        return c.in_groups(prim, x, axes.names, axes.sizes, groups)
    sizes = {"sizes": axes.sizes} if "sizes" in prim.params else {}
    return bind(prim, x, axes=axes.names, **sizes, groups=groups)


def _reduction(who: str, prim, reduce: Callable, of_number: Callable) -> Callable:
    def apply(x, axis_name, axis_index_groups=None):
        axes = _Axes(who, axis_name, positions=True)
        groups = _groups(who, axes, axis_index_groups)

        def one(leaf):
            if isinstance(leaf, (int, float, complex)):
                return of_number(leaf, axes.size if groups is None else len(groups[0]))
            y = operand(leaf, lambda: f"{who}: a leaf")
            if prim is c.psum_p and dtypes.is_bool(typeof(y).dtype):
                y = e.convert(y, c.I32)
            if axes.positions:
                y = reduce(y, tuple([_position(who, p, typeof(y)) for p in axes.positions]))
            return _apply(prim, y, axes, groups) if axes.names else y

        return tree.map(one, x)

    return apply


def _position(who: str, axis: Any, type_: Any) -> int:
    try:
        found = operator.index(axis)
    except TypeError:
        raise TypeError(f"{who}: an axis of the array must be an int, got {axis!r:.40} at {at()}") from None
    if not -type_.ndim <= found < type_.ndim:
        raise ValueError(f"{who}: {found} is no axis of {type_}, at {at()}")
    return found % type_.ndim


_psum = _reduction("psum", c.psum_p, reduce_sum, lambda x, n: x * n)
_pmax = _reduction("pmax", c.pmax_p, reduce_max, lambda x, n: x)
_pmin = _reduction("pmin", c.pmin_p, reduce_min, lambda x, n: x)


def psum(x: Any, axis_name: Any, *, axis_index_groups: Sequence[Sequence[int]] | None = None) -> Any:
    """The sum of `x` over a named axis, or over several; the same for every row, or for every row of a group.

    x: a tree of arrays; booleans are counted. Python numbers are multiplied by the size, so that `psum(1, name)` is it.
    axis_name: a name or a tuple of names; ints among them are axes of the arrays. Raises AxisNameError (a NameError)
    where no such axis is in scope, ValueError for groups that do not cover the axis once.
    """
    return _psum(x, axis_name, axis_index_groups)


def pmax(x: Any, axis_name: Any, *, axis_index_groups: Sequence[Sequence[int]] | None = None) -> Any:
    """The maximum of `x` over named axes; its derivative is shared by ties. Arguments and errors as of `psum`."""
    return _pmax(x, axis_name, axis_index_groups)


def pmin(x: Any, axis_name: Any, *, axis_index_groups: Sequence[Sequence[int]] | None = None) -> Any:
    """The minimum of `x` over named axes; its derivative is shared by ties. Arguments and errors as of `psum`."""
    return _pmin(x, axis_name, axis_index_groups)


def pmean(x: Any, axis_name: Any, *, axis_index_groups: Sequence[Sequence[int]] | None = None) -> Any:
    """The mean of `x` over named axes, in floats. Arguments and errors as of `psum`."""
    total = _psum(x, axis_name, axis_index_groups)
    axes = _Axes("pmean", axis_name, positions=True)
    groups = _groups("pmean", axes, axis_index_groups)
    n = axes.size if groups is None else len(groups[0])

    def one(y, leaf):
        if isinstance(leaf, (int, float, complex)):
            return y / n
        count = n * math.prod([typeof(leaf).shape[p] for p in axes.positions])
        if not dtypes.is_inexact(typeof(y).dtype):
            y = e.convert(y, config.default_float)
        return e.div(y, full(typeof(y).shape, float(count), typeof(y).dtype))

    return tree.map(one, total, x)


def axis_index(axis_name: Any) -> Any:
    """The position along a named axis, or along several with the last the fastest: an int32 that differs by row.

    Raises AxisNameError where no such axis is in scope.
    """
    axes = _Axes("axis_index", axis_name)
    return c.axis_index(axes.names, axes.sizes)


def axis_size(axis_name: Any) -> int:
    """How many rows a named axis has, or several have together: a Python int. Raises AxisNameError."""
    return _Axes("axis_size", axis_name).size


def ppermute(x: Any, axis_name: Any, perm: Iterable[tuple[int, int]]) -> Any:
    """Send `x` along a named axis: row d receives what row s holds, for the pairs (s, d) of `perm`, and others zeros.

    Raises ValueError where two rows send to one, a row sends twice, or a position is not there.
    """
    axes = _Axes("ppermute", axis_name)
    try:
        pairs = [(operator.index(s), operator.index(d)) for s, d in perm]
    except (TypeError, ValueError):
        raise TypeError(f"ppermute: perm must be pairs (source, destination) of ints, got {perm!r:.60} "
                        f"at {at()}") from None  # fmt: skip
    for what, ends in (("sources", [s for s, _ in pairs]), ("destinations", [d for _, d in pairs])):
        if len(set(ends)) < len(ends):
            raise ValueError(f"ppermute: the {what} in {pairs} are not distinct, at {at()}")
        if any(not 0 <= i < axes.size for i in ends):
            raise ValueError(f"ppermute: {what} in {pairs} must lie between 0 and {axes.size - 1}, at {at()}")
    return _each("ppermute", lambda y: c.ppermute(y, axes.names, axes.sizes, pairs), x)


def pshuffle(x: Any, axis_name: Any, perm: Sequence[int]) -> Any:
    """Row i receives what row `perm[i]` holds. Raises ValueError where `perm` is no permutation of the axis."""
    axes = _Axes("pshuffle", axis_name)
    if sorted(perm) != list(range(axes.size)):
        raise ValueError(f"pshuffle: {perm!r:.60} is no permutation of the {axes.size} positions of the axis, "
                         f"at {at()}")  # fmt: skip
    return ppermute(x, axis_name, list(zip(perm, range(axes.size), strict=True)))


def all_gather(
    x: Any, axis_name: Any, *, axis_index_groups: Sequence[Sequence[int]] | None = None, axis: int = 0,
    tiled: bool = False,
) -> Any:  # fmt: skip
    """The rows of `x` from everywhere, along a new axis at `axis`; `tiled`: joined along the axis that is there.

    The result is the same everywhere (with groups: within a group). Errors as of `psum`.
    """
    axes = _Axes("all_gather", axis_name)
    groups = _groups("all_gather", axes, axis_index_groups)

    def one(y):
        shape = typeof(y).shape
        k = _position("all_gather", axis, typeof(y) if tiled else typeof(y).with_shape((1, *shape)))
        made = _to_position(_apply(c.all_gather_p, y, axes, groups), k)
        return reshape(made, (*shape[:k], typeof(made).shape[k] * shape[k], *shape[k + 1 :])) if tiled else made

    return _each("all_gather", one, x)


def _to_position(x: Any, k: int) -> Any:
    """Axis 0 moved to `k`."""
    return transpose(x, (*range(1, k + 1), 0, *range(k + 1, typeof(x).ndim))) if k else x


def _to_front(x: Any, k: int) -> Any:
    return transpose(x, (k, *[i for i in range(typeof(x).ndim) if i != k])) if k else x


def _parts(who: str, x: Any, k: int, n: int, tiled: bool) -> Any:
    """`x` cut along axis `k` in n parts along a new axis 0; not tiled, the axis has n elements, and goes."""
    shape = typeof(x).shape
    if not tiled:
        if shape[k] != n:
            raise ValueError(f"{who}: axis {k} of {typeof(x)} must have {n} elements, one for each row of the named "
                             f"axis, at {at()}; use `tiled=True` to cut it in parts")  # fmt: skip
        return _to_front(x, k)
    if shape[k] % n:
        raise ValueError(f"{who}: axis {k} of {typeof(x)} cannot be cut in {n} equal parts, at {at()}")
    return _to_front(reshape(x, (*shape[:k], n, shape[k] // n, *shape[k + 1 :])), k)


def psum_scatter(
    x: Any, axis_name: Any, *, scatter_dimension: int = 0,
    axis_index_groups: Sequence[Sequence[int]] | None = None, tiled: bool = False,
) -> Any:  # fmt: skip
    """The sum over a named axis, of which each row keeps its own part along `scatter_dimension`.

    That axis has one element per row, and goes; `tiled`: it is cut in equal parts. Raises ValueError where it does not
    fit; other errors as of `psum`.
    """
    axes = _Axes("psum_scatter", axis_name)
    groups = _groups("psum_scatter", axes, axis_index_groups)

    def one(y):
        k = _position("psum_scatter", scatter_dimension, typeof(y))
        parts = _parts("psum_scatter", y, k, axes.size if groups is None else len(groups[0]), tiled)
        return _apply(c.psum_scatter_p, parts, axes, groups)

    return _each("psum_scatter", one, x)


def all_to_all(
    x: Any, axis_name: Any, split_axis: int, concat_axis: int, *,
    axis_index_groups: Sequence[Sequence[int]] | None = None, tiled: bool = False,
) -> Any:  # fmt: skip
    """Cut `x` along `split_axis` and send part i to row i; what arrives stands along a new axis at `concat_axis`.

    split_axis has one element per row, and goes; `tiled`: it is cut in equal parts, and what arrives is joined along
    the axis `concat_axis` that is there. Raises ValueError where sizes do not fit; other errors as of `psum`.
    """
    axes = _Axes("all_to_all", axis_name)
    groups = _groups("all_to_all", axes, axis_index_groups)
    n = axes.size if groups is None else len(groups[0])

    def one(y):
        k = _position("all_to_all", split_axis, typeof(y))
        to = _position("all_to_all", concat_axis, typeof(y))
        parts = _parts("all_to_all", y, k, n, tiled)
        made = _to_position(_apply(c.all_to_all_p, parts, axes, groups), to)
        if not tiled:
            return made
        shape = typeof(made).shape
        return reshape(made, (*shape[:to], shape[to] * shape[to + 1], *shape[to + 2 :]))

    return _each("all_to_all", one, x)


def pswapaxes(
    x: Any, axis_name: Any, axis: int, *, axis_index_groups: Sequence[Sequence[int]] | None = None
) -> Any:
    """Swap the named axis with an axis of `x` of the same size. Arguments and errors as of `all_to_all`."""
    return all_to_all(x, axis_name, axis, axis, axis_index_groups=axis_index_groups)
