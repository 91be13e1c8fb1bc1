"""The lowering of `scan`: one `while`, which reads rows where they lie and writes the rows of results into place."""

from __future__ import annotations

import numpy as np
from jaxlib.mlir.dialects import stablehlo as hlo

from functorch_lite.control import scan as p
from functorch_lite.ir import array_type
from functorch_lite.xla.module import lowering

_FLAG = array_type((), np.dtype(bool))


@lowering(p.scan_p)
def _scan(low, xs, in_types, out_types, **params):
    loop = p.Loop(**params)
    n, m = loop.consts, loop.carry
    shared, carried, arrays = xs[:n], list(xs[n : n + m]), xs[n + m :]
    stacks = [low.constant(_blank(t), t) for t in out_types[m:]]
    turns = _Turns(low, loop, shared, arrays, in_types[n + m :], out_types[m:])
    unroll = max(1, min(loop.unroll, loop.length))
    whole = loop.length // unroll * unroll
    if whole > unroll:
        carried, stacks = _while(low, turns, whole, unroll, carried, stacks, out_types)
        done = whole
    else:
        done = 0
    for k in range(done, loop.length):
        carried, stacks = turns.run(low.constant(k, turns.counter), carried, stacks)
    return [*carried, *stacks]


def _blank(type_):
    return False if type_.dtype == bool else 0


def _while(low, turns, whole, unroll, carried, stacks, out_types):
    """The turns up to `whole`, `unroll` of them at a time."""
    counter, m = turns.counter, len(carried)
    types = [counter, *out_types]
    less = low.memo("scan", lambda: {
        "comparison_direction": hlo.ComparisonDirectionAttr.get("LT"),
        "compare_type": hlo.ComparisonTypeAttr.get("SIGNED")})  # fmt: skip

    def test(k, *_):
        return [low.op("compare", _FLAG, [k, low.constant(whole, counter)], less)]

    def body(k, *values):
        carried, stacks = list(values[:m]), list(values[m:])
        for i in range(unroll):
            here = low.op("add", counter, [k, low.constant(i, counter)]) if i else k
            carried, stacks = turns.run(here, carried, stacks)
        return [low.op("add", counter, [k, low.constant(unroll, counter)]), *carried, *stacks]

    init = [low.constant(0, counter), *carried, *stacks]
    results = low.loop(types, init, test, body, bool(turns.loop.graph.effects))[1:]
    return results[:m], results[m:]


class _Turns:
    """How one turn is lowered, given its number."""

    def __init__(self, low, loop, shared, arrays, array_types, stack_types):
        self.low, self.loop, self.shared, self.arrays = low, loop, shared, arrays
        self.array_types, self.stack_types = array_types, stack_types
        self.counter = array_type((), np.dtype(np.int32 if loop.length < 2**31 else np.int64))

    def run(self, k, carried, stacks):
        low, m = self.low, len(carried)
        if self.loop.reverse:
            k = low.op("subtract", self.counter, [low.constant(self.loop.length - 1, self.counter), k])
        rows = [self._row(x, t, k) for x, t in zip(self.arrays, self.array_types, strict=True)]
        made = low.apply(self.loop.graph, [*self.shared, *carried, *rows], "turn")
        return made[:m], [self._write(s, y, t, k) for s, y, t in zip(stacks, made[m:], self.stack_types, strict=True)]

    def _row(self, x, type_, k):
        low, sizes = self.low, (1, *type_.shape[1:])
        attributes = low.memo(("dynamic_slice", sizes), lambda: {"slice_sizes": low.d.axes[sizes]})
        row = low.op("dynamic_slice", type_.with_shape(sizes), [x, k, *self._zeros(type_)], attributes)
        return low.op("reshape", type_.with_shape(sizes[1:]), [row])

    def _write(self, stack, y, type_, k):
        low = self.low
        row = low.op("reshape", type_.with_shape((1, *type_.shape[1:])), [y])
        return low.op("dynamic_update_slice", type_, [stack, row, k, *self._zeros(type_)])

    def _zeros(self, type_):
        return [self.low.constant(0, self.counter)] * (type_.ndim - 1)
