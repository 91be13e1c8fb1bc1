"""Reverse a linear graph: from cotangents of its results to cotangents of its linear inputs."""

from __future__ import annotations

from functorch_lite.ir import Graph, Lit
from functorch_lite.prims.elementwise import add_cotangents
from functorch_lite.prims.linear import Deferred, Linear, settle
from functorch_lite.trace import this_frame
from functorch_lite.transforms.common import again, pick, rebuild, rewrite, visit


@rewrite
def transpose(
    graph: Graph, linear: tuple[bool, ...], given: tuple[bool, ...]
) -> tuple[Graph, tuple[bool, ...]]:
    """(r..., t...) -> (s...), linear in t, becomes (r..., ct of given s...) -> (ct of t...).

    `given` says which results have a cotangent, the others' being zero; a zero cotangent of t is absent, as the mask
    over t says. What r alone decides is computed first.
    """
    fixed, wanted = pick(graph.ins, linear, False), pick(graph.ins, linear)
    mask: list[bool] = []

    def body(*args):
        frame = this_frame()
        env, cts, later = dict(zip(fixed, args[: len(fixed)], strict=True)), {}, []
        reached = set(wanted)  # the values that depend on t
        deferred: dict[int, list[Deferred]] = {}  # parts of cotangents, put together when the cotangent is needed

        def accumulate(a, ct):
            if type(ct) is Deferred:
                deferred.setdefault(a, []).append(ct)
            else:
                cts[a] = ct if a not in cts else add_cotangents(cts[a], ct)

        def total(a):
            ct = cts.pop(a, None)
            return settle(deferred.pop(a), types[a].strong(), ct) if a in deferred else ct

        for eqn, _ in visit(graph):
            if reached.isdisjoint(eqn.ins):
                ys = again(graph, eqn, env)
                env.update(zip(eqn.outs, ys if eqn.prim.many else [ys], strict=True))
            else:
                reached.update(eqn.outs)
                later.append((eqn, frame.source))
        for o, ct in zip(pick(graph.outs, given), args[len(fixed) :], strict=True):
            if o in reached:
                accumulate(o, ct)
        for (prim, ins, params, outs), frame.source in reversed(later):
            ct = [total(o) for o in outs] if prim.many else total(outs[0])
            if ct is None or (prim.many and not any([c is not None for c in ct])):
                continue
            if prim.transpose is None:
                raise TypeError(f"`{prim.name}` is not linear in its operands, so it cannot be transposed; "
                                "`linear_transpose` takes linear functions only")  # fmt: skip
            xs = [a.value if type(a) is Lit else Linear(types[a]) if a in reached else env[a] for a in ins]
            parts = prim.transpose(ct, *xs, **dict(params))
            if frame.captured:  # the rule computed with a `Linear`: a product of two of them, or a quotient by one
                raise TypeError(f"`{prim.name}` is not linear in all its operands at once, so it cannot be "
                                "transposed; `linear_transpose` takes linear functions only")  # fmt: skip
            for a, c in zip(ins, parts, strict=True):
                if c is not None and a in reached:
                    accumulate(a, c)
        made = [total(i) for i in wanted]
        frame.source = None
        mask.extend([ct is not None for ct in made])
        return [ct for ct in made if ct is not None]

    types = graph.types
    cotangents = [types[o].strong() for o in pick(graph.outs, given)]
    return rebuild(body, [types[i] for i in fixed] + cotangents, "transpose"), tuple(mask)
