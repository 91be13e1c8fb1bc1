"""Host functions of `prims.shape`."""

from __future__ import annotations

import numpy as np

from functorch_lite.array import scalar
from functorch_lite.host.registry import host, widened
from functorch_lite.prims import shape as p

_SMALL = 1 << 12  # elements: a constant up to this size is made once, as nobody writes to a value


def _constant(make, size):
    made = make() if size <= _SMALL else None
    return make if made is None else lambda: made


@host(p.full_p)
def _full(in_types, out_types, *, shape, value, weak):
    element = scalar(value.value, value.dtype)
    return _constant(lambda: np.full(shape, element, value.dtype), out_types[0].size)


@host(p.iota_p)
def _iota(in_types, out_types, *, dtype, shape, dimension):
    along = [-1 if i == dimension else 1 for i in range(len(shape))]
    return _constant(
        lambda: np.broadcast_to(np.arange(shape[dimension]).astype(dtype).reshape(along), shape), out_types[0].size)


@host(p.reshape_p)
def _reshape(in_types, out_types, *, shape):
    return lambda x: np.reshape(x, shape)


@host(p.transpose_p)
def _transpose(in_types, out_types, *, axes):
    return lambda x: np.transpose(x, axes)


@host(p.broadcast_p)
def _broadcast(in_types, out_types, *, shape, axes):
    small = in_types[0].shape
    between = tuple([small[axes.index(i)] if i in axes else 1 for i in range(len(shape))])
    return lambda x: np.broadcast_to(np.reshape(x, between), shape)


@host(p.rev_p)
def _rev(in_types, out_types, *, axes):
    return lambda x: np.flip(x, axes)


@host(p.reduce_sum_p)
def _reduce_sum(in_types, out_types, *, axes):
    return widened(lambda x: np.add.reduce(x, axis=axes, dtype=x.dtype), in_types[0], out_types[0])
