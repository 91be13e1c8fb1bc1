"""Map a graph over a new leading axis of some inputs."""

from __future__ import annotations

from collections.abc import Sequence

from functorch_lite.ir import Eqn, Graph, subgraphs
from functorch_lite.transforms.common import again, read, rebuild, rewrite, visit
from functorch_lite.transforms.depends import depends, grown


def names(eqn: Eqn, axis: str | None) -> bool:
    """Whether an equation, or a graph inside it, reads the named axis or varies over it."""
    named = eqn.prim.names_axis
    if named is not None and axis in named(**dict(eqn.params)):
        return True
    graphs = subgraphs(eqn.params)
    return any(mentions(g, axis) or any(axis in t.vary for t in g.in_types) for g in graphs)


@rewrite
def mentions(graph: Graph, axis: str | None) -> bool:
    """Whether any equation of the graph reads the named axis or varies over it."""
    return any(names(eqn, axis) for eqn in graph.eqns)


@rewrite
def vmap(
    graph: Graph, size: int, batched: tuple[bool, ...], axis: str | None = None
) -> tuple[Graph, tuple[bool, ...]]:
    """Map over axis 0 of the batched inputs. Results are batched along axis 0 where the mask says so.

    With `axis`, the mapped axis has this name inside the graph.
    """
    mask: list[bool] = []

    def body(*args):
        env = dict(zip(graph.ins, args, strict=True))
        mapped = {i for i, b in zip(graph.ins, batched, strict=True) if b}
        for eqn, params in visit(graph):
            prim, xs, bs = eqn.prim, read(env, eqn.ins), tuple([a in mapped for a in eqn.ins])
            if not any(bs) and not (axis is not None and names(eqn, axis)):
                ys = again(graph, eqn, env)
                env.update(zip(eqn.outs, ys if prim.many else [ys], strict=True))
                continue
            if prim.names_axis is not None or subgraphs(eqn.params):
                params["axis_name"] = axis
            ys = prim.vmap(size, xs, bs, **params)
            if prim.many:
                ys, flags = ys
                env.update(zip(eqn.outs, ys, strict=True))
                mapped.update([o for o, b in zip(eqn.outs, flags, strict=True) if b])
            elif prim.names_axis is not None:
                env[eqn.outs[0]], flag = ys
                mapped.update(eqn.outs if flag else ())
            else:
                env[eqn.outs[0]] = ys
                mapped.add(eqn.outs[0])
        mask.extend([o in mapped for o in graph.outs])
        return [env[o] for o in graph.outs]

    def outside(t):  # there the axis has no name
        return t.varying(tuple([a for a in t.vary if a != axis])) if axis in t.vary else t

    types = [outside(t.with_shape((size, *t.shape)) if b else t) for t, b in zip(graph.in_types, batched, strict=True)]
    return rebuild(body, types, "vmap"), tuple(mask)


def kept_batched(
    graph: Graph, size: int, fixed: int, carried: int, batched: Sequence[bool], axis: str | None
) -> tuple[bool, ...]:
    """Which inputs of the body of a loop are batched, once what is carried stays so: the inputs after the `fixed` ones,
    which become the first results."""
    mask = tuple(batched)
    if axis is None or not mentions(graph, axis):
        mask = grown(depends(graph), fixed, carried, mask)
    while True:
        out = vmap(graph, size, mask, axis)[1]
        more = [a or b for a, b in zip(mask[fixed : fixed + carried], out[:carried], strict=True)]
        made = (*mask[:fixed], *more, *mask[fixed + carried :])
        if made == mask:
            return mask
        mask = made
