"""Forward mode."""

from __future__ import annotations

from functorch_lite.ir import Graph
from functorch_lite.prims.elementwise import add
from functorch_lite.transforms.common import again, pick, read, rebuild, rewrite, visit


@rewrite
def jvp(graph: Graph, active: tuple[bool, ...]) -> tuple[Graph, tuple[bool, ...]]:
    """(x...) -> (y...) becomes (x..., t of active x...) -> (y..., t of active y...).

    A structurally zero tangent is absent; the mask says which outputs have one.
    """
    n, mask = len(graph.ins), []

    def body(*args):
        env = dict(zip(graph.ins, args[:n], strict=True))
        tangents = dict(zip(pick(graph.ins, active), args[n:], strict=True))
        for eqn, params in visit(graph):
            prim, xs = eqn.prim, read(env, eqn.ins)
            ts = [tangents.get(a) for a in eqn.ins]
            if prim.many:
                if any(t is not None for t in ts):
                    ys, yts = prim.jvp(xs, ts, **params)
                else:
                    ys, yts = again(graph, eqn, env), ()
                tangents.update([(o, t) for o, t in zip(eqn.outs, yts, strict=bool(yts)) if t is not None])
                env.update(zip(eqn.outs, ys, strict=True))
                continue
            y = env[eqn.outs[0]] = again(graph, eqn, env)
            total = None
            if callable(prim.jvp):
                if any(t is not None for t in ts):
                    total = prim.jvp(ts, y, *xs, **params)
            else:
                for rule, t in zip(prim.jvp, ts, strict=True):
                    if rule is not None and t is not None:
                        part = rule(t, y, *xs, **params)
                        if part is not None:
                            total = part if total is None else add(total, part)
            if total is not None:
                tangents[eqn.outs[0]] = total
        mask.extend([o in tangents for o in graph.outs])
        return [env[o] for o in graph.outs] + [tangents[o] for o in pick(graph.outs, mask)]

    types = graph.in_types
    new = rebuild(body, types + [t.strong() for t in pick(types, active)], "jvp")
    return new, tuple(mask)
