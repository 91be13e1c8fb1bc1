"""Sorting along one axis, many operands by several keys, and the largest elements.

The order: -0.0 equals 0.0, NaN comes last, complex numbers compare by their real, then by their imaginary part.
`top_k` is stricter, as XLA's is: there NaN is the largest (with a minus sign the smallest), and 0.0 exceeds -0.0.
"""

from __future__ import annotations

from functorch_lite import dtypes
from functorch_lite.errors import ShapeError
from functorch_lite.ir import Eqn, Primitive, array_type
from functorch_lite.prims.index import I32, I64, gather
from functorch_lite.prims.shape import batch, iota, reshape, zeros_like
from functorch_lite.trace import at, bind


def take_along(x, positions, axis):
    """The elements of `x` at distinct `positions` along `axis`; all other axes run together."""
    shape = positions.shape
    if 0 in shape:
        return zeros_like(array_type(shape, x.dtype))  # along an empty axis there is no window of size 1
    others = tuple([a for a in range(len(shape)) if a != axis])
    return gather(x, reshape(positions, (*shape, 1)), ((), (axis,), (axis,), others, others), (1,) * len(shape),
                  "promise", unique=True)  # fmt: skip


def _positions(shape, axis):
    return iota(I32 if shape[axis] < 2**31 else I64, shape, axis)


# ---- sort ----


def _infer_sort(*xs, dimension, num_keys, stable):
    shape = xs[0].shape if xs else ()
    if any(x.shape != shape for x in xs):
        raise ShapeError(f"sort: operands have one shape, got {', '.join(map(str, xs))} at {at()}; broadcast them")
    if not 0 <= dimension < len(shape):
        raise ShapeError(f"sort: {dimension} is no axis of {', '.join(map(str, xs))}, at {at()}")
    if not 1 <= num_keys <= len(xs):
        raise ValueError(f"sort: num_keys is {num_keys} with {len(xs)} operands, at {at()}; the first are the keys")
    return [array_type(x.shape, x.dtype, x.weak, x.vary) for x in xs]


def _jvp_sort(xs, ts, *, dimension, num_keys, stable):
    """Tangents go the way of their elements: the order is found once, by sorting the positions along."""
    *ys, order = sort([*xs, _positions(xs[0].shape, dimension)], dimension, num_keys, stable)
    return ys, [None if t is None else take_along(t, order, dimension) for t in ts]


def _vmap_sort(size, xs, batched, *, dimension, num_keys, stable):
    xs = [x if b else batch(x, size) for x, b in zip(xs, batched, strict=True)]
    return sort(xs, dimension + 1, num_keys, stable), (True,) * len(xs)


def _dce_sort(eqn, live):
    """What nobody reads and nothing is ordered by need not be moved."""
    keys = dict(eqn.params)["num_keys"]
    keep = [k for k, wanted in enumerate(live) if k < keys or wanted]
    return Eqn(sort_p, tuple([eqn.ins[k] for k in keep]), eqn.params, tuple([eqn.outs[k] for k in keep]))


sort_p = Primitive(
    "sort",
    params=("dimension", "num_keys", "stable"),
    many=True,
    infer=_infer_sort,
    jvp=_jvp_sort,
    vmap=_vmap_sort,
    dce=_dce_sort,
)


def sort(xs, dimension, num_keys=1, stable=True):
    """The arrays `xs`, of one shape, moved along `dimension` so that the first `num_keys` of them are in order.

    Without `stable`, rows whose keys are equal come in any order. A single array has no other row to tell them apart.
    """
    return bind(sort_p, *xs, dimension=dimension, num_keys=num_keys, stable=stable)


# ---- top_k ----


def _infer_top_k(x, *, k):
    if not x.ndim or not 0 <= k <= x.shape[-1]:
        raise ValueError(f"top_k: there are no {k} largest elements along the last axis of {x}, at {at()}")
    if dtypes.kind(x.dtype) not in "iuf":
        raise TypeError(f"top_k: does not take {x}, at {at()}; convert it")
    shape = (*x.shape[:-1], k)
    return [array_type(shape, x.dtype, x.weak, x.vary), array_type(shape, I32, False, x.vary)]


def _jvp_top_k(xs, ts, *, k):
    values, positions = top_k(xs[0], k)
    return [values, positions], [take_along(ts[0], positions, len(positions.shape) - 1), None]


top_k_p = Primitive(
    "top_k",
    params=("k",),
    many=True,
    infer=_infer_top_k,
    jvp=_jvp_top_k,
    vmap=lambda size, xs, batched, *, k: (top_k(xs[0], k), (True, True)),
)


def top_k(x, k):
    """The `k` largest elements along the last axis, largest first, and their positions (int32).

    Of equal elements the first one comes first.
    """
    return bind(top_k_p, x, k=k)
