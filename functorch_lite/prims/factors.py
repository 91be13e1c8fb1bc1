"""Products of all other members of a group, without a division: right, and as often differentiable, at zeros."""

from __future__ import annotations

from functorch_lite.ir import PRIMITIVES
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import shape as s
from functorch_lite.prims.slicing import pad
from functorch_lite.trace import bind, typeof


def other_factors(keys, values):
    """Per value, the product of the others with the same key; `keys` and `values` are vectors, the keys integers."""
    n = typeof(keys).size
    sort = PRIMITIVES["sort"]  # it reads with gathers, and the scatters need it here
    along = {"dimension": 0, "num_keys": 1, "stable": True}
    keys, values, order = bind(sort, keys, values, s.iota(typeof(keys).dtype, (n,), 0), **along)
    made = e.mul(_passed(keys, values, n, 1), _passed(keys, values, n, -1))
    return bind(sort, order, made, **along)[1]


def _passed(keys, values, n: int, way: int):
    """Per value, the product of those before it in its group (way 1), or after it (-1); groups stand together."""

    def moved(x, k, fill):
        return pad(x, fill, [(way * k, -way * k, 0)])

    def neighbours(x, k):
        return e.select(e.eq(keys, moved(keys, k, -1)), moved(x, k, 1), 1)

    made, k = neighbours(values, 1), 1
    while k < n:
        made, k = e.mul(made, neighbours(made, k)), 2 * k
    return made
