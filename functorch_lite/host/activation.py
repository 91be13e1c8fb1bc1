"""Host functions of `prims.activation`."""

from __future__ import annotations

import numpy as np

from functorch_lite.host.elementwise import simple
from functorch_lite.host.registry import host, widened
from functorch_lite.prims import activation as p


def relu(x):
    """max(x, 0) in the dtype of x."""
    return np.maximum(x, x.dtype.type(0))


def softplus(x):
    """log(1 + exp(x)), without overflow."""
    return np.logaddexp(x, x.dtype.type(0))


simple(p.relu_p, relu)
simple(p.softplus_p, softplus)


def softmax(x, axes):
    """exp(x) / sum(exp(x)) along axes, without overflow."""
    if not x.size:
        return x
    y = np.subtract(x, np.maximum.reduce(x, axes, keepdims=True))
    y = np.exp(y, out=y)
    return np.divide(y, np.add.reduce(y, axes, keepdims=True), out=y)


@host(p.softmax_p)
def _softmax(in_types, out_types, *, axes):
    return widened(lambda x: softmax(x, axes), in_types[0], out_types[0])
