"""Host functions of `prims.contract`: one matrix product, with the axes brought into order around it."""

from __future__ import annotations

import math

import numpy as np

from functorch_lite.host.registry import host, narrow, through_float32
from functorch_lite.prims import contract as p


@host(p.dot_p)
def _dot(in_types, out_types, *, spec, precision, preferred):
    a, b, out = p.split(spec)
    size = dict(zip(a + b, in_types[0].shape + in_types[1].shape, strict=True))
    shared = [c for c in a if c in b and c in out]
    summed = [c for c in a if c in b and c not in out]
    left, right = [c for c in a if c not in b], [c for c in b if c not in a]
    n = lambda letters: math.prod([size[c] for c in letters])
    order_a = [a.index(c) for c in (*shared, *left, *summed)]
    order_b = [b.index(c) for c in (*shared, *summed, *right)]
    shape_a, shape_b = (n(shared), n(left), n(summed)), (n(shared), n(summed), n(right))
    got = [*shared, *left, *right]
    got_shape, order = [size[c] for c in got], [got.index(c) for c in out]
    dtype, wide = out_types[0].dtype, out_types[0].dtype != in_types[0].dtype

    def fun(x, y):
        if wide:
            x, y = x.astype(dtype), y.astype(dtype)
        x = np.transpose(x, order_a).reshape(shape_a)
        y = np.transpose(y, order_b).reshape(shape_b)
        z = np.matmul(x, y) if summed else x * y
        return np.transpose(z.reshape(got_shape), order)

    return through_float32(fun, out_types[0]) if narrow(in_types[0]) or narrow(out_types[0]) else fun
