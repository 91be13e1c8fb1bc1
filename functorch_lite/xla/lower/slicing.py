"""Lowerings of `prims.slicing`."""

from __future__ import annotations

from functorch_lite.prims import slicing as p
from functorch_lite.xla.module import lowering


@lowering(p.slice_p)
def _slice(low, xs, in_types, out_types, *, start, limit, strides):
    def attributes():
        axes = low.d.axes
        return {"start_indices": axes[start], "limit_indices": axes[limit], "strides": axes[strides]}

    return low.op("slice", out_types[0], xs, low.memo(("slice", start, limit, strides), attributes))


@lowering(p.pad_p)
def _pad(low, xs, in_types, out_types, *, config):
    def attributes():
        lows, highs, interiors = zip(*config, strict=True) if config else ((), (), ())
        axes = low.d.axes
        return {"edge_padding_low": axes[lows], "edge_padding_high": axes[highs], "interior_padding": axes[interiors]}

    return low.op("pad", out_types[0], xs, low.memo(("pad", config), attributes))


@lowering(p.concatenate_p)
def _concatenate(low, xs, in_types, out_types, *, axis):
    attributes = low.memo(("concatenate", axis), lambda: {"dimension": low.d.i64[axis]})
    return low.op("concatenate", out_types[0], xs, attributes)
