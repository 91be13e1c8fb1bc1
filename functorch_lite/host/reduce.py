"""Host functions of `prims.reduce`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from functorch_lite import dtypes
from functorch_lite.host.registry import host, narrow, through_float32
from functorch_lite.ir import Primitive
from functorch_lite.prims import reduce as p


def widened(dtype: np.dtype) -> np.dtype:
    """The dtype in which NumPy reduces: its own types as they are, integers of 4 and 2 bits as int32."""
    return np.dtype(np.int32) if dtypes.is_integer(dtype) and not dtype.isbuiltin == 1 else dtype


def _reduction(prim: Primitive, ufunc: Callable) -> None:
    @host(prim)
    def make(in_types, out_types, *, axes):
        dtype, wide = in_types[0].dtype, widened(in_types[0].dtype)

        def fun(x):
            return ufunc.reduce(x, axis=axes, dtype=x.dtype)

        if narrow(in_types[0]):
            return through_float32(fun, out_types[0])
        return fun if wide is dtype else lambda x: fun(x.astype(wide)).astype(dtype)


for _prim, _ufunc in [
    (p.reduce_prod_p, np.multiply),
    (p.reduce_max_p, np.maximum),
    (p.reduce_min_p, np.minimum),
    (p.reduce_and_p, np.bitwise_and),
    (p.reduce_or_p, np.bitwise_or),
    (p.reduce_xor_p, np.bitwise_xor),
]:
    _reduction(_prim, _ufunc)


def _position(prim: Primitive, fun: Callable) -> None:
    @host(prim)
    def make(in_types, out_types, *, axis, dtype):
        wide = np.dtype(np.float32) if narrow(in_types[0]) else widened(in_types[0].dtype)
        return lambda x: fun(x.astype(wide, copy=False), axis).astype(dtype)


_position(p.argmax_p, np.argmax)
_position(p.argmin_p, np.argmin)
