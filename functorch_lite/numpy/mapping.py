"""Functions that apply a Python function over axes: `vectorize`, `apply_along_axis`, `apply_over_axes`, `piecewise`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence

import numpy as np

from functorch_lite.ir import array_type
from functorch_lite.numpy.indexing import lax_reshape
from functorch_lite.numpy.promote import as_array, asarray, canonical_axis, convert
from functorch_lite.numpy.selecting import where
from functorch_lite.numpy.shape import broadcast_to, immutable, moveaxis
from functorch_lite.trace import at, run, trace, typeof
from functorch_lite.transforms.common import via
from functorch_lite.transforms.vmap import vmap

__all__ = ["apply_along_axis", "apply_over_axes", "piecewise", "vectorize"]


def map_leading(name: str, fun: Callable, arrays: Sequence, batch: tuple[int, ...]) -> list:
    """`fun` (core arrays -> list of arrays) over the leading axes `batch` of each array.

    An array may have size 1 along a batch axis: it is then the same for all of that axis, and not repeated.
    """
    n = len(batch)
    has = [[typeof(x).shape[k] == batch[k] and batch[k] != 1 for k in range(n)] for x in arrays]
    cores = [typeof(x).shape[n:] for x in arrays]
    types = [array_type(core, typeof(x).dtype, typeof(x).weak) for x, core in zip(arrays, cores, strict=True)]
    graph, captured = trace(
        lambda *xs: fun(*xs), types, transform=name, name=getattr(fun, "__name__", "fun"), concrete=True
    )
    known = [immutable(x) for x in captured]
    lean = [lax_reshape(x, tuple([m for m, b in zip(batch, flags) if b]) + core)
            for x, flags, core in zip(arrays, has, cores, strict=True)]  # fmt: skip
    made, out_batched = graph, [[False] * n for _ in graph.outs]
    for k in reversed(range(n)):
        if batch[k] == 1:
            continue
        source = made
        made, mask = vmap(made, batch[k], (*[False] * len(known), *[flags[k] for flags in has]))
        made = made if source is graph else via(made, source)
        for flags, mapped in zip(out_batched, mask, strict=True):
            flags[k] = mapped
    results = run(made, [*known, *lean], graph.sources)
    return [_full(y, flags, batch, t.shape) for y, flags, t in zip(results, out_batched, graph.out_types, strict=True)]


def _full(y, flags, batch, core):
    """A result with all batch axes, also those along which it does not differ."""
    thin = tuple([m if b else 1 for m, b in zip(batch, flags, strict=True)]) + tuple(core)
    return broadcast_to(lax_reshape(y, thin), (*batch, *core))


# ---- along axes ----


def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    """`func1d(vector, *args, **kwargs)` for every vector along `axis`, at once; its result takes the axis's place."""
    arr = as_array("apply_along_axis", arr)
    axis = canonical_axis("apply_along_axis", axis, arr.ndim)
    rows = as_array("apply_along_axis", moveaxis(arr, axis, -1))
    batch = rows.shape[:-1]
    (made,) = map_leading("apply_along_axis", lambda row: [asarray(func1d(row, *args, **kwargs))], [rows], batch)
    extra = made.ndim - len(batch)
    return moveaxis(made, list(range(len(batch), made.ndim)), list(range(axis, axis + extra)))


def apply_over_axes(func, a, axes):
    """`func(a, axis)` for one axis after the other; a result with an axis less gets it back with size 1."""
    a = asarray(a)
    for axis in axes if isinstance(axes, (tuple, list)) else (axes,):
        axis = canonical_axis("apply_over_axes", axis, a.ndim)
        made = asarray(func(a, axis))
        if made.ndim == a.ndim - 1:
            made = made.reshape((*made.shape[:axis], 1, *made.shape[axis:]))
        if made.ndim != a.ndim:
            raise ValueError(
                f"apply_over_axes: the function made {typeof(made)} of {typeof(a)}, at {at()}; it may drop one axis"
            )
        a = made
    return a


def piecewise(x, condlist, funclist, *args, **kw):
    """For each element, the function (or number) that belongs to the last condition that holds; else the one left over.

    condlist: booleans of the shape of `x`; funclist: as many, or one more, which serves the rest (default 0). Functions
    get all of `x`, and derivatives pass only through the elements they were chosen for.
    """
    x = as_array("piecewise", x)
    if isinstance(condlist, (bool, np.bool_)) or (
        not isinstance(condlist, (tuple, list)) and np.ndim(condlist) <= x.ndim
    ):
        condlist = [condlist]
    conditions, functions = list(condlist), list(funclist)
    if len(functions) == len(conditions):
        functions.append(0)
    if len(functions) != len(conditions) + 1:
        raise ValueError(f"piecewise: got {len(conditions)} conditions and {len(functions)} functions at {at()}; give "
                         "one for each, and perhaps one for the rest")  # fmt: skip
    value = lambda f: convert("piecewise", f(x, *args, **kw) if callable(f) else f, x.dtype)
    made = broadcast_to(value(functions[-1]), x.shape)
    for condition, function in zip(conditions, functions):
        made = where(condition, value(function), made)
    return made


# ---- vectorize ----

_NAMES = r"\((?:\w+(?:,\w+)*)?\)"
_SIGNATURE = re.compile(rf"^(?:{_NAMES}(?:,{_NAMES})*)?->{_NAMES}(?:,{_NAMES})*$")


def vectorize(pyfunc, *, excluded=frozenset(), signature=None):
    """A function of arrays made from one of their elements (or of the core axes that `signature` names).

    signature: like "(m,n),(n)->(m)". Other axes, in front, are broadcast together and mapped over all at once.
    excluded: positions and names of arguments that are handed through as they are.
    """
    if not all(isinstance(e, (int, str)) for e in excluded):
        raise TypeError(f"vectorize: excluded holds positions and names of arguments, got {excluded!r} at {at()}")
    if any(isinstance(e, int) and e < 0 for e in excluded):
        raise ValueError(f"vectorize: excluded positions count from 0, got {excluded!r} at {at()}")

    @functools.wraps(pyfunc)
    def wrapped(*args, **kwargs):
        return _vectorized(pyfunc, excluded, signature, args, kwargs)

    return wrapped


def _parse(signature):
    """(core names per argument, core names per result)."""
    text = re.sub(r"\s+", "", signature)
    if not _SIGNATURE.match(text):
        raise ValueError(f"vectorize: {signature!r} at {at()} is no signature; write it like '(m,n),(n)->(m)'")
    sides = [[tuple(re.findall(r"\w+", part)) for part in re.findall(_NAMES, side)] for side in text.split("->")]
    return sides[0], sides[1]


def _vectorized(pyfunc, excluded, signature, args, kwargs):
    named = [k for k in kwargs if k not in excluded]
    places = [k for k in range(len(args)) if k not in excluded]
    arrays = [as_array("vectorize", x) for x in [*[args[k] for k in places], *[kwargs[k] for k in named]]]
    cores, out_cores = _parse(signature) if signature is not None else ([()] * len(arrays), None)
    if len(cores) != len(arrays):
        raise TypeError(
            f"vectorize: the signature {signature!r} has {len(cores)} arguments, got {len(arrays)} at {at()}"
        )
    sizes: dict[str, int] = {}
    batch = _batch_shape(arrays, cores, sizes, signature)
    single = []

    def fun(*rows):
        rest = dict(kwargs, **dict(zip(named, rows[len(places) :])))
        it = iter(rows)
        made = pyfunc(*[next(it) if k in places else x for k, x in enumerate(args)], **rest)
        single.append(not isinstance(made, (tuple, list)))
        made = [asarray(y) for y in ([made] if single[-1] else made)]
        if out_cores is not None:
            _check_results(made, out_cores, sizes, signature)
        return made

    fun.__name__ = getattr(pyfunc, "__name__", "fun")
    wide = [lax_reshape(x, _padded(x.shape, len(core), len(batch))) for x, core in zip(arrays, cores)]
    made = map_leading("vectorize", fun, wide, batch)
    return made[0] if single[-1] else tuple(made)


def _padded(shape, ncore, nbatch):
    """Batch axes of size 1 in front, so that all arrays have equally many."""
    have = len(shape) - ncore
    return (1,) * (nbatch - have) + tuple(shape)


def _batch_shape(arrays, cores, sizes, signature):
    batches = []
    for x, core in zip(arrays, cores):
        if x.ndim < len(core):
            raise ValueError(
                f"vectorize: {typeof(x)} has fewer axes than its part of the signature {signature!r}, at {at()}"
            )
        batches.append(x.shape[: x.ndim - len(core)])
        _match(x.shape[x.ndim - len(core) :], core, sizes, typeof(x), signature)
    try:
        return np.broadcast_shapes(*batches)
    except ValueError:
        raise ValueError(
            f"vectorize: cannot broadcast {' with '.join([str(typeof(x)) for x in arrays])} at {at()}"
        ) from None


def _match(shape, core, sizes, shown, signature):
    for n, name in zip(shape, core):
        if name.isdigit():
            want = int(name)
        else:
            want = sizes.setdefault(name, n)
        if n != want:
            raise ValueError(f"vectorize: axis {name} of {signature!r} has size {want}, but {n} in {shown}, at {at()}")


def _check_results(made, out_cores, sizes, signature):
    if len(made) != len(out_cores):
        raise TypeError(
            f"vectorize: {signature!r} has {len(out_cores)} results, but the function made {len(made)}, at {at()}"
        )
    for y, core in zip(made, out_cores):
        if y.ndim != len(core):
            raise ValueError(
                f"vectorize: the function made {typeof(y)} where {signature!r} has {len(core)} axes, at {at()}"
            )
        _match(y.shape, core, sizes, typeof(y), signature)
