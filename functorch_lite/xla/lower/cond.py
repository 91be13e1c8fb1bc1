"""Lowering of `cond`."""

from __future__ import annotations

from functorch_lite.control.cond import cond_p
from functorch_lite.xla.module import lowering


@lowering(cond_p)
def _cond(low, xs, in_types, out_types, *, branches):
    made = low.op("case", out_types, xs[:1], regions=len(branches))
    for region, branch in zip(made.regions, branches, strict=True):
        low.block(region, [], lambda branch=branch: low.apply(branch, xs[1:], "branch"))
    return list(made.results)
