"""Counting: occurrences of numbers, and histograms in one, two and more directions."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.config import config
from functorch_lite.numpy.at import At
from functorch_lite.numpy.creation import linspace
from functorch_lite.numpy.joining import stack
from functorch_lite.numpy.promote import INEXACT, as_array, one_integer, promote_dtypes, said
from functorch_lite.numpy.reductions import max, min, sum
from functorch_lite.numpy.selecting import where
from functorch_lite.numpy.sorting import searchsorted
from functorch_lite.numpy.ufuncs import add, divide, equal, multiply, subtract
from functorch_lite.trace import at, typeof

__all__ = ["bincount", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd"]


def bincount(x, weights=None, minlength=0, *, length=None):
    """How often each number from 0 on occurs in a vector, or the sums of the weights where it does.

    x: (n,) integers of at least 0; weights: (n,) -> (max(max(x) + 1, minlength),), or (length,) where one is given:
    then other numbers are left out, and x need not be known while tracing. Raises TypeError for floats.
    """
    x = as_array("bincount", x)
    t = typeof(x)
    if t.ndim != 1 or dtypes.kind(t.dtype) not in "biu":
        raise TypeError(f"bincount: takes a vector of integers, got {t} at {at()}; ravel or convert it")
    if length is None:
        values = np.asarray(x)
        if values.size and values.min() < 0:
            raise ValueError(f"bincount: counts numbers of at least 0, got {values.min()} at {at()}; shift them")
        least = one_integer("bincount", "minlength", minlength)
        length = builtins.max(least, int(values.max()) + 1 if values.size else 0)
    if dtypes.is_bool(t.dtype):
        x = lax.convert_element_type(x, config.default_int)
    weights = _counting_weights(weights, t)
    empty = lax.full((one_integer("bincount", "length", length),), 0, typeof(weights).dtype)
    return At(empty)[x].add(weights, mode="drop", wrap_negative_indices=False)


def _counting_weights(weights, t):
    if weights is None:
        return lax.full(t.shape, 1, config.default_int)
    weights = as_array("bincount", weights)
    if typeof(weights).shape != t.shape:
        raise ValueError(f"bincount: weights of {typeof(weights)} for {t} at {at()}; give one for each")
    return weights


def histogram_bin_edges(a, bins=10, range=None, weights=None):
    """The edges of equal bins between the extremes of `a`, or of `range`: (bins + 1,) floats."""
    if type(bins) is not int and typeof(as_array("histogram", bins)).ndim:
        return promote_dtypes("histogram", as_array("histogram", bins), rule=INEXACT)[0]
    (a,) = promote_dtypes("histogram", as_array("histogram", a), rule=INEXACT)
    bins = one_integer("histogram", "the number of bins", bins)
    if bins < 1:
        raise ValueError(f"histogram: bins={bins} at {at()}; give at least 1")
    if range is None:
        low, high = (0.0, 1.0) if typeof(a).size == 0 else (min(a), max(a))
    else:
        try:
            low, high = range
        except (TypeError, ValueError):
            raise ValueError(f"histogram: range is a pair of numbers, got {said(range)} at {at()}") from None
    widen = where(equal(low, high), 0.5, 0.0)
    return linspace(subtract(low, widen), add(high, widen), bins + 1)


def _bin_of(x, edges, n: int):
    """The number of the bin in which each element of a vector lies; n outside."""
    place = lax.sub(searchsorted(edges, x, side="right"), 1)
    last = lax.broadcast_in_dim(lax.slice(edges, (n,), (n + 1,)), typeof(x).shape, (0,))
    place = where(lax.eq(x, last), n - 1, place)
    return where(lax.lt(place, 0), n, place)


def histogram(a, bins=10, range=None, weights=None, density=None):
    """(counts, edges) of the elements in each bin, the last of which contains its upper edge.

    bins: a number of equal bins, or their edges; range: (low, high), by default the extremes; weights: like a, summed
    in place of counting; density: divide by the total and the widths. Counts without weights are integers.
    """
    edges = histogram_bin_edges(a, bins, range, weights)
    flat, edges = promote_dtypes("histogram", as_array("histogram", a), edges, rule=INEXACT)
    flat = lax.reshape(flat, (typeof(flat).size,))
    n = typeof(edges).size - 1
    if weights is not None:
        weights = as_array("histogram", weights)
        if typeof(weights).size != typeof(flat).size:
            raise ValueError(f"histogram: weights of {typeof(weights)} for {typeof(flat)} at {at()}; give one each")
        weights = lax.reshape(weights, typeof(flat).shape)
    counts = bincount(_bin_of(flat, edges, n), weights, length=n)
    if not density:
        return counts, edges
    widths = subtract(lax.slice(edges, (1,), (n + 1,)), lax.slice(edges, (0,), (n,)))
    return divide(counts, multiply(widths, sum(counts))), edges


def histogram2d(x, y, bins=10, range=None, weights=None, density=None):
    """(counts, edges of x, edges of y) of points in a plane: see `histogramdd`.

    x, y: (n,); bins: one number or vector of edges for both, or a pair of these.
    """
    pair = isinstance(bins, (tuple, list)) and len(bins) == 2
    sample = stack([_points("histogram2d", x), _points("histogram2d", y)], 1)
    counts, edges = histogramdd(sample, bins if pair else [bins, bins], range, weights, density)
    return counts, *edges


def _points(name, x):
    x = as_array(name, x)
    if typeof(x).ndim != 1:
        raise ValueError(f"{name}: takes vectors of coordinates, got {typeof(x)} at {at()}; ravel it")
    return x


def histogramdd(sample, bins: Any = 10, range=None, weights=None, density=None):
    """(counts, list of edges) of points in boxes, of which the last in each direction contains its upper edge.

    sample: (n, d); bins: a number of equal bins, or one number or vector of edges for each direction; range: a pair of
    bounds or None for each; weights: (n,); density: divide by the total and the volumes.
    """
    sample = as_array("histogramdd", sample)
    if typeof(sample).ndim != 2:
        raise ValueError(f"histogramdd: takes points in rows, got {typeof(sample)} at {at()}; reshape it")
    n, d = typeof(sample).shape
    bins = [bins] * d if isinstance(bins, int) else list(bins)
    ranges = [None] * d if range is None else list(range)
    if len(bins) != d or len(ranges) != d:
        raise ValueError(f"histogramdd: {len(bins)} bins, {len(ranges)} ranges for {d} coordinates, at {at()}")
    flat, outside, all_edges, sizes = None, None, [], []
    for k, (b, bounds) in enumerate(zip(bins, ranges)):
        column = lax.reshape(lax.slice(sample, (0, k), (n, k + 1)), (n,))
        edges = histogram_bin_edges(column, b, bounds)
        column, edges = promote_dtypes("histogramdd", column, edges, rule=INEXACT)
        size = typeof(edges).size - 1
        place = _bin_of(column, edges, size)
        off = lax.ge(place, size)
        flat = place if flat is None else add(multiply(flat, size), place)
        outside = off if outside is None else lax.bitwise_or(outside, off)
        all_edges.append(edges)
        sizes.append(size)
    total = math.prod(sizes)
    counts = lax.reshape(bincount(where(outside, total, flat), weights, length=total), tuple(sizes))
    if not density:
        return counts, all_edges
    counts = divide(counts, sum(counts))
    for k, (edges, size) in enumerate(zip(all_edges, sizes)):
        widths = subtract(lax.slice(edges, (1,), (size + 1,)), lax.slice(edges, (0,), (size,)))
        counts = divide(counts, lax.broadcast_in_dim(widths, tuple(sizes), (k,)))
    return counts, all_edges
