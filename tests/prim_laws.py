"""What tests of shapes, reductions and products draw from; the laws with many kinds of operands in one program."""

import numpy as np
from laws import check_derivatives, check_types, compiled, host, typed
from laws import graph_of as graph_of_types

from functorch_lite import dtypes
from functorch_lite.testing import laws as given

REALS = ["float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "float32", "float64"]
INTEGERS = ["int2", "int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
COMPLEX = ["complex64", "complex128"]
EVERY = ["bool", *INTEGERS, *REALS, *COMPLEX]


def draw(rng, shape, dtype="float64"):
    """Numbers of a dtype, small enough that sums and products of a few of them fit."""
    dtype = dtypes.canonical(dtype)
    kind = dtypes.kind(dtype)
    if kind in "biu":
        small = dtypes.is_bool(dtype) or dtypes.iinfo(dtype).max < 8
        low = 0 if small or kind == "u" else -5
        return np.asarray(rng.integers(low, 2 if small else 6, size=shape)).astype(dtype)
    x = rng.normal(size=shape) + (1j * rng.normal(size=shape) if kind == "c" else 0)
    return np.asarray(x).astype(dtype)


def graph_of(fun, xs):
    """The graph of fun(*xs), which returns an array or a list of them."""
    return graph_of_types(fun, *typed(*xs))


def wide(x):
    x = np.asarray(x)
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def near(got, want, ulps=0.0, what=""):
    """Equal in type, and in value up to a number of units in the last place of the largest element."""
    assert (got.dtype, got.shape) == (want.dtype, want.shape), (what, got.dtype, want.dtype, got.shape, want.shape)
    eps = float(dtypes.finfo(want.dtype).eps) if dtypes.is_inexact(want.dtype) else 0.0
    got, want = wide(got), wide(want)
    size = np.max(np.abs(want), initial=0.0, where=np.isfinite(want))
    np.testing.assert_allclose(got, want, rtol=0, atol=ulps * eps * max(size, 1e-30), err_msg=str(what))


def agree(cases, ulps=4.0):
    """XLA and the host executor compute the same; cases are (name, function, arrays), all in one program."""
    flat = [x for _, _, xs in cases for x in xs]

    def all_of(*args):
        rest = iter(args)
        return [fun(*[next(rest) for _ in xs]) for _, fun, xs in cases]

    graph = graph_of(all_of, flat)
    for (name, _, xs), want, got in zip(cases, host(graph, flat), compiled(graph, flat), strict=True):
        near(got, want, ulps, (name, typed(*xs)))


def laws(fun, xs, rng, order=1, size=3):
    """The laws of simplify, vmap and derivatives on fun(*xs) -> one array, computed by NumPy; returns the graph."""
    given.simplify(fun, *xs)
    given.rows(fun, *[draw(rng, (size, *x.shape), x.dtype) for x in xs])
    if any(dtypes.is_inexact(x.dtype) for x in xs):
        check_derivatives(fun, *xs, rng=rng, order=order)
        check_types(fun, *typed(*xs))
    return graph_of(fun, xs)
