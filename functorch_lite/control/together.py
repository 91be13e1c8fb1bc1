"""Several traced functions as graphs of one equation: all take what any of them captured, before their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functorch_lite.control.loops import Place, rewired
from functorch_lite.ir import Graph
from functorch_lite.trace import Tracer, typeof


def together(traced: Sequence[tuple[Graph, list]]) -> tuple[list[Graph], list]:
    """The graphs with the captured values of all of them as leading inputs, each value once; and these values."""
    places: dict[Any, int] = {}
    captured: list = []
    for _, values in traced:
        for x in values:
            if places.setdefault(_identity(x), len(captured)) == len(captured):
                captured.append(x)
    made = []
    for graph, values in traced:
        ins: list[Place] = [typeof(x) for x in captured]
        for k, x in enumerate(values):
            ins[places[_identity(x)]] = k
        made.append(rewired(graph, [*ins, *range(len(values), len(graph.ins))], range(len(graph.outs))))
    return made, captured


def _identity(x: Any) -> Any:
    return (id(x.frame), x.number) if isinstance(x, Tracer) else id(x)
