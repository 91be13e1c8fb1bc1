"""Lowerings of `prims.random`: plain integer operations, which XLA fuses into one loop with what reads the bits."""

from __future__ import annotations

import math

import numpy as np

from functorch_lite.ir import array_type
from functorch_lite.prims import random as p
from functorch_lite.xla.module import lowering


def cipher(low, keys, key_type, x0, x1, type_, axes):
    """Threefry on words of `type_`; the key words have `key_type` and lie along `axes`. `x0` None means zeros."""
    op = lambda name, a, b, t=type_: low.op(name, t, [a, b])
    wide = lambda k: k if key_type is type_ else low.broadcast(k, key_type, type_.shape, axes)
    k0, k1 = keys
    k2 = op("xor", op("xor", k0, k1, key_type), low.constant(p.PARITY, key_type), key_type)
    keys = (k0, k1, k2)
    x0 = wide(k0) if x0 is None else op("add", x0, wide(k0))
    x1 = op("add", x1, wide(k1))
    for i in range(5):
        for r in p.ROTATIONS[i % 2]:
            x0 = op("add", x0, x1)
            left = op("shift_left", x1, low.constant(r, type_))
            right = op("shift_right_logical", x1, low.constant(32 - r, type_))
            x1 = op("xor", op("or", left, right), x0)
        x0 = op("add", x0, wide(keys[(i + 1) % 3]))
        x1 = op("add", x1, wide(op("add", keys[(i + 2) % 3], low.constant(i + 1, key_type), key_type)))
    return x0, x1


def _key_words(low, key, type_):
    """The two words of each key of a batch."""
    words = []
    for k in (0, 1):
        start, limit = (0,) * (type_.ndim - 1) + (k,), (*type_.shape[:-1], k + 1)
        attributes = low.memo(("slice", start, limit, 1), lambda start=start, limit=limit: {
            "start_indices": low.d.axes[start], "limit_indices": low.d.axes[limit],
            "strides": low.d.axes[(1,) * type_.ndim]})  # fmt: skip
        part = low.op("slice", type_.with_shape((*type_.shape[:-1], 1)), [key], attributes)
        words.append(low.op("reshape", type_.with_shape(type_.shape[:-1]), [part]))
    return words


def _counters(low, shape, before, dtype):
    """The position of each element in row-major order, repeated over `before` leading axes."""
    type_, total = array_type(shape, dtype), None
    for axis in range(before, len(shape)):
        if shape[axis] == 1:
            continue
        attributes = low.memo(("iota", axis), lambda axis=axis: {"iota_dimension": low.d.i64[axis]})
        part, stride = low.op("iota", type_, [], attributes), math.prod(shape[axis + 1 :])
        if stride != 1:
            part = low.op("multiply", type_, [part, low.constant(stride, type_)])
        total = part if total is None else low.op("add", type_, [total, part])
    return low.constant(0, type_) if total is None else total


def _stream(low, key, key_type, shape):
    """The blocks of each key of a batch for an array of `shape` of counters, and their type."""
    batch = key_type.shape[:-1]
    type_ = array_type((*batch, *shape), p.U32)
    x0 = None
    if math.prod(shape) <= 2**32:
        x1 = _counters(low, type_.shape, len(batch), p.U32)
    else:
        long = type_.with_dtype(np.dtype(np.uint64))
        count = _counters(low, type_.shape, len(batch), long.dtype)
        x0 = low.op("convert", type_, [low.op("shift_right_logical", long, [count, low.constant(32, long)])])
        x1 = low.op("convert", type_, [count])
    keys, words = _key_words(low, key, key_type), key_type.with_shape(batch)
    return cipher(low, keys, words, x0, x1, type_, tuple(range(len(batch)))), type_


@lowering(p.threefry2x32_p)
def _threefry2x32(low, xs, in_types, out_types):
    key0, key1, count0, count1 = xs
    return list(cipher(low, (key0, key1), out_types[0], count0, count1, out_types[0], ()))


@lowering(p.random_bits_p)
def _random_bits(low, xs, in_types, out_types, *, shape, width):
    out = out_types[0]
    (high, low_word), type_ = _stream(low, xs[0], in_types[0], shape)
    if width == 64:
        high, low_word = [low.op("convert", out, [x]) for x in (high, low_word)]
        return low.op("or", out, [low.op("shift_left", out, [high, low.constant(32, out)]), low_word])
    bits = low.op("xor", type_, [high, low_word])
    return bits if width == 32 else low.op("convert", out, [bits])


def _stacked(low, words, type_, out):
    """New keys: two arrays of words as one whose last axis holds them.

    The barrier keeps XLA from computing the cipher that made a key once more in everything that uses the key: without
    it eight normal samples of a split key compile ten times as long.
    """
    thin = out.with_shape((*type_.shape, 1))
    parts = [low.op("reshape", thin, [w]) for w in words]
    axis = type_.ndim
    made = low.op("concatenate", out, parts, low.memo(("concatenate", axis), lambda: {"dimension": low.d.i64[axis]}))
    return low.op("optimization_barrier", out, [made])


@lowering(p.random_split_p)
def _random_split(low, xs, in_types, out_types, *, shape):
    words, type_ = _stream(low, xs[0], in_types[0], shape)
    return _stacked(low, words, type_, out_types[0])


@lowering(p.random_fold_in_p)
def _random_fold_in(low, xs, in_types, out_types):
    key, data = xs
    type_ = in_types[1]
    words = cipher(low, _key_words(low, key, in_types[0]), type_, None, data, type_, ())
    return _stacked(low, words, type_, out_types[0])
