"""What forward and reverse mode share: the arguments that are differentiated, traced with the rest held fixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import Outputs, argument_text, check_callable, leaf_array, name_of
from functorch_lite.array import Array, of_typed, scalar
from functorch_lite.control.custom import settle
from functorch_lite.ir import ArrayType, Graph, array_type
from functorch_lite.trace import at, current_frame, trace
from functorch_lite.transforms.close import Derivative, closing
from functorch_lite.transforms.literals import steady


def _inexact_inputs(frame) -> set[int]:
    """The arguments that can be active: the first values of the frame, before what it captured and computed."""
    return {i for i in range(frame.arguments) if dtypes.is_inexact(frame.types[i].dtype)}


class Differentiated:
    """A function traced in some of its arguments. `inputs` are captured values, then the leaves of those arguments."""

    __slots__ = ("active", "aux", "captured", "fun", "graph", "inputs", "leaves", "out", "structures", "transform")

    def __init__(
        self,
        transform: str,
        fun: Callable,
        argnums: Sequence[int],
        args: Sequence,
        kwargs: dict,
        *,
        has_aux: bool = False,
        check: Callable | None = None,
        order: int = 1,
    ):
        self.transform, self.fun = transform, fun
        self.leaves, self.structures, counts = [], [], []
        for n in argnums:
            leaves, structure = tree.flatten(args[n])
            if any(type(x) is not Array for x in leaves):
                leaves = [self._leaf(args, n, i, x) for i, x in enumerate(leaves)]
            self.leaves.extend(leaves)
            self.structures.append(structure)
            counts.append(len(leaves))
        types = [x.type for x in self.leaves]
        if check is not None:
            for k, t in enumerate(types):
                check(t, lambda k=k: self.where(argnums, args, k))

        def flat(*tracers):
            full, it = list(args), iter(tracers)
            for n, structure, count in zip(argnums, self.structures, counts, strict=True):
                full[n] = structure.unflatten([next(it) for _ in range(count)])
            result = fun(*full, **kwargs)
            self.aux = None
            if has_aux:
                if not (isinstance(result, (tuple, list)) and len(result) == 2):
                    raise TypeError(f"{transform} with has_aux needs `{name_of(fun)}` to return a pair (result, aux), "
                                    f"got {type(result).__name__}, at {at()}")  # fmt: skip
                result, aux = result
                self.aux = Outputs(transform, fun, aux, current_frame())
            self.out = Outputs(transform, fun, result)
            return self.out.traced + (self.aux.traced if self.aux else [])

        traced = trace(flat, types, self.leaves, transform=transform, name=name_of(fun), concrete=True,
                       prepare=closing(Derivative(), _inexact_inputs))  # fmt: skip
        graph, captured = traced
        if current_frame() is None:
            if order == 1:  # no other derivative follows, so rules of rules are not needed
                graph = settle(graph)
            graph, literals = steady(graph)
            scalars = [of_typed(scalar(x.value, x.dtype), array_type((), x.dtype, True)) for x in literals]
            captured = [*scalars, *captured]
        self.graph: Graph = graph
        self.captured = len(captured)
        self.inputs = [*captured, *self.leaves]
        inexact = dtypes.is_inexact
        self.active = (*[False] * self.captured, *[inexact(t.dtype) for t in types])

    def _leaf(self, args, n, i, x):
        path = (n, *tree.flatten_with_path(args[n])[0][i][0])
        return leaf_array(x, self.transform, self.fun, path)

    def where(self, argnums, args, k: int) -> str:
        """The argument and path of leaf `k`, for a message."""
        paths = [(n, *path) for n in argnums for path, _ in tree.flatten_with_path(args[n])[0]]
        return argument_text(self.fun, paths[k])

    @property
    def results(self) -> int:
        """How many leaves the result has, without aux."""
        return len(self.out.traced)

    def split(self, values: Sequence) -> tuple[Any, Any]:
        """(result, aux) from the values of all results."""
        n = self.results
        aux = self.aux.build(values[n : n + len(self.aux.traced)]) if self.aux else None
        return self.out.build(values[:n]), aux


def positions(transform: str, fun: Callable, argnums: Any, args: Sequence) -> tuple[tuple[int, ...], bool]:
    """The differentiated positions, non-negative, and whether `argnums` was one int. Raises on what does not fit."""
    check_callable(transform, fun)
    one = isinstance(argnums, (int, np.integer)) and not isinstance(argnums, bool)
    try:
        given: Any = (argnums,) if one else argnums
        wanted = tuple([n.__index__() for n in given])
    except (TypeError, AttributeError):
        raise TypeError(f"{transform}: argnums must be an int or a tuple of ints, got {argnums!r} at {at()}") from None
    for n in wanted:
        if not -len(args) <= n < len(args):
            raise TypeError(
                f"{transform}: argnums={argnums} asks for argument {n} of `{name_of(fun)}`, which was called with "
                f"{len(args)} positional argument{'s' * (len(args) != 1)}, at {at()}; pass that argument by position")
    normal = tuple([n % len(args) for n in wanted])
    if len(set(normal)) != len(normal):
        raise ValueError(f"{transform}: argnums={argnums} names an argument twice, at {at()}")
    return normal, one


def check_inputs(transform: str, holomorphic: bool, allow_int: bool) -> Callable:
    """The check of a differentiated leaf: (type, () -> where it came from) raises TypeError."""

    def check(type_, where):
        dtype = type_.dtype
        if holomorphic and not dtypes.is_complex(dtype):
            raise TypeError(f"{transform} with holomorphic=True takes complex arguments, got {type_} in {where()}, "
                            f"at {at()}")  # fmt: skip
        if not holomorphic and dtypes.is_complex(dtype) and transform in ("jacfwd", "hessian"):
            raise TypeError(f"{transform} takes real arguments, got {type_} in {where()}, at {at()}; pass parts, or "
                            "pass holomorphic=True")  # fmt: skip
        if not dtypes.is_inexact(dtype) and not allow_int:
            raise TypeError(f"{transform} differentiates floats, got {type_} in {where()}, at {at()}; convert it, "
                            "close over it, or pass allow_int=True")  # fmt: skip

    return check


def check_scalar(transform, fun, made, holomorphic) -> None:
    types = made.graph.out_types[: made.results]
    kind = "complex" if holomorphic else "float"
    admitted = dtypes.is_complex if holomorphic else dtypes.is_float
    if made.results == 1 and types[0].shape == () and admitted(types[0].dtype):
        if made.out.structure.num_nodes == 1:
            return
        got = f"{types[0]} inside a {type(made.out.build([0])).__name__}"
    else:
        got = ", ".join(map(str, types)) if types else "no array"
    if made.results == 1 and types[0].shape == () and dtypes.is_complex(types[0].dtype):
        way = "take a real part of it, or pass holomorphic=True"
    elif made.results == 1 and dtypes.is_inexact(types[0].dtype) and types[0].shape:
        way = "sum it, or use `vjp` or `jacrev`"
    elif made.results > 1:
        way = "return one number; other results go with `has_aux=True`"
    else:
        way = "return one number that depends on floats"
    raise TypeError(f"{transform} needs `{name_of(fun)}` to return one {kind} scalar, got {got}, at {at()}; {way}")


class Shape(NamedTuple):
    """What a pullback or a linearized function must know beside its residuals; a value."""

    graph: Graph
    active: tuple[bool, ...]  # of the inputs of the graph
    captured: int  # leading inputs that are no arguments
    results: int  # leading results that are no aux
    out: Any  # the tree of the result
    structures: tuple  # the trees of the arguments
    name: str

    @property
    def argument_types(self) -> list[ArrayType]:
        return self.graph.in_types[self.captured :]

    @property
    def argument_active(self) -> tuple[bool, ...]:
        return self.active[self.captured :]

    @property
    def result_types(self) -> list[ArrayType]:
        return self.graph.out_types[: self.results]


def shape_of(made: Differentiated) -> Shape:
    structures = tuple(made.structures)
    out = made.out.structure
    return Shape(made.graph, made.active, made.captured, made.results, out, structures, name_of(made.fun))


def build_all(structures: Sequence, leaves: Sequence) -> tuple:
    """One tree per structure from consecutive leaves."""
    it = iter(leaves)
    return tuple([s.unflatten([next(it) for _ in range(s.num_leaves)]) for s in structures])
