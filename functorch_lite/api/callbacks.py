"""Python functions called from traced and compiled programs: debug.print and callback, pure_callback, io_callback."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import check_callable, leaf_array, name_of
from functorch_lite.array import Array
from functorch_lite.ir import array_type
from functorch_lite.prims.effect import debug_callback_p, functions, io_callback_p, pure_callback_p
from functorch_lite.trace import at, bind, is_typed, typeof

_HANDLE = array_type((), np.dtype(np.uint64))
_METHODS = ("sequential", "expand_dims", "broadcast_all", "legacy_vectorized")


class Handle(Array):
    """The number of a function, as an array: what a program captures in place of the function. It keeps it alive."""

    __slots__ = ("fun",)


def handle_of(fun: Callable) -> Handle:
    """A new handle of a function."""
    made = object.__new__(Handle)
    made.fun, made.type = fun, _HANDLE
    made._value = np.uint64(functions.add(made))
    return made


def handles(xs: Sequence) -> list[Handle]:
    """Those of these values that are handles."""
    return [x for x in xs if type(x) is Handle]


def _bind(prim, fun, result_types, args, kwargs, method, name):
    """Call `fun` with the tree of (args, kwargs) from inside the program; returns the leaves of its result.

    Leaves that are no arrays are handed over as they are, where nothing is asked of the function but its effect.
    """
    found, structure = tree.flatten((args, kwargs))
    path = lambda i: (0, *tree.flatten_with_path((args, kwargs))[0][i][0])
    arrays = [result_types is not None or _numeric(x) for x in found]
    leaves = [x if is_typed(x) else leaf_array(x, name, fun, path(i))
              for i, x in enumerate(found) if arrays[i]]  # fmt: skip

    def call(*values):
        it = iter(values)
        given, named = structure.unflatten([next(it) if a else x for a, x in zip(arrays, found, strict=True)])
        result = fun(*given, **named)
        return () if result_types is None else tree.leaves(result)

    types = tuple(result_types or ())
    return bind(prim, handle_of(call), *leaves, out_types=types, rows=(), method=method, name=name_of(fun))


def _numeric(x: Any) -> bool:
    try:
        typeof(x)
    except TypeError:
        return False
    return True


def debug_callback(callback: Callable, *args, ordered: bool = False, partitioned: bool = False, **kwargs) -> None:
    """Call `callback(*args, **kwargs)` with the values that traced arguments have when the program runs; once per run,
    in the order of the program, once per row under vmap, never for derivatives.

    args: trees of arrays, which arrive as Arrays, and of anything else, which arrives as it is. What `callback` returns
    is ignored; what it raises is raised.
    """
    check_callable("debug.callback", callback)
    _bind(debug_callback_p, callback, None, args, kwargs, "sequential", "debug.callback")


class _Formatter(string.Formatter):
    """Formats that may only name what is given."""

    def check_unused_args(self, used_args, args, kwargs):
        unused = [str(i) for i in range(len(args)) if i not in used_args] + [k for k in kwargs if k not in used_args]
        if unused:
            raise ValueError(f"debug.print: the format does not use {', '.join(unused)}, at {at()}")


_formatter = _Formatter()


def debug_print(fmt: str, *args, ordered: bool = False, **kwargs) -> None:
    """Print `fmt.format(*args, **kwargs)` with the values that traced arguments have when the program runs.

    Happens once per run, in the order of the program; once per row under vmap. Raises ValueError or IndexError at once
    if the format and the arguments do not fit.
    """
    if not isinstance(fmt, str):
        raise TypeError(f"debug.print takes a format string first, got {type(fmt).__name__}, at {at()}")
    _formatter.vformat(_without_specs(fmt), args, kwargs)

    def show(*args, **kwargs):
        print(_formatter.format(fmt, *args, **kwargs))  # what it is for

    debug_callback(show, *args, ordered=ordered, **kwargs)


def _without_specs(fmt: str) -> str:
    """The same fields without format specifications, which need values."""
    parts = []
    for text, field, _, _ in string.Formatter().parse(fmt):
        parts.append(text.replace("{", "{{").replace("}", "}}"))
        if field is not None:
            parts.append(f"{{{field}!s:.0}}")
    return "".join(parts)


def _result_types(shapes: Any, who: str):
    leaves, structure = tree.flatten(shapes)
    for x in leaves:
        if not (hasattr(x, "shape") and hasattr(x, "dtype")):
            raise TypeError(f"{who}: the result must be described by ShapeDtypeStructs or arrays, got "
                            f"{type(x).__name__}, at {at()}")  # fmt: skip
    return tuple([array_type(tuple(x.shape), dtypes.canonical(x.dtype)) for x in leaves]), structure


def pure_callback(
    callback: Callable, result_shape_dtypes: Any, *args, sharding: Any = None, vmap_method: str | None = None, **kwargs
) -> Any:
    """The result of a Python function of traced arguments' values; it may be called any number of times, or never.

    callback: takes Arrays and returns a tree of arrays of exactly `result_shape_dtypes` (a tree of ShapeDtypeStruct).
    vmap_method: "sequential" calls it row by row; "expand_dims" and "broadcast_all" call it once with all rows in
    front; None refuses vmap. Raises TypeError if it returns other shapes or dtypes; what it raises is raised.
    """
    check_callable("pure_callback", callback)
    if vmap_method is not None and vmap_method not in _METHODS:
        names = ", ".join(_METHODS)
        raise ValueError(f"pure_callback: vmap_method must be one of {names}, got {vmap_method!r}, at {at()}")
    types, structure = _result_types(result_shape_dtypes, "pure_callback")
    method = vmap_method if vmap_method is not None else "refuse"
    return structure.unflatten(_bind(pure_callback_p, callback, types, args, kwargs, method, "pure_callback"))


def io_callback(
    callback: Callable, result_shape_dtypes: Any, *args, sharding: Any = None, ordered: bool = False, **kwargs
) -> Any:
    """The result of a Python function with effects, of the values of traced arguments: called exactly once per run, in
    the order of the program, and once per row under vmap.

    Arguments and errors are those of `pure_callback`.
    """
    check_callable("io_callback", callback)
    types, structure = _result_types(result_shape_dtypes, "io_callback")
    return structure.unflatten(_bind(io_callback_p, callback, types, args, kwargs, "sequential", "io_callback"))


def effects_barrier() -> None:
    """Return when the effects of all calls so far have happened: here a call with effects returns after them."""
