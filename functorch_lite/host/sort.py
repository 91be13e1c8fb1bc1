"""Host functions of `prims.sort`."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.host.registry import host
from functorch_lite.prims import sort as p

_INT8 = np.dtype(np.int8)


def keys(x):
    """Arrays that NumPy sorts as `x` is sorted, the one that counts most first."""
    if x.dtype.kind == "c":
        return [x.real, x.imag]
    if x.dtype.isbuiltin == 1:
        return [x]
    return [x.astype(np.float32 if dtypes.is_float(x.dtype) else _INT8)]


@host(p.sort_p)
def _sort(in_types, out_types, *, dimension, num_keys, stable):
    if len(in_types) == 1 and in_types[0].dtype.isbuiltin == 1 and in_types[0].dtype.kind != "c":
        return lambda x: (np.sort(x, dimension),)

    def fun(*xs):
        columns = [c for x in xs[:num_keys] for c in keys(x)]
        if len(columns) == 1:
            order = np.argsort(columns[0], dimension, kind="stable")
        else:
            order = np.lexsort(columns[::-1], dimension)
        return [np.take_along_axis(x, order, dimension) for x in xs]

    return fun


def total_order(x):
    """Integers in the order that XLA's `top_k` has: by sign and bits of floats."""
    if not dtypes.is_float(x.dtype):
        return x if x.dtype.isbuiltin == 1 else x.astype(_INT8)
    if x.dtype.itemsize < 4:
        x = x.astype(np.float32)
    bits = x.view(np.dtype(f"i{x.dtype.itemsize}"))
    return bits ^ ((bits >> (x.dtype.itemsize * 8 - 1)) & np.iinfo(bits.dtype).max)


@host(p.top_k_p)
def _top_k(in_types, out_types, *, k):
    def fun(x):
        order = np.argsort(~total_order(np.ascontiguousarray(x)), -1, kind="stable")[..., :k]
        return np.take_along_axis(x, order, -1), order.astype(np.int32)

    return fun
