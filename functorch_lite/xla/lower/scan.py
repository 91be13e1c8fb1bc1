"""The lowering of `scan`: one `while`, which reads rows where they lie and writes the rows of results into place."""

from __future__ import annotations

import numpy as np

from functorch_lite.control import scan as p
from functorch_lite.control.counted import NUMBER, told, untold
from functorch_lite.ir import Lit, array_type
from functorch_lite.xla.lower.progress import FLAG, compare, distance, tell_if
from functorch_lite.xla.module import lowering


@lowering(p.scan_p)
def _scan(low, xs, in_types, out_types, **params):
    loop = p.Loop(**params)
    n, m = loop.consts, loop.carry
    shared, carried, arrays = xs[:n], list(xs[n : n + m]), xs[n + m :]
    stacks = [low.constant(_blank(t), t) for t in out_types[m:]]
    turns = _Turns(low, loop, shared, arrays, in_types[n + m :], out_types[m:])
    unroll = max(1, min(loop.unroll, loop.length))
    whole = loop.length // unroll * unroll
    start = 0
    if whole > unroll:
        said = told(loop.graph, n)
        tells = said is not None and said[1] in loop.graph.outs[:m]  # at the end of every turn
        (_, *values) = (_telling if tells else _while)(
            low, turns, low.constant(0, turns.counter), whole, unroll, [*carried, *stacks], out_types)
        carried, stacks, start = values[:m], values[m:], whole
    for k in range(start, loop.length):
        carried, stacks = turns.run(low.constant(k, turns.counter), carried, stacks)
    return [*carried, *stacks]


def _blank(type_):
    return False if type_.dtype == bool else 0


def _while(low, turns, start, stop, unroll, values, out_types):
    """The turns from `start` up to `stop`, an int or a value, `unroll` of them at a time: [stop, carried, stacks]."""
    counter, m = turns.counter, turns.loop.carry
    test = lambda k, *_: [compare(low, "LT", k, low.constant(stop, counter) if isinstance(stop, int) else stop)]

    def body(k, *values):
        carried, stacks = list(values[:m]), list(values[m:])
        for i in range(unroll):
            here = low.op("add", counter, [k, low.constant(i, counter)]) if i else k
            carried, stacks = turns.run(here, carried, stacks)
        return [low.op("add", counter, [k, low.constant(unroll, counter)]), *carried, *stacks]

    return low.loop([counter, *out_types], [start, *values], test, body, bool(turns.loop.graph.effects))


def _telling(low, turns, start, stop, unroll, values, out_types):
    """A loop over the stretches of turns between two calls of the display: see `lower.progress`."""
    loop, counter = turns.loop, turns.counter
    said = told(loop.graph, loop.consts)
    assert said is not None
    handle, done, total, _ = said
    place = loop.graph.outs.index(done)
    handle = turns.shared[handle]
    total = low.constant(total.value, NUMBER) if type(total) is Lit else turns.shared[total]
    quiet = turns.of(loop._replace(graph=untold(loop.graph)))

    def stretch(k, *values):
        before = values[place]
        begins = compare(low, "EQ", before, low.constant(0, NUMBER))
        tell_if(low, begins, [handle, before, total, low.constant(True, FLAG)])
        step = distance(low, before, total)
        end = low.op("add", counter, [k, low.op("convert", counter, [step])])
        end = low.op("minimum", counter, [end, low.constant(stop, counter)])
        k, *values = _while(low, quiet, k, end, unroll, values, out_types)
        after = values[place]
        going = compare(low, "LT", after, total)
        parts = [low.op("divide", NUMBER, [x, step]) for x in (before, after)]
        now = low.op("or", FLAG, [compare(low, "NE", *parts), low.op("not", FLAG, [going])])
        tell_if(low, now, [handle, after, total, going])
        return [k, *values]

    more = lambda k, *_: [compare(low, "LT", k, low.constant(stop, counter))]
    return low.loop([counter, *out_types], [start, *values], more, stretch, True)


class _Turns:
    """How one turn is lowered, given its number."""

    def __init__(self, low, loop, shared, arrays, array_types, stack_types):
        self.low, self.loop, self.shared, self.arrays = low, loop, shared, arrays
        self.array_types, self.stack_types = array_types, stack_types
        self.counter = array_type((), np.dtype(np.int32 if loop.length < 2**31 else np.int64))

    def of(self, loop):
        """The turns of another loop over the same operands."""
        return _Turns(self.low, loop, self.shared, self.arrays, self.array_types, self.stack_types)

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
