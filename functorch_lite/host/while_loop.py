"""Host functions of `while_loop`, `record` and `replay`: Python loops over the turns.

They follow the same schedule as the graphs in `control.record` and `control.replay`, which compiled programs run: what
one keeps, the other can read.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from functorch_lite.control import record as rec
from functorch_lite.control import replay as rep
from functorch_lite.control import schedule
from functorch_lite.control.turns import While
from functorch_lite.control.while_loop import while_p
from functorch_lite.host.execute import plan
from functorch_lite.host.progress import closing
from functorch_lite.host.registry import host
from functorch_lite.host.scan import LONG, again, equations
from functorch_lite.prims.progress import EVENT


def _measured(prim, in_types, out_types, params, loop: Callable) -> Callable:
    """`loop`, which returns its results and how many equations it ran; compiled if it comes again and ran many."""
    work = 0
    loop = closing(loop) if "cond" in params and EVENT in params["cond"].effects else loop

    def python(*values):
        nonlocal work
        made, work = loop(*values)
        return made

    compiled = again(math.inf, prim, in_types, out_types, params, python)
    return lambda *values: python(*values) if 0 < work <= LONG else compiled(*values)


def _chosen(rows, x, y):
    """Row by row `x` where `rows` holds, else `y`."""
    return np.where(np.reshape(rows, np.shape(rows) + (1,) * (np.ndim(x) - np.ndim(rows))), x, y)


class _Turns:
    """The turns of a loop, rows that have stopped staying where they are."""

    def __init__(self, loop: While):
        self.n, self.lead = loop.consts, loop.lead
        self.test, self.turn = plan(loop.cond), plan(loop.body)
        self.size = equations(loop.body) + equations(loop.cond)

    def run(self, values, see: Callable | None = None):
        """The carried values at the end, the turns of each row, and of all; before each comes `see(k, states)`."""
        fixed, carried, k = list(values[: self.n]), list(values[self.n :]), 0
        runs = self.test([*fixed, *carried])[0]
        count, last = np.zeros(self.lead, np.int32), carried
        while np.any(runs):
            if self.lead:
                last = carried = [_chosen(runs, x, y) for x, y in zip(carried, last, strict=True)]
                count = count + runs
            if see is not None:
                see(k, carried)
            carried = self.turn([*fixed, *carried])
            more = self.test([*fixed, *carried])[0]
            runs = runs & more if self.lead else more
            k += 1
        return carried, count.astype(np.int32) if self.lead else np.int32(k), k


@host(while_p)
def _while(in_types, out_types, **params):
    turns = _Turns(While(**params))

    def loop(*values):
        carried, _, k = turns.run(values)
        return carried, k * turns.size

    return _measured(while_p, in_types, out_types, params, loop)


@host(rec.record_p)
def _record(in_types, out_types, **params):
    given = rec.Record(**params)
    turns, a = _Turns(given.loop), schedule.digits(given.slots)
    stored = [i for i, s in enumerate(given.stored) if s]
    types = [(t.shape, t.dtype) for t in out_types[len(given.stored) + 2 :]]

    def loop(*values):
        kept = [np.zeros(shape, dtype) for shape, dtype in types]

        def see(k, states):
            j = schedule.host_stride(k, a)
            if k & (1 << j) - 1 == 0:
                where = schedule.host_place(k >> j, j, a)
                for i, x in zip(stored, kept, strict=True):
                    x[where] = states[i]

        carried, count, k = turns.run(values, see if stored else None)
        return [*carried, count, np.int32(k), *kept], k * turns.size

    return _measured(rec.record_p, in_types, out_types, params, loop)


class _Run:
    """The turns of a second run."""

    def __init__(self, given: rep.Replay, values):
        self.consts, self.kept, (self.count, span), self.values = given.parts(values)
        self.given, self.span, self.rows = given, int(span), np.ndim(self.count) > 0
        self.turns = self.span if self.rows else int(self.count)
        self.linear_plan, self.step_plan = plan(given.linear), plan(given.step)

    def step(self, k, states):
        made = self.step_plan([*self.consts, *states])
        if not self.rows:
            return made
        return [_chosen(self.count > k + 1, y, x) for x, y in zip(states, made, strict=True)]

    def linear(self, k, states, values):
        if not self.rows:
            return self.linear_plan([*self.consts, *states, *values])
        n, runs = self.given.shared, self.count > k
        zero = lambda x: _chosen(runs, x, np.zeros_like(x)) if self.given.reverse else x
        made = self.linear_plan([*self.consts, *states, *values[:n], *map(zero, values[n:])])
        return [*made[:n], *[_chosen(runs, y, x) for x, y in zip(values[n:], made[n:], strict=True)]]

    def forward(self) -> int:
        """Run all turns; returns how many states were computed. Likewise `backward`."""
        states = [x[0] for x in self.kept]
        for k in range(self.turns):
            self.values = self.linear(k, states, self.values)
            states = self.step(k, states)
        return self.turns

    def backward(self) -> int:
        stack, slots, steps = [], len(self.kept[0]) - 1 if self.kept else 0, 0
        if self.kept and self.turns:
            a = schedule.digits(slots)
            j = schedule.host_stride(self.span - 1, a)
            for i in range((self.turns - 1 >> j) + 1):
                where = schedule.host_place(i, j, a)
                stack.append((i << j, [x[where] for x in self.kept]))
        for k in range(self.turns - 1, -1, -1):
            here, states = stack[-1] if stack else (k, [])
            after = here + schedule.host_distance(k - here, slots - len(stack))
            steps += k - here
            while here < k:
                here, states = here + 1, self.step(here, states)
                if here == after and here < k:
                    stack.append((here, states))
                    after = here + schedule.host_distance(k - here, slots - len(stack))
            self.values = self.linear(k, states, self.values)
            if stack and stack[-1][0] == k:
                stack.pop()
        return steps


@host(rep.replay_p)
def _replay(in_types, out_types, **params):
    given = rep.Replay(**params)
    sizes = equations(given.step), equations(given.linear)

    def loop(*values):
        run = _Run(given, values)
        steps = run.backward() if given.reverse else run.forward()
        return run.values, steps * sizes[0] + run.turns * sizes[1]

    return _measured(rep.replay_p, in_types, out_types, params, loop)
