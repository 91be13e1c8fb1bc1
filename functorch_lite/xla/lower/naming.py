"""Lowering of named values."""

from __future__ import annotations

from functorch_lite.prims import naming as p
from functorch_lite.xla.module import lowering


@lowering(p.name_p)
def _name(low, xs, in_types, out_types, *, name):
    return xs[0]
