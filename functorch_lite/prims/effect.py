"""Calls of Python functions from inside a program.

The function is no part of the program: its first operand is a *handle*, a number under which `functions` knows it, so
that a program which calls another function is the same program.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable

from functorch_lite import dtypes
from functorch_lite.ir import Primitive, array_type
from functorch_lite.prims.reduce import reduce_max
from functorch_lite.prims.shape import batch
from functorch_lite.trace import at, bind


class Functions:
    """The functions that programs may call, by handle; a function lives as long as something refers to its handle."""

    def __init__(self):
        self._next = itertools.count(1)
        self._known: weakref.WeakValueDictionary[int, Callable] = weakref.WeakValueDictionary()

    def add(self, holder) -> int:
        """The handle of a holder, an object with an attribute `fun`; the caller keeps it alive."""
        handle = next(self._next)
        self._known[handle] = holder
        return handle

    def holder(self, handle: int):
        """The holder behind a handle."""
        return self._known[handle]

    def call(self, handle: int, args: tuple):
        """Call the function behind a handle."""
        return self._known[handle].fun(*args)


functions = Functions()


def _infer(handle, *xs, out_types, rows, method, name):
    return out_types


def _no_derivative(xs, ts, *, name, **params):
    raise TypeError(f"the callback `{name}` has no derivative, at {at()}; give it one with `custom_jvp`, or wrap its "
                    "operands in `stop_gradient`")  # fmt: skip


def _silent_jvp(prim):
    def jvp(xs, ts, **params):
        ys = bind(prim(), *xs, **params)
        return ys, [None] * len(ys)

    return jvp


def _vmap(prim):
    def vmap(size, xs, batched, *, out_types, rows, method, name, axis_name=None):
        """One more level of rows. `rows`: per level, outermost first, (size, which operands have it)."""
        if method == "refuse":
            raise ValueError(f"pure_callback `{name}` under vmap, at {at()}; say how by vmap_method=, such as "
                             '"sequential"')  # fmt: skip
        if batched[0]:  # as a residual of a mapped rule is; all rows hold the one handle
            xs, batched = [reduce_max(xs[0], (0,)), *xs[1:]], (False, *batched[1:])
        if method == "expand_dims":
            xs = [x if b or i == 0 else batch(x, 1) for i, (x, b) in enumerate(zip(xs, batched, strict=True))]
        elif method == "broadcast_all":
            xs = [x if b or i == 0 else batch(x, size) for i, (x, b) in enumerate(zip(xs, batched, strict=True))]
        elif method != "legacy_vectorized":
            rows = ((size, batched), *rows)
        outs = tuple([array_type((size, *t.shape), t.dtype) for t in out_types])
        made = bind(prim(), *xs, out_types=outs, rows=rows, method=method, name=name)
        return made, (True,) * len(made)

    return vmap


def _callback(name: str, effects: tuple[str, ...], jvp) -> Primitive:
    made: list[Primitive] = []
    find = lambda: made[0]
    made.append(Primitive(
        name, params=("out_types", "rows", "method", "name"), many=True, infer=_infer, effects=effects,
        jvp=jvp(find), vmap=_vmap(find)))  # fmt: skip
    return made[0]


def _refuse(prim):
    def jvp(xs, ts, **params):
        if all(dtypes.is_inexact(t.dtype) is False for t in params["out_types"]):
            return _silent_jvp(prim)(xs, ts, **params)
        return _no_derivative(xs, ts, **params)

    return jvp


debug_callback_p = _callback("debug_callback", ("debug",), _silent_jvp)
io_callback_p = _callback("io_callback", ("io",), _refuse)
pure_callback_p = _callback("pure_callback", (), _refuse)
CALLBACKS = (debug_callback_p, io_callback_p, pure_callback_p)
