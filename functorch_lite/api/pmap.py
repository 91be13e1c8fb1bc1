"""pmap: a function of one row, run for all rows at once by several devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functorch_lite.api.arguments import Outputs, check_callable, name_of, wraps
from functorch_lite.api.jit import jit
from functorch_lite.api.vmap import Leaves, checked_axes, leaf_out_axes, map_rows, new_axis
from functorch_lite.array import backend
from functorch_lite.axes import Axis
from functorch_lite.control.shard_map import part_of, shard_map
from functorch_lite.ir import ArrayType
from functorch_lite.prims.shape import reshape
from functorch_lite.trace import at, current_frame, trace, typeof


def pmap(
    fun: Callable,
    axis_name: str | None = None,
    *,
    in_axes: Any = 0,
    out_axes: Any = 0,
    static_broadcasted_argnums: int | Sequence[int] = (),
    devices: Sequence | None = None,
    axis_size: int | None = None,
    donate_argnums: int | Sequence[int] = (),
) -> Callable:
    """Map `fun` over an axis of its arguments like `vmap`, the rows being computed by several devices.

    axis_name, in_axes, out_axes, axis_size: as of `vmap`; inside, collectives of `lax` go by the name. The axis has as
    many rows as there are devices, or fewer, or a multiple of them: each device then computes several rows at once.
    static_broadcasted_argnums: arguments that are hashable Python values. donate_argnums: arguments whose memory the
    results may take. devices: those to use, by default all. The function is compiled, and its results stay on the
    devices until somebody asks for their values; inside another `pmap` it is a `vmap`.
    Raises ValueError where sizes do not fit each other or the devices, and what `vmap` and `jit` raise.
    """
    check_callable("pmap", fun)
    in_axes = checked_axes("pmap", in_axes, out_axes)
    statics = _positions(static_broadcasted_argnums)
    given = None if devices is None else _checked_devices(fun, tuple(devices))
    mapped = _Mapped(fun, axis_name, in_axes, out_axes, statics, given, axis_size)

    @wraps(fun, "pmap")
    def rows(*args, **kwargs):
        return mapped(args, kwargs)

    return jit(rows, static_argnums=statics or None, donate_argnums=_positions(donate_argnums) or None)


def _positions(numbers: Any) -> tuple[int, ...]:
    return (int(numbers),) if isinstance(numbers, (int, np.integer)) else tuple([int(n) for n in numbers])


def _checked_devices(fun: Callable, devices: tuple) -> tuple:
    have = backend.devices(None)
    strange = [d for d in devices if d not in have]
    if strange or not devices or len(set(devices)) < len(devices):
        what = f"{strange[0]!r}, which is none" if strange else "one twice" if devices else "none"
        raise ValueError(f"pmap of `{name_of(fun)}`: devices= must name some of `devices()`, once each; got {what}, "
                         f"at {at()}")  # fmt: skip
    return devices


class _Mapped:
    """A function under pmap, called while `jit` traces it."""

    def __init__(self, fun, axis_name, in_axes, out_axes, statics, devices, axis_size):
        self.fun, self.axis_name, self.axis_size, self.statics = fun, axis_name, axis_size, statics
        self.in_axes, self.out_axes, self.devices = in_axes, out_axes, devices

    def __call__(self, args, kwargs):
        axes, frame = self._axes(args), current_frame()
        given = Leaves("pmap", self.fun, axes, self.axis_size, args, kwargs)
        inside = frame is not None and any(a.devices for a in frame.axes.values())
        count = 1 if inside else self._count(given.size)
        name = self.axis_name or _free_name(frame)
        axis = new_axis("pmap", self.fun, name, given.size)
        if count == 1:
            return map_rows("pmap", self.fun, axes, self.out_axes, name, given.size, args, kwargs, axis)
        rows = given.size // count
        split = {"names": (name, f"{name}.rows"), "sizes": (count, rows)} if rows > 1 else {}
        return self._on_devices(given, axes, name, axis._replace(devices=True, **split))

    def _axes(self, args) -> Any:
        """`in_axes`; static arguments are mapped over nothing."""
        if isinstance(self.in_axes, tuple) or not self.statics or not args:
            return self.in_axes
        static = {n % len(args) for n in self.statics}
        return tuple([None if n in static else self.in_axes for n in range(len(args))])

    def _count(self, size: int) -> int:
        """How many devices compute so many rows."""
        have = len(self.devices or backend.devices(None))
        if size and size <= have:
            return size
        if size % have:
            raise ValueError(
                f"pmap of `{name_of(self.fun)}`: the mapped axis has {size} rows, which {have} devices cannot share "
                f"equally, at {at()}; pad it to {-(-size // have) * have}, or use `vmap`")
        return have if size else 1

    def _on_devices(self, given: Leaves, axes: Any, name: str, axis: Axis):
        """The rows in equal parts, one for each device."""
        fun, count, rows = self.fun, axis.sizes[0], axis.size // axis.sizes[0]
        operands, ins = given.operands()
        out: list[Outputs] = []

        def many(*args, **kwargs):
            return map_rows("pmap", fun, axes, self.out_axes, name, rows, args, kwargs, axis)

        def part(*tracers):
            if rows > 1:
                out.append(Outputs("pmap", fun, given.call(many, tracers)))
                return out[-1].traced
            single = [x if cut is None else _row(x, cut) for x, cut in zip(tracers, ins, strict=True)]
            out.append(Outputs("pmap", fun, given.call(fun, single)))
            cuts = self._cuts(out[-1], 1)
            return [y if cut is None else _column(y, cut) for y, cut in zip(out[-1].traced, cuts, strict=True)]

        types = [_of_part(typeof(x), cut, axis) for x, cut in zip(operands, ins, strict=True)]
        scope = {name: axis} if rows == 1 else {}
        graph, captured = trace(part, types, transform="pmap", name=name_of(fun), axes=scope)
        outs = self._cuts(out[-1], int(rows == 1))
        self._check(graph.out_types, outs, axis)
        have = backend.devices(None)
        numbers = None if self.devices is None else tuple([have.index(d) for d in self.devices[:count]])
        made = shard_map(graph, [*captured, *operands], (*[None] * len(captured), *ins), outs, axis=axis.names[0],
                         count=count, devices=numbers, name=name_of(fun))  # fmt: skip
        return given.build(out[-1], made)

    def _cuts(self, out: Outputs, more: int) -> tuple[int | None, ...]:
        """The axis of each result along which the rows stand; the results have it already, or get it with `more`."""
        made = []
        for y, axis in zip(out.traced, leaf_out_axes("pmap", self.out_axes, out), strict=True):
            n = typeof(y).ndim + more
            if axis is not None and not -n <= axis < n:
                raise ValueError(f"pmap of `{name_of(self.fun)}`: out_axes {axis} is no axis of a result of {n} axes, "
                                 f"at {at()}")  # fmt: skip
            made.append(None if axis is None else int(axis) % n)
        return tuple(made)

    def _check(self, types: Sequence[ArrayType], outs: tuple[int | None, ...], axis: Axis) -> None:
        for t, cut in zip(types, outs, strict=True):
            if cut is None and axis.names[0] in t.vary:
                raise ValueError(
                    f"pmap of `{name_of(self.fun)}`: out_axes is None for a result {t} that differs between rows, at "
                    f"{at()}; give it an axis, or make it the same by a collective")


def _free_name(frame: Any) -> str:
    """A name for an axis that the user gave none."""
    taken, k = frame.axes if frame is not None else {}, 0
    while f"pmap{k}" in taken:
        k += 1
    return f"pmap{k}"


def _of_part(t: ArrayType, cut: int | None, axis: Axis) -> ArrayType:
    """The type of the part of one device, which varies over their axis where there are several parts."""
    if cut is None:
        return t
    return part_of(t, cut, axis.sizes[0]).varying(tuple(sorted({*t.vary, axis.names[0]})))


def _row(x: Any, cut: int) -> Any:
    """The one row of a part."""
    shape = typeof(x).shape
    return reshape(x, (*shape[:cut], *shape[cut + 1 :]))


def _column(y: Any, cut: int) -> Any:
    """A row as a part of one row."""
    shape = typeof(y).shape
    return reshape(y, (*shape[:cut], 1, *shape[cut:]))
