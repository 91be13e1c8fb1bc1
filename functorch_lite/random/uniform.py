"""Bits, and what is made of them directly: uniform floats and integers, coins."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.config import config
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import random as p
from functorch_lite.prims.bits import bitcast, shift_right_logical
from functorch_lite.prims.shape import full, reshape
from functorch_lite.prims.slicing import slice as static_slice
from functorch_lite.random.keys import shape_of, words_of
from functorch_lite.random.parameters import fitted, float_dtype, parameter, sample_shape
from functorch_lite.trace import SCALARS, at, typeof


def bits(key, shape=(), dtype=None):
    """Random bits as unsigned integers; dtype: uint8 to uint64, uint32 by default.

    Raises TypeError for other dtypes.
    """
    words, _ = words_of("bits", key)
    found = p.U32 if dtype is None else dtypes.canonical(dtype)
    width = found.itemsize * 8
    if p.WIDTHS.get(width) != found:
        raise TypeError(f"bits: {dtypes.short(found)} does not hold bits, at {at()}; choose uint8 to uint64")
    return p.random_bits(words, shape_of("bits", shape), width)


# ---- floats ----


def unit(words, shape, dtype):
    """Floats in [0, 1), all multiples of the spacing below 1: random mantissas of numbers in [1, 2), minus 1."""
    info = dtypes.finfo(dtype)
    width = info.bits if info.nmant >= 8 else 8
    container = p.WIDTHS[info.bits]
    random = e.convert(p.random_bits(words, shape, width), container)
    random = shift_right_logical(random, width - info.nmant) if width != info.nmant else random
    one = int(np.ones((), dtype).view(container))
    return e.sub(bitcast(e.or_(random, one), dtype), 1.0)


def between(words, shape, dtype, low, high):
    """Floats in [low, high), bounds being `fitted`."""
    x = unit(words, shape, dtype)
    if type(low) in SCALARS and type(high) in SCALARS:
        span = float((np.asarray(high) - np.asarray(low)).astype(dtype) if dtype.itemsize < 4
                     else np.subtract(high, low, dtype=dtype))  # fmt: skip
    else:
        span = e.sub(high, low)
    if type(low) in SCALARS and low == 0.0 and type(span) is float:
        return x if span == 1.0 else e.max_(low, e.mul(x, span))
    return e.max_(low, e.add(e.mul(x, span), low))


def uniform(key, shape=(), dtype=None, minval=0.0, maxval=1.0):
    """Floats in [minval, maxval); the bounds broadcast to `shape`.

    dtype: a float dtype, by default that of `config.default_dtype`. Raises TypeError for other dtypes.
    """
    words, _ = words_of("uniform", key)
    dtype = float_dtype("uniform", dtype)
    low, high = parameter("uniform", minval), parameter("uniform", maxval)
    shape = sample_shape("uniform", shape_of("uniform", shape), low, high)
    return between(words, shape, dtype, fitted(low, shape, dtype), fitted(high, shape, dtype))


# ---- integers ----


def randint(key, shape, minval, maxval, dtype=None):
    """Integers in [minval, maxval), which broadcast to `shape`; minval where the range is empty.

    dtype: an integer dtype. Twice its bits are reduced modulo the size of the range, so numbers are favoured by a part
    in 2^32 at most if the range is below 2^16, in 2^64 if it is below 2^32. Raises TypeError for other dtypes.
    """
    words, _ = words_of("randint", key)
    found = config.default_int if dtype is None else dtypes.canonical(dtype)
    if not dtypes.is_integer(found):
        raise TypeError(f"randint: samples are integers, not {dtypes.short(found)}, at {at()}; choose an integer dtype")
    low, high = parameter("randint", minval), parameter("randint", maxval)
    shape = sample_shape("randint", shape_of("randint", shape), low, high)
    info = dtypes.iinfo(found)
    wide = found if info.bits >= 32 else np.dtype(np.int32)  # of which all of `found`, and its end, are a part
    if type(low) in SCALARS and type(high) in SCALARS:
        made = _from_python(words, shape, wide, int(low), int(high), info)
    else:
        made = _from_arrays(words, shape, wide, low, high, info)
    return e.convert(made, found)


def _two_words(words, shape, width):
    """The high and the low half of integers of twice the width, from two keys made of one."""
    both = p.random_bits(p.random_split(words, (2,)), shape, width)
    return [row(both, k) for k in (0, 1)]


def row(x, k):
    """`x[k]`."""
    shape = x.shape[1:]
    rest = (0,) * len(shape)
    return reshape(static_slice(x, (k, *rest), (k + 1, *shape)), shape)


def _from_python(words, shape, dtype, low, high, info):
    """The size of the range is a Python integer; if it is a power of two, the high half does not count."""
    width, lowest, last = dtype.itemsize * 8, int(info.min), int(info.max)
    over = high > last
    least = max(lowest, min(low, last))
    most = max(lowest, min(high, last)) + over
    span = (most - least if most > least else 1) % (1 << width)
    if span == 1:
        return full(shape, least, dtype)
    if span & (span - 1) == 0:
        lower = p.random_bits(row(p.random_split(words, (2,)), 1), shape, width)
        offset = e.and_(lower, span - 1) if span else lower
    else:
        higher, lower = _two_words(words, shape, width)
        factor = (1 << width // 2) % span
        factor = factor * factor % (1 << width) % span
        offset = e.rem(e.add(e.mul(e.rem(higher, span), factor), e.rem(lower, span)), span)
    offset = e.convert(offset, dtype)
    return e.add(offset, least) if least else offset


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


def _from_arrays(words, shape, dtype, low, high, info):
    width, lowest, last = dtype.itemsize * 8, int(info.min), int(info.max)
    unsigned, narrow = p.WIDTHS[width], info.bits < width
    least = _clipped(low, shape, dtype, lowest, last)
    most = _clipped(high, shape, dtype, lowest, last + narrow)
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
    return e.add(least, e.convert(offset, dtype))


# ---- coins ----


def bernoulli(key, p=0.5, shape=None, mode="low"):
    """True with probability `p`, which broadcasts to `shape` (default: its own).

    mode: "high" resolves probabilities far below the spacing of floats near 1, at twice the cost.
    """
    words, _ = words_of("bernoulli", key)
    if mode not in ("high", "low"):
        raise ValueError(f"bernoulli: mode={mode!r} at {at()} is unknown; use 'high' or 'low'")
    chance = parameter("bernoulli", p)
    dtype = float_dtype("bernoulli (p)", typeof(chance).dtype)
    shape = sample_shape("bernoulli", shape, chance)
    chance = fitted(chance, shape, dtype)
    if mode == "low":
        return e.lt(unit(words, shape, dtype), chance)
    both = unit(words, (2, *shape), dtype)
    u, fine = row(both, 0), row(both, 1)
    return e.lt(e.mul(fine, 2.0 ** -dtypes.finfo(dtype).nmant), e.sub(chance, u))


def rademacher(key, shape=(), dtype=None):
    """-1 or 1, with equal chances; dtype: of numbers, by default that of integers."""
    found = config.default_int if dtype is None else dtypes.canonical(dtype)
    if dtypes.is_bool(found):
        raise TypeError(f"rademacher: samples are numbers, not bool, at {at()}; choose another dtype")
    coin = bernoulli(key, 0.5, shape_of("rademacher", shape))
    return e.select(coin, full(coin.shape, 1, found), -1)
