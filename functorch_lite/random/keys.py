"""Keys: two words of 32 bits that decide a stream of random numbers.

A `Key` is an array of keys: a tree node with one leaf, u32[..., 2], so it goes through every transform. A raw key, that
leaf alone, is taken everywhere as well; new keys made of a raw one are raw.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from functorch_lite import dtypes
from functorch_lite.array import Array, from_numpy
from functorch_lite.numpy.promote import operand
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import random as p
from functorch_lite.prims.bits import shift_right_logical
from functorch_lite.prims.shape import reshape
from functorch_lite.prims.slicing import concatenate
from functorch_lite.trace import Tracer, at, typeof
from functorch_lite.tree import register_pytree_node

_IMPLEMENTATIONS = (None, "threefry2x32", "fry")


class KeyType:
    """The dtype of keys."""

    name = "key<fry>"
    itemsize = 8

    def __repr__(self) -> str:
        return self.name


key_type = KeyType()


class Key:
    """An array of keys. Its words are `key_data(keys)`; `keys[i]` and iteration give the keys in it."""

    __slots__ = ("_words",)
    dtype = key_type

    def __new__(cls, *args, **kwargs):
        raise TypeError(f"Key cannot be called, at {at()}; use `random.key(seed)` or `random.wrap_key_data(words)`")

    shape = property(lambda self: self._words.shape[:-1])
    ndim = property(lambda self: len(self._words.shape) - 1)
    size = property(lambda self: math.prod(self.shape))

    def __repr__(self) -> str:
        return f"Key({self.dtype}[{','.join(map(str, self.shape))}] of {self._words!r})"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"len() of a single key, at {at()}")
        return self.shape[0]

    def __getitem__(self, index) -> Key:
        entries = index if isinstance(index, tuple) else (index,)
        if not self.shape and entries not in ((), (Ellipsis,)):
            raise IndexError(f"a single key cannot be indexed, at {at()}; split it to get more keys")
        rest = () if any(i is Ellipsis for i in entries) else (Ellipsis,)
        return wrap(self._words[(*entries, *rest, slice(None))])

    def __iter__(self):
        return iter([self[i] for i in range(len(self))])

    def __eq__(self, other):
        if not isinstance(other, Key):
            return NotImplemented
        return (self._words == other._words).all(-1)

    def __ne__(self, other):
        if not isinstance(other, Key):
            return NotImplemented
        return (self._words != other._words).any(-1)

    def __hash__(self):
        raise TypeError(f"keys are compared by their words, so they have no hash, at {at()}")

    def __reduce__(self):
        return wrap, (self._words,)

    def reshape(self, *shape) -> Key:
        """The keys in another shape; one size may be -1."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return wrap(self._words.reshape((*_known_sizes(self, tuple(map(operator.index, sizes))), 2)))

    def ravel(self) -> Key:
        """The keys in one row."""
        return self.reshape(-1)

    flatten = ravel

    def block_until_ready(self) -> Key:
        """Wait until the words have been computed; returns the keys."""
        self._words.block_until_ready()
        return self


def _known_sizes(keys, sizes):
    rest = math.prod([n for n in sizes if n != -1])
    whole = tuple([keys.size // rest if n == -1 and rest else n for n in sizes])
    if sizes.count(-1) > 1 or math.prod(whole) != keys.size:
        raise ValueError(f"reshape: {keys.size} keys of shape {keys.shape} do not fill the shape {sizes}, at {at()}")
    return whole


_new = object.__new__


def wrap(words: Any) -> Key:
    """The keys that words make up; not checked, as any leaf may stand for them in a tree."""
    made = _new(Key)
    made._words = words
    return made


register_pytree_node(Key, lambda keys: ((keys._words,), None), lambda _, children: wrap(children[0]))


# ---- from and to words ----


def _check_impl(name, impl, dtype=None):
    spec = dtype if impl is None else impl
    if isinstance(spec, KeyType) or spec in _IMPLEMENTATIONS:
        return
    raise ValueError(f"{name}: the implementation {spec!r} at {at()} is unknown; there is 'threefry2x32'")


def _is_words(type_) -> bool:
    return type_.dtype == p.U32 and type_.ndim > 0 and type_.shape[-1] == 2


def words_of(name: str, key: Any, batched: bool = False) -> tuple[Any, bool]:
    """The words of a key, and whether it was a `Key`. Raises TypeError, or ValueError for an unwanted batch."""
    is_key = type(key) is Key
    words = key._words if is_key else key
    if not is_key and not isinstance(words, (Array, Tracer, np.ndarray)):
        hint = f"; use `random.key({key!r})`" if isinstance(key, int) else ""
        raise TypeError(f"{name}: takes a key, got {type(key).__name__} at {at()}{hint}")
    type_ = typeof(words)
    if not _is_words(type_):
        raise TypeError(f"{name}: takes a key, got {type_} at {at()}; make one with `random.key(seed)`")
    if type_.ndim > 1 and not batched:
        got = f"key<fry>[{','.join(map(str, type_.shape[:-1]))}]" if is_key else str(type_)
        raise ValueError(f"{name}: takes a single key, got a batch of them, {got}, at {at()}; use `vmap` over the keys")
    return words, is_key


def _seed_words(name, seed):
    """The words of a seed: its 64 bits, of which an integer of 32 bits or fewer has the lower half only."""
    if type(seed) is Key:
        raise TypeError(f"{name}: takes a seed, got a key at {at()}; a key is used as it is, or split")
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, np.bool_):
        seed = int(seed)
        if not -(2**63) <= seed < 2**64:
            raise OverflowError(f"{name}: the seed {seed} has more than 64 bits, at {at()}; hash it down")
        high = seed >> 32 if not -(2**31) <= seed < 2**32 else 0
        return from_numpy(np.array([high & 0xFFFFFFFF, seed & 0xFFFFFFFF], p.U32))
    seed = operand(name, seed)
    type_ = typeof(seed)
    if type_.ndim:
        raise TypeError(f"{name}: takes a single seed, got {type_} at {at()}; use `vmap` over the seeds")
    if dtypes.kind(type_.dtype) not in "iub":
        raise TypeError(f"{name}: a seed is an integer, got {type_} at {at()}; convert it")
    low = reshape(e.convert(seed, p.U32), (1,))
    if type_.dtype.itemsize < 8:
        return concatenate([np.zeros(1, p.U32), low], 0)
    high = e.convert(shift_right_logical(seed, 32), p.U32)
    return concatenate([reshape(high, (1,)), low], 0)


def key(seed, *, impl=None, dtype=None) -> Key:
    """The key of a seed, an integer of up to 64 bits.

    impl, dtype: None or "threefry2x32". Raises TypeError for floats and arrays with axes.
    """
    _check_impl("key", impl, dtype)
    return wrap(_seed_words("key", seed))


def PRNGKey(seed, *, impl=None):
    """The raw key, u32[2], of a seed; see `key`."""
    _check_impl("PRNGKey", impl)
    return _seed_words("PRNGKey", seed)


def key_data(keys):
    """The words of keys: u32[..., 2]."""
    return words_of("key_data", keys, True)[0]


def wrap_key_data(key_bits_array, *, impl=None, dtype=None) -> Key:
    """Keys made of words, u32[..., 2]."""
    _check_impl("wrap_key_data", impl, dtype)
    if type(key_bits_array) is Key:
        raise TypeError(f"wrap_key_data: takes words, got keys at {at()}")
    words = words_of("wrap_key_data", key_bits_array, True)[0]
    return wrap(from_numpy(words) if isinstance(words, np.ndarray) else words)


def key_impl(keys) -> str:
    """The name of the cipher that keys are for."""
    words_of("key_impl", keys, True)
    return "threefry2x32"


# ---- new keys ----


def split(key, num: int | tuple[int, ...] = 2):
    """New keys that are independent of each other: `num` of them, or an array of that shape."""
    words, is_key = words_of("split", key)
    made = p.random_split(words, shape_of("split", num))
    return wrap(made) if is_key else made


def fold_in(key, data):
    """The key that belongs to a key and an integer of 32 bits, such as the number of a step."""
    words, is_key = words_of("fold_in", key)
    made = p.random_fold_in(words, _word(data))
    return wrap(made) if is_key else made


def _word(data):
    if isinstance(data, (int, np.integer)):
        if not 0 <= data < 2**32:
            raise OverflowError(f"fold_in: {data} does not fit u32 at {at()}; give 0 to {2**32 - 1}")
        return np.uint32(data)
    data = operand("fold_in", data)
    type_ = typeof(data)
    if type_.ndim:
        raise TypeError(f"fold_in: takes a single integer, got {type_} at {at()}; use `vmap` over keys and data")
    if dtypes.kind(type_.dtype) not in "iub":
        raise TypeError(f"fold_in: takes an integer, got {type_} at {at()}; convert it")
    return e.convert(data, p.U32)


def clone(key):
    """The same key again; says to the reader that it is used twice on purpose."""
    words, is_key = words_of("clone", key, True)
    return wrap(words) if is_key else words


# ---- shapes ----


def shape_of(name: str, shape: Any) -> tuple[int, ...]:
    """The shape as a tuple of sizes; an integer stands for one axis."""
    try:
        sizes = tuple(map(operator.index, shape)) if isinstance(shape, (tuple, list)) else (operator.index(shape),)
    except TypeError:
        raise TypeError(f"{name}: a shape is a tuple of integers, got {shape!r} at {at()}") from None
    if any(n < 0 for n in sizes):
        raise ValueError(f"{name}: the shape {shape!r} has a negative size, at {at()}")
    return sizes
