"""Arrays made from shapes and numbers: constants, ranges, grids, windows.

While a function is traced, a range is made by an `iota` inside the program and never a constant of its size.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array, imported, of_value
from functorch_lite.config import config
from functorch_lite.numpy.arithmetic import power
from functorch_lite.numpy.dispatch import filled
from functorch_lite.numpy.promote import (
    INEXACT,
    PYTHON,
    as_array,
    asarray,
    canonical_axis,
    canonical_shape,
    convert,
    given_dtype,
    one_integer,
    operand,
    placed,
    promote,
    promote_dtypes,
    user_dtype,
)
from functorch_lite.prims.elementwise import convert as convert_primitive
from functorch_lite.trace import at, tracing, typeof

# fmt: off
__all__ = [
    "arange", "bartlett", "blackman", "empty", "empty_like", "from_dlpack", "frombuffer", "fromfunction",
    "fromiter", "fromstring", "full", "full_like", "geomspace", "hamming", "hanning", "indices", "kaiser",
    "linspace", "logspace", "meshgrid", "ones", "ones_like", "zeros", "zeros_like",
]
# fmt: on


# ---- constants ----


def zeros(shape, dtype=None, *, device=None):
    """An array of zeros; the default dtype is float. Of dtype float0, the tangent of integers: a NumPy array."""
    shape = canonical_shape("zeros", shape)
    if isinstance(dtype, np.dtype) and dtype == dtypes.float0:
        return np.zeros(shape, dtype)
    return placed(lax.full(shape, 0, or_float("zeros", dtype)), device)


def ones(shape, dtype=None, *, device=None):
    """An array of ones; the default dtype is float."""
    return placed(lax.full(canonical_shape("ones", shape), 1, or_float("ones", dtype)), device)


def empty(shape, dtype=None, *, device=None):
    """An array of zeros: memory without defined contents is never handed out."""
    return placed(lax.full(canonical_shape("empty", shape), 0, or_float("empty", dtype)), device)


def or_float(name, dtype) -> np.dtype:
    """The dtype of a creation function without an operand."""
    return config.default_float if dtype is None else given_dtype(name, dtype)


def full(shape, fill_value, dtype=None, *, device=None):
    """An array of `shape` filled with `fill_value`, which may be an array that broadcasts.

    The dtype is that of `fill_value` unless one is given; that of a Python scalar is weak.
    """
    return placed(_filled("full", canonical_shape("full", shape), fill_value, user_dtype("full", dtype)), device)


def _filled(name, shape, value, dtype):
    value = operand(name, value)
    if type(value) in PYTHON:
        if dtype is None:
            return lax.full(shape, value, weak=type(value) is not bool)
        if dtypes.kind(dtype) == "c" or type(value) in (bool, int) or (type(value) is float and dtypes.is_float(dtype)):
            value = bool(value) if dtypes.is_bool(dtype) else value
            return lax.full(shape, value, dtype)
    value = value if dtype is None else convert(name, value, dtype)
    t = typeof(value)
    if len(t.shape) > len(shape) or any(n not in (1, m) for n, m in zip(t.shape[::-1], shape[::-1])):
        raise ValueError(f"{name}: cannot broadcast {t} to the shape {shape} at {at()}; reshape it")
    if t.shape == shape:
        return value
    return lax.broadcast_in_dim(value, shape, tuple(range(len(shape) - len(t.shape), len(shape))))


def _like(name, a, dtype, shape):
    """(shape, dtype, weak) of what has the shape and dtype of `a`, which may be a struct of these two."""
    if not (hasattr(a, "shape") and hasattr(a, "dtype")):
        a = as_array(name, a)
    weak = dtype is None and getattr(a, "weak_type", False)
    dtype = user_dtype(name, a.dtype if dtype is None else dtype)
    return tuple(a.shape) if shape is None else canonical_shape(name, shape), dtype, weak


def zeros_like(a, dtype=None, shape=None, *, device=None):
    """Zeros in the shape and dtype of `a`, unless others are given."""
    shape, dtype, weak = _like("zeros_like", a, dtype, shape)
    return placed(lax.full(shape, 0, dtype, weak=weak), device)


def ones_like(a, dtype=None, shape=None, *, device=None):
    """Ones in the shape and dtype of `a`, unless others are given."""
    shape, dtype, weak = _like("ones_like", a, dtype, shape)
    return placed(lax.full(shape, 1, dtype, weak=weak), device)


def empty_like(prototype, dtype=None, shape=None, *, device=None):
    """Zeros in the shape and dtype of `prototype`, unless others are given."""
    return zeros_like(prototype, dtype, shape, device=device)


def full_like(a, fill_value, dtype=None, shape=None, *, device=None):
    """`fill_value` in the shape and dtype of `a`, unless others are given."""
    shape, dtype, weak = _like("full_like", a, dtype, shape)
    made = _filled("full_like", shape, fill_value, dtype)
    return placed(convert_primitive(made, dtype, weak=True) if weak else made, device)


# ---- ranges ----


def _iota(dtype, n: int):
    return lax.iota(dtype, n)


def arange(start, stop=None, step=None, dtype=None, *, device=None):
    """start, start + step, ... up to but without stop; `arange(n)` counts from 0.

    start, stop, step: numbers that are known while tracing, as they decide the shape. The dtype is integer if all of
    them are. Raises ValueError for the step 0, ConcretizationError for a traced argument without a value.
    """
    return placed(_arange(start, stop, step, dtype), device)


def _arange(start, stop, step, dtype):
    if start is None:
        raise TypeError(f"arange: takes numbers, got None at {at()}; give the end")
    given = [x for x in (start, stop, step) if x is not None]
    dtype = _range_dtype(given) if dtype is None else given_dtype("arange", dtype)
    start, stop = (0, _number(start)) if stop is None else (_number(start), _number(stop))
    step = 1 if step is None else _number(step)
    if step == 0:
        raise ValueError(f"arange: the step is 0 at {at()}; give another one")
    length = (stop - start) / step
    if not math.isfinite(length):
        raise ValueError(f"arange: from {start} to {stop} by {step} at {at()} has no end; give finite numbers")
    n = max(0, math.ceil(length))
    if n and dtypes.is_integer(dtype):
        _check_range(start, start + step * (n - 1), dtype)
    if not tracing and dtype.kind in "iuf":
        ends: Any = start, start + step * n, step
        return of_value(np.arange(*ends, dtype=dtype)[:n])
    if dtypes.is_bool(dtype):
        return lax.convert_element_type(_arange(start, stop, step, None), dtype)
    made = lax.iota(dtype, n)
    made = made if step == 1 else lax.mul(made, step)
    return made if start == 0 else lax.add(made, start)


def _range_dtype(given) -> np.dtype:
    types = [typeof(operand("arange", x)) for x in given]
    dtype, _ = dtypes.promote(tuple([t.dtype for t in types]), tuple([t.weak for t in types]))
    return config.default_int if dtypes.is_bool(dtype) else dtype


def _number(x):
    """A Python number; a traced one raises if it has no value."""
    if type(x) in (int, float):
        return x
    if np.ndim(x) or dtypes.is_complex(typeof(x).dtype):
        raise TypeError(f"arange: takes real numbers, got {typeof(x)} at {at()}; give elements, or parts, of it")
    return int(x) if dtypes.kind(typeof(x).dtype) in "biu" else float(x)


def _check_range(first, last, dtype):
    info = dtypes.iinfo(dtype)
    for x in (first, last):
        if not info.min <= x <= info.max:
            raise OverflowError(f'arange: {x} does not fit {dtypes.short(dtype)} at {at()}; give dtype="int64"')


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None):
    """`num` evenly spaced numbers from start to stop, which is left out unless `endpoint`.

    start, stop: arrays that broadcast -> their shape with a new axis of size `num` at `axis`; a float dtype unless one
    is given (integers are rounded down). With `retstep`, (samples, step). Raises ValueError for a negative `num`.
    """
    made, step = _linspace(start, stop, _count("linspace", num), endpoint, user_dtype("linspace", dtype), axis, retstep)
    made = placed(made, device)
    return (made, step) if retstep else made


def _linspace(start, stop, num, endpoint, dtype, axis, retstep):
    gaps = num - 1 if endpoint else num
    whole = dtype is not None and dtypes.is_integer(dtype)
    # While tracing, only integers are computed by NumPy: in float32 an exact one may be rounded to the one below.
    if type(start) in PYTHON and type(stop) in PYTHON and (whole or not tracing):
        step = asarray((stop - start) / gaps if gaps else math.nan) if retstep else None
        return _host_linspace(start, stop, num, endpoint, dtype), step
    start, stop, t = _ends("linspace", start, stop, dtype)
    axis = canonical_axis("linspace", axis, t.ndim + 1)
    shape = (*t.shape[:axis], num, *t.shape[axis:])
    others = tuple([i for i in range(t.ndim + 1) if i != axis])
    s = lax.iota(dtypes.real_of(t.dtype), num)
    s = lax.convert_element_type(lax.div(s, float(max(gaps, 1))), t.dtype)
    s = lax.broadcast_in_dim(s, shape, (axis,)) if t.ndim else s
    low, high = [x if type(x) in PYTHON else lax.broadcast_in_dim(x, shape, others) for x in (start, stop)]
    made = lax.add(lax.mul(lax.sub(1, s), low), lax.mul(s, high))  # exact at both ends
    if dtype is not None:
        made = convert("linspace", lax.floor(made) if whole else made, dtype)
    if not retstep:
        return made, None
    start, stop = filled(start, stop)
    return made, lax.div(lax.sub(stop, start), float(gaps)) if gaps else lax.full(t.shape, math.nan, t.dtype)


def _host_linspace(start, stop, num, endpoint, dtype):
    """In float64, rounded once."""
    made = np.linspace(start, stop, num, endpoint)
    if dtype is None:
        dtype = config.default_complex if made.dtype.kind == "c" else config.default_float
    if dtypes.is_integer(dtype):
        made = np.floor(made)
    plain = dtypes.is_complex(dtype) or (dtypes.is_float(dtype) and made.dtype.kind == "f")
    return of_value(made.astype(dtype)) if plain else asarray(made, dtype)


def _ends(name, start, stop, dtype):
    """Both ends in one shape and in the dtype of computation, which holds `dtype`, and their type."""
    start, stop = promote_dtypes(name, *promote(name, INEXACT, start, stop), rule=INEXACT)
    t = typeof(stop if type(start) in PYTHON else start)
    wide = dtypes.promote((t.dtype, dtype), (False, False))[0] if dtype is not None else t.dtype
    if dtypes.is_inexact(wide) and wide != t.dtype:
        start, stop = [x if type(x) in PYTHON else convert(name, x, wide) for x in (start, stop)]
        t = t.with_dtype(wide)
    return start, stop, t


def _count(name, num) -> int:
    num = one_integer(name, "num", num)
    if num < 0:
        raise ValueError(f"{name}: num={num} at {at()} is negative; give the number of samples")
    return num


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """Numbers evenly spaced on a logarithmic scale, from base**start to base**stop: see `linspace`."""
    dtype = user_dtype("logspace", dtype)
    wide = dtype if dtype is not None and dtypes.is_inexact(dtype) else None
    made = power(base, linspace(start, stop, num, endpoint, dtype=wide, axis=axis))
    return made if dtype is None else convert("logspace", made, dtype)


def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """Numbers evenly spaced on a logarithmic scale, from start to stop, of which each is a multiple of the one before.

    start, stop: of one sign, not 0: see `linspace`.
    """
    dtype = user_dtype("geomspace", dtype)
    start, stop, t = _ends("geomspace", start, stop, dtype)
    start, stop = [lax.full((), x, t.dtype) if type(x) in PYTHON else x for x in (start, stop)]
    ratio = lax.log(lax.div(stop, start))
    grown = lax.exp(linspace(lax.mul(ratio, 0.0), ratio, num, endpoint, axis=axis))
    t = typeof(grown)
    axis = canonical_axis("geomspace", axis, t.ndim)
    others = tuple([i for i in range(t.ndim) if i != axis])
    first, last = [lax.broadcast_in_dim(x, t.shape, others) for x in (start, stop)]
    made = lax.mul(grown, first)
    if endpoint and t.shape[axis] > 1:
        end = lax.eq(lax.broadcasted_iota(np.dtype(np.int32), t.shape, axis), t.shape[axis] - 1)
        made = lax.select(end, last, made)
    return made if dtype is None else convert("geomspace", made, dtype)


# ---- grids ----


def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    """The coordinates of a grid: for each vector, an array of all its combinations with the others.

    xi: vectors of n0, n1, ... elements -> a list of arrays of shape (n0, n1, ...), of (n1, n0, ...) with
    indexing="xy"; with `sparse`, sizes of 1 along the axes of the others.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f'meshgrid: indexing={indexing!r} at {at()}; give "xy" or "ij"')
    xs = [as_array("meshgrid", x) for x in xi]
    if any(typeof(x).ndim > 1 for x in xs):
        shown = " and ".join([str(typeof(x)) for x in xs])
        raise ValueError(f"meshgrid: takes vectors, got {shown} at {at()}; ravel them")
    xs = [lax.reshape(x, (1,)) if typeof(x).ndim == 0 else x for x in xs]
    axes = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        axes[:2] = 1, 0
    sizes = [0] * len(xs)
    for x, axis in zip(xs, axes):
        sizes[axis] = typeof(x).shape[0]
    shapes = [tuple([n if not sparse or i == axis else 1 for i, n in enumerate(sizes)]) for axis in axes]
    return [lax.broadcast_in_dim(x, shape, (axis,)) for x, shape, axis in zip(xs, shapes, axes)]


def indices(dimensions, dtype=None, sparse=False):
    """The index of every element of an array of shape `dimensions`, one array per axis, stacked in front.

    With `sparse`, a tuple of arrays with sizes of 1 along the other axes.
    """
    shape = canonical_shape("indices", dimensions)
    dtype = config.default_int if dtype is None else given_dtype("indices", dtype)
    if sparse:
        n = len(shape)
        return tuple([
            lax.reshape(lax.iota(dtype, m), tuple([m if i == k else 1 for i in range(n)])) for k, m in enumerate(shape)
        ])  # fmt: skip
    if not shape:
        return lax.full((0,), 0, dtype)
    return lax.concatenate([lax.broadcasted_iota(dtype, (1, *shape), k + 1) for k in range(len(shape))], 0)


def fromfunction(function, shape, *, dtype=float, **kwargs):
    """`function` of the index arrays of `shape`: see `indices`."""
    grid = canonical_shape("fromfunction", shape)
    dtype = user_dtype("fromfunction", dtype)
    return function(*[lax.broadcasted_iota(dtype, grid, k) for k in range(len(grid))], **kwargs)


# ---- what numpy computes while tracing ----


def _window(name):
    kernel = getattr(np, name)

    def window(M):
        return asarray(kernel(one_integer(name, "the number of points", M)), config.default_float)

    window.__name__ = window.__qualname__ = name
    window.__doc__ = f"The {name} window of M points, as `numpy.{name}` defines it."
    return window


bartlett, blackman, hamming, hanning = map(_window, ("bartlett", "blackman", "hamming", "hanning"))


def kaiser(M, beta):
    """The Kaiser window of M points with the parameter `beta`, as `numpy.kaiser` defines it."""
    return asarray(np.kaiser(one_integer("kaiser", "the number of points", M), float(beta)), config.default_float)


def frombuffer(buffer, dtype=float, count=-1, offset=0):
    """A vector of the numbers stored in an object with the buffer protocol."""
    return asarray(np.frombuffer(buffer, user_dtype("frombuffer", dtype), count, offset))


def fromiter(iterable, dtype, count=-1):
    """A vector of the numbers that an iterable gives."""
    return asarray(np.fromiter(iterable, user_dtype("fromiter", dtype), count))


def from_dlpack(x, /, *, device=None, copy=None):
    """An array of what another library exports by DLPack: a copy, as arrays never change.

    copy: with False the memory is shared, and its owner must not write to it any more. Raises TypeError for what
    exports nothing, BufferError for memory that cannot be read here, or not without a copy.
    """
    if isinstance(x, Array):
        return placed(x, device)
    if not hasattr(x, "__dlpack__"):
        raise TypeError(f"from_dlpack: takes arrays that export DLPack, got a {type(x).__name__} at {at()}; "
                        "use `asarray`")  # fmt: skip
    value = imported(x)
    if copy is not False:
        return placed(asarray(value), device)
    if not value.flags.c_contiguous:
        raise BufferError(f"from_dlpack: the {type(x).__name__} at {at()} is not row-major; leave copy=False out")
    return placed(of_value(value), device)


def fromstring(string, dtype=float, count=-1, *, sep):
    """A vector of the numbers written in a text, between separators."""
    if not sep:
        raise ValueError(f"fromstring: sep={sep!r} at {at()}; use `frombuffer` for bytes")
    return asarray(np.fromstring(string, user_dtype("fromstring", dtype), count, sep=sep))
