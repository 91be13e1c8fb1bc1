"""Host functions of `prims.cumulative`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from functorch_lite.host.registry import host, widened
from functorch_lite.ir import Primitive
from functorch_lite.prims import cumulative as p


def _running(prim: Primitive, ufunc: Callable) -> None:
    @host(prim)
    def make(in_types, out_types, *, axis, reverse):
        def fun(x):
            x = np.flip(x, axis) if reverse else x
            y = ufunc.accumulate(x, axis, dtype=x.dtype)
            return np.flip(y, axis) if reverse else y

        return widened(fun, in_types[0], out_types[0])


for _prim, _ufunc in [
    (p.cumsum_p, np.add),
    (p.cumprod_p, np.multiply),
    (p.cummax_p, np.maximum),
    (p.cummin_p, np.minimum),
    (p.cumlogsumexp_p, np.logaddexp),
]:
    _running(_prim, _ufunc)


@host(p.recurrence_p)
def _recurrence(in_types, out_types, *, axis, reverse):
    """By doubling: after step k, y[i] depends on y[i - 2**k], with the product of the a between as its factor."""
    n = out_types[0].shape[axis]

    def fun(a, b):
        a, y = [np.array(np.moveaxis(np.flip(x, axis) if reverse else x, axis, 0)) for x in (a, b)]
        k = 1
        while k < n:
            y[k:] += np.where(y[:-k] == 0, 0, a[k:] * y[:-k])  # what there is nothing of stays so, times anything
            a[k:] *= a[:-k]
            k *= 2
        y = np.moveaxis(y, 0, axis)
        return np.flip(y, axis) if reverse else y

    return widened(fun, in_types[0], out_types[0])
