"""Functions with what they close over made explicit, and linear functions with a transpose of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import Outputs, check_callable, leaf_array, name_of
from functorch_lite.api.inspect import type_of_leaf
from functorch_lite.array import asarray
from functorch_lite.control.linear_call import Pair
from functorch_lite.control.linear_call import linear_call as call_pair
from functorch_lite.control.together import together
from functorch_lite.ir import ArrayType
from functorch_lite.prims.elementwise import convert
from functorch_lite.trace import Traced, Tracer, at, current_frame, is_typed, run, trace


def closure_convert(fun: Callable, *example_args: Any) -> tuple[Callable, list]:
    """(converted, captured) such that converted(*args, *captured) is fun(*args), with what `fun` closes over and may be
    differentiated, floats that are being traced, as the further arguments `captured`.

    example_args: trees of arrays (or ShapeDtypeStruct), like the ones that will come; `fun` is traced with their types.
    So a function can be handed through custom rules, which must not close over what is differentiated. Calls of
    `converted` raise TypeError where arguments have another tree, shape or dtype.
    """
    check_callable("closure_convert", fun)
    leaves, structure = tree.flatten(example_args)
    types = [type_of_leaf(x, fun) for x in leaves]
    out: list[Outputs] = []

    def flat(*tracers):
        out.append(Outputs("closure_convert", fun, fun(*structure.unflatten(tracers))))
        return out[-1].traced

    graph, found = trace(flat, types, transform="closure_convert", name=name_of(fun))
    moves = [isinstance(x, Tracer) and dtypes.is_inexact(x.dtype) for x in found]
    captured = [x for x, m in zip(found, moves, strict=True) if m]
    fixed = [None if m else x for x, m in zip(found, moves, strict=True)]

    def converted(*args):
        n = len(args) - len(captured)
        given, own = args[: max(n, 0)], iter(args[max(n, 0) :])
        leaves, got = tree.flatten(given)
        if n < 0 or got != structure:
            raise TypeError(f"the converted `{name_of(fun)}` takes arguments like the examples, {structure}, and then "
                            f"{len(captured)} captured values, got {len(args)} arguments {got}, at {at()}")  # fmt: skip
        xs = [_like(x, t, i, given, fun) for i, (x, t) in enumerate(zip(leaves, types, strict=True))]
        values = [next(own) if m else x for x, m in zip(fixed, moves, strict=True)]
        return out[-1].build(run(graph, [*values, *xs], graph.sources))

    converted.__name__ = f"converted_{name_of(fun)}"
    return converted, captured


def _like(x: Any, type_: ArrayType, i: int, args: tuple, fun: Callable) -> Any:
    """An argument of a converted function, in the type that function was traced for."""
    x = x if is_typed(x) else asarray(x)
    t = x.type
    if t.shape != type_.shape or not (t.weak or t.dtype == type_.dtype):
        where = tree.keystr(tree.flatten_with_path(args)[0][i][0])
        raise TypeError(f"the converted `{name_of(fun)}` was traced for {type_}, got {t} as argument {where}, at "
                        f"{at()}")  # fmt: skip
    return x if t is type_ else convert(x, type_.dtype, type_.weak)


def linear_call(fun: Callable, fun_transpose: Callable, residual_args: Any, linear_args: Any) -> Any:
    """fun(residual_args, linear_args), a function linear in the second argument whose transpose is given.

    fun_transpose(residual_args, ct): ct is a tree like the result; returns a tree like `linear_args`, which are floats.
    The transpose of the transpose is `fun` again. Derivatives in the residual arguments are those of `fun`. Both may
    look at values of residual arguments that are known, and close over arrays.
    Raises TypeError where trees or dtypes do not fit, ValueError where shapes do not.
    """
    check_callable("linear_call", fun)
    check_callable("linear_call", fun_transpose)
    name, n = name_of(fun), tree.structure(residual_args).num_leaves
    leaves, structure = tree.flatten((residual_args, linear_args))
    paths = [path for path, _ in tree.flatten_with_path((residual_args, linear_args))[0]]
    xs = [leaf_array(x, "linear_call", fun, path) for x, path in zip(leaves, paths, strict=True)]
    _check_floats(f"linear_call of `{name}`: a linear argument", [x.type for x in xs[n:]])
    out: list[Outputs] = []

    def forward(*xs):
        out.append(Outputs("linear_call", fun, fun(*structure.unflatten(xs))))
        return out[-1].traced

    if current_frame() is None:
        made = [asarray(y) for y in forward(*xs)]
        return out[-1].build(made)

    def backward(*xs):
        residuals, _ = structure.unflatten([*xs[:n], *linear])
        made = fun_transpose(residuals, out[-1].build(xs[n:]))
        return _cotangents(made, structure.children()[1], linear, fun_transpose)

    fixed, linear = [x.type for x in xs[:n]], [x.type.strong() for x in xs[n:]]
    there = _traced(forward, fixed, linear, xs[:n], fun)
    outs = [t.strong() for t in there.graph.out_types]
    _check_floats(f"linear_call: a result of `{name}`", outs)
    graphs, captured = together([there, _traced(backward, fixed, outs, xs[:n], fun_transpose)])
    pair = Pair(graphs[0], graphs[1], len(captured) + n, name)
    given = [x if x.type is t else convert(x, t.dtype) for x, t in zip(xs[n:], linear, strict=True)]
    return out[-1].build(call_pair(pair, [*captured, *xs[:n], *given]))


def _traced(flat: Callable, fixed: Sequence, moving: Sequence, values: Sequence, fun: Callable) -> Traced:
    """The graph of a function that may look at the values of its first arguments, where these are known."""
    known = [*values, *[None] * len(moving)]
    return trace(flat, [*fixed, *moving], known, transform="linear_call", name=name_of(fun), concrete=True)


def _check_floats(what: str, types: Sequence[ArrayType]) -> None:
    for t in types:
        if not dtypes.is_inexact(t.dtype):
            raise TypeError(f"{what} is {t}, at {at()}; it must be a float")


def _cotangents(made: Any, structure: Any, like: Sequence[ArrayType], fun: Callable) -> list:
    """The leaves that a transpose returned, checked and in the dtypes of the linear arguments."""
    got = tree.structure(made)
    if got != structure:
        raise TypeError(f"linear_call: `{name_of(fun)}` must return the tree of the linear arguments, {structure}, got "
                        f"{got}, at {at()}")  # fmt: skip
    cts = []
    for x, t in zip(Outputs("linear_call", fun, made).traced, like, strict=True):
        x = x if is_typed(x) else asarray(x)
        if x.type.shape != t.shape:
            raise ValueError(f"linear_call: `{name_of(fun)}` returned {x.type} for {t}, at {at()}; shapes must agree")
        if x.type.dtype != t.dtype and not x.type.weak:
            raise TypeError(f"linear_call: `{name_of(fun)}` returned {x.type} for {t}, at {at()}; dtypes must agree")
        cts.append(x if x.type.dtype == t.dtype else convert(x, t.dtype))
    return cts
