"""What the public transforms share: names of functions and arguments, checks of leaves and results, and the trace."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functorch_lite import dtypes, tree
from functorch_lite.array import Array, asarray
from functorch_lite.errors import DtypeError, ShapeError
from functorch_lite.ir import ArrayType
from functorch_lite.prims.elementwise import convert
from functorch_lite.trace import SCALARS, Tracer, at, typeof

_ARRAYS = (Array, np.ndarray, np.generic)


def name_of(fun: Callable) -> str:
    """The name under which a function appears in graphs and messages."""
    while isinstance(fun, functools.partial):
        fun = fun.func
    return getattr(fun, "__name__", type(fun).__name__)


def check_callable(transform: str, fun: Any) -> None:
    """Refuse what cannot be traced."""
    if not callable(fun):
        raise TypeError(f"{transform} takes a function, got {type(fun).__name__} at {at()}")
    if inspect.isgeneratorfunction(fun) or inspect.iscoroutinefunction(fun):
        raise TypeError(f"{transform}: `{name_of(fun)}` is a generator or coroutine function, at {at()}; "
                        "give a function that returns arrays")  # fmt: skip


def wraps(fun: Callable, transform: str) -> Callable:
    """`functools.wraps` that also serves partials and callable objects."""

    def decorate(wrapper):
        try:
            functools.update_wrapper(wrapper, fun)
        except AttributeError:
            wrapper.__wrapped__ = fun
        wrapper.__name__ = f"{transform}({name_of(fun)})" if not hasattr(fun, "__name__") else fun.__name__
        return wrapper

    return decorate


def is_array(x: Any) -> bool:
    """Whether a leaf is an array, a tracer, or a number."""
    return type(x) in SCALARS or isinstance(x, _ARRAYS)


def leaf_array(x: Any, transform: str, fun: Callable, path: Any) -> Any:
    """A leaf as an Array or tracer. Raises TypeError naming the argument."""
    if type(x) is Array or isinstance(x, Tracer):
        return x
    try:
        return asarray(x)
    except TypeError as error:
        raise TypeError(f"{transform} of `{name_of(fun)}`: {argument_text(fun, path)} is no array: {error}") from None


def argument_text(fun: Callable, path: Sequence) -> str:
    """`argument 0 (params) at ['w'][1]` of a path whose first key is the position or name of an argument."""
    first, rest = path[0], tuple(path[1:])
    name = parameter_names(fun, 16)
    where = f" at {tree.keystr(rest)}" if rest else ""
    if isinstance(first, str):
        return f"argument `{first}`{where}"
    known = name[first] if first < len(name) else None
    return f"argument {first}{f' ({known})' if known else ''}{where}"


def parameter_names(fun: Callable, count: int) -> list[str | None]:
    """The names of the first positional parameters, as far as the signature tells."""
    fun = inspect.unwrap(fun)
    code = getattr(fun, "__code__", None)
    if code is None:
        try:
            parameters = list(inspect.signature(fun).parameters.values())
        except (TypeError, ValueError):
            return [None] * count
        names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    else:
        names = list(code.co_varnames[: code.co_argcount])
    return (names + [None] * count)[:count]


def leaf_names(fun: Callable, positions: Sequence[int], counts: Sequence[int]) -> list[str | None]:
    """A name per leaf: that of the parameter where the argument is one leaf."""
    known = parameter_names(fun, max(positions, default=-1) + 1)
    names: list[str | None] = []
    for position, count in zip(positions, counts, strict=True):
        names.extend([known[position]] if count == 1 else [None] * count)
    return names


class Outputs:
    """What a traced function returned: which leaves went through the graph, and the tree around them."""

    __slots__ = ("fixed", "structure", "traced")

    def __init__(self, transform: str, fun: Callable, result: Any, frame: Any = None):
        leaves, self.structure = tree.flatten(result)
        if any([is_float0(x) for x in leaves]):
            leaves, self.structure = tree.flatten(without_float0(result))
        if inspect.isgenerator(result) or inspect.iscoroutine(result):
            what = type(result).__name__
            raise TypeError(f"{transform}: `{name_of(fun)}` returned a {what}, at {at()}; return arrays")
        self.fixed: list[Any] = []
        self.traced: list[Any] = []
        for i, x in enumerate(leaves):
            if frame is not None and not (type(x) is Tracer and x.frame is frame):
                self.fixed.append(x)  # auxiliary results that depend on nothing traced are handed through
                continue
            if not is_array(x):
                path = tree.keystr(tree.flatten_with_path(result)[0][i][0])
                raise TypeError(
                    f"{transform}: `{name_of(fun)}` returned {type(x).__name__} {x!r:.60}"
                    f"{f' at {path}' if path else ''}; return arrays, numbers, or trees of them")
            self.fixed.append(_HOLE)
            self.traced.append(x)

    def build(self, values: Sequence) -> Any:
        it = iter(values)
        return self.structure.unflatten([next(it) if x is _HOLE else x for x in self.fixed])


_HOLE = object()


def float0_zeros(shape) -> np.ndarray:
    """The tangent of an integer array: it holds no information."""
    return np.zeros(shape, dtypes.float0)


def is_float0(x: Any) -> bool:
    """Whether a leaf is the tangent of an integer array."""
    return type(x) is np.ndarray and x.dtype == dtypes.float0


class _Void:
    """Stands for a float0 array in a tree, as a node without leaves: no graph holds such an array."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape


tree.register_pytree_node(_Void, lambda void: ((), void.shape), lambda shape, _: float0_zeros(shape))


def without_float0(value: Any) -> Any:
    """A tree whose float0 arrays are part of its structure, and made anew where it is unflattened."""
    return tree.map(lambda x: _Void(x.shape) if is_float0(x) else x, value)


def tangent_dtype(type_: ArrayType) -> np.dtype:
    """The dtype of tangents and cotangents of values of a type."""
    return type_.dtype if dtypes.is_inexact(type_.dtype) else dtypes.float0


def check_vector(what: str, x: Any, like: ArrayType, where: str) -> Any:
    """A tangent or cotangent given by the user, as a value; None where it belongs to an integer."""
    expected = tangent_dtype(like)
    if expected == dtypes.float0:
        given = getattr(x, "dtype", None)
        if given == dtypes.float0 and np.shape(x) == like.shape:
            return None
        raise TypeError(f"{what}{where} belongs to {like}, which has no derivative, so it must have dtype float0 and "
                        f"shape {like.shape}, got {describe(x)}, at {at()}; "
                        "use numpy.zeros(shape, float0)")  # fmt: skip
    if getattr(x, "dtype", None) == dtypes.float0:
        raise TypeError(f"{what}{where} has dtype float0, but {like} needs {dtypes.short(expected)}, at {at()}")
    x = x if isinstance(x, Tracer) else asarray(x)
    got = typeof(x)
    if got.shape != like.shape:
        raise ShapeError(f"{what}{where} must have the shape of {like}, got {got}, at {at()}")
    if got.dtype != expected:
        if got.weak and dtypes.promote((expected, got.dtype), (False, True))[0] == expected:
            return convert(x, expected)
        raise DtypeError(f"{what}{where} must have the dtype of {like}, got {got}, at {at()}; convert it")
    return x


def describe(x: Any) -> str:
    """What came, for a message."""
    try:
        return str(typeof(x))
    except TypeError:
        return type(x).__name__


