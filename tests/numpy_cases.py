"""What the tests of `functorch_lite.numpy` share: operands of every dtype, and NumPy in wide dtypes to compare with."""

import contextlib
import types

import numpy as np

from functorch_lite import dtypes, trace

DTYPES = ["bool", "int8", "uint8", "int32", "uint32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]
REAL = DTYPES[:-1]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTEGERS = ["int8", "uint8", "int32", "uint32", "int64"]
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan)


def operand(seed, shape, dtype, low=-8, special=True):
    """Numbers that every dtype holds exactly, and among floats some that are no numbers."""
    rng, dtype = np.random.default_rng(seed), dtypes.canonical(dtype)
    kind = dtypes.kind(dtype)
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        return rng.integers(0 if kind == "u" else low, 9, shape).astype(dtype)
    x = rng.integers(8 * low, 65, shape) / 8
    if special and kind == "f":
        x = np.where(rng.random(shape) < 0.2, rng.choice(SPECIAL, shape), x)
    if kind == "c":
        x = x + 1j * rng.integers(-64, 65, shape) / 8
    return np.asarray(x).astype(dtype)


def wide(x):
    """The same numbers in the widest dtype of their kind."""
    x = np.asarray(x)
    kind = dtypes.kind(x.dtype)
    return x.astype({"b": bool, "i": np.int64, "u": np.uint64, "f": np.float64, "c": np.complex128}[kind])


def inexact(dtype):
    """The dtype of functions that give floats."""
    dtype = dtypes.canonical(dtype)
    return dtype if dtypes.is_inexact(dtype) else np.dtype(np.float32)


def agree(got, want, dtype=None, ulps=16):
    """Assert the dtype (that of `want` by default), the shape and the values to a few units in the last place."""
    dtype = dtypes.canonical(np.asarray(want).dtype if dtype is None else dtype)
    assert dtypes.short(got.dtype) == dtypes.short(dtype), (got.dtype, dtype)
    assert got.shape == np.shape(want), (got.shape, np.shape(want))
    with np.errstate(all="ignore"):
        want = np.asarray(want).astype(dtype)
    if not dtypes.is_inexact(dtype):
        np.testing.assert_array_equal(np.asarray(got), want)
        return
    eps = float(dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(wide(got), wide(want), rtol=ulps * eps, atol=ulps * eps, equal_nan=True)


@contextlib.contextmanager
def slow_path():
    """As if another thread were tracing: no function takes its fast path."""
    other = types.SimpleNamespace(thread=-1)
    trace.tracing.append(other)
    try:
        yield
    finally:
        trace.tracing.remove(other)
