"""`linear_call`: a function linear in some operands, beside the function that is its transpose.

Operands: fixed ones, in which it need not be linear, then linear ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from functorch_lite.control.rows import all_batched, mapped
from functorch_lite.control.together import lean, reached_together, rewired_together
from functorch_lite.ir import Eqn, Graph, Primitive, core, intern
from functorch_lite.prims.elementwise import add
from functorch_lite.prims.linear import is_linear
from functorch_lite.prims.shape import zeros_like
from functorch_lite.trace import at, bind, inline
from functorch_lite.transforms import jvp as jvp_pass
from functorch_lite.transforms import vmap as vmap_pass
from functorch_lite.transforms.common import pick, spread
from functorch_lite.transforms.reverse import simplified
from functorch_lite.transforms.simplify import simplify


class Pair(NamedTuple):
    """The parameters of `linear_call`.

    fun: (fixed, linear) -> results. back: (fixed, cotangents of results) -> cotangents of linear.
    """

    fun: Graph
    back: Graph
    fixed: int
    name: str

    def params(self) -> dict:
        return self._replace(fun=intern(simplified(self.fun)), back=intern(simplified(self.back)))._asdict()


def linear_call(pair: Pair, operands: Sequence) -> list:
    """Apply a linear function as one equation; returns the list of its results."""
    return bind(linear_call_p, *operands, **pair.params())


def _infer(*types, **params):
    pair = Pair(**params)
    assert core(pair.fun.in_types) == core(types), (pair.fun, types)
    assert core(pair.back.in_types) == core([*types[: pair.fixed], *pair.fun.out_types]), (pair.back, pair.fun)
    assert core(pair.back.out_types) == core(types[pair.fixed :]), (pair.back, types)
    return [t.strong() for t in pair.fun.out_types]


def _jvp(xs, ts, **params):
    pair = Pair(**params)
    n = pair.fixed
    ys = linear_call(pair, xs)
    made: list = [None] * len(ys)
    if any(t is not None for t in ts[n:]):
        given = [zeros_like(x.type) if t is None else t for x, t in zip(xs[n:], ts[n:], strict=True)]
        made = linear_call(pair, [*xs[:n], *given])
    active = tuple([t is not None for t in ts[:n]])
    if any(active):
        new, mask = jvp_pass.jvp(pair.fun, (*active, *[False] * (len(xs) - n)))
        more = spread(inline(simplify(new), [*xs, *pick(ts[:n], active)])[len(ys) :], mask)
        made = [b if a is None else a if b is None else add(a, b) for a, b in zip(made, more, strict=True)]
    return ys, made


def _transpose(cts, *xs, **params):
    pair = Pair(**params)
    n = pair.fixed
    if any(map(is_linear, xs[:n])):
        raise TypeError(f"linear_call of `{pair.name}` is not linear in its residual arguments, at {at()}; to "
                        "transpose it in one of them, pass that among the linear arguments")  # fmt: skip
    given = [zeros_like(t) if ct is None else ct for ct, t in zip(cts, pair.fun.out_types, strict=True)]
    made = linear_call(pair._replace(fun=pair.back, back=pair.fun), [*xs[:n], *given])
    return [*[None] * n, *[ct if is_linear(x) else None for ct, x in zip(made, xs[n:], strict=True)]]


def _vmap(size, xs, batched, *, axis_name=None, **params):
    """An operand whose cotangent is batched is made batched, so that the transpose of that sums it over the rows."""
    pair = Pair(**params)
    fixed, ins = tuple(batched[: pair.fixed]), tuple(batched[pair.fixed :])
    while True:
        outs = vmap_pass.vmap(pair.fun, size, (*fixed, *ins), axis_name)[1]
        back = vmap_pass.vmap(pair.back, size, (*fixed, *outs), axis_name)[1]
        more = tuple([a or b for a, b in zip(ins, back, strict=True)])
        if more == ins:
            break
        ins = more
    fun = mapped(pair.fun, size, (*fixed, *ins), outs, axis_name)
    back = mapped(pair.back, size, (*fixed, *outs), ins, axis_name)
    linear = all_batched(xs[pair.fixed :], [b or not f for b, f in zip(batched[pair.fixed :], ins, strict=True)], size)
    return linear_call(pair._replace(fun=fun, back=back), [*xs[: pair.fixed], *linear]), outs


def _dce(eqn, live):
    """Without the fixed operands that neither function reads."""
    pair = Pair(**dict(eqn.params))
    (fun, back), stay = lean([pair.fun, pair.back], pair.fixed)
    if all(stay) and fun.eqns == pair.fun.eqns and back.eqns == pair.back.eqns:
        return eqn
    fewer = pair._replace(fun=fun, back=back, fixed=sum(stay))
    operands = (*pick(eqn.ins[: pair.fixed], stay), *eqn.ins[pair.fixed :])
    return Eqn(linear_call_p, operands, tuple(fewer.params().items()), eqn.outs)


def _rewire(eqn, graphs, extras):
    (fun, back), more = rewired_together(graphs, extras)
    pair = Pair(**dict(eqn.params))
    made = pair._replace(fun=intern(fun), back=intern(back), fixed=pair.fixed + len(more))
    return Eqn(linear_call_p, (*more, *eqn.ins), tuple(made._asdict().items()), eqn.outs)


linear_call_p = Primitive(
    "linear_call",
    params=Pair._fields,
    many=True,
    infer=_infer,
    jvp=_jvp,
    transpose=_transpose,
    vmap=_vmap,
    dce=_dce,
    reaches=lambda mapping, mask, **params: reached_together(Pair(**params)[:2], params["fixed"], mask),
    rewire=_rewire,
)
