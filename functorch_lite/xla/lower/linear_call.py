"""The lowering of `linear_call`."""

from __future__ import annotations

from functorch_lite.control.linear_call import linear_call_p
from functorch_lite.xla.module import lowering


@lowering(linear_call_p)
def _linear_call(low, xs, in_types, out_types, *, fun, name, **_):
    return low.apply(fun, xs, name)
