"""vmap: a function of one row as a function of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any

import numpy as np

from functorch_lite import tree
from functorch_lite.api.arguments import (
    Outputs,
    argument_text,
    check_callable,
    float0_zeros,
    is_float0,
    leaf_array,
    name_of,
    wraps,
)
from functorch_lite.axes import Axis
from functorch_lite.errors import AxisNameError
from functorch_lite.ir import ArrayType, Graph, compact
from functorch_lite.prims.shape import broadcast, transpose
from functorch_lite.source import caller
from functorch_lite.trace import Frame, alone, at, current_frame, executor, is_typed, run, this_frame, trace
from functorch_lite.transforms.close import Mapping, closing
from functorch_lite.transforms.common import rewrite, via, within
from functorch_lite.transforms.simplify import dce, simplify
from functorch_lite.transforms.vmap import vmap as vmap_pass


@rewrite
def mapped(graph: Graph, size: int, batched: tuple[bool, ...], axis: str | None) -> tuple[Graph, tuple[bool, ...]]:
    """The pass, simplified."""
    made, mask = within(vmap_pass, graph, size, batched, axis)
    return via(within(simplify, made), made), mask


def vmap(
    fun: Callable,
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
    spmd_axis_name: str | None = None,
) -> Callable:
    """Map `fun` over an axis of its arguments, all rows at once.

    in_axes: an int, None (not mapped), or a tuple or list with one entry per positional argument, each a tree prefix of
    it; keyword arguments are mapped over axis 0. out_axes: likewise a prefix of the result; None: the same for every
    row. axis_name: the name under which `fun` may refer to the mapped axis. axis_size: needed where nothing is mapped.
    Raises ValueError if sizes disagree or axes do not fit, TypeError if `in_axes` is no tree of ints and Nones.
    """
    check_callable("vmap", fun)
    in_axes = checked_axes("vmap", in_axes, out_axes)

    @wraps(fun, "vmap")
    def wrapped(*args, **kwargs):
        return map_rows("vmap", fun, in_axes, out_axes, axis_name, axis_size, args, kwargs)

    return wrapped


def checked_axes(who: str, in_axes: Any, out_axes: Any) -> Any:
    """`in_axes` as an int, None or a tuple. Raises TypeError where these or the other axes are no trees of ints."""
    for what, axes in (("in_axes", in_axes), ("out_axes", out_axes)):
        for x in tree.leaves(axes):
            if isinstance(x, bool) or not isinstance(x, (int, np.integer)):
                raise TypeError(f"{who}: {what} must be a tree of ints and Nones, got {x!r} in it, at {at()}")
    if isinstance(in_axes, list):
        return tuple(in_axes)
    if not isinstance(in_axes, (tuple, int, np.integer, type(None))):
        raise TypeError(f"{who}: in_axes must be an int, None, or a tuple with one entry per argument, got {in_axes!r} "
                        f"at {at()}")  # fmt: skip
    return in_axes


class Leaves:
    """The arguments of a mapped function, flat: leaves, the tree, the axis of each that is mapped, and their size."""

    def __init__(self, who: str, fun: Callable, in_axes: Any, axis_size: int | None, args: tuple, kwargs: dict):
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise ValueError(
                f"{who}: in_axes has {len(in_axes)} entries, but `{name_of(fun)}` was called with {len(args)} "
                f"positional arguments, at {at()}; give one entry per argument")
        leaves, self.structure = tree.flatten((args, kwargs))
        axes = _leaf_axes(who, in_axes, args, kwargs)
        paths, self.arrays = None, []
        self.voids = [is_float0(x) for x in leaves]  # float0 arrays are traced as booleans
        self.void_results: list[bool] = []
        for i, x in enumerate(leaves):
            x = np.zeros(x.shape, bool) if self.voids[i] else x
            if not is_typed(x) and not (axes[i] is None and not hasattr(x, "dtype")):
                paths = paths or _paths(args, kwargs)
                x = leaf_array(x, who, fun, paths[i])
            self.arrays.append(x)
        # what is not mapped and no array is handed through
        self.traced = [is_typed(x) for x in self.arrays]
        self.axes = [_normal_axis(who, fun, a, x, i, args, kwargs)
                     for i, (a, x) in enumerate(zip(axes, self.arrays, strict=True))]  # fmt: skip
        self.size = _common_size(who, fun, self.arrays, self.axes, axis_size, args, kwargs)

    def operands(self) -> tuple[list, list]:
        """The arrays that are traced, and the mapped axis of each."""
        return list(compress(self.arrays, self.traced)), list(compress(self.axes, self.traced))

    def call(self, fun: Callable, tracers: Sequence) -> Any:
        """`fun` of the arguments, with these values for the traced leaves."""
        it = iter(tracers)
        leaves = [next(it) if t else x for x, t in zip(self.arrays, self.traced, strict=True)]
        args, kwargs = self.structure.unflatten(_emptied(leaves, self.voids))
        result = fun(*args, **kwargs)
        leaves, structure = tree.flatten(result)
        self.void_results = [is_float0(x) for x in leaves]
        if not any(self.void_results):
            return result
        return structure.unflatten([np.zeros(x.shape, bool) if is_float0(x) else x for x in leaves])

    def build(self, out: Outputs, values: Sequence) -> Any:
        """The result for all rows."""
        result = out.build(values)
        if not any(self.void_results):
            return result
        leaves, structure = tree.flatten(result)
        return structure.unflatten(_emptied(leaves, self.void_results))


def _emptied(leaves: Sequence, voids: Sequence[bool]) -> Sequence:
    """The leaves, with float0 arrays where booleans stood for them."""
    return [float0_zeros(np.shape(x)) if v else x for x, v in zip(leaves, voids, strict=True)] if any(voids) else leaves


def map_rows(who, fun, in_axes, out_axes, axis_name, axis_size, args, kwargs, axis: Axis | None = None):
    """`fun` for all rows at once. With `axis`, the last part of a named axis is mapped, which has others besides."""
    given = Leaves(who, fun, in_axes, axis_size, args, kwargs)
    size, name = given.size, axis_name
    axes = {}
    if axis_name is not None:
        axis = axis or new_axis(who, fun, axis_name, size)
        axes, name = {axis_name: axis}, axis.names[-1]
    operands, places = given.operands()
    inputs = [_to_front(x, a) if a else x for x, a in zip(operands, places, strict=True)]
    batched = [a is not None for a in places]
    types = [_row(x.type, name) if b else x.type for x, b in zip(inputs, batched, strict=True)]
    values = [None if b else x for x, b in zip(inputs, batched, strict=True)]
    out: list[Outputs] = []

    def flat(*tracers):
        this_frame().rows = _show_rows(size, inputs, batched, name)
        out.append(Outputs(who, fun, given.call(fun, tracers)))
        return out[-1].traced

    mapped_inputs = {i for i, b in enumerate(batched) if b}
    prepare = closing(Mapping(size, name), lambda frame: mapped_inputs)
    graph, captured = trace(
        flat, types, values, transform=who, name=name_of(fun), concrete=True, prepare=prepare, axes=axes)
    made, mask = mapped(graph, size, (*[False] * len(captured), *batched), name)
    results = run(made, [*captured, *inputs], graph.sources)
    destinations = leaf_out_axes(who, out_axes, out[-1])
    placed = [_place(who, fun, x, b, a, size, t) for x, b, a, t in
              zip(results, mask, destinations, graph.out_types, strict=True)]  # fmt: skip
    return given.build(out[-1], placed)


def _leaf_axes(who, in_axes, args, kwargs) -> list:
    """The mapped axis of every leaf of (args, kwargs)."""
    if isinstance(in_axes, tuple):
        axes = []
        for n, (axis, arg) in enumerate(zip(in_axes, args, strict=True)):
            axes.extend(_prefix(axis, arg, f"{who}: in_axes[{n}]"))
    else:
        axes = [in_axes] * tree.structure(args).num_leaves
    return axes + [0] * tree.structure(kwargs).num_leaves


def _prefix(axis: Any, arg: Any, who: str) -> list:
    """A tree prefix of axes, spread over the leaves; None counts as a leaf."""
    if axis is None or isinstance(axis, (int, np.integer)):
        return [axis] * tree.structure(arg).num_leaves
    try:
        return tree.broadcast_prefix(axis, arg, is_leaf=lambda x: x is None, who=who)
    except (ValueError, TypeError) as error:
        axes = who.partition(": ")[2]
        raise ValueError(f"{error}, at {at()}; {axes} must be a tree prefix of what it maps") from None


def _paths(args, kwargs) -> list:
    paths = [(n, *path) for n, a in enumerate(args) for path, _ in tree.flatten_with_path(a)[0]]
    return paths + [(k, *path) for k in sorted(kwargs) for path, _ in tree.flatten_with_path(kwargs[k])[0]]


def _normal_axis(who, fun, axis, x, i, args, kwargs):
    if axis is None:
        return None
    t = x.type
    if not -t.ndim <= axis < t.ndim:
        where = argument_text(fun, _paths(args, kwargs)[i])
        raise ValueError(f"{who} of `{name_of(fun)}`: {t} in {where} has no axis {axis} to map over, at {at()}; "
                         "use None in in_axes where nothing is mapped")  # fmt: skip
    return int(axis) % t.ndim


def _common_size(who, fun, arrays, axes, axis_size, args, kwargs) -> int:
    sizes = {x.shape[a] for x, a in zip(arrays, axes, strict=True) if a is not None}
    if axis_size is not None:
        sizes.add(int(axis_size))
    if len(sizes) == 1:
        return int(sizes.pop())
    if not sizes:
        raise ValueError(f"{who} of `{name_of(fun)}`: nothing is mapped, at {at()}; give at least one argument an "
                         "axis, or pass axis_size")  # fmt: skip
    paths, lines = _paths(args, kwargs), []
    for i, (x, a) in enumerate(zip(arrays, axes, strict=True)):
        if a is not None:
            lines.append(f"{x.shape[a]} in {argument_text(fun, paths[i])} ({x.type}, axis {a})")
    if axis_size is not None:
        lines.append(f"{axis_size} as axis_size")
    raise ValueError(f"{who} of `{name_of(fun)}`: the mapped axes need one size, got {'; '.join(lines)}, at {at()}")


def new_axis(transform: str, fun: Callable, name: Any, size: int) -> Axis:
    """A named axis for the trace of `fun`. Raises AxisNameError where the name is taken, TypeError if it is none."""
    if not isinstance(name, str):
        raise TypeError(f"{transform} of `{name_of(fun)}`: axis_name must be a string, got {name!r:.40} at {at()}")
    frame = current_frame()
    if frame is not None and name in frame.axes:
        raise AxisNameError(f"{transform} of `{name_of(fun)}`: there is an axis {name!r} already, from "
                            f"{frame.axes[name].started}, at {at()}; choose another name")  # fmt: skip
    return Axis((name,), (size,), str(caller()), False)


def _row(t: ArrayType, name: str | None) -> ArrayType:
    return t.with_shape(t.shape[1:]).varying(t.vary if name is None else tuple(sorted({*t.vary, name})))


def _to_front(x, axis: int):
    return transpose(x, (axis, *[i for i in range(x.type.ndim) if i != axis]))


def leaf_out_axes(who: str, out_axes: Any, out: Outputs) -> list:
    if out_axes is None or isinstance(out_axes, (int, np.integer)):
        return [out_axes] * len(out.traced)
    return _prefix(out_axes, out.build([0] * len(out.traced)), f"{who}: out_axes")


def _place(who, fun, x, batched, axis, size, row: ArrayType):
    """Bring the mapped axis of a result to where it is wanted."""
    if axis is None:
        if batched:
            raise ValueError(f"{who} of `{name_of(fun)}`: out_axes is None for a result {row} that differs between "
                             f"rows, at {at()}; give it an axis")  # fmt: skip
        return x
    n = row.ndim + 1
    if not -n <= axis < n:
        raise ValueError(f"{who} of `{name_of(fun)}`: out_axes {axis} is no axis of a result of {n} axes, at {at()}")
    axis = int(axis) % n
    if not batched:
        shape = (*row.shape[:axis], size, *row.shape[axis:])
        return broadcast(x, shape, [i for i in range(n) if i != axis])
    if axis == 0:
        return x
    return transpose(x, (*range(1, axis + 1), 0, *range(axis + 1, n)))


def _show_rows(size, inputs, batched, axis_name):
    """How a mapped value prints: all its rows, computed from the part of the program traced so far."""

    def show(frame: Frame, number: int):
        if not frame.concrete:
            return None
        captured = list(frame.captured.values())
        ins = (*[n for _, n in captured], *range(len(inputs)))
        part = dce(compact(frame.types, ins, frame.eqns, (number,), [None] * len(frame.eqns)))
        values = [getattr(x, "array", x) for x, _ in captured]
        if any(not hasattr(x, "_value") for x in [*values, *inputs]):
            return None
        made, _ = vmap_pass(part, size, (*[False] * len(captured), *batched), axis_name)
        with alone():
            return executor.execute(made, [*values, *inputs], None)[0]

    return show
