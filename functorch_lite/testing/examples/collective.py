"""How the primitives of `prims/collective.py` stand in the mapped functions of drawn programs, and what they mean.

Each says what the rows of the mapped axis get, of what they hold; in smooth programs extremes stay apart.
"""

import numpy as np

import functorch_lite.numpy as fnp
from functorch_lite.testing.examples.record import MARGIN, add
from functorch_lite.testing.scope import Rejected


def collective(name, text, across, where=None, kinked=False, jax=True):
    """across: the rows of an operand -> the rows of results. where: (value, size of the axis) -> whether it applies.

    jax: as in `Example`: jax has no derivative of pmax and pmin, and its all_to_all of what is not mapped has further
    axes.
    """

    def make(b):
        if not b.scope.named:
            raise Rejected
        axis, n = b.scope.named[-1]
        x = b.operand("f", lambda v: where is None or where(v, n))

        def rows(xs):
            if kinked and b.plan.smooth and not all(_distinct(r) for r in _pairs([x for (x,) in xs])):
                raise Rejected
            return across([x for (x,) in xs])

        shift = [(k, (k + 1) % n) for k in range(n)]
        b.gather(name, text.format(axis=axis, shift=shift), x, rows, across([x.example] * n)[0])

    add(name, make, jax=jax)


def _pairs(xs):
    return [np.asarray(x - y) for k, x in enumerate(xs) for y in xs[:k]]


def _distinct(gap):
    """Rows are the same, as of a value that is not mapped, or apart."""
    return not gap.size or bool(np.all((np.abs(gap) > MARGIN) | (gap == 0)))


def folded(fun):
    def across(xs):
        total = xs[0]
        for x in xs[1:]:
            total = fun(total, x)
        return [total] * len(xs)

    return across


def _exchanged(xs):
    """Part j of row k becomes part k of row j."""
    return [fnp.stack([x[j] for x in xs]) for j in range(len(xs))]


collective("psum", 'lax.psum({{0}}, "{axis}")', folded(lambda x, y: x + y))
collective("psum", 'lax.pmean({{0}}, "{axis}")', lambda xs: [sum(xs) / len(xs)] * len(xs))
collective("pmax", 'lax.pmax({{0}}, "{axis}")', folded(fnp.maximum), kinked=True, jax=False)
collective("pmin", 'lax.pmin({{0}}, "{axis}")', folded(fnp.minimum), kinked=True, jax=False)
collective("ppermute", 'lax.ppermute({{0}}, "{axis}", {shift})', lambda xs: [xs[-1], *xs[:-1]])
collective("all_gather", 'lax.all_gather({{0}}, "{axis}")', lambda xs: [fnp.stack(xs)] * len(xs),
           lambda v, n: v.size * n <= 16)  # fmt: skip
collective("psum_scatter", 'lax.psum_scatter({{0}}, "{axis}")', lambda xs: list(fnp.sum(fnp.stack(xs), 0)),
           lambda v, n: v.ndim and v.shape[0] == n)  # fmt: skip
collective("all_to_all", 'lax.all_to_all({{0}}, "{axis}", 0, 0)', _exchanged, lambda v, n: v.ndim and v.shape[0] == n,
           jax=False)  # fmt: skip
collective("axis_index", '{{0}} * (1.0 + lax.axis_index("{axis}"))',
           lambda xs: [x * (1.0 + k) for k, x in enumerate(xs)])  # fmt: skip
