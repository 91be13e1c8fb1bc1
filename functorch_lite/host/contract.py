"""Host functions of `prims.contract`: one matrix product, with the axes brought into order around it."""

from __future__ import annotations

import math

import numpy as np

from functorch_lite.host.registry import host, wide
from functorch_lite.prims import contract as p


@host(p.dot_p)
def _dot(in_types, out_types, *, spec, precision, preferred):
    dtype, out = in_types[0].dtype, out_types[0].dtype
    plain = _matrices(spec) or _stacked(spec, in_types)
    inside = wide(out)
    if inside is dtype:
        return plain
    return lambda x, y: plain(x.astype(inside), y.astype(inside)).astype(out, copy=False)


def _matrices(spec):
    """The product of vectors and matrices that sums over one letter: `np.dot`; None for other specs."""
    a, b, out = p.split(spec)
    summed = [c for c in a if c in b]
    if len(a) > 2 or len(b) > 2 or len(summed) != 1 or summed[0] in out:
        return None
    flip_x, flip_y = a[-1] != summed[0], b[0] != summed[0]
    flip_z = out != "".join([c for c in a + b if c not in summed])

    def fun(x, y):
        z = np.dot(x.T if flip_x else x, y.T if flip_y else y)
        return z.T if flip_z else z

    return fun if flip_x or flip_y or flip_z else np.dot


def _stacked(spec, in_types):
    """Any product, as a stack of matrix products."""
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

    def fun(x, y):
        x = np.transpose(x, order_a).reshape(shape_a)
        y = np.transpose(y, order_b).reshape(shape_b)
        z = np.matmul(x, y) if summed else x * y
        return np.transpose(z.reshape(got_shape), order)

    return fun
