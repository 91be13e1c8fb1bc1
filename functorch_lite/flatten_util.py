"""A tree of arrays as one vector, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functorch_lite import dtypes, lax, tree
from functorch_lite.errors import ShapeError
from functorch_lite.numpy import concatenate, ravel, zeros
from functorch_lite.numpy.promote import as_array
from functorch_lite.trace import at, typeof

__all__ = ["ravel_pytree"]


def ravel_pytree(pytree: Any) -> tuple[Any, Callable]:
    """All leaves of a tree of arrays as one vector, and the function that makes such a tree of a vector.

    The vector has the dtype that the leaves promote to (without leaves, the one that is created); on the way back each
    leaf gets its own dtype and shape. Both ways can be transformed. Raises TypeError for a leaf that is no array, and
    where a complex vector would have to become real; ShapeError for anything but a vector of the same length.
    """
    leaves, structure = tree.flatten(pytree)
    leaves = [as_array("ravel_pytree", x) for x in leaves]
    types = [typeof(x) for x in leaves]
    whole = concatenate([ravel(x) for x in leaves]) if leaves else zeros(0)
    size = sum([t.size for t in types])

    def unravel(vector: Any) -> Any:
        vector = as_array("unravel", vector)
        given = typeof(vector)
        if given.shape != (size,):
            raise ShapeError(f"unravel: takes a vector of {size} elements, got {given} at {at()}")
        made, start = [], 0
        for t in types:
            if dtypes.is_complex(given.dtype) and not dtypes.is_complex(t.dtype):
                raise TypeError(f"unravel: a leaf is {t}, and cannot come from {given} at {at()}; take its real part")
            part = lax.reshape(lax.slice(vector, (start,), (start + t.size,)), t.shape)
            made.append(lax.convert_element_type(part, t.dtype))
            start += t.size
        return structure.unflatten(made)

    return whole, unravel
