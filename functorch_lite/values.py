"""The values of a frame, as far as they are known: computed on demand, and each effect once.

An effect that is recorded acts when the graph is run. Where a value behind it is asked for before, it acts then, after
the effects that come before it, and the graph goes on without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from functorch_lite.ir import PRIMITIVES, Eqn, Graph, Lit, eqn_effects, intern
from functorch_lite.silent import silent
from functorch_lite.stack import alone, executor

NOTHING = intern(Graph((), (), (), (), ()))


def value_of(frame: Any, number: int) -> Any:
    """The array behind `number`, computing only its ancestors; None if it has no value."""
    need = _ancestors(frame, [number])
    if frame.waits:
        act(frame, need)
    else:
        for k in sorted(need):
            _compute(frame, k)
    return frame.known[number]


def _ancestors(frame: Any, numbers: Iterable[int]) -> set[int]:
    """The equations behind these values, except those whose results are known."""
    known, eqns, definition = frame.known, frame.eqns, frame.definition
    todo, need = list(numbers), set()
    while todo:
        n = todo.pop()
        if n in known:
            outer = getattr(known[n], "frame", None)
            if outer is not None:  # a tracer
                known[n] = outer.value(known[n].number)
            continue
        k = definition[n]
        if k < 0:
            known[n] = None
        elif k not in need:
            need.add(k)
            todo.extend([a for a in eqns[k].ins if type(a) is int])
    return need


def _compute(frame: Any, k: int) -> bool:
    """The results of an equation, whose operands were computed before; whether they have values."""
    known, (prim, ins, params, outs) = frame.known, frame.eqns[k]
    xs = [a.value if type(a) is Lit else known[a] for a in ins]
    if any(x is None for x in xs) or prim.names_axis is not None:
        known.update(dict.fromkeys(outs))
        return False
    with alone(frame.sources[k]):
        ys = executor.bind(prim, xs, dict(params))
    known.update(zip(outs, ys if prim.many else [ys], strict=True))
    return True


def act(frame: Any, need: set[int] | None = None) -> None:
    """Compute these equations (all that have effects), after the effects that come before theirs."""
    eqns = frame.eqns
    waiting = [k for k, eqn in enumerate(eqns) if eqn_effects(eqn) and k not in frame.acted]
    last = max(waiting if need is None else need.intersection(waiting), default=-1)
    if last >= 0 and frame.below is not None and frame.below.waits:
        act(frame.below)
    acting = {k for k in waiting if k <= last}
    behind = _ancestors(frame, [a for k in acting for a in eqns[k].ins if type(a) is int])
    for k in sorted({*(need or ()), *acting, *behind}):
        if _compute(frame, k) and k in acting:
            _silence(frame, k)


def _silence(frame: Any, k: int) -> None:
    """What an effect returned is like captured values from now on; a graph with effects goes on without them unless its
    results depend on them."""
    frame.acted |= {k}
    prim, _, _, outs = frame.eqns[k]
    quiet = silent(frame.eqns[k])
    if quiet is not None:
        frame.eqns[k] = quiet
    elif prim.effects:
        for o in outs:
            frame.captured[object()] = (frame.known[o], o)
            frame.definition[o] = -1
        frame.eqns[k] = Eqn(PRIMITIVES["call"], (), (("graph", NOTHING), ("name", prim.name)), ())
