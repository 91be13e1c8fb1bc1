"""Parts of arrays: cut out (`slice`), placed among a constant (`pad`), put together (`concatenate`).

Each is the transpose of another one. The cotangents of many slices of one array are put together once, so that
`sum(f(x[i]) for i in range(n))` costs as much backwards as forwards.
"""

from __future__ import annotations

from functorch_lite.errors import ShapeError
from functorch_lite.ir import Lit, Primitive, array_type
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.linear import Deferred, is_linear
from functorch_lite.prims.shape import batch, broadcast, full, full_p, reduce_sum, refilled
from functorch_lite.trace import SCALARS, at, bind, typeof

# ---- slice ----


def _infer_slice(x, *, start, limit, strides):
    if not len(start) == len(limit) == len(strides) == x.ndim:
        raise ShapeError(f"slice: {start} to {limit} by {strides} does not name each axis of {x} once, at {at()}")
    for low, high, step, n in zip(start, limit, strides, x.shape, strict=True):
        if not 0 <= low <= high <= n or step < 1:
            raise ShapeError(f"slice: {start} to {limit} by {strides} leaves {x}, at {at()}; starts and limits count "
                             "from 0, and strides are positive")  # fmt: skip
    sizes = [-(-(high - low) // step) for low, high, step in zip(start, limit, strides, strict=True)]
    return array_type(tuple(sizes), x.dtype)


def _simplify_slice(x, *, start, limit, strides):
    shape = _infer_slice(x.type, start=start, limit=limit, strides=strides).shape
    if shape == x.shape:
        return x
    inner = x.made_by(slice_p)
    if inner:
        first = [s + a * k for s, a, k in zip(inner["start"], start, inner["strides"], strict=True)]
        step = [a * b for a, b in zip(inner["strides"], strides, strict=True)]
        last = [s + max(n - 1, 0) * k + (n > 0) for s, n, k in zip(first, shape, step, strict=True)]
        return slice_p, x.operands(), {"start": tuple(first), "limit": tuple(last), "strides": tuple(step)}
    return _slice_of_joined(x, start, limit, strides) or refilled(x, shape)


def _slice_of_joined(x, start, limit, strides):
    """A slice that reads one operand of a concatenation only."""
    inner = x.made_by(concatenate_p)
    axis, before = inner["axis"] if inner else 0, 0
    for part in x.operands() if inner else ():
        after = before + part.shape[axis]
        if before <= start[axis] and start[axis] < limit[axis] <= after:
            moved = lambda ns, axis=axis, before=before: (*ns[:axis], ns[axis] - before, *ns[axis + 1 :])
            return slice_p, (part,), {"start": moved(start), "limit": moved(limit), "strides": strides}
        before = after
    return None


slice_p = Primitive(
    "slice",
    params=("start", "limit", "strides"),
    infer=_infer_slice,
    jvp=(lambda t, y, x, **params: bind(slice_p, t, **params),),
    transpose=lambda ct, x, *, start, limit, strides: (Deferred(_joined, (start, strides, ct)),),
    vmap=lambda size, xs, batched, *, start, limit, strides: slice(
        xs[0], (0, *start), (size, *limit), (1, *strides)),
    simplify=_simplify_slice,
)


def slice(x, start, limit, strides=None):
    """The elements of `x` from `start` up to `limit`, every `strides`-th, per axis."""
    strides = (1,) * len(start) if strides is None else strides
    return bind(slice_p, x, start=tuple(start), limit=tuple(limit), strides=tuple(strides))


# ---- pad ----


def _infer_pad(x, value, *, config):
    if len(config) != x.ndim or any(interior < 0 for _, _, interior in config):
        raise ShapeError(f"pad: {config} are not {x.ndim} triples (low, high, interior >= 0) for {x}, at {at()}")
    if value.shape or value.dtype != x.dtype:
        raise TypeError(f"pad: {x} takes a value without axes and of its dtype, got {value}, at {at()}; convert it")
    sizes = [low + high + n + max(n - 1, 0) * k for n, (low, high, k) in zip(x.shape, config, strict=True)]
    if any(n < 0 for n in sizes):
        raise ShapeError(f"pad: {config} takes more away than {x} has, at {at()}")
    return array_type(tuple(sizes), x.dtype)


def _jvp_pad(ts, y, x, value, *, config):
    t, s = ts
    t = full(typeof(x).shape, 0, typeof(x).dtype) if t is None else t
    return pad(t, 0 if s is None else s, config)


def _inside(shape, config):
    """True where `pad` puts an element, False where it puts the value."""
    return pad(full(shape, True, bool), False, config)


def _transpose_pad(ct, x, value, *, config):
    of_x = _cut(ct, config) if is_linear(x) else None
    if not is_linear(value):
        return of_x, None
    outside = e.select(_inside(typeof(x).shape, config), 0, ct)
    return of_x, reduce_sum(outside, range(ct.ndim))


def _cut(ct, config):
    """What `pad` by `config` put in: its inverse on the elements, which are zero where it cut them off."""
    grown = [(max(-low, 0), max(-high, 0), 0) for low, high, _ in config]
    ct = pad(ct, 0, grown) if any(low or high for low, high, _ in grown) else ct
    start = [max(low, 0) for low, _, _ in config]
    limit = [n - max(high, 0) for n, (_, high, _) in zip(ct.shape, config, strict=True)]
    limit = [max(a, b) for a, b in zip(start, limit, strict=True)]  # an empty axis may be padded by less than nothing
    return slice(ct, start, limit, [k + 1 for _, _, k in config])


def _vmap_pad(size, xs, batched, *, config):
    x, value = xs[0] if batched[0] else batch(xs[0], size), xs[1]
    wide = ((0, 0, 0), *config)
    if not batched[1]:
        return pad(x, value, wide)
    padded = pad(x, full((), 0, x.dtype), wide)
    return e.select(_inside(x.shape, wide), padded, broadcast(value, padded.shape, (0,)))


def _simplify_pad(x, value, *, config):
    constant = type(value) is not Lit and value.made_by(full_p)
    if constant and type(x) is not Lit:
        return pad_p, (x, constant["value"]), {"config": config}
    if all(c[:2] == (0, 0) and (c[2] == 0 or n < 2) for c, n in zip(config, x.shape, strict=True)):
        return x
    inner = x.made_by(pad_p)
    if inner:
        operand, same = x.operands()
        joined = _pad_twice(inner["config"], config)
        if joined and (same is value or (type(value) is not Lit and same == value)):
            return pad_p, (operand, value), {"config": joined}
    filled = x.made_by(full_p)
    if filled and filled["value"] is value:
        return refilled(x, _infer_pad(x.type, value.type, config=config).shape)
    return None


def _pad_twice(first, second):
    """One configuration that does what two do after each other, or None."""
    if any(k or (a < 0) != (c < 0 and a < 0) or (b < 0) != (d < 0 and b < 0)
           for (a, b, _), (c, d, k) in zip(first, second, strict=True)):  # fmt: skip
        return None
    return tuple([(a + c, b + d, k) for (a, b, k), (c, d, _) in zip(first, second, strict=True)])


pad_p = Primitive(
    "pad",
    params=("config",),
    infer=_infer_pad,
    jvp=_jvp_pad,
    transpose=_transpose_pad,
    vmap=_vmap_pad,
    simplify=_simplify_pad,
    literals=(0, 1),
    scalars=(1,),
    weak=(0,),
)


def pad(x, value, config):
    """`x` with `low` copies of `value` before, `high` behind and `interior` between its elements, per axis.

    Negative `low` and `high` take elements away. `value` has no axes and the dtype of `x`.
    """
    return bind(pad_p, x, value, config=tuple(map(tuple, config)))


# ---- concatenate ----


def _infer_concatenate(*xs, axis):
    if not xs or not 0 <= axis < xs[0].ndim:
        raise ShapeError(f"concatenate: {axis} is no axis of {', '.join(map(str, xs)) or 'nothing'}, at {at()}")
    rest = lambda t: (*t.shape[:axis], *t.shape[axis + 1 :])
    for x in xs:
        if x.ndim != xs[0].ndim or rest(x) != rest(xs[0]):
            raise ShapeError(f"concatenate: {xs[0]} and {x} differ in more than axis {axis}, at {at()}; reshape one")
        if x.dtype != xs[0].dtype:
            raise TypeError(f"concatenate: dtypes differ, {xs[0]} and {x}, at {at()}; convert one of them")
    size = sum([x.shape[axis] for x in xs])
    return array_type((*xs[0].shape[:axis], size, *xs[0].shape[axis + 1 :]), xs[0].dtype)


def _jvp_concatenate(ts, y, *xs, axis):
    zeros = lambda x: full(typeof(x).shape, 0, typeof(x).dtype)
    return concatenate([zeros(x) if t is None else t for t, x in zip(ts, xs, strict=True)], axis)


def _transpose_concatenate(ct, *xs, axis):
    made, start, limit = [], [0] * ct.ndim, list(ct.shape)
    for x in xs:
        limit[axis] = start[axis] + x.shape[axis]
        made.append(slice(ct, start, limit) if is_linear(x) else None)
        start[axis] = limit[axis]
    return made


def _simplify_concatenate(*xs, axis):
    some = [x for x in xs if x.shape[axis]] or [xs[0]]
    if len(some) == 1:
        return some[0]
    if len(some) < len(xs):
        return concatenate_p, tuple(some), {"axis": axis}
    constants = [x.made_by(full_p) for x in xs]
    if all(constants) and all(c["value"] is constants[0]["value"] for c in constants):
        return refilled(xs[0], _infer_concatenate(*[x.type for x in xs], axis=axis).shape)
    return None


concatenate_p = Primitive(
    "concatenate",
    params=("axis",),
    infer=_infer_concatenate,
    jvp=_jvp_concatenate,
    transpose=_transpose_concatenate,
    vmap=lambda size, xs, batched, *, axis: concatenate(
        [x if b else batch(x, size) for x, b in zip(xs, batched, strict=True)], axis + 1),
    simplify=_simplify_concatenate,
)


def concatenate(xs, axis):
    """The arrays one after another along `axis`; of one shape but for that axis, and of one dtype."""
    return xs[0] if len(xs) == 1 and type(xs[0]) not in SCALARS else bind(concatenate_p, *xs, axis=axis)


# ---- the cotangents of slices, put together ----


def _joined(parts, type_, total):
    """The sum of the parts (start, strides, ct), each with zeros around it, and of `total`.

    Axis by axis from the last one: the parts that agree in all other axes are put together along that axis, up to the
    reach of all parts in it. Each element is so moved once per axis, however many parts there are.
    """
    pieces = [_dilated(*part) for part in parts]
    whole = list(type_.shape)
    for axis in reversed(range(type_.ndim)):
        low = min([start[axis] for start, _ in pieces])
        high = max([start[axis] + ct.shape[axis] for start, ct in pieces])
        rows: dict = {}
        for start, ct in pieces:
            others = [(s, n) for k, (s, n) in enumerate(zip(start, ct.shape, strict=True)) if k != axis]
            rows.setdefault(tuple(others), []).append((start, ct))
        pieces = []
        for row in rows.values():
            start = (*row[0][0][:axis], low, *row[0][0][axis + 1 :])
            pieces.append((start, _along(axis, [(start[axis], ct) for start, ct in row], low, high)))
    start, made = pieces[0]
    for other, ct in pieces[1:]:
        assert other == start, "the last axis put together leaves one part"
        made = e.add(made, ct)
    config = [(s, n - s - m, 0) for s, n, m in zip(start, whole, made.shape, strict=True)]
    made = pad(made, 0, config) if any(low or high for low, high, _ in config) else made
    return made if total is None else e.add(total, made)


def _dilated(start, strides, ct):
    """The part of a slice with strides as a part without."""
    config = [(0, 0, k - 1 if n > 1 else 0) for k, n in zip(strides, ct.shape, strict=True)]
    return start, pad(ct, 0, config) if any(k for _, _, k in config) else ct


def _along(axis, items, low, high):
    """The parts (start, ct), which differ along one axis only, as one part from `low` to `high` there."""
    same: dict = {}
    for start, ct in items:
        place = (start, start + ct.shape[axis])
        same[place] = e.add(same[place], ct) if place in same else ct
    layers: list[list] = []  # of parts that do not overlap; as many layers as parts overlap at most
    for place in sorted(same):
        layer = next((layer for layer in layers if layer[-1][1] <= place[0]), None)
        if layer is None:
            layers.append(layer := [])
        layer.append((*place, same[place]))
    made = [_in_line(axis, layer, low, high) for layer in layers]
    total = made[0]
    for ct in made[1:]:
        total = e.add(total, ct)
    return total


def _in_line(axis, layer, low, high):
    """Parts in order, without overlap, joined with zeros between them."""
    if len(layer) == 1:
        (start, stop, ct) = layer[0]
        config = [(start - low, high - stop, 0) if k == axis else (0, 0, 0) for k in range(ct.ndim)]
        return ct if (start, stop) == (low, high) else pad(ct, 0, config)
    made, end = [], low
    for start, stop, ct in [*layer, (high, high, None)]:
        if start > end:
            shape = layer[0][2].shape
            made.append(full((*shape[:axis], start - end, *shape[axis + 1 :]), 0, layer[0][2].dtype))
        if ct is not None:
            made.append(ct)
        end = stop
    return concatenate(made, axis)
