"""Host functions of `prims.random`.

A few blocks are computed in Python integers that hold one word in every 64 bits: 5 us, where NumPy takes 45 us for its
120 calls. Many are computed by NumPy, in pieces that stay in the cache (13 ns per block), and very many by one compiled
program for a fixed number of blocks (4 ns), which does not depend on shapes. That program costs 150 ms once, so only a
million blocks start it.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from functorch_lite.array import backend
from functorch_lite.host.registry import host
from functorch_lite.ir import array_type
from functorch_lite.prims import random as p
from functorch_lite.prims.elementwise import add
from functorch_lite.prims.shape import broadcast, iota
from functorch_lite.trace import trace

_FEW = 192  # blocks
_PIECE = 1 << 14  # blocks of which NumPy's buffers stay in the cache
_CHUNK = 1 << 18  # blocks of the compiled program
_WORTH_COMPILING = 1 << 20


@functools.lru_cache(None)
def _lanes(n):
    """Python integers of n lanes of 64 bits: a one in each, and the number of the lane in each."""
    ones = sum([1 << 64 * i for i in range(n)])
    return ones, sum([i << 64 * i for i in range(n)])


def few_blocks(k0: int, k1: int, x0: int, x1: int, ones: int) -> tuple[int, int]:
    """The cipher on words in lanes: the upper half of a lane takes the carry and what a rotation moves out."""
    mask = ones * 0xFFFFFFFF
    keys = (k0, k1, k0 ^ k1 ^ ones * p.PARITY)
    x0, x1 = x0 + k0 & mask, x1 + k1 & mask
    for i in range(5):
        for r in p.ROTATIONS[i % 2]:
            x0 = x0 + x1 & mask
            x1 = (x1 << r & mask | x1 >> 32 - r & mask) ^ x0
        x0 = x0 + keys[(i + 1) % 3] & mask
        x1 = x1 + keys[(i + 2) % 3] + ones * (i + 1) & mask
    return x0, x1


def _few(keys, n):
    """The blocks of each of a few keys for the counters 0 to n-1, in lanes."""
    flat = keys.reshape(-1, 2).tolist()
    ones, count = _lanes(n)
    k0 = k1 = x1 = 0
    for i, (a, b) in enumerate(flat):
        at = 64 * n * i
        k0, k1, x1 = k0 | ones * a << at, k1 | ones * b << at, x1 | count << at
    return few_blocks(k0, k1, 0, x1, _lanes(n * len(flat))[0])


def _unpacked(lanes: int, n: int, dtype) -> np.ndarray:
    """The low bits of each of n lanes."""
    wide = np.frombuffer(lanes.to_bytes(8 * n, "little"), dtype)
    return wide if dtype.itemsize == 8 else np.array(wide[:: 8 // dtype.itemsize])


_SHIFTS = [[(np.uint32(r), np.uint32(32 - r)) for r in rs] for rs in p.ROTATIONS]
_STEPS = [np.uint32(i) for i in range(6)]


def blocks(k0, k1, x0, x1):
    """The cipher on arrays of words; `x0` and `x1` are overwritten by the results."""
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(p.PARITY))
    buffer = np.empty_like(x1)
    np.add(x0, k0, out=x0)
    np.add(x1, k1, out=x1)
    for i in range(5):
        for left, right in _SHIFTS[i % 2]:
            np.add(x0, x1, out=x0)
            np.left_shift(x1, left, out=buffer)
            np.right_shift(x1, right, out=x1)
            np.bitwise_or(x1, buffer, out=x1)
            np.bitwise_xor(x1, x0, out=x1)
        np.add(x0, keys[(i + 1) % 3], out=x0)
        np.add(x1, keys[(i + 2) % 3] + _STEPS[i + 1], out=x1)


@functools.lru_cache(1)
def _chunk_graph():
    """(key words, high and low word of the first counter) -> the blocks of `_CHUNK` counters."""
    word = array_type((), p.U32)

    def body(k0, k1, high, low):
        k0, k1, high, low = [broadcast(x, (_CHUNK,)) for x in (k0, k1, high, low)]
        return p.threefry2x32(k0, k1, high, add(low, iota(p.U32, (_CHUNK,), 0)))

    return trace(body, [word] * 4, transform="random bits").graph


def stream(key, n):
    """The blocks of a key for the counters 0 to n-1, as two arrays of words."""
    words = np.empty((2, n), p.U32)
    if n >= _WORTH_COMPILING or (n >= _CHUNK and "run_values" in vars(backend)):
        for start in range(0, n, _CHUNK):
            first = [np.asarray(v, p.U32) for v in (key[0], key[1], start >> 32, start & 0xFFFFFFFF)]
            made = backend.run_values(_chunk_graph(), first)
            for row, part in zip(words, made, strict=True):
                row[start : start + _CHUNK] = part[: n - start]
    else:
        words[0], words[1] = 0, np.arange(n, dtype=p.U32)
        for start in range(0, n, _PIECE):
            blocks(key[0], key[1], *words[:, start : start + _PIECE])
    return words


def streams(keys, n):
    """The blocks of each of a batch of keys: words (2, keys, n)."""
    flat = np.reshape(keys, (-1, 2))
    if n >= _CHUNK or len(flat) == 1:
        return np.stack([stream(key, n) for key in flat], 1)
    words = np.zeros((2, len(flat), n), p.U32)
    words[1] = np.arange(n, dtype=p.U32)
    rows = max(1, _PIECE // max(n, 1))
    for start in range(0, len(flat), rows):
        part = flat[start : start + rows]
        blocks(part[:, :1], part[:, 1:], *words[:, start : start + rows])
    return words


@host(p.threefry2x32_p)
def _threefry2x32(in_types, out_types):
    def fun(k0, k1, x0, x1):
        made = [np.array(x0), np.array(x1)]
        blocks(k0, k1, *made)
        return made

    return fun


@host(p.random_bits_p)
def _random_bits(in_types, out_types, *, shape, width):
    n, out = math.prod(shape), out_types[0]

    def few(key):
        high, low = _few(key, n)
        lanes = high << 32 | low if width == 64 else high ^ low
        return _unpacked(lanes, out.size, out.dtype).reshape(out.shape)

    def many(key):
        high, low = streams(key, n)
        if width == 64:
            bits = high.astype(np.uint64) << np.uint64(32) | low
        else:
            bits = (high ^ low).astype(out.dtype, copy=False)
        return bits.reshape(out.shape)

    return few if out.size <= _FEW else many


@host(p.random_split_p)
def _random_split(in_types, out_types, *, shape):
    n, out = math.prod(shape), out_types[0]

    def few(key):
        first, second = _few(key, n)
        return np.frombuffer((second << 32 | first).to_bytes(4 * out.size, "little"), p.U32).reshape(out.shape)

    return few if out.size <= 2 * _FEW else lambda key: np.stack(list(streams(key, n)), -1).reshape(out.shape)


@host(p.random_fold_in_p)
def _random_fold_in(in_types, out_types):
    def one(key, data):
        first, second = few_blocks(int(key[0]), int(key[1]), 0, int(data), 1)
        return np.array((first, second), p.U32)

    def many(key, data):
        words = np.zeros((2, *data.shape), p.U32)
        words[1] = data
        blocks(key[..., 0], key[..., 1], *words)
        return np.stack(list(words), -1)

    return one if in_types[0].ndim == 1 else many
