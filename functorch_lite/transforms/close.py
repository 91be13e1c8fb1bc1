"""Before a transform: trace the users' rules that it will need, while the frame of the user's function is still open.

A rule may capture arrays, tracers of outer frames and tracers of this very frame; it may look at values that are known.
What it captured becomes operands of the closed equation, so that afterwards the graph is a value again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from functorch_lite.dtypes import is_inexact
from functorch_lite.ir import Eqn, Graph, Token, is_open, subgraphs
from functorch_lite.trace import Frame, inline, trace
from functorch_lite.transforms.depends import of_equation
from functorch_lite.transforms.vmap import names


class Derivative(NamedTuple):
    """The transform is jvp or something made of it."""


class Mapping(NamedTuple):
    """The transform is vmap."""

    size: int
    axis: str | None


class Rule(Token):
    """A user's rules, as a parameter of `custom`."""

    __slots__ = ()
    maps = False  # whether vmap asks them
    captured = 0  # how many leading operands the function captured

    def close(self, kind: Derivative | Mapping, frame: Frame, eqn: Eqn, reached: tuple[bool, ...]) -> Eqn:
        """The closed form of an equation; `reached` says which operands are active, or batched."""
        raise NotImplementedError

    def mapped(self, size, batched, out_batched, axis) -> Rule:
        """The rules of the same function under vmap."""
        raise NotImplementedError

    def pushed(self, active: tuple[bool, ...], results: int) -> Rule:
        """The vmap rule of the function, of so many results, with its tangents, where these operands have one."""
        raise NotImplementedError

    def after(self, count: int) -> Rule:
        """The same rules where so many operands more come first, which the function captured."""
        raise NotImplementedError


def closing(kind: Derivative | Mapping, reached: Callable[[Frame], set[int]]) -> Callable[[Frame], None]:
    """The `prepare` argument of `trace`; `reached(frame)` are the numbers of the inputs that are active, or batched."""

    def prepare(frame: Frame) -> None:
        if any(is_open(eqn) for eqn in frame.eqns):
            _close_frame(frame, kind, reached(frame), {})

    return prepare


def _close_frame(frame: Frame, kind, reached: set[int], memo: dict) -> None:
    types = frame.types
    for k in range(len(frame.eqns)):
        eqn = frame.eqns[k]
        mask = tuple([type(a) is int and a in reached for a in eqn.ins])
        named = isinstance(kind, Mapping) and kind.axis is not None and names(eqn, kind.axis)
        if not any(mask) and not named:
            continue
        rules = is_open(eqn)  # results of rules may be batched whatever they depend on
        found = [True] * len(eqn.outs) if named or rules else of_equation(eqn, mask, False)
        exact = lambda o: isinstance(kind, Mapping) or is_inexact(types[o].dtype)
        reached.update([o for o, f in zip(eqn.outs, found, strict=True) if f and exact(o)])
        if not rules:
            continue
        frame.source = frame.sources[k]
        rule = next((v for _, v in eqn.params if isinstance(v, Rule)), None)
        closed = eqn if rule is None else rule.close(kind, frame, eqn, mask)
        if closed is eqn:  # it has no rule for this transform, but what it calls may have
            closed = _close_nested(frame, kind, eqn, None if named else mask, memo)
        frame.eqns[k] = closed
        frame.source = None


def _close_nested(frame: Frame, kind, eqn: Eqn, mask: tuple[bool, ...] | None, memo: dict) -> Eqn:
    """Close the graphs inside; without a mask, all that they take counts as reached."""
    inside, reaches = subgraphs(eqn.params), eqn.prim.reaches
    if mask is None or reaches is None:
        masks = [(True,) * len(graph.ins) for graph in inside]
    else:
        masks = reaches(isinstance(kind, Mapping), mask, **dict(eqn.params))
    graphs, extras = [], []
    for graph, reached in zip(inside, masks, strict=True):
        if graph.open:
            if (graph, reached) not in memo:
                memo[graph, reached] = close_graph(graph, kind, frame, reached)
            graph, captured = memo[graph, reached]
        else:
            captured = []
        graphs.append(graph)
        extras.append(tuple([frame.atom(x) for x in captured]))
    return eqn.prim.rewire(eqn, graphs, extras) if eqn.prim.rewire is not None else eqn


def close_graph(graph: Graph, kind, frame: Frame, reached: Sequence[bool]) -> tuple[Graph, list]:
    """A nested graph with the rules traced that these inputs reach; and what the rules captured."""
    active = [r and (isinstance(kind, Mapping) or is_inexact(t.dtype))
              for r, t in zip(reached, graph.in_types, strict=True)]  # fmt: skip
    prepare = closing(kind, lambda inner: {i for i, a in enumerate(active) if a})
    run = lambda *xs: inline(graph, xs)
    return trace(run, graph.in_types, transform=frame.transform, name=frame.name, prepare=prepare)
