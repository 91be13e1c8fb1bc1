"""Jacobians and Hessians: jacfwd, jacrev, jacobian, hessian, hvp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import check_callable, check_vector, float0_zeros, name_of, wraps
from functorch_lite.api.differentiate import Differentiated, build_all, check_inputs, check_scalar, positions
from functorch_lite.api.forward import jvp
from functorch_lite.api.reverse import grad
from functorch_lite.ir import Graph
from functorch_lite.prims.shape import zeros_like
from functorch_lite.trace import at, inline, run
from functorch_lite.transforms import jacobian as passes
from functorch_lite.transforms.common import rebuild, rewrite, spread, via
from functorch_lite.transforms.reverse import pushforward, simplified, value_and_grad


def jacrev(
    fun: Callable,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable:
    """The Jacobian of `fun` by reverse mode: one backward pass per element of the result, all of them at once.

    The result has the tree of the result of `fun`, with the tree of the argument inside each leaf, whose arrays have
    the shape of the result followed by that of the argument. With `has_aux`, (Jacobian, aux).
    Raises TypeError for arguments or results that are no floats.
    """

    def blocks(made):
        return passes.reverse_blocks(made.graph, made.active, made.results)

    return _operator("jacrev", fun, argnums, has_aux, holomorphic, allow_int, blocks, 1)


def jacfwd(
    fun: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable:
    """The Jacobian of `fun` by forward mode: one pass per element of the argument, all of them at once.

    Shapes and errors are those of `jacrev`.
    """

    def blocks(made):
        return passes.forward_blocks(made.graph, made.active, 0, made.results)

    return _operator("jacfwd", fun, argnums, has_aux, holomorphic, False, blocks, 1)


jacobian = jacrev


def hessian(
    fun: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable:
    """The second derivatives of `fun`, forward over reverse mode.

    The result has the tree of the result of `fun`, with the tree of the argument inside it twice; arrays have the shape
    of the result followed by that of the argument twice. With `has_aux`, (Hessian, aux).
    """

    def blocks(made):
        return passes.hessian_blocks(made.graph, made.active, made.results)

    return _operator("hessian", fun, argnums, has_aux, holomorphic, False, blocks, 2)


def _operator(transform, fun, argnums, has_aux, holomorphic, allow_int, blocks, order) -> Callable:
    check_callable(transform, fun)

    @wraps(fun, transform)
    def wrapped(*args, **kwargs):
        wanted, one = positions(transform, fun, argnums, args)
        check = check_inputs(transform, holomorphic, allow_int)
        made = Differentiated(transform, fun, wanted, args, kwargs, has_aux=has_aux, check=check, order=order)
        _check_outputs(transform, made, holomorphic)
        if order == 2 and made.graph.open:  # the rules of the second order come from those of the first, traced anew
            return jacfwd(jacrev(fun, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)(*args, **kwargs)
        values = run(blocks(made), made.inputs, made.graph.sources)
        found = iter(values[len(made.graph.outs) :])
        leaves = [_nested(made, found, y, one, order) for y in made.graph.out_types[: made.results]]
        result = made.out.build(leaves)
        return (result, made.split(values)[1]) if has_aux else result

    return wrapped


def _nested(made: Differentiated, found, y, one: bool, order: int) -> Any:
    """The blocks that belong to one result, in the tree of the arguments, as often as `order`."""
    if order == 0:
        return next(found)
    active = made.active[made.captured :]
    leaves = []
    for x, is_active in zip(made.leaves, active, strict=True):
        leaves.append(_nested(made, found, y, one, order - 1) if is_active else float0_zeros((*y.shape, *x.shape)))
    trees = build_all(made.structures, leaves)
    return trees[0] if one else trees


def _check_outputs(transform: str, made: Differentiated, holomorphic: bool) -> None:
    for t in made.graph.out_types[: made.results]:
        if holomorphic and not dtypes.is_complex(t.dtype):
            raise TypeError(f"{transform} with holomorphic=True needs `{name_of(made.fun)}` to return complex arrays, "
                            f"got {t}, at {at()}")  # fmt: skip
        forward = transform == "jacfwd" and not any(dtypes.is_complex(x.type.dtype) for x in made.leaves)
        if not holomorphic and not dtypes.is_float(t.dtype) and not (forward and dtypes.is_complex(t.dtype)):
            way = "pass holomorphic=True" if dtypes.is_complex(t.dtype) else "convert it"
            raise TypeError(f"{transform} needs `{name_of(made.fun)}` to return floats, got {t}, at {at()}; {way}")


# ---- Hessian-vector products ----


@rewrite
def _hvp(graph: Graph, active: tuple[bool, ...]) -> Graph:
    """(x..., v of active x...) -> (H v of active x...) for a graph whose first result is the scalar."""
    gradient = value_and_grad(graph, active)
    n = len(graph.outs)
    only = Graph(gradient.types, gradient.ins, gradient.eqns, gradient.outs[n:], gradient.sources)
    both, mask = pushforward(only, active)
    both = via(both, only)

    def body(*inputs):
        tangents = spread(inline(both, inputs)[len(mask) :], mask)
        return [zeros_like(t) if v is None else v for v, t in zip(tangents, only.out_types, strict=True)]

    return simplified(rebuild(body, both.in_types, "hvp"))


def hvp(fun: Callable, x: Any, v: Any, *args) -> Any:
    """The Hessian of `fun` in its first argument at `x`, times `v`, without forming the Hessian: forward over reverse.

    fun: (x, *args) -> one scalar float. x: any tree of floats; v: the same tree, shapes and dtypes.
    Returns the same tree. Costs 2 to 3 gradients.
    Source: Pearlmutter, Neural Computation 6 (1994).
    """
    check_callable("hvp", fun)
    made = Differentiated("hvp", fun, (0,), (x, *args), {}, check=check_inputs("hvp", False, False), order=2)
    check_scalar("hvp", fun, made, False)
    leaves, structure = tree.flatten(v)
    if structure != made.structures[0]:
        difference = tree.difference(made.structures[0], structure)
        raise ValueError(f"hvp: v must have the tree of x; they differ {difference or ''} at {at()}".replace("  ", " "))
    paths = [tree.keystr(path) for path, _ in tree.flatten_with_path(v)[0]]
    vs = [check_vector("hvp: v", t, y.type, p and f" at {p}")
          for t, y, p in zip(leaves, made.leaves, paths, strict=True)]  # fmt: skip
    if made.graph.open:
        return jvp(lambda x: grad(fun)(x, *args), (x,), (v,))[1]
    values = run(_hvp(made.graph, made.active), [*made.inputs, *vs], made.graph.sources)
    return structure.unflatten(values)

