"""Permutations, and samples of what is given."""

from __future__ import annotations

import math
import operator

import numpy as np

from functorch_lite import dtypes
from functorch_lite.config import config
from functorch_lite.numpy.promote import as_array
from functorch_lite.numpy.sorting import searchsorted
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import random as p
from functorch_lite.prims.cumulative import cumsum
from functorch_lite.prims.index import gather
from functorch_lite.prims.reduce import argmax
from functorch_lite.prims.shape import broadcast, full, iota, reshape, transpose
from functorch_lite.prims.slicing import slice as static_slice
from functorch_lite.prims.sort import sort, top_k
from functorch_lite.random.continuous import gumbels
from functorch_lite.random.keys import shape_of, words_of
from functorch_lite.random.parameters import run
from functorch_lite.random.uniform import randint, row, unit
from functorch_lite.trace import Tracer, at, typeof


def _axis_of(name, type_, axis):
    if not -type_.ndim <= axis < type_.ndim:
        raise ValueError(f"{name}: {axis} is no axis of {type_}, at {at()}")
    return axis % type_.ndim


def _population(name, a):
    """An array, or the Python integer that stands for the numbers below it."""
    if isinstance(a, Tracer) and not a.shape:
        a = operator.index(a)  # says which transform knows types only
    if isinstance(a, (int, np.integer)):
        return int(a)
    a = as_array(name, a)
    if a.shape:
        return a
    if not dtypes.is_integer(a.dtype):
        raise TypeError(f"{name}: takes an integer or an array with axes, got {typeof(a)} at {at()}")
    return int(a)


def take(x, positions, axis):
    """The slices of `x` at `positions` of one axis, which may have any shape."""
    shape, n = x.shape, positions.ndim
    offset = (*range(axis), *range(axis + n, len(shape) - 1 + n))
    sizes = [1 if a == axis else size for a, size in enumerate(shape)]
    return gather(x, reshape(positions, (*positions.shape, 1)), (offset, (axis,), (axis,), (), ()), sizes, "clip")


def _shuffled(words, x, axis):
    """Sorted by random keys, so often that probably no two elements had equal keys each time."""
    rounds = math.ceil(3 * math.log(max(1, x.size)) / math.log(2**32 - 1))
    for _ in range(rounds):
        keys = p.random_split(words, (2,))
        words = row(keys, 0)
        _, x = sort([p.random_bits(row(keys, 1), x.shape, 32), x], axis)
    return x


def permutation(key, x, axis=0, independent=False):
    """The integers below `x`, or the slices of the array `x` along `axis`, in random order.

    independent: every row along `axis` gets an order of its own.
    """
    words, _ = words_of("permutation", key)
    x = _population("permutation", x)
    if isinstance(x, int):
        return run(_order, (words,), max(x, 0), config.default_int)
    return run(_permuted, (words, x), _axis_of("permutation", typeof(x), axis), bool(independent), config.default_int)


def _order(words, n, dtype):
    return _shuffled(words, iota(dtype, (n,), 0), 0)


def _permuted(words, x, axis, independent, dtype):
    if independent or x.ndim == 1:
        return _shuffled(words, x, axis)
    return take(x, _order(words, x.shape[axis], dtype), axis)


def choice(key, a, shape=(), replace=True, p=None, axis=0, mode=None):
    """A sample of this shape of the integers below `a`, or of the slices of the array `a` along `axis`.

    replace: whether one may be drawn twice. p: the chances, (n,); uniform by default. mode: see `gumbel`.
    Raises ValueError where there is nothing to draw, or too little without replacement.
    """
    words, _ = words_of("choice", key)
    if not isinstance(shape, (tuple, list)):
        raise TypeError(f"choice: a shape is a tuple of integers, got {shape!r} at {at()}")
    shape, a = shape_of("choice", shape), _population("choice", a)
    axis = 0 if isinstance(a, int) else _axis_of("choice", typeof(a), axis)
    n, count = (a if isinstance(a, int) else a.shape[axis]), math.prod(shape)
    if not count:
        dtype, around = (config.default_int, ((), ())) if isinstance(a, int) else (a.dtype, _around(a.shape, axis))
        return full((*around[0], *shape, *around[1]), 0, dtype)
    if n <= 0:
        raise ValueError(f"choice: there is nothing to draw from, at {at()}; give 1 or more")
    if not replace and count > n:
        raise ValueError(f"choice: a sample of {count} out of {n} repeats some, at {at()}; use replace=True")
    if p is None and not replace:
        drawn = permutation(words, a, axis)
        before, after = _around(drawn.shape, axis)
        limit = (*before, count, *after)
        drawn = static_slice(drawn, (0,) * len(limit), limit)
        return reshape(drawn, (*before, *shape, *after))
    positions = randint(words, shape, 0, n) if p is None else _weighted(words, n, shape, replace, p, mode)
    return positions if isinstance(a, int) else take(a, positions, axis)


def _around(shape, axis):
    return shape[:axis], shape[axis + 1 :]


def _weighted(words, n, shape, replace, chances, mode):
    """Positions drawn with chances in proportion to `chances`."""
    chances = as_array("choice", chances)
    if typeof(chances).shape != (n,):
        raise ValueError(f"choice: p has one number for each of the {n} to draw from, got {typeof(chances)} at {at()}")
    dtype = chances.dtype if dtypes.is_float(chances.dtype) else config.default_float
    chances = e.convert(chances, dtype)
    if replace:
        return run(_by_sums, (words, chances), shape, config.default_int)
    return run(_by_scores, (words, chances), shape, mode, config.default_int)


def _by_scores(words, chances, shape, mode, dtype):
    """The largest of log(chance) + Gumbel noise are a sample without replacement."""
    scores = e.add(gumbels(words, chances.shape, chances.dtype, mode), e.log(chances))
    return e.convert(reshape(top_k(scores, math.prod(shape))[1], shape), dtype)


def _by_sums(words, chances, shape, dtype):
    """Where a random part of the total falls among the sums."""
    n, sums = chances.shape[0], cumsum(chances, 0)
    total = reshape(static_slice(sums, (n - 1,), (n,)), ())
    r = e.mul(e.sub(1.0, unit(words, shape, chances.dtype)), broadcast(total, shape))
    return e.convert(searchsorted(sums, r), dtype)


def categorical(key, logits, axis=-1, shape=None, replace=True, mode=None):
    """Positions along `axis` with chances in proportion to exp(logits).

    shape: of the result; the shape of `logits` without `axis` broadcasts to its end, and is the default. Without
    replacement the axes in front of it hold a sample in which no position occurs twice. mode: see `gumbel`.
    """
    words, _ = words_of("categorical", key)
    logits = as_array("categorical", logits)
    type_ = typeof(logits)
    axis = _axis_of("categorical", type_, axis)
    if not dtypes.is_float(type_.dtype):
        raise TypeError(f"categorical: logits are floats, got {type_} at {at()}; convert them")
    batch = (*type_.shape[:axis], *type_.shape[axis + 1 :])
    shape = batch if shape is None else shape_of("categorical", shape)
    ends = zip(batch[::-1], shape[::-1])
    if len(shape) < len(batch) or any([m not in (1, n) for m, n in ends]):
        raise ValueError(
            f"categorical: logits {type_} without axis {axis} do not broadcast to the shape {shape}, at {at()}")
    count = math.prod(shape[: len(shape) - len(batch)])
    if replace:
        return run(_with_replacement, (words, logits), axis, shape, mode, config.default_int)
    if count > type_.shape[axis]:
        raise ValueError(
            f"categorical: {count} of {type_.shape[axis]} positions repeat some, at {at()}; use replace=True")
    return run(_without_replacement, (words, logits), axis, shape, count, mode, config.default_int)


def _with_replacement(words, logits, axis, shape, mode, dtype):
    prefix = len(shape) - logits.ndim + 1
    whole = (*shape[: prefix + axis], logits.shape[axis], *shape[prefix + axis :])
    scores = e.add(gumbels(words, whole, logits.dtype, mode), broadcast(logits, whole))
    return argmax(scores, prefix + axis, dtype)


def _without_replacement(words, logits, axis, shape, count, mode, dtype):
    scores = e.add(logits, gumbels(words, logits.shape, logits.dtype, mode))
    order = [a for a in range(logits.ndim) if a != axis]
    positions = top_k(transpose(scores, (*order, axis)), count)[1]
    last = positions.ndim - 1
    made = reshape(transpose(positions, (last, *range(last))), shape)
    return e.convert(made, dtype)
