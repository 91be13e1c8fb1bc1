"""Lowerings of `prims.activation`."""

from __future__ import annotations

import math

from functorch_lite.prims import activation as p
from functorch_lite.prims.shape import kept
from functorch_lite.xla.lower.elementwise import widened
from functorch_lite.xla.lower.shape import reduce
from functorch_lite.xla.module import lowering


@lowering(p.relu_p)
def _relu(low, xs, in_types, out_types):
    return low.op("maximum", out_types[0], [*xs, low.constant(0, out_types[0])])


@lowering(p.softplus_p)
def _softplus(low, xs, in_types, out_types):
    """max(x, 0) + log(1 + exp(-|x|))."""

    def compute(ys, type_):
        (x,) = ys
        rest = low.op("negate", type_, [low.op("abs", type_, [x])])
        rest = low.op("log_plus_one", type_, [low.op("exponential", type_, [rest])])
        return low.op("add", type_, [low.op("maximum", type_, [x, low.constant(0, type_)]), rest])

    return widened(low, compute, xs, out_types[0])


@lowering(p.softmax_p)
def _softmax(low, xs, in_types, out_types, *, axes):
    def compute(ys, type_):
        small = type_.with_shape([type_.shape[a] for a in kept(type_.ndim, axes)])
        wide = lambda v: low.broadcast(v, small, type_.shape, kept(type_.ndim, axes))
        top = reduce(low, ys[0], type_, small, axes, "maximum", -math.inf)
        y = low.op("exponential", type_, [low.op("subtract", type_, [ys[0], wide(top)])])
        return low.op("divide", type_, [y, wide(reduce(low, y, type_, small, axes, "add", 0))])

    return widened(low, compute, xs, out_types[0])
