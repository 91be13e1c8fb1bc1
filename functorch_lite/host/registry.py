"""How host functions are registered, found, and kept quiet."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy._core import umath

from functorch_lite import dtypes
from functorch_lite.ir import ArrayType, Primitive, inferred


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
    out_types = inferred(prim, in_types, params)
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


_WIDE = {"f": np.dtype(np.float32), "i": np.dtype(np.int8), "u": np.dtype(np.uint8)}


def wide(dtype: np.dtype) -> np.dtype:
    """The dtype that computes for narrow floats (16 bits or fewer) and for integers of fewer than 8 bits."""
    kind = dtypes.kind(dtype)
    return _WIDE[kind] if (kind == "f" and dtype.itemsize < 4) or (kind in "iu" and dtype.kind == "V") else dtype


def widened(fun: Callable, in_type: ArrayType, out_type: ArrayType) -> Callable:
    """`fun`; for narrow dtypes, computed in a wide one and rounded."""
    inside, outside = wide(in_type.dtype), out_type.dtype
    if inside is in_type.dtype:
        return fun
    return lambda *xs: np.asarray(fun(*[x.astype(inside) for x in xs])).astype(outside)
