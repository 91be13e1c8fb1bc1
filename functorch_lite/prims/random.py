"""Random bits: the block cipher Threefry-2x32, whose key is two words of 32 bits, on counters.

A key is u32[..., 2]; leading axes are a batch of keys. The counters of an array of results are the positions of its
elements in row-major order, 64 bits each, the high word first.
Source: Salmon, Moraes, Dror & Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
"""

from __future__ import annotations

import numpy as np

from functorch_lite.ir import Primitive, array_type
from functorch_lite.prims.shape import batch
from functorch_lite.trace import at, bind

U32 = np.dtype(np.uint32)
WIDTHS = {width: np.dtype(f"uint{width}") for width in (8, 16, 32, 64)}
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def _check_words(name, types):
    for t in types:
        if t.dtype != U32:
            raise TypeError(f"{name}: takes u32 words, got {t} at {at()}; convert them")


def _check_key(name, key):
    _check_words(name, [key])
    if not key.ndim or key.shape[-1] != 2:
        raise ValueError(f"{name}: a key is u32[..., 2], got {key} at {at()}")


# ---- the cipher itself ----


def _infer_threefry(*words):
    _check_words("threefry2x32", words)
    if any(w.shape != words[0].shape for w in words):
        raise ValueError(f"threefry2x32: operands have one shape, got {', '.join(map(str, words))} at {at()}")
    vary = tuple(sorted({axis for w in words for axis in w.vary}))
    return [array_type(words[0].shape, U32, False, vary)] * 2


def _vmap_threefry(size, xs, batched):
    return threefry2x32(*[x if b else batch(x, size) for x, b in zip(xs, batched, strict=True)]), (True, True)


def _no_tangent(xs, ts, **params):
    raise AssertionError("words have no tangents")


threefry2x32_p = Primitive("threefry2x32", many=True, infer=_infer_threefry, jvp=_no_tangent, vmap=_vmap_threefry)


def threefry2x32(key0, key1, count0, count1):
    """The two words that Threefry-2x32 makes of two counter words under a key of two; all u32, of one shape."""
    return bind(threefry2x32_p, key0, key1, count0, count1)


# ---- what is made of it ----


def _infer_bits(key, *, shape, width):
    _check_key("random_bits", key)
    if width not in WIDTHS:
        raise ValueError(f"random_bits: there are 8, 16, 32 or 64 bits to an element, not {width}, at {at()}")
    return array_type((*key.shape[:-1], *shape), WIDTHS[width])


random_bits_p = Primitive(
    "random_bits",
    params=("shape", "width"),
    infer=_infer_bits,
    jvp=(None,),
    vmap=lambda size, xs, batched, *, shape, width: random_bits(xs[0], shape, width),
    weak=(),
)


def random_bits(key, shape, width):
    """Unsigned integers of `width` bits: for each key of a batch an array of `shape`."""
    return bind(random_bits_p, key, shape=tuple(shape), width=width)


def _infer_split(key, *, shape):
    _check_key("random_split", key)
    return array_type((*key.shape[:-1], *shape, 2), U32)


random_split_p = Primitive(
    "random_split",
    params=("shape",),
    infer=_infer_split,
    jvp=(None,),
    vmap=lambda size, xs, batched, *, shape: random_split(xs[0], shape),
    weak=(),
)


def random_split(key, shape):
    """New keys: for each key of a batch an array of `shape` of them."""
    return bind(random_split_p, key, shape=tuple(shape))


def _infer_fold_in(key, data):
    _check_key("random_fold_in", key)
    _check_words("random_fold_in", [data])
    if key.shape[:-1] != data.shape:
        raise ValueError(f"random_fold_in: takes one word per key, got {data} for {key}, at {at()}")
    return array_type(key.shape, U32)


random_fold_in_p = Primitive(
    "random_fold_in",
    infer=_infer_fold_in,
    jvp=(None, None),
    vmap=lambda size, xs, batched: random_fold_in(*[x if b else batch(x, size) for x, b in zip(xs, batched)]),
    weak=(),
)


def random_fold_in(key, data):
    """The key that belongs to a key and a word of data, for each of a batch."""
    return bind(random_fold_in_p, key, data)
