"""Host functions of `prims.elementwise`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from functorch_lite.host.registry import host, narrow, through_float32
from functorch_lite.ir import Primitive
from functorch_lite.prims import elementwise as p


def simple(prim: Primitive, fun: Callable) -> None:
    """A function that NumPy has: narrow floats are computed in float32 and rounded."""

    @host(prim)
    def make(in_types, out_types):
        return through_float32(fun, out_types[0]) if any(map(narrow, in_types)) else fun


for _prim, _fun in [
    (p.add_p, np.add),
    (p.neg_p, np.negative),
    (p.sub_p, np.subtract),
    (p.mul_p, np.multiply),
    (p.div_p, np.divide),
    (p.sin_p, np.sin),
    (p.cos_p, np.cos),
    (p.exp_p, np.exp),
    (p.log_p, np.log),
    (p.tanh_p, np.tanh),
]:
    simple(_prim, _fun)


@host(p.convert_p)
def _convert(in_types, out_types, *, dtype, weak):
    return lambda x: x.astype(dtype)
