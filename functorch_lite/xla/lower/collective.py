"""Lowerings of `prims.collective`, inside a program that is manual about the axis."""

from __future__ import annotations

import numpy as np

from functorch_lite import dtypes
from functorch_lite.ir import array_type
from functorch_lite.prims import collective as p
from functorch_lite.xla.lower.shape import converted
from functorch_lite.xla.module import lowering

_I32, _U32, _I64 = np.dtype(np.int32), np.dtype(np.uint32), np.dtype(np.int64)


def _rows(low, axes) -> int:
    """How many devices there are: the program has one named axis, that of its devices."""
    assert axes == (low.manual,), (axes, low.manual)
    return low.devices


def _over(low, axes, groups) -> dict:
    """The attributes that say between which devices something is exchanged."""
    groups = groups or (tuple(range(_rows(low, axes))),)

    def make():
        table = low.dense_attribute(np.array(groups, _I64))
        handle = low.d.parsed["#stablehlo.channel_handle<handle = 1, type = 0>"]
        return {"replica_groups": table, "channel_handle": handle}

    return low.memo(("groups", groups), make)


@lowering(p.vary_p)
def _vary(low, xs, in_types, out_types, *, axes):
    return xs[0]


def _reduced(low, name, combine, x, in_type, out_type, attributes):
    """A collective that combines; narrow floats and complex numbers in a type that XLA combines on every backend."""
    if dtypes.is_complex(in_type.dtype):
        real = dtypes.real_of(in_type.dtype)
        parts = [low.op(part, in_type.with_dtype(real), [x]) for part in ("real", "imag")]
        made = [_reduced(low, name, combine, part, in_type.with_dtype(real), out_type.with_dtype(real), attributes)
                for part in parts]  # fmt: skip
        return low.op("complex", out_type, made)
    narrow = dtypes.is_float(in_type.dtype) and in_type.dtype.itemsize < 4
    wide = np.dtype(np.float32) if narrow else in_type.dtype
    element = array_type((), wide)
    x = converted(low, x, in_type, wide) if narrow else x
    made = low.op(name, out_type.with_dtype(wide), [x], attributes, regions=1)
    low.block(made.regions[0], [element, element], lambda a, b: [low.op(combine, element, [a, b])])
    y = made.result
    return converted(low, y, out_type.with_dtype(wide), out_type.dtype) if narrow else y


def _reduction(prim, combine):
    @lowering(prim)
    def rule(low, xs, in_types, out_types, *, axes, groups):
        attributes = {**_over(low, axes, groups), "use_global_device_ids": low.d.unit}
        return _reduced(low, "all_reduce", combine, xs[0], in_types[0], out_types[0], attributes)


for _prim, _combine in [(p.psum_p, "add"), (p.pmax_p, "maximum"), (p.pmin_p, "minimum")]:
    _reduction(_prim, _combine)


def _row(low, x, type_):
    """A new axis 0 of one element."""
    wide = type_.with_shape((1, *type_.shape))
    return low.op("reshape", wide, [x]), wide


@lowering(p.all_gather_p)
def _all_gather(low, xs, in_types, out_types, *, axes, sizes, groups):
    x, _ = _row(low, xs[0], in_types[0])
    attributes = {**_over(low, axes, groups), "all_gather_dim": low.d.i64[0], "use_global_device_ids": low.d.unit}
    return low.op("all_gather", out_types[0], [x], attributes)


@lowering(p.psum_scatter_p)
def _psum_scatter(low, xs, in_types, out_types, *, axes, sizes, groups):
    attributes = {**_over(low, axes, groups), "scatter_dimension": low.d.i64[0], "use_global_device_ids": low.d.unit}
    wide = out_types[0].with_shape((1, *out_types[0].shape))
    y = _reduced(low, "reduce_scatter", "add", xs[0], in_types[0], wide, attributes)
    return low.op("reshape", out_types[0], [y])


@lowering(p.all_to_all_p)
def _all_to_all(low, xs, in_types, out_types, *, axes, sizes, groups):
    n = low.d.i64[in_types[0].shape[0]]
    places = {"split_dimension": low.d.i64[0], "concat_dimension": low.d.i64[0], "split_count": n}
    return low.op("all_to_all", out_types[0], xs, {**_over(low, axes, groups), **places})


@lowering(p.ppermute_p)
def _ppermute(low, xs, in_types, out_types, *, axes, sizes, perm):
    _rows(low, axes)

    def make():
        pairs = np.array(perm, _I64).reshape(-1, 2)
        handle = low.d.parsed["#stablehlo.channel_handle<handle = 1, type = 0>"]
        return {"source_target_pairs": low.dense_attribute(pairs), "channel_handle": handle}

    return low.op("collective_permute", out_types[0], xs, low.memo(("ppermute", perm), make))


def _index(low, axes):
    _rows(low, axes)
    return converted(low, low.op("partition_id", array_type((), _U32), []), array_type((), _U32), _I32)


@lowering(p.axis_index_p)
def _axis_index(low, xs, in_types, out_types, *, axes, sizes):
    return _index(low, axes)


@lowering(p.own_row_p)
def _own_row(low, xs, in_types, out_types, *, axes, sizes):
    shape = in_types[0].shape
    starts = [_index(low, axes), *[low.constant(0, array_type((), _I32))] * (len(shape) - 1)]
    attributes = low.memo(("own_row", shape), lambda: {"slice_sizes": low.d.axes[(1, *shape[1:])]})
    row = low.op("dynamic_slice", in_types[0].with_shape((1, *shape[1:])), [xs[0], *starts], attributes)
    return low.op("reshape", out_types[0], [row])
