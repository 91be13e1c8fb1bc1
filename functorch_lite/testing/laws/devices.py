"""The law of pmap: it is vmap, wherever the rows are computed."""

from __future__ import annotations

import numpy as np

from functorch_lite.api.devices import device_count
from functorch_lite.api.pmap import pmap as pmap_of
from functorch_lite.api.reverse import vjp as vjp_of
from functorch_lite.api.vmap import vmap as vmap_of
from functorch_lite.testing.bounds import rounding
from functorch_lite.testing.laws.batching import rows_of
from functorch_lite.testing.laws.common import Problem, arrays, directions, law


@law("device", compiles=True)
def pmap(p: Problem):
    """pmap(f) is vmap(f), and so is its gradient: for one row per device, and for several."""
    if not p.xs:
        return
    for size in (device_count(), 2 * device_count()):
        stacks = [np.stack(r) for r in rows_of(p, size)]
        one, many = pmap_of(p.flat), vmap_of(p.flat)
        bound = lambda many=many, stacks=stacks: rounding(many, stacks, compiled=True)
        p.agree(f"pmap(f) and vmap(f) of {size} rows", one(*stacks), many(*stacks), bound)
        if not p.active or not any(p.smooth):
            continue
        floats, cts = [stacks[i] for i in p.active], _cotangents(p, many, stacks)
        got, back = _pull(p, one, stacks, cts)(*floats), _pull(p, many, stacks, cts)
        names = [f"the cotangent of argument leaf {i}" for i in p.active]
        bound = lambda back=back, floats=floats: rounding(back, floats, compiled=True)
        p.agree(f"vjp(pmap(f)) and vjp(vmap(f)) of {size} rows", got, back(*floats), bound, names)


def _cotangents(p: Problem, mapped, stacks) -> list:
    ys = [y for y, s in zip(arrays(mapped(*stacks)), p.smooth, strict=True) if s]
    return directions(p.rng(60), ys)


def _pull(p: Problem, mapped, stacks, cts):
    """The cotangents of the floats of a mapped function, as a function of them."""

    def rows(*floats):
        full = list(stacks)
        for i, x in zip(p.active, floats, strict=True):
            full[i] = x
        return [y for y, s in zip(mapped(*full), p.smooth, strict=True) if s]

    return lambda *floats: list(vjp_of(rows, *floats)[1](cts))
