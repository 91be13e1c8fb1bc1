"""How the record of an elementwise primitive is made: operands have one shape and one dtype, scalars any shape."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.errors import ShapeError
from functorch_lite.ir import Lit, Primitive, array_type
from functorch_lite.prims.linear import shape_of
from functorch_lite.prims.shape import batch, broadcast, full_p
from functorch_lite.trace import SCALARS, at, bind

BOOL = np.dtype(bool)


def one_shape(name, types):
    """The shape shared by all operands that are no literals. Raises ValueError naming what came."""
    arrays = [t for t in types if not t.literal]
    if any(t.shape != arrays[0].shape for t in arrays):
        raise ShapeError(f"{name}: cannot broadcast {' with '.join(map(str, arrays))} at {at()}; reshape one of them")
    return arrays[0].shape if arrays else ()


def binary(prim: Primitive):
    """The function that applies an elementwise primitive of two operands and no parameters."""

    def op(x, y):
        try:
            return bind(prim, x, y)
        except ShapeError:
            if shape_of(x) and shape_of(y):
                raise
            return bind(prim, *beside(x, y))

    op.__name__ = op.__qualname__ = prim.name
    return op


def beside(x, y):
    """Two operands, of which one has no axes and is repeated over the shape of the other."""
    shape = shape_of(x) or shape_of(y)
    return [v if type(v) in SCALARS or shape_of(v) else broadcast(v, shape) for v in (x, y)]


def one_dtype(name, types, admits):
    """The dtype shared by all operands. Raises TypeError if they differ, or are of a kind that is not admitted."""
    dtype = types[0].dtype
    if any(t.dtype != dtype for t in types):
        raise TypeError(f"{name}: dtypes differ, {' and '.join(map(str, types))}, at {at()}; convert one of them")
    if dtypes.kind(dtype) not in admits:
        raise TypeError(f"{name}: does not take {dtypes.short(dtype)} ({types[0]}), at {at()}; convert it")
    return dtype


def axes_of(types):
    """The named axes along which any of the types varies."""
    return tuple(sorted({axis for t in types for axis in t.vary}))


def elementwise(name, *, jvp, admits="iufc", result=None, params=(), arity=None, simplify=None, **rules) -> Primitive:
    """An elementwise record: `admits` the kinds of dtype it takes, `result` the dtype of the result (default: same).

    `arity`, the number of operands, is needed where `jvp` is one function.
    """

    def infer(*types, **params):
        dtype = one_dtype(name, types, admits)
        return array_type(one_shape(name, types), dtype if result is None else result(dtype), False, axes_of(types))

    def vmap(size, xs, batched, **params):
        return bind(prim, *spread(xs, batched, size), **params)

    def simpler(*operands, **params):
        folded = fold_constants(prim, operands, **params)
        return folded or (simplify(*operands, **params) if simplify is not None else None)

    prim = Primitive(name, params=params, infer=infer, jvp=jvp, vmap=vmap,
                     literals=tuple(range(arity or len(jvp))), simplify=simpler, **rules)  # fmt: skip
    return prim


def fold_constants(prim, operands, **params):
    """A constant operand becomes a literal, as long as another operand still gives the shape."""
    made = {i: x.made_by(full_p) for i, x in enumerate(operands) if type(x) is not Lit}
    constant = {i: full["value"] for i, full in made.items() if full is not None}
    where = [i for i in prim.literals if i in constant]
    if not where or len(constant) == len(made):
        return None
    return prim, [constant[i] if i in where else x for i, x in enumerate(operands)], params


def spread(xs, batched, size):
    """Operands with the mapped axis in front; literals need none."""
    return [x if b or type(x) in SCALARS else batch(x, size) for x, b in zip(xs, batched, strict=True)]


def spread_scalars(xs, batched, size, shape, scalars):
    """The same for an operation whose operands at the positions `scalars` may have no axes beside others of `shape`."""
    made = []
    for i, (x, b) in enumerate(zip(xs, batched, strict=True)):
        if type(x) in SCALARS or (not b and i in scalars and shape_of(x) == ()):
            made.append(x)
        elif not b:
            made.append(batch(x, size))
        else:
            made.append(x if shape_of(x) == (size, *shape) else broadcast(x, (size, *shape), (0,)))
    return made
