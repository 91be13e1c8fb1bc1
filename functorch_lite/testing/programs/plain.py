"""Python's own loops, branches and maps in place of the library's: what a program with constructs means."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import lax, tree


def scan(f: Callable, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, **_) -> tuple:
    n = len(tree.leaves(xs)[0]) if length is None else length
    carry, made = init, {}
    for k in reversed(range(n)) if reverse else range(n):
        carry, made[k] = f(carry, tree.map(lambda x, k=k: x[k], xs))
    return carry, tree.map(lambda *ys: fnp.stack(ys), *[made[k] for k in range(n)])


def while_loop(test: Callable, body: Callable, init: Any, **_) -> Any:
    while test(init):
        init = body(init)
    return init


def fori_loop(low: int, high: int, body: Callable, init: Any, **_) -> Any:
    for k in range(int(low), int(high)):
        init = body(fnp.array(k, "int32"), init)
    return init


def cond(predicate: Any, yes: Callable, no: Callable, *operands: Any) -> Any:
    return yes(*operands) if predicate else no(*operands)


def switch(index: Any, branches: list, *operands: Any) -> Any:
    return branches[min(max(int(index), 0), len(branches) - 1)](*operands)


def vmap(f: Callable, in_axes: Any = 0, out_axes: int = 0, **_) -> Callable:
    """A loop over rows; a named axis cannot be read, as no other row is there."""

    def mapped(*xs):
        axes = [in_axes] * len(xs) if isinstance(in_axes, int) else in_axes
        moved = [x if a is None else fnp.moveaxis(x, a, 0) for x, a in zip(xs, axes, strict=True)]
        n = next(len(x) for x, a in zip(moved, axes, strict=True) if a is not None)
        rows = [f(*[x if a is None else x[k] for x, a in zip(moved, axes, strict=True)]) for k in range(n)]
        return fnp.stack(rows, out_axes)

    return mapped


class _With(SimpleNamespace):
    """A module with some of its functions replaced."""

    def __init__(self, module: Any, **replaced: Any):
        super().__init__(**replaced)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def replaced(module: Any, **functions: Any) -> Any:
    """A module with other functions of these names, for `Program.build`."""
    return _With(module, **functions)


_itself = lambda f, **_: f
LAX = replaced(lax, scan=scan, while_loop=while_loop, fori_loop=fori_loop, cond=cond, switch=switch)
FL = replaced(fl, jit=_itself, checkpoint=_itself, progress=_itself, vmap=vmap, pmap=vmap)
