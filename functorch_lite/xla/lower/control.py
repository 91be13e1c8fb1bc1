"""Lowerings of primitives that hold graphs."""

from __future__ import annotations

from functorch_lite.control import call as p
from functorch_lite.control import custom
from functorch_lite.xla.module import lowering


@lowering(p.call_p)
def _call(low, xs, in_types, out_types, *, graph, name):
    return low.apply(graph, xs, name)


@lowering(custom.custom_p)
def _custom(low, xs, in_types, out_types, *, graph, rule, name):
    return low.apply(graph, xs, name)


def _closed(low, xs, in_types, out_types, *, graph, extras, name, **_):
    return low.apply(graph, xs[extras:], name)


for _prim in custom.CLOSED:
    lowering(_prim)(_closed)


@lowering(custom.pullback_p)
def _pullback(low, xs, in_types, out_types, *, bwd, residuals, name):
    return low.apply(custom.pushforward_of(bwd, residuals, name), xs, name)
