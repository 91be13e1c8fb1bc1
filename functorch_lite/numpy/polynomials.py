"""Polynomials as vectors of their coefficients, from the highest power down."""

from __future__ import annotations

import numpy as np

from functorch_lite import lax
from functorch_lite.config import config
from functorch_lite.numpy.calculus import convolve, cut, in_dtype_of, vector
from functorch_lite.numpy.promote import INEXACT, NUMBER, as_array, one_integer, promote_dtypes
from functorch_lite.numpy.ufuncs import add, divide, multiply, subtract
from functorch_lite.trace import at, typeof

__all__ = ["poly", "polyadd", "polyder", "polydiv", "polyint", "polymul", "polysub", "polyval"]


def polyval(p, x, *, unroll=16):
    """The polynomial with the coefficients `p`, highest power first, at x, by Horner's rule.

    p: (n,) -> the shape of x. `unroll` changes nothing.
    """
    p = as_array("polyval", p)
    if typeof(p).ndim != 1:
        raise ValueError(f"polyval: takes a vector of coefficients, got {typeof(p)} at {at()}")
    x, p = promote_dtypes("polyval", as_array("polyval", x), p)
    shape = typeof(x).shape
    result = lax.full(shape, 0, typeof(x).dtype)
    for k in range(typeof(p).size):
        c = lax.broadcast_in_dim(lax.reshape(cut(p, 0, k, k + 1), ()), shape, ())
        result = c if k == 0 else add(multiply(result, x), c)
    return result


def _aligned(name, a1, a2):
    a1, a2 = promote_dtypes(name, vector(name, a1), vector(name, a2))
    n = max(typeof(a1).size, typeof(a2).size)
    zero = lax.full((), 0, typeof(a1).dtype)
    return [x if typeof(x).size == n else lax.pad(x, zero, [(n - typeof(x).size, 0, 0)]) for x in (a1, a2)]


def polyadd(a1, a2):
    """The coefficients of the sum of two polynomials."""
    return add(*_aligned("polyadd", a1, a2))


def polysub(a1, a2):
    """The coefficients of the difference of two polynomials."""
    return subtract(*_aligned("polysub", a1, a2))


def polymul(a1, a2, *, trim_leading_zeros=False):
    """The coefficients of the product of two polynomials.

    trim_leading_zeros: leave out the highest coefficients that are 0, which their values decide.
    """
    a1, a2 = vector("polymul", a1), vector("polymul", a2)
    if trim_leading_zeros:
        a1, a2 = [cut(x, 0, _leading_zeros(x), typeof(x).size) for x in (a1, a2)]
    return convolve(a1, a2)


def _leading_zeros(x) -> int:
    found = np.flatnonzero(np.asarray(x))
    return int(found[0]) if found.size else typeof(x).size - 1


def polyder(p, m=1):
    """The coefficients of the m-th derivative of a polynomial."""
    p, m = vector("polyder", p), one_integer("polyder", "m", m)
    if m < 0:
        raise ValueError(f"polyder: m={m} at {at()}; give at least 0, or use `polyint`")
    (p,) = promote_dtypes("polyder", p, rule=NUMBER)
    for _ in range(min(m, typeof(p).size)):
        n = typeof(p).size
        powers = lax.sub(n - 1, lax.iota(config.default_int, n - 1))
        p = multiply(cut(p, 0, 0, n - 1), in_dtype_of(powers, p))
    return p


def polyint(p, m=1, k=None):
    """The coefficients of the m-th integral of a polynomial; k: the m constants of integration, 0 by default."""
    (p,) = promote_dtypes("polyint", vector("polyint", p), rule=INEXACT)
    m = one_integer("polyint", "m", m)
    if m < 0:
        raise ValueError(f"polyint: m={m} at {at()}; give at least 0, or use `polyder`")
    constants = vector("polyint", 0 if k is None else k)
    if typeof(constants).size not in (1, m):
        raise ValueError(f"polyint: {typeof(constants).size} constants for m={m} at {at()}; give one each, or one")
    for i in range(m):
        n = typeof(p).size
        powers = lax.sub(n, lax.iota(config.default_int, n))
        constant = cut(constants, 0, i, i + 1) if typeof(constants).size > 1 else constants
        p = lax.concatenate(promote_dtypes("polyint", divide(p, in_dtype_of(powers, p)), constant), 0)
    return p


def poly(seq_of_zeros):
    """The coefficients of the polynomial with these roots, or this one: (n,) -> (n + 1,), the first of which is 1.

    Raises ValueError for a matrix, whose eigenvalues would be the roots.
    """
    roots = as_array("poly", seq_of_zeros)
    roots = lax.reshape(roots, (1,)) if typeof(roots).ndim == 0 else roots
    if typeof(roots).ndim != 1:
        raise ValueError(f"poly: takes a vector of roots, got {typeof(roots)} at {at()}")
    (roots,) = promote_dtypes("poly", roots, rule=INEXACT)
    one = lax.full((1,), 1, typeof(roots).dtype)
    made = one
    for k in range(typeof(roots).size):
        made = convolve(made, lax.concatenate([one, lax.neg(cut(roots, 0, k, k + 1))], 0))
    return made


def polydiv(u, v, *, trim_leading_zeros=False):
    """(quotient, remainder) of two polynomials.

    u: (n,), v: (m,) -> (max(n - m + 1, 1),), (n,). trim_leading_zeros: leave out the highest coefficients of the
    remainder that are 0, which their values decide.
    """
    u, v = promote_dtypes("polydiv", vector("polydiv", u), vector("polydiv", v), rule=INEXACT)
    n, m = typeof(u).size, typeof(v).size
    zero = lax.full((), 0, typeof(u).dtype)
    digits = []
    for k in range(n - m + 1):
        digits.append(divide(cut(u, 0, k, k + 1), cut(v, 0, 0, 1)))
        u = subtract(u, lax.pad(multiply(v, digits[-1]), zero, [(k, n - m - k, 0)]))
    quotient = lax.concatenate(digits, 0) if digits else lax.full((1,), 0, typeof(u).dtype)
    return quotient, cut(u, 0, _leading_zeros(u), n) if trim_leading_zeros else u
