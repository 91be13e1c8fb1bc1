"""The lowering of `root`: it calls the solver."""

from __future__ import annotations

from functorch_lite.control.root import root_p
from functorch_lite.xla.module import lowering


@lowering(root_p)
def _root(low, xs, in_types, out_types, *, solve, **_):
    return low.apply(solve, xs, "solve")
