"""Names for values: the identity, by which a policy of `checkpoint` knows a value again."""

from __future__ import annotations

from functorch_lite.ir import Primitive
from functorch_lite.trace import bind


def name(x, name: str):
    """`x` itself, under a name."""
    return bind(name_p, x, name=name)


name_p = Primitive(
    "name",
    params=("name",),
    infer=lambda x, *, name: x,
    jvp=(lambda t, y, x, *, name: t,),  # a policy decides about values, which the tangent is none of
    transpose=lambda ct, x, *, name: (ct,),
    vmap=lambda size, xs, batched, *, name: bind(name_p, xs[0], name=name),
)
