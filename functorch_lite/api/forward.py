"""Forward mode: jvp and linearize."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import check_callable, check_vector, float0_zeros, name_of
from functorch_lite.api.callbacks import handles
from functorch_lite.api.differentiate import Differentiated, Shape, shape_of
from functorch_lite.errors import TreeError
from functorch_lite.prims.shape import zeros_like
from functorch_lite.trace import at, run
from functorch_lite.transforms import reverse as passes
from functorch_lite.transforms.common import spread


def jvp(fun: Callable, primals: Sequence, tangents: Sequence, has_aux: bool = False) -> tuple:
    """(fun(*primals), the derivative of `fun` at `primals` along `tangents`), by forward mode.

    tangents: the trees, shapes and dtypes of the primals (float0 zeros for integers). With `has_aux`, `fun` returns
    (result, aux) and jvp returns (result, tangent, aux). Raises TypeError or ValueError if the tangents do not fit.
    """
    check_callable("jvp", fun)
    for what, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            raise TypeError(f"jvp takes {what} as a tuple or list, one entry per argument of `{name_of(fun)}`, got "
                            f"{type(given).__name__}, at {at()}")  # fmt: skip
    made = Differentiated("jvp", fun, range(len(primals)), tuple(primals), {}, has_aux=has_aux)
    ts = _vectors(f"jvp of `{name_of(fun)}`: the tangent", tuple(tangents), tuple(made.structures), made.leaves)
    graph, mask = passes.pushforward(made.graph, made.active)
    values = run(graph, [*made.inputs, *[t for t in ts if t is not None]], made.graph.sources)
    primal_out, aux = made.split(values)
    tangent_out = _tangents(values[len(mask) :], mask, made.graph.out_types[: made.results])
    result = primal_out, made.out.build(tangent_out)
    return (*result, aux) if has_aux else result


def _vectors(what: str, given: tuple, structures: tuple, like: Sequence) -> list:
    """The leaves of tangents given by the user, checked; None where the argument is an integer."""
    if len(given) != len(structures):
        raise TreeError(f"{what}s must be {len(structures)}, one per argument, got {len(given)}, at {at()}")
    leaves = []
    for n, (x, structure) in enumerate(zip(given, structures, strict=True)):
        found = tree.structure(x)
        if found != structure:
            raise TreeError(f"{what} of argument {n} must have the tree of the argument, {structure}, got {found}, "
                            f"at {at()}")  # fmt: skip
        leaves.extend([(f" of argument {n}{tree.keystr(path)}", leaf) for path, leaf in tree.flatten_with_path(x)[0]])
    return [check_vector(what, x, y.type if hasattr(y, "type") else y, where)
            for (where, x), y in zip(leaves, like, strict=True)]  # fmt: skip


def _tangents(values: Sequence, mask: Sequence[bool], types: Sequence) -> list:
    """The tangents of all results: absent ones are zeros, those of integers float0."""
    made = []
    for t, type_ in zip(spread(values, mask)[: len(types)], types, strict=True):
        if not dtypes.is_inexact(type_.dtype):
            made.append(float0_zeros(type_.shape))
        else:
            made.append(zeros_like(type_) if t is None else t)
    return made


class Linearization:
    """The function that `linearize` returns: tangents of the arguments to the tangent of the result.

    A tree whose leaves are the residuals, so a transformed function may return it. It keeps the functions alive that
    callbacks in rules call: their numbers are among the residuals.
    """

    def __init__(self, residuals: list, shape: Shape, alive: list | None = None):
        self.residuals, self.shape, self.alive = residuals, shape, alive

    def __call__(self, *tangents):
        shape = self.shape
        what = f"linearized `{shape.name}`: the tangent"
        ts = _vectors(what, tangents, shape.structures, shape.argument_types)
        halves, mask = passes.linearize(shape.graph, shape.active)
        values = run(halves.second, [*self.residuals, *[t for t in ts if t is not None]], shape.graph.sources)
        return shape.out.unflatten(_tangents(values, mask, shape.result_types))

    def __repr__(self) -> str:
        return f"<`{self.shape.name}` linearized, with {len(self.residuals)} residuals>"


tree.register_pytree_node(
    Linearization, lambda f: (f.residuals, f.shape), lambda shape, rs: Linearization(list(rs), shape))


def linearize(fun: Callable, *primals, has_aux: bool = False) -> tuple:
    """(fun(*primals), f_jvp), where f_jvp(*tangents) is the derivative at `primals`: what does not depend on the
    tangents is computed once.

    With `has_aux`, (result, f_jvp, aux). Raises TypeError or ValueError if tangents do not fit.
    """
    check_callable("linearize", fun)
    made = Differentiated("linearize", fun, range(len(primals)), primals, {}, has_aux=has_aux)
    halves, _ = passes.linearize(made.graph, made.active)
    results = run(halves.first, made.inputs, made.graph.sources)
    value, aux = made.split(results)
    f_jvp = Linearization(halves.forward(made.inputs, results), shape_of(made), handles(made.inputs))
    return (value, f_jvp, aux) if has_aux else (value, f_jvp)

