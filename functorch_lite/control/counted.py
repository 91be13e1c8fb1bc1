"""Loops that tell how far they are: a counter is carried along, and every turn ends with a `progress`.

It is told some hundred times in all: every hundredth of the turns where their number is known, else as often as the
number of turns has grown by about a hundredth. That is decided inside the program, which is not left in between.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from functorch_lite.control.scan import Loop
from functorch_lite.control.schedule import I32, stride
from functorch_lite.control.turns import While
from functorch_lite.ir import Graph, Lit, array_type
from functorch_lite.prims.bits import shift_left
from functorch_lite.prims.elementwise import add, div, max_, select
from functorch_lite.prims.progress import progress_p
from functorch_lite.prims.select import gt, lt
from functorch_lite.prims.shape import full, full_p
from functorch_lite.trace import bind, inline
from functorch_lite.transforms.common import rebuild

PARTS = 100  # how often a loop of known length tells
_DIGITS = 6  # how often one of unknown length does while its turns double: 2**6 times

HANDLE = array_type((), np.dtype(np.uint64))
NUMBER = array_type((), I32)


def distance(done: int, total: int) -> int:
    """How many turns lie between two calls that tell."""
    return max(1, total // PARTS) if total > 0 else 1 << max(0, done.bit_length() - _DIGITS)


def due(done: int, total: int, going: bool) -> bool:
    """Whether to tell."""
    return not going or done % distance(done, total) == 0


def _distance(done, total):
    unknown = shift_left(full((), 1, I32), stride(done, _DIGITS))
    return select(gt(total, 0), max_(div(total, PARTS), 1), unknown)


@functools.cache
def distance_graph() -> Graph:
    """(done, total) -> the distance, for compiled programs."""
    return rebuild(lambda done, total: [_distance(done, total)], [NUMBER, NUMBER], "progress")


def counted(loop: Loop, operands: Sequence, handle: Any) -> tuple[Loop, list]:
    """A loop over rows that tells how far it is, and its operands; its first result is the counter."""
    graph, n, total = loop.graph, loop.consts, loop.length

    def turn(handle, *xs):
        done = add(xs[n], 1)
        made = inline(graph, [*xs[:n], *xs[n + 1 :]])
        bind(progress_p, handle, done, full((), total, I32), lt(done, total))
        return [done, *made]

    types = [HANDLE, *graph.in_types[:n], NUMBER, *graph.in_types[n:]]
    made = rebuild(turn, types, "scan")
    more = loop._replace(graph=made, consts=n + 1, carry=loop.carry + 1)
    return more, [handle, *operands[:n], full((), 0, I32), *operands[n:]]


def counted_while(loop: While, operands: Sequence, handle: Any, total: Any) -> tuple[While, list]:
    """The same of a loop that runs until its predicate fails; `total` is an int32, 0 if unknown."""
    n = loop.consts

    def test(handle, total, *xs):
        (going,) = inline(loop.cond, [*xs[:n], *xs[n + 1 :]])
        bind(progress_p, handle, xs[n], total, going)
        return [going]

    def turn(handle, total, *xs):
        return [add(xs[n], 1), *inline(loop.body, [*xs[:n], *xs[n + 1 :]])]

    own = loop.body.in_types
    types = [HANDLE, NUMBER, *own[:n], NUMBER, *own[n:]]
    more = loop._replace(cond=rebuild(test, types, "while"), body=rebuild(turn, types, "while"), consts=n + 2)
    return more, [handle, total, *operands[:n], full((), 0, I32), *operands[n:]]


def told(graph: Graph, consts: int) -> tuple[int, int, int | Lit, int | Lit] | None:
    """What a graph tells, if it does so once: the handle and the total, each a constant, which are its first inputs, or
    a literal; and the other operands. None where these are not so, or it tells several times or nothing."""
    eqns = [eqn for eqn in graph.eqns if eqn.prim is progress_p]
    if len(eqns) != 1:
        return None
    handle, done, total, going = eqns[0].ins
    for eqn in graph.eqns:
        if eqn.outs == (total,) and eqn.prim is full_p:
            total = dict(eqn.params)["value"]
    fixed = handle < consts and (type(total) is Lit or total < consts)
    return (handle, done, total, going) if fixed else None


def untold(graph: Graph) -> Graph:
    """The graph without them."""
    kept = [k for k, eqn in enumerate(graph.eqns) if eqn.prim is not progress_p]
    return Graph(graph.types, graph.ins, tuple([graph.eqns[k] for k in kept]), graph.outs,
                 tuple([graph.sources[k] for k in kept]))  # fmt: skip
