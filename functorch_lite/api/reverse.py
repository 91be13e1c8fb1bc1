"""Reverse mode: grad, value_and_grad, vjp, linear_transpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import (
    Outputs,
    check_callable,
    check_vector,
    float0_zeros,
    name_of,
    wraps,
)
from functorch_lite.api.callbacks import handles
from functorch_lite.api.differentiate import (
    Differentiated,
    Shape,
    build_all,
    check_inputs,
    check_scalar,
    positions,
    shape_of,
)
from functorch_lite.api.remat import memory_bytes, within
from functorch_lite.errors import TreeError
from functorch_lite.ir import ArrayType, array_type
from functorch_lite.prims.shape import zeros_like
from functorch_lite.trace import at, run, trace, typeof
from functorch_lite.transforms import reverse as passes
from functorch_lite.transforms.common import spread
from functorch_lite.transforms.transpose import transpose


def value_and_grad(
    fun: Callable,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    memory: str | int | None = None,
) -> Callable:
    """A function that returns the value of `fun` and its gradient in the arguments `argnums`.

    fun: returns one scalar float (complex with `holomorphic`); with `has_aux`, a pair (scalar, anything).
    The result is (value, gradient), or ((value, aux), gradient); the gradient has the tree, shapes and dtypes of the
    argument, a tuple of them if `argnums` is a sequence. Integer arguments, with `allow_int`, get float0 zeros.
    For complex arguments the gradient of a real f is df/dx - i df/dy, as in JAX.
    memory: how much may be held at once beside arguments and results (under `vmap`, of one row), such as "512MB" or a
    number of bytes; what does not fit is computed again, so that it takes least time by a model of sizes and costs.
    Raises TypeError for other results or arguments, ValueError if `argnums` does not fit the call, or if `memory` is
    too little.
    """
    check_callable("value_and_grad", fun)
    limit = memory_bytes("value_and_grad", memory)

    @wraps(fun, "value_and_grad")
    def wrapped(*args, **kwargs):
        return _value_and_grad("value_and_grad", fun, argnums, has_aux, holomorphic, allow_int, limit, args, kwargs)

    return wrapped


def grad(
    fun: Callable,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    memory: str | int | None = None,
) -> Callable:
    """A function that returns the gradient of `fun`; with `has_aux`, (gradient, aux). See `value_and_grad`."""
    check_callable("grad", fun)
    limit = memory_bytes("grad", memory)

    @wraps(fun, "grad")
    def wrapped(*args, **kwargs):
        value, gradient = _value_and_grad("grad", fun, argnums, has_aux, holomorphic, allow_int, limit, args, kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def _value_and_grad(transform, fun, argnums, has_aux, holomorphic, allow_int, limit, args, kwargs):
    wanted, one = positions(transform, fun, argnums, args)
    check = check_inputs(transform, holomorphic, allow_int)
    made = Differentiated(transform, fun, wanted, args, kwargs, has_aux=has_aux, check=check)
    check_scalar(transform, fun, made, holomorphic)
    derived = within(transform, fun, made, limit)
    values = run(derived, made.inputs, made.graph.sources)
    n = len(made.graph.outs)
    grads = iter(values[n:])
    active = made.active[made.captured :]
    leaves = [next(grads) if a else float0_zeros(x.shape) for a, x in zip(active, made.leaves, strict=True)]
    trees = build_all(made.structures, leaves)
    value, aux = made.split(values)
    return (value, aux) if has_aux else value, trees[0] if one else trees


# ---- vjp ----


class Pullback:
    """The function that `vjp` returns: from a cotangent of the result to the cotangents of the arguments.

    A tree whose leaves are the residuals, so a transformed function may return it. It keeps the functions alive that
    callbacks in rules call: their numbers are among the residuals.
    """

    def __init__(self, residuals: list, shape: Shape, alive: list | None = None):
        self.residuals, self.shape, self.alive = residuals, shape, alive

    def __call__(self, *cts):
        shape = self.shape
        if len(cts) != 1:
            raise TypeError(f"the pullback of `{shape.name}` takes the cotangent of the result, got {len(cts)} "
                            f"arguments, at {at()}")  # fmt: skip
        what = f"vjp of `{shape.name}`: the cotangent"
        leaves, structure = tree.flatten(cts[0])
        if structure != shape.out:
            raise TreeError(f"{what} must have the tree of the result, {shape.out}, got {structure}, at {at()}")
        paths = [tree.keystr(path) for path, _ in tree.flatten_with_path(cts[0])[0]]
        types = shape.result_types
        checked = [check_vector(what, x, t, p and f" at {p}") for x, t, p in zip(leaves, types, paths, strict=True)]
        _, out_active = passes.linearize(shape.graph, shape.active)
        checked += [None] * (len(out_active) - len(checked))
        given = tuple([x is not None for x, a in zip(checked, out_active, strict=True) if a])
        back, mask = passes.backward(shape.graph, shape.active, given)
        inputs = [*self.residuals, *[x for x, a in zip(checked, out_active, strict=True) if a and x is not None]]
        results = iter(spread(run(back, inputs, shape.graph.sources), mask))
        made = []
        for t, active in zip(shape.argument_types, shape.argument_active, strict=True):
            ct = next(results) if active else float0_zeros(t.shape)
            made.append(zeros_like(t) if ct is None else ct)
        return build_all(shape.structures, made)

    def __repr__(self) -> str:
        return f"<pullback of `{self.shape.name}` with {len(self.residuals)} residuals>"


tree.register_pytree_node(Pullback, lambda p: (p.residuals, p.shape), lambda shape, rs: Pullback(list(rs), shape))


def vjp(fun: Callable, *primals, has_aux: bool = False) -> tuple:
    """(fun(*primals), pullback), where pullback(ct) is the tuple of cotangents of the primals.

    ct: the tree, shapes and dtypes of the result (float0 zeros for integers). With `has_aux`, (result, pullback, aux).
    Raises TypeError or ValueError if a cotangent does not fit.
    """
    check_callable("vjp", fun)
    made = Differentiated("vjp", fun, range(len(primals)), primals, {}, has_aux=has_aux)
    halves, _ = passes.linearize(made.graph, made.active)
    results = run(halves.first, made.inputs, made.graph.sources)
    value, aux = made.split(results)
    pullback = Pullback(halves.forward(made.inputs, results), shape_of(made), handles(made.inputs))
    return (value, pullback, aux) if has_aux else (value, pullback)


def linear_transpose(fun: Callable, *primals) -> Callable:
    """The transpose of a linear function: from cotangents of its result to the tuple of cotangents of its arguments.

    primals: arrays or ShapeDtypeStructs, of which only shapes and dtypes matter. Raises TypeError where `fun` uses an
    operation that is not linear.
    """
    check_callable("linear_transpose", fun)
    flat = [tree.flatten(x) for x in primals]
    structures = tuple([s for _, s in flat])
    types = [t if isinstance(t, ArrayType) else typeof(t).strong() for leaves, _ in flat for t in map(_type_of, leaves)]
    out: list[Outputs] = []

    def call(*tracers):
        out.append(Outputs("linear_transpose", fun, fun(*build_all(structures, tracers))))
        return out[-1].traced

    graph, captured = trace(call, types, transform="linear_transpose", name=name_of(fun))

    @wraps(fun, "linear_transpose")
    def transposed(ct):
        what = f"linear_transpose of `{name_of(fun)}`: the cotangent"
        leaves, structure = tree.flatten(ct)
        if structure != out[-1].structure:
            wanted = out[-1].structure
            raise TreeError(f"{what} must have the tree of the result, {wanted}, got {structure}, at {at()}")
        cts = [check_vector(what, x, t, "") for x, t in zip(leaves, graph.out_types, strict=True)]
        linear = (*[False] * len(captured), *[True] * len(types))
        back, mask = transpose(graph, linear, tuple([c is not None for c in cts]))
        results = run(back, [*captured, *[c for c in cts if c is not None]], graph.sources)
        made = [zeros_like(t) if ct is None else ct for ct, t in zip(spread(results, mask), types, strict=True)]
        return build_all(structures, made)

    return transposed


def _type_of(x: Any) -> ArrayType:
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return array_type(tuple(x.shape), dtypes.canonical(x.dtype))
    return typeof(x)
