"""Rules for vmap: custom_vmap, sequential_vmap."""

from collections.abc import Callable

from functorch_lite import lax, tree
from functorch_lite.api.custom import custom_vmap

__all__ = ["custom_vmap", "sequential_vmap"]


def sequential_vmap(fun: Callable) -> custom_vmap:
    """A function that vmap applies to one row after the other.

    fun: of trees of arrays. Returns a `custom_vmap` of it.
    """
    made = custom_vmap(fun)

    @made.def_vmap
    def rule(axis_size, in_batched, *args):
        leaves, structure = tree.flatten(args)
        flags = tree.leaves(tuple(in_batched))
        rows = [x for x, b in zip(leaves, flags, strict=True) if b]
        if not rows:  # only a tangent is batched
            result = fun(*args)
            return result, tree.map(lambda _: False, result)

        def row(xs):
            it = iter(xs)
            return fun(*structure.unflatten([next(it) if b else x for x, b in zip(leaves, flags, strict=True)]))

        result = lax.map(row, rows)
        return result, tree.map(lambda _: True, result)

    return made
