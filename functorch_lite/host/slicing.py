"""Host functions of `prims.slicing`."""

from __future__ import annotations

import numpy as np

from functorch_lite.host.registry import host
from functorch_lite.prims import slicing as p


@host(p.slice_p)
def _slice(in_types, out_types, *, start, limit, strides):
    where = tuple([slice(*each) for each in zip(start, limit, strides, strict=True)])
    return lambda x: x[where]


@host(p.pad_p)
def _pad(in_types, out_types, *, config):
    shape, dtype = out_types[0].shape, out_types[0].dtype
    source, target = [], []
    for n, size, (low, _, interior) in zip(in_types[0].shape, shape, config, strict=True):
        step = interior + 1
        first = -(min(low, 0) // step)  # the first element that lands inside, and the one after the last
        last = min(n, -((low - size) // step))
        source.append(slice(first, max(first, last)))
        target.append(slice(low + first * step, low + max(first, last) * step, step))
    source, target = tuple(source), tuple(target)
    empty = any(s.start >= s.stop for s in source)

    def fun(x, value):
        made = np.full(shape, value, dtype)
        if not empty:
            made[target] = x[source]
        return made

    return fun


@host(p.concatenate_p)
def _concatenate(in_types, out_types, *, axis):
    return lambda *xs: np.concatenate(xs, axis)
