"""Host functions of `prims.select`."""

from __future__ import annotations

import numpy as np

from functorch_lite.host.elementwise import after, simple
from functorch_lite.host.registry import host
from functorch_lite.prims import select as p

simple(p.add_p, np.add)
simple(p.eq_p, np.equal)
simple(p.ne_p, np.not_equal)
simple(p.lt_p, np.less, c=lambda x, y: after(y, x))
simple(p.le_p, np.less_equal, c=lambda x, y: after(y, x) | (x == y))
simple(p.gt_p, np.greater, c=after)
simple(p.ge_p, np.greater_equal, c=lambda x, y: after(x, y) | (x == y))
simple(p.and_p, np.bitwise_and)
simple(p.or_p, np.bitwise_or)
simple(p.xor_p, np.bitwise_xor)
simple(p.not_p, np.invert)


@host(p.select_p)
def _select(in_types, out_types):
    return np.where
