"""Strategies of dtypes, shapes, numbers, arrays and indices."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import dtypes as _dtypes
from functorch_lite import tree
from functorch_lite.errors import DtypeError

Strategy = st.SearchStrategy

FLOATS = ("float64", "float32", "bfloat16", "float16")
EIGHT_BITS = ("float8_e4m3fn", "float8_e5m2")
INTEGERS = ("int32", "int64", "int16", "int8")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
COMPLEX = ("complex128", "complex64")
KINKS = (None, "avoided", "sought")


def dtypes(kinds: str = "f", *, narrow: bool = False) -> Strategy[np.dtype]:
    """Dtypes of these kinds, letters among `fiubc`; 8-bit floats too if `narrow`. Raises ValueError for others."""
    groups = {"f": FLOATS + (EIGHT_BITS if narrow else ()), "i": INTEGERS, "u": UNSIGNED, "b": ("bool",), "c": COMPLEX}
    if not isinstance(kinds, str) or not kinds or not set(kinds) <= set(groups):
        raise ValueError(f"dtypes: kinds is {kinds!r}; it has to be letters among 'f', 'i', 'u', 'b' and 'c'")
    return st.sampled_from([_dtypes.canonical(name) for k in dict.fromkeys(kinds) for name in groups[k]])


def shapes(
    *, min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4, max_size: int = 64
) -> Strategy[tuple[int, ...]]:
    """Shapes of at most `max_size` elements. Raises ValueError where no shape is left."""
    bounds = (min_dims, max_dims, min_side, max_side, max_size)
    if any([type(n) is not int or n < 0 for n in bounds]):
        raise ValueError(f"shapes: the bounds have to be ints of at least 0, got {bounds}")
    if min_dims > max_dims or min_side > max_side or min_side**min_dims > max_size:
        raise ValueError(f"shapes: no shape has {min_dims} to {max_dims} axes of {min_side} to {max_side} and at most "
                         f"{max_size} elements; widen one of the bounds")  # fmt: skip
    sides = st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims)
    return sides.map(tuple).filter(lambda shape: math.prod(shape) <= max_size)


def _strategy(x: Any) -> Strategy:
    return x if isinstance(x, Strategy) else st.just(x)


def scalars(kind: str = "f", *, magnitude: float = 2.0, kinks: str | None = None, special: bool = False) -> Strategy:
    """Python scalars of a kind: float, int, bool or complex for "f", "i", "b", "c"; the options as in `arrays`."""
    names = {"f": "float64", "i": "int64", "b": "bool", "c": "complex128"}
    if kind not in names:
        raise ValueError(f"scalars: kind is {kind!r}; it has to be 'f', 'i', 'b' or 'c'")
    return arrays(names[kind], (), magnitude=magnitude, kinks=kinks, special=special).map(lambda x: x.item())


def arrays(
    dtype: Any = "float64",
    shape: Any = None,
    *,
    magnitude: float | tuple[float, float] = 2.0,
    kinks: str | None = None,
    at: Sequence[float] = (0.0,),
    margin: float = 0.05,
    special: bool = False,
) -> Strategy[fl.Array]:
    """Arrays of a dtype and a shape, each of which may be a strategy; of all `shapes()` that the numbers suffice for
    if `shape` is left out.

    magnitude: the largest absolute value, or (lowest, highest). kinks: "avoided" keeps elements `margin` away from the
    points `at` and from each other, so that functions with kinks there, and extremes and orders, have derivatives;
    "sought" prefers these points, and equal elements. special: also NaN, infinities, -0.0, and the smallest and largest
    numbers of the dtype; of integers the smallest and the largest.
    Raises ValueError where nothing can be drawn, TypeError for what is no dtype.
    """
    low, high = _interval(magnitude)
    if kinks not in KINKS:
        raise ValueError(f"arrays: kinks is {kinks!r}; it has to be None, 'avoided' or 'sought'")
    if special and kinks == "avoided":
        raise ValueError("arrays: special numbers cannot keep away from each other; leave out special, or kinks")
    plan = _Numbers(low, high, kinks, tuple([float(a) for a in at]), float(margin), special)
    shape = shape if shape is None or isinstance(shape, Strategy) else _shape(shape)
    dtype = dtype if isinstance(dtype, Strategy) else _dtypes.canonical(dtype)
    for name, each in (("dtype", dtype), ("shape", shape)):
        if isinstance(each, Strategy) and each.is_empty:
            raise ValueError(f"arrays: {name} is an empty strategy; give one that has a {name} to draw")
    if not isinstance(dtype, Strategy) and isinstance(shape, tuple):
        return plan.of(dtype, shape)
    kinds = _strategy(dtype).map(_dtypes.canonical)
    if shape is None:
        pairs = kinds.flatmap(lambda d: st.tuples(st.just(d), shapes(max_size=plan.room(d))))
    else:
        pairs = st.tuples(kinds, _strategy(shape).map(_shape))
    return pairs.flatmap(lambda pair: plan.of(*pair))


def _interval(magnitude: Any) -> tuple[float, float]:
    """The lowest and the highest number."""
    low, high = magnitude if isinstance(magnitude, tuple) and len(magnitude) == 2 else (magnitude, magnitude)
    if isinstance(low, (int, float)) and isinstance(high, (int, float)):
        low = low if isinstance(magnitude, tuple) else -low
        if low <= high and math.isfinite(high - low):
            return float(low), float(high)
    raise ValueError(f"arrays: magnitude is {magnitude!r}; it has to be at least 0, or (lowest, highest)")


def _shape(shape: Any, who: str = "arrays") -> tuple[int, ...]:
    made = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if any([type(n) is not int or n < 0 for n in made]):
        raise ValueError(f"{who}: shape is {shape!r}; it has to be made of ints of at least 0")
    return made


class _Numbers:
    """What elements are drawn from: a grid of numbers, the ones closest to 0 first."""

    def __init__(self, low, high, kinks, at, margin, special):
        self.low, self.high, self.kinks, self.at, self.margin, self.special = low, high, kinks, at, margin, special

    def room(self, dtype: np.dtype) -> int:
        """How many elements an array may have, at most 64: numbers that keep away from each other are not many."""
        if self.kinks != "avoided" or not _dtypes.is_inexact(dtype):
            return 64
        return max(1, min(64, len(_grid(self.low, self.high, self.at, self.margin, _dtypes.real_of(dtype), 64))))

    def of(self, dtype: np.dtype, shape: tuple[int, ...]) -> Strategy[fl.Array]:
        size, kind = math.prod(shape), _dtypes.kind(dtype)
        if kind == "c":
            part = _dtypes.real_of(dtype)
            parts = st.tuples(self.of(part, shape), self.of(part, shape))
            return parts.map(lambda p: fnp.array(np.asarray(p[0]) + 1j * np.asarray(p[1])).astype(dtype))
        avoid = self.kinks == "avoided"
        grid = _grid(self.low, self.high, self.at if avoid else (), self.margin if avoid else 0.0, dtype, size)
        if size and not grid and not avoid:
            raise ValueError(f"arrays: no number of {_dtypes.short(dtype)} is between {self.low:g} and {self.high:g}; "
                             "widen the magnitude")  # fmt: skip
        if size and avoid and len(grid) < (size if kind == "f" else 1):
            raise ValueError(f"arrays: only {len(grid)} numbers of {_dtypes.short(dtype)} between {self.low:g} and "
                             f"{self.high:g} are {self.margin:g} away from {list(self.at)} and from each other, "
                             f"{size} are needed; widen the magnitude or lessen the margin")  # fmt: skip
        elements = st.sampled_from(grid) if grid else st.nothing()
        if self.kinks == "sought":
            elements = st.sampled_from(self._kinked(dtype)) | elements
        if self.special:
            elements = st.sampled_from(_special(dtype)) | elements
        rows = st.lists(elements, min_size=size, max_size=size, unique=avoid and kind == "f")
        return rows.map(lambda xs: fnp.array(np.array(xs, _dtypes.canonical(dtype)).reshape(shape)))

    def _kinked(self, dtype) -> tuple:
        """The kinks, and the numbers beside them."""
        points = np.array(self.at)
        if _dtypes.is_inexact(dtype):
            points = np.concatenate([points, points + self.margin / 2, points - self.margin / 2])
        return tuple(np.unique(points[(points >= self.low) & (points <= self.high)]).astype(dtype)) or self.at


@functools.lru_cache(512)
def _grid(low: float, high: float, at: tuple, margin: float, dtype: np.dtype, size: int) -> tuple:
    """Numbers of the dtype between two bounds, away from `at`, and from each other by `margin`."""
    kind = _dtypes.kind(dtype)
    if kind == "b":
        return (False, True)
    if kind in "iu":
        info = _dtypes.iinfo(dtype)
        numbers = range(max(math.ceil(low), int(info.min)), min(math.floor(high), int(info.max)) + 1)
        return tuple(sorted(numbers, key=abs)[:1024])
    count = max(8 * size, 64)
    if margin:
        count = min(count, int((high - low) / margin * 0.75) + 1)
    spots = np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2])
    spots = np.unique(np.round(spots, 3).astype(dtype)).astype(np.float64)
    spots = spots[(spots >= low) & (spots <= high)]
    for a in at:
        spots = spots[np.abs(spots - a) > margin]
    if margin:
        spots = _spaced(spots, margin)
    return tuple(sorted(spots.tolist(), key=lambda x: (abs(x), x < 0)))


def _spaced(spots: np.ndarray, margin: float) -> np.ndarray:
    kept: list[float] = []
    for x in spots:
        if not kept or x - kept[-1] > margin:
            kept.append(float(x))
    return np.array(kept)


@functools.lru_cache(64)
def _special(dtype: np.dtype) -> tuple:
    """The numbers of a dtype that code forgets."""
    kind = _dtypes.kind(dtype)
    if kind == "b":
        return (False, True)
    if kind in "iu":
        info = _dtypes.iinfo(dtype)
        return (0, int(info.min), int(info.max))
    info = _dtypes.finfo(dtype)
    wanted = [0.0, -0.0, float(info.tiny), float(info.smallest_subnormal), float(info.max), -float(info.max),
              math.inf, -math.inf, math.nan]  # fmt: skip
    with np.errstate(all="ignore"):
        held = [(x, float(np.array(x).astype(dtype))) for x in wanted]
    return tuple([x for x, y in held if x == y or (math.isnan(x) and math.isnan(y))])


def like(x: Any, *, magnitude: float | tuple[float, float] = 1.0) -> Strategy:
    """Tangents or cotangents of a tree: for each array one of its shape and dtype; float0 zeros where none exist.

    Raises TypeError for leaves that are no arrays and no numbers.
    """
    leaves, structure = tree.flatten(x)
    parts = []
    for leaf in leaves:
        try:
            type_ = fl.typeof(leaf)
        except TypeError:
            raise TypeError(f"like: takes a tree of arrays, got a {type(leaf).__name__} in it") from None
        if _dtypes.is_inexact(type_.dtype):
            parts.append(arrays(type_.dtype, type_.shape, magnitude=magnitude))
        else:
            parts.append(st.just(np.zeros(type_.shape, fl.float0)))
    return st.tuples(*parts).map(lambda made: structure.unflatten(list(made)))


def keys(shape: int | tuple[int, ...] = ()) -> Strategy:
    """Random keys; an array of independent ones if `shape` is given."""
    shape = _shape(shape, "keys")
    seeds = st.integers(0, 2**32 - 1)
    return seeds.map(lambda seed: fl.random.split(fl.random.key(seed), shape) if shape else fl.random.key(seed))


def indices(size: int, *, bounds: str = "in", shape: Any = (), dtype: Any = "int32") -> Strategy[fl.Array]:
    """Integers as indices into an axis: "in" bounds, -size to size - 1; "out" of them; or "both".

    Raises ValueError where an empty axis is asked for indices in bounds, and DtypeError for what is no integer dtype.
    """
    if type(size) is not int or size < 0:
        raise ValueError(f"indices: size is {size!r}; it has to be an int of at least 0")
    if bounds not in ("in", "out", "both"):
        raise ValueError(f"indices: bounds is {bounds!r}; it has to be 'in', 'out' or 'both'")
    if bounds == "in" and size == 0:
        raise ValueError("indices: no index is in the bounds of an axis of size 0; ask for bounds='out'")
    dtype = _dtypes.canonical(dtype)
    if not _dtypes.is_integer(dtype):
        raise DtypeError(f"indices: dtype is {_dtypes.short(dtype)}; indices are integers")
    info = _dtypes.iinfo(dtype)
    lowest, highest = int(info.min), int(info.max)
    inside = range(max(-size, lowest), min(size, highest + 1))
    outside = [i for i in (size, -size - 1, size + 1, -size - 2, 2 * size + 3, highest, lowest)
               if lowest <= i <= highest and not -size <= i < size]  # fmt: skip
    options = {"in": [*inside], "out": outside, "both": [*inside, *outside]}[bounds]
    if not options:
        raise ValueError(f"indices: {_dtypes.short(dtype)} holds no index out of the bounds of an axis of size {size}")
    elements = st.sampled_from(sorted(options, key=lambda i: (i < 0, abs(i))))

    def drawn(shape):
        n = math.prod(shape)
        return st.lists(elements, min_size=n, max_size=n).map(lambda xs: fnp.array(np.array(xs, dtype).reshape(shape)))

    return _strategy(shape).map(_shape).flatmap(drawn)
