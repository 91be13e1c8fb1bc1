"""How host functions are registered, found, and kept quiet."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy._core import umath

from functorch_lite import dtypes
from functorch_lite.ir import ArrayType, Primitive, infer


def host(prim: Primitive) -> Callable:
    """Register the host function of a primitive."""

    def register(make: Callable) -> Callable:
        assert prim.host is None, f"{prim.name} has two host functions"
        prim.host = make
        return make

    return register


@functools.lru_cache(16384)
def kernel(prim: Primitive, in_types: tuple[ArrayType, ...], params: tuple) -> tuple[Callable, tuple[ArrayType, ...]]:
    """The function that computes a primitive on NumPy arrays of these types, and the types of its results."""
    out_types = infer(prim, in_types, params)
    assert prim.host is not None, f"{prim.name} has no host function"
    return prim.host(in_types, out_types, **dict(params)), out_types


class _Quiet:
    """Switch NumPy's floating point warnings off: compiled code does not warn either."""

    __slots__ = ("token",)

    def __enter__(self):
        self.token = _extobj.set(_IGNORE)

    def __exit__(self, *_):
        _extobj.reset(self.token)


try:  # ten times cheaper than `np.errstate`, which does the same to the same variable
    _extobj, _IGNORE = umath._extobj_contextvar, umath._make_extobj(all="ignore")
    quiet: Callable = _Quiet
except AttributeError:
    quiet = functools.partial(np.errstate, all="ignore")


def narrow(type_: ArrayType) -> bool:
    """Whether the dtype is a float of 16 bits or fewer, which is computed in float32 and rounded."""
    return type_.dtype.itemsize < 4 and dtypes.kind(type_.dtype) == "f"


def through_float32(fun: Callable, out_type: ArrayType) -> Callable:
    """Compute a function of narrow floats in float32 and round the result."""
    single, dtype = np.dtype(np.float32), out_type.dtype

    def rounded(*xs):
        wide = [x.astype(single) if x.dtype.itemsize < 4 and x.dtype.kind in "fV" else x for x in xs]
        return np.asarray(fun(*wide)).astype(dtype)

    return rounded
