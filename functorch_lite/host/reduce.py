"""Host functions of `prims.reduce`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from functorch_lite.host.registry import host, wide, widened
from functorch_lite.ir import Primitive
from functorch_lite.prims import reduce as p


def _reduction(prim: Primitive, ufunc: Callable) -> None:
    @host(prim)
    def make(in_types, out_types, *, axes):
        return widened(lambda x: ufunc.reduce(x, axis=axes, dtype=x.dtype), in_types[0], out_types[0])


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
        inside = wide(in_types[0].dtype)
        return lambda x: fun(x.astype(inside, copy=False), axis).astype(dtype)


_position(p.argmax_p, np.argmax)
_position(p.argmin_p, np.argmin)
