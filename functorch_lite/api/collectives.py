"""Which collectives a program performs, over which axis, how often, and how many bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from functorch_lite.api.arguments import check_callable, wraps
from functorch_lite.api.inspect import make_graph
from functorch_lite.ir import Eqn, Graph, subgraphs
from functorch_lite.prims.collective import axis_index_p, own_row_p, vary_p
from functorch_lite.transforms.simplify import simplify

_LOCAL = (axis_index_p, own_row_p, vary_p)  # no device has to ask another one


class Collective(NamedTuple):
    """One collective of a program."""

    name: str
    axes: tuple[str, ...]
    type: Any  # of what each device contributes
    times: int  # per turn of the innermost loop whose number of turns is not known
    repeated: bool  # whether there is such a loop around it
    source: Any

    @property
    def nbytes(self) -> int:
        """The bytes that each device contributes, all times together."""
        return self.times * self.type.size * self.type.dtype.itemsize


class Collectives(tuple):
    """All collectives of a program, as a table."""

    @property
    def nbytes(self) -> int:
        """The bytes that each device contributes to all of them."""
        return sum([c.nbytes for c in self])

    def __repr__(self) -> str:
        if not self:
            return "no collectives"
        rows = [("collective", "axes", "of", "times", "bytes", "")]
        for c in self:
            times = f"{c.times} a turn" if c.repeated else str(c.times)
            rows.append((c.name, ",".join(c.axes), str(c.type.varying(())), times, str(c.nbytes), f"# {c.source}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([text.ljust(w) for text, w in zip(row, widths, strict=True)]).rstrip() for row in rows]
        return "\n".join([*lines, f"{self.nbytes} bytes from each device"])


def collective_bytes(fun: Callable) -> Callable:
    """A function that tells which collectives `fun` performs for its arguments, without running it.

    It returns a table, a tuple of rows with `name`, `axes`, `type` (of the part of one device), `times` and `nbytes`,
    and has the sum `nbytes`: what each device contributes. A collective in a `scan` counts once per turn; in a
    `while_loop` for a single turn, and both branches of a `cond` count. Axes of `vmap`, and rows within a device, cost
    nothing. Arguments: arrays, or ShapeDtypeStructs.
    """
    check_callable("collective_bytes", fun)

    @wraps(fun, "collective_bytes")
    def wrapped(*args, **kwargs):
        graph = make_graph(fun)(*args, **kwargs)
        return Collectives(_found(graph, [str(s) for s in graph.sources], 1, False))

    return wrapped


def _found(graph: Graph, lines: list[str], times: int, repeated: bool) -> Iterator[Collective]:
    """The collectives of a graph; `lines` are the places of the user that its sources refer to."""
    graph = simplify(graph)
    for eqn, source in zip(graph.eqns, graph.sources, strict=True):
        line = lines[source] if type(source) is int else str(source)
        if eqn.prim.names_axis is not None and eqn.prim not in _LOCAL:
            axes = eqn.prim.names_axis(**dict(eqn.params))
            yield Collective(eqn.prim.name, axes, graph.types[eqn.ins[0]], times, repeated, line)
        more, unknown = _turns(eqn)
        for inner in subgraphs(eqn.params):
            yield from _found(inner, [line] * len(inner.eqns), times * more, repeated or unknown)


def _turns(eqn: Eqn) -> tuple[int, bool]:
    """How often the graphs of an equation run, and whether that is not known."""
    if eqn.prim.name == "scan":
        return dict(eqn.params)["length"], False
    return 1, eqn.prim.name in ("while_loop", "record", "replay")
