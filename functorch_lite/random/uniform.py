"""Bits, and what is made of them directly: uniform floats and integers, coins."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.config import config
from functorch_lite.errors import DtypeError
from functorch_lite.numpy.promote import operand
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import random as r
from functorch_lite.prims.bits import bitcast, shift_right_logical
from functorch_lite.prims.shape import full, reshape
from functorch_lite.prims.slicing import slice as static_slice
from functorch_lite.random.keys import shape_of, words_of
from functorch_lite.random.parameters import fitted, float_dtype, integer_dtype, run, sample, sample_shape
from functorch_lite.trace import SCALARS, at, typeof


def bits(key, shape=(), dtype=None):
    """Random bits as unsigned integers; dtype: uint8 to uint64, uint32 by default.

    Raises TypeError for other dtypes.
    """
    words, _ = words_of("bits", key)
    found = r.U32 if dtype is None else dtypes.canonical(dtype)
    width = found.itemsize * 8
    if r.WIDTHS.get(width) != found:
        raise DtypeError(f"bits: {dtypes.short(found)} does not hold bits, at {at()}; choose uint8 to uint64")
    return r.random_bits(words, shape_of("bits", shape), width)


def row(x, k):
    """`x[k]`."""
    shape = x.shape[1:]
    rest = (0,) * len(shape)
    return reshape(static_slice(x, (k, *rest), (k + 1, *shape)), shape)


# ---- floats ----


def unit(words, shape, dtype):
    """Floats in [0, 1), all multiples of the spacing below 1: random mantissas of numbers in [1, 2), minus 1."""
    info = dtypes.finfo(dtype)
    width = info.bits if info.nmant >= 8 else 8
    container = r.WIDTHS[info.bits]
    random = e.convert(r.random_bits(words, shape, width), container)
    one = int(np.ones((), dtype).view(container))
    return e.sub(bitcast(e.or_(shift_right_logical(random, width - info.nmant), one), dtype), 1.0)


def between(words, shape, dtype, low, high):
    """Floats in [low, high); the bounds are `fitted`."""
    x = unit(words, shape, dtype)
    if type(low) in SCALARS and type(high) in SCALARS:
        span = float(np.subtract(np.array(high).astype(dtype), np.array(low).astype(dtype)))
        if low == 0.0 and span == 1.0:
            return x
    else:
        span = e.sub(high, low)
    return e.max_(low, e.add(e.mul(x, span), low))


def uniform(key, shape=(), dtype=None, minval=0.0, maxval=1.0):
    """Floats in [minval, maxval); the bounds broadcast to `shape`.

    dtype: a float dtype, by default that of `config.default_dtype`. Raises TypeError for other dtypes.
    """
    dtype = float_dtype("uniform", dtype)
    if type(minval) in SCALARS and type(maxval) in SCALARS and (minval, maxval) == (0, 1):
        return sample("uniform", unit, key, shape, dtype)
    return sample("uniform", between, key, shape, dtype, minval, maxval)


# ---- integers ----


def randint(key, shape, minval, maxval, dtype=None):
    """Integers in [minval, maxval), which broadcast to `shape`; minval where the range is empty.

    dtype: an integer dtype. Twice its bits, and 64 at least, are reduced modulo the size of the range, so the chances
    are equal up to the size of the range over 2^64. Raises TypeError for other dtypes.
    """
    words, _ = words_of("randint", key)
    dtype = integer_dtype("randint", dtype)
    low, high = operand("randint", minval), operand("randint", maxval)
    shape = sample_shape("randint", shape, low, high)
    if type(low) in SCALARS and type(high) in SCALARS:
        return run(_integers, (words,), shape, dtype, int(low), int(high))
    return run(_integers_between, (words, low, high), shape, dtype)


def _sampled_in(dtype):
    """The dtype in which integers are drawn: of 32 bits or more."""
    return dtype if dtypes.iinfo(dtype).bits >= 32 else np.dtype(np.int32)


def _two_words(words, shape, width):
    """The high and the low half of integers of twice the width, from two keys made of one."""
    both = r.random_bits(r.random_split(words, (2,)), shape, width)
    return [row(both, k) for k in (0, 1)]


def _integers(words, shape, dtype, low, high):
    """The size of the range is a Python integer; if it is a power of two, the high half does not count."""
    info, wide = dtypes.iinfo(dtype), _sampled_in(dtype)
    lowest, last, width = int(info.min), int(info.max), wide.itemsize * 8
    least, most = max(lowest, min(low, last)), max(lowest, min(high, last + 1))
    span = (most - least if most > least else 1) % (1 << width)
    if span == 1:
        return full(shape, least, dtype)
    if span & (span - 1) == 0:
        lower = r.random_bits(row(r.random_split(words, (2,)), 1), shape, width)
        offset = e.and_(lower, span - 1) if span else lower
    else:
        higher, lower = _two_words(words, shape, width)
        factor = (1 << width // 2) % span
        factor = factor * factor % (1 << width) % span
        offset = e.rem(e.add(e.mul(e.rem(higher, span), factor), e.rem(lower, span)), span)
    offset = e.convert(offset, wide)
    return e.convert(e.add(offset, least) if least else offset, dtype)


def _integers_between(words, low, high, shape, dtype):
    info, wide = dtypes.iinfo(dtype), _sampled_in(dtype)
    lowest, last, width = int(info.min), int(info.max), wide.itemsize * 8
    unsigned, narrow = r.WIDTHS[width], info.bits < width
    least = _clipped(low, shape, wide, lowest, last)
    most = _clipped(high, shape, wide, lowest, last + narrow)
    some = e.gt(most, least)
    span = e.select(some, e.convert(e.sub(most, least), unsigned), 1)
    over = False if narrow else _above(high, last)
    if over is not False:  # the end of the range is not in the dtype
        more = some if over is True else e.and_(some, fitted(over, shape, np.dtype(bool)))
        span = e.add(span, e.convert(more, unsigned))
    higher, lower = _two_words(words, shape, width)
    factor = e.rem(full(shape, 1 << (width // 2), unsigned), span)
    factor = e.rem(e.mul(factor, factor), span)
    offset = e.rem(e.add(e.mul(e.rem(higher, span), factor), e.rem(lower, span)), span)
    return e.convert(e.add(least, e.convert(offset, wide)), dtype)


def _clipped(x, shape, dtype, low, high):
    """Integers moved into a range, in the dtype and the shape of the sample; floats are truncated before."""
    if type(x) in SCALARS:
        return full(shape, max(low, min(int(x), high)), dtype)
    kind = typeof(x).dtype
    if not dtypes.is_integer(kind):
        x, kind = e.convert(x, config.default_int), config.default_int
    info = dtypes.iinfo(kind)
    low, high = max(low, int(info.min)), min(high, int(info.max))
    return fitted(e.min_(e.max_(x, low), high), shape, dtype)


def _above(x, last):
    """Where integers exceed a limit; False if none can."""
    if type(x) in SCALARS:
        return x > last
    kind = typeof(x).dtype
    return e.gt(x, last) if dtypes.is_integer(kind) and int(dtypes.iinfo(kind).max) > last else False


# ---- coins ----


def bernoulli(key, p=0.5, shape=None, mode="low"):
    """True with probability `p`, which broadcasts to `shape` (default: its own).

    mode: "high" resolves probabilities far below the spacing of floats near 1, at twice the cost.
    """
    if mode not in ("high", "low"):
        raise ValueError(f"bernoulli: mode={mode!r} at {at()} is unknown; use 'high' or 'low'")
    chance = operand("bernoulli", p)
    dtype = float_dtype("bernoulli (p)", typeof(chance).dtype)
    return sample("bernoulli", coins if mode == "low" else _fine_coins, key, shape, dtype, chance)


def coins(words, shape, dtype, chance):
    """Whether uniform numbers are below `chance`."""
    return e.lt(unit(words, shape, dtype), chance)


def _fine_coins(words, shape, dtype, chance):
    both = unit(words, (2, *shape), dtype)
    return e.lt(e.mul(row(both, 1), 2.0 ** -dtypes.finfo(dtype).nmant), e.sub(chance, row(both, 0)))


def rademacher(key, shape=(), dtype=None):
    """-1 or 1, with equal chances; dtype: of signed numbers, by default that of integers."""
    found = config.default_int if dtype is None else dtypes.canonical(dtype)
    if dtypes.kind(found) in "bu":
        raise TypeError(f"rademacher: {dtypes.short(found)} does not hold -1, at {at()}; choose a signed dtype")
    return sample("rademacher", signs, key, shape, config.default_float, extra=(found,))


def signs(words, shape, dtype, out):
    """-1 or 1 in the dtype `out`, decided by uniform numbers of `dtype`."""
    return e.select(coins(words, shape, dtype, 0.5), full(shape, 1, out), -1)
