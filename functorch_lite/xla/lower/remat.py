"""The lowering of `remat`."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.control import remat as p
from functorch_lite.ir import array_type
from functorch_lite.xla.module import lowering

_INDEX = array_type((), np.dtype(np.int32))


@lowering(p.remat_p)
def _remat(low, xs, in_types, out_types, *, graph, policy, prevent_cse, replay, name):
    """A replay is a branch that is always taken, which XLA cannot know.

    So it is neither merged with the first computation nor begun before its operands, cotangents among them, are there.
    An `optimization_barrier` would say the same, but XLA's CPU compiler drops it before it merges equal computations.
    """
    index = _never_zero(low, xs, in_types) if replay and prevent_cse and not graph.effects else None
    if index is None:
        return low.apply(graph, xs, name)
    made = low.op("case", out_types, [index], regions=2)
    low.block(made.regions[0], [], lambda: [low.constant(False if t.dtype == bool else 0, t) for t in out_types])
    low.block(made.regions[1], [], lambda: low.apply(graph, xs, name))
    return list(made.results)


def _never_zero(low, xs, types):
    """A number made of an operand: that of the last branch, or beyond, which means the last branch too."""
    found = next(((x, t) for x, t in zip(xs, types, strict=True) if t.size), None)
    if found is None:
        return None
    x, t = found
    one = array_type((1,) * t.ndim, t.dtype)
    if t.ndim:
        x = low.op("slice", one, [x], low.memo(("first element", t.ndim), lambda: _first(low.d.axes, t.ndim)))
        x = low.op("reshape", array_type((), t.dtype), [x])
    if dtypes.is_complex(t.dtype):
        x = low.op("real", array_type((), dtypes.real_of(t.dtype)), [x])
    x = low.op("convert", array_type((), np.dtype(np.float32)), [x])
    x = low.op("bitcast_convert", _INDEX, [x])
    return low.op("or", _INDEX, [x, low.constant(1, _INDEX)])


def _first(axes, ndim: int) -> dict:
    """The attributes of a slice that takes the first element."""
    return {"start_indices": axes[(0,) * ndim], "limit_indices": axes[(1,) * ndim], "strides": axes[(1,) * ndim]}
