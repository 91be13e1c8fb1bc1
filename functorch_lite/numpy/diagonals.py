"""Matrices with structure: identities, triangles, diagonals and their indices."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array, of_value
from functorch_lite.config import config
from functorch_lite.numpy import reductions
from functorch_lite.numpy.creation import arange, or_float
from functorch_lite.numpy.dispatch import by_numpy
from functorch_lite.numpy.promote import as_array, asarray, canonical_axis, canonical_shape, one_integer, placed
from functorch_lite.numpy.selecting import integers, no_out
from functorch_lite.trace import Tracer, at, tracing, typeof

# fmt: off
__all__ = [
    "diag", "diag_indices", "diag_indices_from", "diagflat", "diagonal", "eye", "identity", "trace", "tri",
    "tril", "tril_indices", "tril_indices_from", "triu", "triu_indices", "triu_indices_from", "vander",
]
# fmt: on


def eye(N, M=None, k=0, dtype=None, *, device=None):
    """An N by M matrix (M = N by default) with ones on the diagonal that lies k to the right of the main one."""
    n, m = canonical_shape("eye", (N, N if M is None else M))
    dtype, k = or_float("eye", dtype), _offset("eye", k, n, m)
    if not tracing and type(k) is int:
        return placed(of_value(np.eye(n, m, k, dtype)), device)
    return placed(lax.convert_element_type(_compare_indices(lax.eq, n, m, k), dtype), device)


def _offset(name, k, n: int, m: int):
    """The number of a diagonal of an n by m matrix, or next to it; a traced one stays an array."""
    if isinstance(k, Tracer):
        return lax.convert_element_type(integers(name, k, "the diagonals"), np.dtype(np.int32))
    return min(max(one_integer(name, "a diagonal", k), -n), m)


def identity(n, dtype=None):
    """The identity matrix of n rows."""
    return eye(n, dtype=dtype)


def _compare_indices(compare, n: int, m: int, k):
    """The n by m booleans `compare(row + k, column)`."""
    integer = np.dtype(np.int32)
    rows, columns = [lax.broadcasted_iota(integer, (n, m), axis) for axis in (0, 1)]
    if isinstance(k, Tracer):
        k = lax.broadcast_in_dim(lax.reshape(k, ()), (n, m), ())
    return compare(rows if type(k) is int and not k else lax.add(rows, k), columns)


def tri(N, M=None, k=0, dtype=None):
    """An N by M matrix with ones at and below the diagonal k to the right of the main one, zeros above."""
    n, m = canonical_shape("tri", (N, N if M is None else M))
    dtype, k = or_float("tri", dtype), _offset("tri", k, n, m)
    if not tracing and type(k) is int:
        return of_value(np.tri(n, m, k, dtype))
    return lax.convert_element_type(_compare_indices(lax.ge, n, m, k), dtype)


def tril(m, k=0):
    """The lower triangles of the matrices in `m`, zeros above the diagonal k to the right of the main one."""
    return _triangle("tril", np.tril, lax.ge, m, k)


def triu(m, k=0):
    """The upper triangles of the matrices in `m`, zeros below the diagonal k to the right of the main one."""
    return _triangle("triu", np.triu, lax.le, m, k)


def _triangle(name, kernel, compare, m, k):
    if type(k) is int and type(m) is Array and not tracing and m._value.ndim >= 2:
        return of_value(kernel(m._value, k))
    m = as_array(name, m)
    shape = typeof(m).shape
    if len(shape) < 2:
        raise ValueError(f"{name}: takes matrices, got {typeof(m)} at {at()}; reshape it")
    mask = _compare_indices(compare, *shape[-2:], _offset(name, k, *shape[-2:]))
    if len(shape) > 2:
        mask = lax.broadcast_in_dim(mask, shape, (len(shape) - 2, len(shape) - 1))
    return lax.select(mask, m, 0)


def diagonal(a, offset=0, axis1=0, axis2=1):
    """The diagonals of the matrices spanned by two axes, `offset` to the right of the main one, along a new last axis.

    a: (..., n, m) in any order of axes -> (..., length of the diagonal). Raises ValueError for fewer than two axes.
    """
    made = by_numpy(np.diagonal, a, offset, axis1, axis2)
    if made is not None:
        return made
    a = as_array("diagonal", a)
    ndim = typeof(a).ndim
    if ndim < 2:
        raise ValueError(f"diagonal: takes at least two axes, got {typeof(a)} at {at()}; reshape it")
    axis1, axis2 = canonical_axis("diagonal", axis1, ndim), canonical_axis("diagonal", axis2, ndim)
    if axis1 == axis2:
        raise ValueError(f"diagonal: axis1 and axis2 are both {axis1} at {at()}; give two axes")
    order = (*[i for i in range(ndim) if i not in (axis1, axis2)], axis1, axis2)
    if order != tuple(range(ndim)):
        a = lax.transpose(a, order)
    *rest, n, m = typeof(a).shape
    start, count = _diagonal_at(n, m, one_integer("diagonal", "the offset", offset))
    if count == 0:
        return lax.full((*rest, 0), 0, typeof(a).dtype)
    flat = lax.reshape(a, (*rest, n * m))  # the diagonal is every (m + 1)-th element
    stop = start + (count - 1) * (m + 1) + 1
    zeros = (0,) * len(rest)
    return lax.slice(flat, (*zeros, start), (*rest, stop), (*[1] * len(rest), m + 1))


def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    """The sums of the diagonals that `diagonal` gives, in `dtype` if one is given."""
    no_out("trace", out)
    return reductions.sum(diagonal(a, offset, axis1, axis2), -1, dtype)


def _diagonal_at(n: int, m: int, k: int) -> tuple[int, int]:
    """Where the k-th diagonal of an n by m matrix begins in row-major order, and how many elements it has."""
    return (k, max(0, min(n, m - k))) if k >= 0 else (-k * m, max(0, min(n + k, m)))


def diag(v, k=0):
    """Of a vector, the square matrix that has it on the k-th diagonal; of a matrix, that diagonal."""
    made = by_numpy(np.diag, v, k)
    if made is not None:
        return made
    v = as_array("diag", v)
    k, t = one_integer("diag", "k", k), typeof(v)
    if t.ndim == 2:
        return diagonal(v, k)
    if t.ndim != 1:
        raise ValueError(f"diag: takes a vector or a matrix, got {t} at {at()}; use `diagonal`")
    n = t.shape[0] + abs(k)
    if t.shape[0] == 0:
        return lax.full((n, n), 0, t.dtype)
    start, _ = _diagonal_at(n, n, k)
    end = n * n - start - (t.shape[0] - 1) * (n + 1) - 1
    zero = lax.full((), 0, t.dtype)
    return lax.reshape(lax.pad(v, zero, [(start, end, n)]), (n, n))


def diagflat(v, k=0):
    """The square matrix with the elements of `v`, in row-major order, on its k-th diagonal."""
    v = as_array("diagflat", v)
    return diag(lax.reshape(v, (typeof(v).size,)), k)


def _index_arrays(name, n, k, m) -> tuple:
    sizes = [one_integer(name, what, x) for what, x in (("n", n), ("k", k), ("m", n if m is None else m))]
    return tuple([asarray(i, config.default_int) for i in getattr(np, name)(*sizes)])


def tril_indices(n, k=0, m=None):
    """(rows, columns) of the elements of the lower triangle of an n by m matrix."""
    return _index_arrays("tril_indices", n, k, m)


def triu_indices(n, k=0, m=None):
    """(rows, columns) of the elements of the upper triangle of an n by m matrix."""
    return _index_arrays("triu_indices", n, k, m)


def tril_indices_from(arr, k=0):
    """(rows, columns) of the elements of the lower triangle of a matrix like `arr`."""
    return tril_indices(*_matrix_shape("tril_indices_from", arr, k))


def triu_indices_from(arr, k=0):
    """(rows, columns) of the elements of the upper triangle of a matrix like `arr`."""
    return triu_indices(*_matrix_shape("triu_indices_from", arr, k))


def _matrix_shape(name, arr, k):
    shape = np.shape(arr)
    if len(shape) != 2:
        raise ValueError(f"{name}: takes a matrix, got the shape {shape} at {at()}; give its last two axes")
    return shape[0], k, shape[1]


def diag_indices(n, ndim=2):
    """The indices of the main diagonal of an array of `ndim` axes of size n."""
    return (arange(n),) * ndim


def diag_indices_from(arr):
    """The indices of the main diagonal of an array like `arr`. Raises ValueError if its sizes differ."""
    shape = np.shape(arr)
    if len(shape) < 2 or len(set(shape)) > 1:
        raise ValueError(f"diag_indices_from: takes at least two axes of one size, got {shape} at {at()}")
    return diag_indices(shape[0], len(shape))


def vander(x, N=None, increasing=False):
    """The matrix of powers of a vector: columns x**(N-1), ..., x, 1, or in the other order if `increasing`.

    x: (n,) -> (n, N), with N = n by default.
    """
    x = as_array("vander", x)
    t = typeof(x)
    if t.ndim != 1:
        raise ValueError(f"vander: takes a vector, got {t} at {at()}; ravel it")
    count = t.shape[0] if N is None else canonical_shape("vander", N)[0]
    if dtypes.is_bool(t.dtype):
        x = lax.convert_element_type(x, config.default_int)
    dtype = typeof(x).dtype
    if count == 0:
        return lax.full((t.shape[0], 0), 0, dtype)
    columns = [lax.full(t.shape, 1, dtype)]
    while len(columns) < count:
        columns.append(lax.mul(columns[-1], x) if len(columns) > 1 else x)
    if not increasing:
        columns.reverse()
    return lax.concatenate([lax.reshape(c, (t.shape[0], 1)) for c in columns], 1)
