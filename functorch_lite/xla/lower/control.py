"""Lowerings of primitives that hold graphs."""

from __future__ import annotations

from functorch_lite.control import call as p
from functorch_lite.xla.module import lowering


@lowering(p.call_p)
def _call(low, xs, in_types, out_types, *, graph, name):
    return low.apply(graph, xs, name)
