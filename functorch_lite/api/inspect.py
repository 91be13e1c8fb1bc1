"""Look at what a function does without running it: make_graph, eval_shape, ShapeDtypeStruct."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import Outputs, check_callable, describe, leaf_names, name_of, wraps
from functorch_lite.ir import ArrayType, array_type
from functorch_lite.trace import at, is_typed, trace, typeof
from functorch_lite.transforms.common import via
from functorch_lite.transforms.simplify import dce


class ShapeDtypeStruct:
    """The shape and dtype of an array that need not exist; stands for an array where only its type matters."""

    __slots__ = ("dtype", "shape", "weak_type")

    def __init__(self, shape: Sequence[int], dtype: Any, *, weak_type: bool = False):
        try:
            self.shape = tuple([n.__index__() for n in shape])
        except (TypeError, AttributeError):
            raise TypeError(
                f"ShapeDtypeStruct: the shape must be a sequence of ints, got {shape!r} at {at()}") from None
        if any(n < 0 for n in self.shape):
            raise ValueError(f"ShapeDtypeStruct: the shape {self.shape} has a negative size, at {at()}")
        self.dtype, self.weak_type = dtypes.canonical(dtype), bool(weak_type)

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: int(np.prod(self.shape, dtype=object)) if self.shape else 1)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"len() of a type without axes, at {at()}")
        return self.shape[0]

    def update(self, **changes: Any) -> ShapeDtypeStruct:
        """The same with another `shape`, `dtype` or `weak_type`."""
        return ShapeDtypeStruct(**{"shape": self.shape, "dtype": self.dtype, "weak_type": self.weak_type, **changes})

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype.name}{weak})"

    def _key(self):
        return self.shape, self.dtype, self.weak_type

    def __eq__(self, other):
        return type(other) is ShapeDtypeStruct and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())


def struct(t: ArrayType) -> ShapeDtypeStruct:
    return ShapeDtypeStruct(t.shape, t.dtype, weak_type=t.weak)


def type_of_leaf(x: Any, fun: Callable) -> ArrayType:
    """The type of an argument that may be an array or only describe one."""
    if is_typed(x):
        return x.type
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if shape is not None and dtype is not None:
        return array_type(tuple([int(n) for n in shape]), dtypes.canonical(dtype), bool(getattr(x, "weak_type", False)))
    try:
        return typeof(x)
    except TypeError as error:
        raise TypeError(f"`{name_of(fun)}` was given {describe(x)}: {error}") from None


def _trace_types(transform: str, fun: Callable, args, kwargs, static: Sequence[int] = ()) -> tuple[Any, Outputs]:
    """Trace with types only; the arguments in `static` are passed as they are."""
    fixed = {n % len(args) for n in static} if args else set()
    dynamic = [a for n, a in enumerate(args) if n not in fixed]
    leaves, structure = tree.flatten((dynamic, kwargs))
    types = [type_of_leaf(x, fun) for x in leaves]
    out: list[Outputs] = []

    def flat(*tracers):
        given, named = structure.unflatten(tracers)
        it = iter(given)
        full = [a if n in static else next(it) for n, a in enumerate(args)]
        out.append(Outputs(transform, fun, fun(*full, **named)))
        return out[-1].traced

    places = [n for n in range(len(args)) if n not in static]
    names = leaf_names(fun, places, [tree.structure(args[n]).num_leaves for n in places])
    names = names + [None] * (len(types) - len(names))
    return trace(flat, types, transform=transform, name=name_of(fun), names=names), out[-1]


def make_graph(fun: Callable, static_argnums: int | Sequence[int] = (), return_shape: bool = False) -> Callable:
    """A function that returns the graph to which `fun` traces for its arguments, without dead equations.

    Arguments: arrays, or ShapeDtypeStructs. With `return_shape`, (graph, tree of ShapeDtypeStruct of the result).
    """
    check_callable("make_graph", fun)
    static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    @wraps(fun, "make_graph")
    def wrapped(*args, **kwargs):
        traced, out = _trace_types("make_graph", fun, args, kwargs, static)
        graph = via(dce(traced.graph), traced.graph)
        return (graph, out.build(list(map(struct, graph.out_types)))) if return_shape else graph

    return wrapped


make_jaxpr = make_graph


def eval_shape(fun: Callable, *args, **kwargs) -> Any:
    """The shapes and dtypes of fun(*args, **kwargs) as a tree of ShapeDtypeStruct, without computing anything."""
    check_callable("eval_shape", fun)
    traced, out = _trace_types("eval_shape", fun, args, kwargs)
    return out.build(list(map(struct, traced.graph.out_types)))
