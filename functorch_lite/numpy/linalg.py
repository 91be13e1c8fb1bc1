"""Linear algebra without decompositions: norms, products and powers of matrices."""

from __future__ import annotations

import itertools
import math

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.errors import ShapeError
from functorch_lite.numpy import contract, diagonals, reductions
from functorch_lite.numpy.arithmetic import power
from functorch_lite.numpy.calculus import cross as _cross
from functorch_lite.numpy.contract import einsum, matmul, tensordot, vecdot
from functorch_lite.numpy.dispatch import by_numpy
from functorch_lite.numpy.promote import INEXACT, as_array, canonical_axis, one_integer, promote_dtypes
from functorch_lite.numpy.shape import matrix_transpose
from functorch_lite.numpy.ufuncs import absolute
from functorch_lite.trace import at, typeof

__all__ = [
    "cross", "diagonal", "matmul", "matrix_norm", "matrix_power", "matrix_transpose", "multi_dot", "norm", "outer",
    "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip


def _float_operand(name, x):
    (x,) = promote_dtypes(name, as_array(name, x), rule=INEXACT)
    return x


def _root(total):
    """The square root of a sum of squares, with slope 0 at 0."""
    zero = lax.eq(total, 0)
    return lax.select(zero, total, lax.sqrt(lax.select(zero, 1, total)))


def _squares(x):
    if dtypes.is_complex(typeof(x).dtype):
        return lax.add(lax.mul(lax.real(x), lax.real(x)), lax.mul(lax.imag(x), lax.imag(x)))
    return lax.mul(x, x)


def _two_norm(x, axes, keepdims):
    total = reductions.sum(reductions.widened(_squares(x)), axes, keepdims=keepdims)
    return lax.convert_element_type(_root(total), dtypes.real_of(typeof(x).dtype))


def _vector_norm(x, ord, axes, keepdims):
    if ord is None or ord == 2:
        return _two_norm(x, axes, keepdims)
    size = absolute(x)
    if ord == math.inf:
        return reductions.max(size, axes, keepdims=keepdims, initial=0)
    if ord == -math.inf:
        return reductions.min(size, axes, keepdims=keepdims)
    if ord == 0:
        return reductions.sum(lax.convert_element_type(lax.ne(x, 0), typeof(size).dtype), axes, keepdims=keepdims)
    if ord == 1:
        return reductions.sum(size, axes, keepdims=keepdims)
    return power(reductions.sum(power(size, ord), axes, keepdims=keepdims), 1 / ord)


def _matrix_norm(name, x, ord, axes, keepdims):
    if ord is None or ord == "fro":
        return _two_norm(x, axes, keepdims)
    rows, columns = axes
    along = {1: rows, -1: rows, math.inf: columns, -math.inf: columns}.get(ord if not isinstance(ord, str) else None)
    if along is None:
        raise ValueError(f'{name}: a matrix has no norm {ord!r} here, at {at()}; give "fro", 1, -1, inf or -inf')
    sums = reductions.sum(absolute(x), along, keepdims=True)
    extreme = reductions.max if ord in (1, math.inf) else reductions.min
    return extreme(sums, axes, keepdims=keepdims)


def norm(x, ord=None, axis=None, keepdims=False):
    """The norm of vectors along one axis, or of matrices along two; by default of all elements as one vector.

    x: any -> the other axes, as real floats. ord: of vectors any number (2 by default, inf, 0 counts what is not 0);
    of matrices "fro" (default), 1, -1, inf or -inf. The 2-norm has the gradient 0 at 0. Raises ValueError for others.
    """
    made = by_numpy(np.linalg.norm, x, ord, axis, keepdims) if ord is None or ord == 2 else None
    if made is not None and (ord is None or axis is not None):
        return made
    x = _float_operand("norm", x)
    ndim = typeof(x).ndim
    if axis is None:
        if ord is None:
            return _two_norm(x, None, keepdims)
        if ndim not in (1, 2):
            raise ValueError(f"norm: ord={ord!r} of {typeof(x)} at {at()} needs axis=, one or two axes")
        axis = tuple(range(ndim))
    axes = tuple([canonical_axis("norm", a, ndim) for a in (axis if isinstance(axis, (tuple, list)) else (axis,))])
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ValueError(f"norm: a vector has no norm {ord!r}, at {at()}; give a number")
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ValueError(f"norm: axis={axis} of {typeof(x)} at {at()}; give one axis, or two different ones")
    return _matrix_norm("norm", x, ord, axes, keepdims)


def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """The norm of vectors along one or several axes; of all elements as one vector if `axis` is None: see `norm`."""
    return _vector_norm(_float_operand("vector_norm", x), ord, axis, keepdims)


def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """The norm of the matrices in the last two axes: see `norm`."""
    x = _float_operand("matrix_norm", x)
    ndim = _at_least_matrices("matrix_norm", x)
    return _matrix_norm("matrix_norm", x, ord, (ndim - 2, ndim - 1), keepdims)


def _at_least_matrices(name, x) -> int:
    ndim = typeof(x).ndim
    if ndim < 2:
        raise ValueError(f"{name}: takes matrices, got {typeof(x)} at {at()}; reshape it")
    return ndim


def matrix_power(a, n):
    """The product of n copies of each matrix; of none, the identity.

    a: (..., m, m); n: an integer of at least 0.
    """
    a, n = as_array("matrix_power", a), one_integer("matrix_power", "n", n)
    ndim = _at_least_matrices("matrix_power", a)
    t = typeof(a)
    if t.shape[-1] != t.shape[-2] or n < 0:
        raise ValueError(f"matrix_power: takes square matrices and n of at least 0, got {t} and n={n} at {at()}")
    if n == 0:
        return lax.broadcast_in_dim(diagonals.eye(t.shape[-1], dtype=t.dtype), t.shape, (ndim - 2, ndim - 1))
    result, square = None, a
    while n:
        if n & 1:
            result = square if result is None else matmul(result, square)
        n >>= 1
        if n:
            square = matmul(square, square)
    return result


def multi_dot(arrays, *, precision=None):
    """The product of two or more matrices in the order that takes the fewest operations; the ends may be vectors."""
    arrays = [as_array("multi_dot", a) for a in arrays]
    ndims = [typeof(a).ndim for a in arrays]
    if len(arrays) < 2 or any(n != 2 for n in ndims[1:-1]) or any(n not in (1, 2) for n in ndims):
        shown = ", ".join([str(typeof(a)) for a in arrays])
        raise ValueError(f"multi_dot: takes two or more matrices, or vectors at the ends, got {shown} at {at()}")
    for a, b in itertools.pairwise(arrays):
        if typeof(a).shape[-1] != typeof(b).shape[0]:
            raise ShapeError(f"multi_dot: cannot multiply {typeof(a)} by {typeof(b)} at {at()}, as sizes that have to "
                             "be equal differ; transpose or reshape one of them")  # fmt: skip
    letters = contract.LETTERS
    terms = [letters[i : i + 2] for i in range(len(arrays))]
    terms[0] = terms[0][2 - ndims[0] :]
    terms[-1] = terms[-1][: ndims[-1]]
    out = terms[0][:-1] + terms[-1][1:]
    return einsum(f"{','.join(terms)}->{out}", *arrays, optimize="optimal", precision=precision)


def cross(x1, x2, /, *, axis=-1):
    """The cross products of vectors of three elements along an axis; the other axes broadcast."""
    x1, x2 = as_array("cross", x1), as_array("cross", x2)
    for x in (x1, x2):
        if typeof(x).shape[canonical_axis("cross", axis, typeof(x).ndim)] != 3:
            raise ValueError(f"cross: takes vectors of three elements, got {typeof(x)} at {at()}; append a 0")
    return _cross(x1, x2, axis=axis)


def outer(x1, x2, /):
    """All products of an element of `x1` with one of `x2`, both vectors: (n, m)."""
    x1, x2 = as_array("outer", x1), as_array("outer", x2)
    if typeof(x1).ndim != 1 or typeof(x2).ndim != 1:
        raise ValueError(f"outer: takes vectors, got {typeof(x1)} and {typeof(x2)} at {at()}; ravel them")
    return contract.outer(x1, x2)


def trace(x, /, *, offset=0, dtype=None):
    """The sums of the diagonals of the matrices in the last two axes."""
    return reductions.sum(diagonal(x, offset=offset), -1, dtype)


def diagonal(x, /, *, offset=0):
    """The diagonals of the matrices in the last two axes, along a new last axis."""
    x = as_array("diagonal", x)
    _at_least_matrices("diagonal", x)
    return diagonals.diagonal(x, offset, -2, -1)
