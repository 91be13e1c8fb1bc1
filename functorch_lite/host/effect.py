"""Host functions of `prims.effect`; compiled programs call the same functions."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from functorch_lite import dtypes
from functorch_lite.array import Array, of_typed
from functorch_lite.host.registry import host
from functorch_lite.ir import array_type
from functorch_lite.prims import effect as p
from functorch_lite.trace import alone


def runner(in_types, out_types, rows, name: str) -> Callable:
    """(handle, NumPy arrays) -> the list of NumPy arrays that the user's function returned, checked, row by row."""
    row_types = [array_type(t.shape[len(rows) :], t.dtype) for t in out_types]

    def run(handle, *values):
        if not rows:
            return _checked(p.functions.call(int(handle), _arrays(values)), row_types, name)
        outs = [np.empty(t.shape, t.dtype) for t in out_types]
        for index in itertools.product(*[range(size) for size, _ in rows]):
            given = []
            for k, x in enumerate(values, 1):
                where = tuple([i for i, (_, mask) in zip(index, rows, strict=True) if mask[k]])
                given.append(x[where])
            made = _checked(p.functions.call(int(handle), _arrays(given)), row_types, name)
            for out, y in zip(outs, made, strict=True):
                out[index] = y
        return outs

    return run


def _arrays(values) -> tuple[Array, ...]:
    return tuple([of_typed(v, array_type(np.shape(v), v.dtype)) for v in map(np.array, values)])


def _checked(results, types, name: str) -> list[np.ndarray]:
    """What a callback returned, as arrays of the promised types: XLA reads whatever lies there."""
    if len(results) != len(types):
        raise TypeError(f"the callback `{name}` returned {len(results)} arrays, but {len(types)} were announced")
    made = []
    for y, t in zip(results, types, strict=True):
        y = np.asarray(y)
        same_kind = y.dtype == t.dtype or dtypes.kind(dtypes.canonical(y.dtype)) == dtypes.kind(t.dtype)
        if y.shape != t.shape or not same_kind:
            got = array_type(y.shape, dtypes.canonical(y.dtype))
            raise TypeError(
                f"the callback `{name}` returned {got} where {t} was announced; return that shape and dtype")
        made.append(np.ascontiguousarray(y, t.dtype).reshape(t.shape))
    return made


def _host(in_types, results, *, out_types, rows, method, name):
    run = runner(in_types, results, rows, name)

    def fun(handle, *values):
        with alone():
            return run(handle, *values)

    return fun


for _prim in p.CALLBACKS:
    host(_prim)(_host)
