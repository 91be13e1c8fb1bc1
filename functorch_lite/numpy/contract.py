"""Products that sum over shared axes: all become the `dot` primitive, whose spec is an einsum of two operands."""

from __future__ import annotations

import functools
import importlib
import operator
import string

import numpy as np

from functorch_lite import lax
from functorch_lite.array import Array, of_value
from functorch_lite.errors import ShapeError
from functorch_lite.numpy.diagonals import diagonal
from functorch_lite.numpy.dispatch import REFUSED, by_numpy, quietly
from functorch_lite.numpy.promote import as_array, canonical_axis, one_integer, promote_dtypes, user_dtype
from functorch_lite.numpy.reductions import sum as _sum
from functorch_lite.numpy.selecting import no_out
from functorch_lite.numpy.shape import moveaxis
from functorch_lite.numpy.ufuncs import conjugate, multiply
from functorch_lite.prims.contract import dot_as as dot_of
from functorch_lite.trace import at, tracing, typeof

__all__ = [
    "dot", "einsum", "einsum_path", "inner", "kron", "matmul", "matvec", "outer", "tensordot", "vdot", "vecdot",
    "vecmat",
]  # fmt: skip

LETTERS = string.ascii_letters
_EXACT = "fdFDilq"  # type characters of the dtypes in which NumPy multiplies matrices as we do
_PRECISIONS = {"default": "default", "bfloat16": "default", "fastest": "default", "high": "high",
               "tensorfloat32": "high", "highest": "highest", "float32": "highest"}  # fmt: skip


# ---- one product ----


def product(name: str, x, y, spec: str, precision=None, preferred=None, exact: str = ""):
    """The einsum `spec` of two arrays of any dtypes; a size of 1 meets any size, except of the letters `exact`."""
    x, y = promote_dtypes(name, as_array(name, x), as_array(name, y))
    terms, out = spec.split("->")
    a, b = terms.split(",")
    x, a = _diagonals(name, x, a)
    y, b = _diagonals(name, y, b)
    size = {c: m if n == 1 else n for c, n, m in _shared(name, x, a, y, b, exact)}
    x, a = _without_ones(x, a, size)
    y, b = _without_ones(y, b, size)
    x, a = sum_alone(x, a, b + out)
    y, b = sum_alone(y, b, a + out)
    return dot_of(x, y, f"{a},{b}->{out}", _precision(name, precision), user_dtype(name, preferred))


def _precision(name: str, precision):
    """None, a name or a pair of names; enumerations are taken by their names."""
    if precision is None:
        return None
    if isinstance(precision, (tuple, list)) and len(precision) == 2:
        return tuple([_precision(name, p) for p in precision])
    word = str(getattr(precision, "name", precision)).lower()
    if word not in _PRECISIONS:
        raise ValueError(f'{name}: precision={precision!r} at {at()}; give "default", "high" or "highest"')
    return _PRECISIONS[word]


def _shared(name, x, a, y, b, exact) -> list:
    """(letter, size in x, size in y) of the letters of both terms. Raises ValueError where the sizes do not meet."""
    sizes = dict(zip(b, typeof(y).shape))
    found = [(c, n, sizes[c]) for c, n in zip(a, typeof(x).shape) if c in sizes]
    if any(n != m and (c in exact or 1 not in (n, m)) for c, n, m in found):
        raise ShapeError(f"{name}: cannot multiply {typeof(x)} by {typeof(y)} at {at()}, as sizes that have to be "
                         "equal differ; transpose or reshape one of them")  # fmt: skip
    return found


def _diagonals(name, x, term: str):
    """Take the diagonal over letters that a term repeats. Raises ValueError where their sizes differ."""
    while len(set(term)) < len(term):
        c = next(c for c in term if term.count(c) > 1)
        i = term.index(c)
        j = term.index(c, i + 1)
        if typeof(x).shape[i] != typeof(x).shape[j]:
            raise ShapeError(f"{name}: axes {i} and {j} of {typeof(x)} are both {c!r} and differ in size, at {at()}")
        x, term = diagonal(x, 0, i, j), term[:i] + term[i + 1 : j] + term[j + 1 :] + c
    return x, term


def _without_ones(x, term: str, size):
    """Drop the axes of size 1 that meet another size: the other operand alone has them then."""
    shape = typeof(x).shape
    kept = [i for i, c in enumerate(term) if shape[i] == size.get(c, shape[i])]
    if len(kept) == len(term):
        return x, term
    return lax.reshape(x, tuple([shape[i] for i in kept])), "".join([term[i] for i in kept])


def sum_alone(x, term: str, others: str):
    """Sum over the letters that no other term has: the primitive has each letter in two terms at least."""
    gone = tuple([i for i, c in enumerate(term) if c not in others])
    if not gone:
        return x, term
    return _sum(x, gone, promote_integers=False), "".join([c for c in term if c in others])


def _batched(name, x, y, core: str, precision=None, preferred=None):
    """The product of the last axes by `core`, the axes in front broadcast."""
    terms, out = core.split("->")
    a, b = terms.split(",")
    n, m = typeof(x).ndim - len(a), typeof(y).ndim - len(b)
    if n < 0 or m < 0:
        raise ValueError(
            f"{name}: takes at least {len(a)} and {len(b)} axes, got {typeof(x)} and {typeof(y)} at {at()}")
    batch = LETTERS[26 : 26 + max(n, m)]
    spec = f"{batch[len(batch) - n :]}{a},{batch[len(batch) - m :]}{b}->{batch}{out}"
    return product(name, x, y, spec, precision, preferred, exact="k")


# ---- matrices and vectors ----

_CORES = {(1, 1): "k,k->", (1, 2): "k,km->m", (2, 1): "nk,k->n", (2, 2): "nk,km->nm"}


def _by_numpy(x, y):
    """The product of two NumPy arrays, or None where NumPy refuses or sums differently."""
    if x.dtype is not y.dtype or x.dtype.char not in _EXACT:
        return None
    try:
        return of_value(quietly(np.matmul, x, y))
    except REFUSED:
        return None


def matmul(a, b, *, precision=None, preferred_element_type=None, out_sharding=None):
    """The matrix product a @ b; vectors are rows on the left and columns on the right, axes in front broadcast.

    a: (..., n, k) or (k,); b: (..., k, m) or (k,) -> (..., n, m) without the axes of vectors, in the dtype in which
    both meet or in `preferred_element_type`. precision: "default", "high" or "highest", for accelerators with fewer
    bits. Raises ValueError for numbers and for sizes that differ.
    """
    if type(a) is Array and type(b) is Array and not tracing and preferred_element_type is None:
        made = _by_numpy(a._value, b._value)
        if made is not None:
            return made
    a, b = as_array("matmul", a), as_array("matmul", b)
    s, t = typeof(a), typeof(b)
    n, m = s.ndim, t.ndim
    plain = s.dtype is t.dtype and 0 < n <= 2 and 0 < m <= 2 and s.shape[-1] == t.shape[0]
    if plain and preferred_element_type is None:
        return dot_of(a, b, _CORES[n, m], _precision("matmul", precision))
    if not (n and m):
        raise ShapeError(f"matmul: takes vectors and matrices, got {s} and {t} at {at()}; use `*`")
    return _batched("matmul", a, b, _CORES[min(n, 2), min(m, 2)], precision, preferred_element_type)


def dot(a, b, *, precision=None, preferred_element_type=None, out_sharding=None):
    """The sum over the last axis of `a` and the second to last of `b` (the only one of a vector); of numbers, a * b.

    a: (..., k); b: (..., k, m) or (k,) -> the other axes of `a`, then those of `b`.
    """
    if type(a) is Array and type(b) is Array and not tracing and preferred_element_type is None:
        made = _by_numpy(a._value, b._value) if 0 < b._value.ndim <= 2 else None
        if made is not None:
            return made
    a, b = as_array("dot", a), as_array("dot", b)
    return _over_one_axis("dot", a, b, max(typeof(b).ndim - 2, 0), precision, preferred_element_type)


def _over_one_axis(name, a, b, axis, precision, preferred):
    """The sum over the last axis of `a` and one axis of `b`; of numbers, a * b."""
    n, m = typeof(a).ndim, typeof(b).ndim
    if not (n and m):
        return multiply(a, b)
    first, second = LETTERS[:n], LETTERS[n : n + m]
    second = second[:axis] + first[-1] + second[axis + 1 :]
    out = (first + second).replace(first[-1], "")
    return product(name, a, b, f"{first},{second}->{out}", precision, preferred, exact=first[-1])


def vdot(a, b, *, precision=None, preferred_element_type=None):
    """The inner product of all elements, with the conjugates of those of `a`."""
    a, b = [_flat(as_array("vdot", x)) for x in (a, b)]
    return product("vdot", conjugate(a), b, "k,k->", precision, preferred_element_type, exact="k")


def _flat(x):
    return x if typeof(x).ndim == 1 else lax.reshape(x, (typeof(x).size,))


def inner(a, b, *, precision=None, preferred_element_type=None):
    """The sum over the last axes of both, without conjugation; of numbers, a * b."""
    a, b = as_array("inner", a), as_array("inner", b)
    return _over_one_axis("inner", a, b, typeof(b).ndim - 1, precision, preferred_element_type)


def outer(a, b, out=None):
    """All products of an element of `a` with one of `b`, both in row-major order: (a.size, b.size)."""
    no_out("outer", out)
    made = by_numpy(np.outer, a, b)
    if made is not None:
        return made
    a, b = promote_dtypes("outer", *[_flat(as_array("outer", x)) for x in (a, b)])
    shape = typeof(a).shape + typeof(b).shape
    return multiply(lax.broadcast_in_dim(a, shape, (0,)), lax.broadcast_in_dim(b, shape, (1,)))


def kron(a, b):
    """The Kronecker product: every element of `a` times the whole of `b`; axes are aligned at the end."""
    made = by_numpy(np.kron, a, b)
    if made is not None:
        return made
    a, b = promote_dtypes("kron", as_array("kron", a), as_array("kron", b))
    ndim = max(typeof(a).ndim, typeof(b).ndim)
    n, m = [(1,) * (ndim - typeof(x).ndim) + typeof(x).shape for x in (a, b)]
    shape = tuple([size for pair in zip(n, m) for size in pair])
    a = lax.broadcast_in_dim(a, shape, tuple(range(2 * (ndim - typeof(a).ndim), 2 * ndim, 2)))
    b = lax.broadcast_in_dim(b, shape, tuple(range(2 * (ndim - typeof(b).ndim) + 1, 2 * ndim + 1, 2)))
    return lax.reshape(multiply(a, b), tuple([i * j for i, j in zip(n, m)]))


def vecdot(x1, x2, /, *, axis=-1, precision=None, preferred_element_type=None):
    """The inner products along an axis, with the conjugates of `x1`; the other axes broadcast."""
    x1, x2 = as_array("vecdot", x1), as_array("vecdot", x2)
    x1, x2 = [moveaxis(x, canonical_axis("vecdot", axis, typeof(x).ndim), -1) for x in (x1, x2)]
    return _batched("vecdot", conjugate(x1), x2, "k,k->", precision, preferred_element_type)


def matvec(x1, x2, /):
    """The products of matrices (..., n, k) with vectors (..., k): (..., n)."""
    return _batched("matvec", as_array("matvec", x1), as_array("matvec", x2), "nk,k->n")


def vecmat(x1, x2, /):
    """The products of conjugated vectors (..., k) with matrices (..., k, m): (..., m)."""
    return _batched("vecmat", conjugate(as_array("vecmat", x1)), as_array("vecmat", x2), "k,km->m")


def tensordot(a, b, axes=2, *, precision=None, preferred_element_type=None, out_sharding=None):
    """The sum over pairs of axes: the last `axes` of `a` with the first of `b`, or those in `axes = (of a, of b)`.

    The result has the other axes of `a`, then those of `b`. Raises ValueError where the sizes of a pair differ.
    """
    a, b = as_array("tensordot", a), as_array("tensordot", b)
    n, m = typeof(a).ndim, typeof(b).ndim
    if isinstance(axes, (tuple, list)) and len(axes) == 2:
        left, right = [[x] if not isinstance(x, (tuple, list)) else list(x) for x in axes]
    else:
        count = one_integer("tensordot", "a count of axes", axes)
        if not 0 <= count <= min(n, m):
            raise ShapeError(f"tensordot: cannot sum over {count} axes of {typeof(a)} and {typeof(b)} at {at()}")
        left, right = list(range(n - count, n)), list(range(count))
    left = [canonical_axis("tensordot", x, n) for x in left]
    right = [canonical_axis("tensordot", x, m) for x in right]
    if len(left) != len(right) or any(typeof(a).shape[i] != typeof(b).shape[j] for i, j in zip(left, right)):
        raise ShapeError(f"tensordot: axes {tuple(left)} of {typeof(a)} and {tuple(right)} of {typeof(b)} do not pair, "
                         f"at {at()}; give equally many of equal sizes")  # fmt: skip
    first, second = list(LETTERS[:n]), list(LETTERS[n : n + m])
    for i, j in zip(left, right):
        second[j] = first[i]
    rest = [c for i, c in enumerate(first) if i not in left] + [c for j, c in enumerate(second) if j not in right]
    spec = f"{''.join(first)},{''.join(second)}->{''.join(rest)}"
    return product("tensordot", a, b, spec, precision, preferred_element_type)


# ---- einsum ----


@functools.lru_cache(1024)
def _parsed(subscripts: str, ndims: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """The terms of the operands and of the result, without ellipses."""
    text = subscripts.replace(" ", "")
    ins, arrow, out = text.partition("->")
    terms = ins.split(",")
    bad = set(ins.replace("...", "").replace(",", "") + out.replace("...", "")) - set(LETTERS)
    if bad or len(terms) != len(ndims):
        raise ValueError(f"{subscripts!r} has {len(terms)} terms for {len(ndims)} operands" if not bad
                         else f"{subscripts!r} holds {sorted(bad)[0]!r}; use letters, `,`, `->` and `...`")  # fmt: skip
    free = [c for c in LETTERS if c not in text]
    wide = max([n - len(t.replace("...", "")) for t, n in zip(terms, ndims) if "..." in t], default=0)
    batch = "".join(free[:wide]) if wide > 0 else ""
    made = []
    for term, n in zip(terms, ndims):
        more = n - len(term.replace("...", ""))
        if more < 0 or (more and "..." not in term):
            raise ValueError(f"the term {term!r} of {subscripts!r} names {n - more} axes of an operand that has {n}")
        made.append(term.replace("...", batch[len(batch) - more :]))
    if not arrow:
        once = "".join(made)
        out = batch + "".join(sorted([c for c in set(once) if once.count(c) == 1 and c not in batch]))
    out = out.replace("...", batch)
    if len(set(out)) < len(out) or set(out) - set("".join(made)):
        raise ValueError(f"the result of {subscripts!r} repeats a letter, or has one that no operand has")
    return tuple(made), out


def _operands(args) -> tuple[str, list]:
    """(subscripts, operands) of both ways to call `einsum`."""
    if isinstance(args[0], str):
        return args[0], list(args[1:])
    operands, lists = args[: len(args) // 2 * 2 : 2], args[1::2]
    spell = lambda entries: "".join(["..." if e is Ellipsis else LETTERS[operator.index(e)] for e in entries])
    out = f"->{spell(args[-1])}" if len(args) % 2 else ""
    return ",".join(map(spell, lists)) + out, list(operands)


def _checked(name, subscripts, operands):
    operands = [as_array(name, x) for x in operands]
    try:
        terms, out = _parsed(subscripts, tuple([typeof(x).ndim for x in operands]))
    except ValueError as error:
        raise ValueError(f"{name}: {error}, at {at()}") from None
    return operands, list(terms), out


def _path(subscripts: str, shapes, optimize) -> list[tuple[int, ...]]:
    """The order in which to contract: pairs of positions; a result takes the last position."""
    if optimize is False or len(shapes) < 3:
        return [(0, 1)] * (len(shapes) - 1)
    if isinstance(optimize, (list, tuple)):
        return [tuple(step) for step in optimize if not isinstance(step, str)]
    how = "auto" if optimize is True else optimize
    return _opt_einsum().contract_path(subscripts, *shapes, shapes=True, optimize=how)[0]


@functools.cache
def _opt_einsum():
    """Imported by the first product of three operands or more: it takes 10 ms, a tenth of all of the import."""
    return importlib.import_module("opt_einsum")


def einsum(subscripts, /, *operands, out=None, optimize="auto", precision=None, preferred_element_type=None,
           out_sharding=None):  # fmt: skip
    """Sums of products in Einstein's notation, as `numpy.einsum`: "ij,jk->ik" is the matrix product.

    optimize: the order of products of three and more operands: "auto", "greedy", "optimal", False (left to right), or
    a path as `einsum_path` returns. Raises ValueError for subscripts that do not fit the operands.
    """
    no_out("einsum", out)
    subscripts, operands = _operands((subscripts, *operands))
    operands, terms, result = _checked("einsum", subscripts, operands)
    if len(operands) == 1:
        return _unary("einsum", operands[0], terms[0], result, preferred_element_type)
    path = _path(f"{','.join(terms)}->{result}", [typeof(x).shape for x in operands], optimize)
    for positions in path:
        *rest, last = sorted(positions)
        x, a = operands.pop(last), terms.pop(last)
        for i in reversed(rest):
            y, b = operands.pop(i), terms.pop(i)
            needed = result + "".join(terms) + "".join([terms[k] for k in rest if k < i])
            kept = result if not terms else "".join([c for c in dict.fromkeys(b + a) if c in needed])
            x, a = product("einsum", y, x, f"{b},{a}->{kept}", precision, preferred_element_type), kept
        operands.append(x)
        terms.append(a)
    return operands[0] if terms[0] == result else _unary("einsum", operands[0], terms[0], result, None)


def _unary(name, x, term, result, preferred):
    x, term = _diagonals(name, x, term)
    x, term = sum_alone(x, term, result)
    if preferred is not None:
        x = lax.convert_element_type(x, user_dtype(name, preferred))
    return x if term == result else lax.transpose(x, tuple([term.index(c) for c in result]))


def einsum_path(subscripts, /, *operands, optimize="auto"):
    """(path, description) of the order in which `einsum` contracts; the path can be given to it as `optimize`."""
    subscripts, operands = _operands((subscripts, *operands))
    operands, terms, result = _checked("einsum_path", subscripts, operands)
    shapes = [typeof(x).shape for x in operands]
    return _opt_einsum().contract_path(f"{','.join(terms)}->{result}", *shapes, shapes=True, optimize=optimize)
