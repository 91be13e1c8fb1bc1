"""Lowerings of `prims.fft`."""

from __future__ import annotations

from functorch_lite.prims import fft as p
from functorch_lite.xla.module import lowering


@lowering(p.fft_p)
def _fft(low, xs, in_types, out_types, *, kind, size, axis):
    """XLA transforms the last axis."""
    (x,), (before,), (after,) = xs, in_types, out_types
    if not after.size:
        return low.constant(0, after)
    which = f"#stablehlo<fft_type {kind.upper()}>"
    attributes = low.memo(("fft", kind, size), lambda: {
        "fft_type": low.d.parsed[which], "fft_length": low.d.axes[(size,)]})  # fmt: skip
    last = before.ndim - 1
    if axis == last:
        return low.op("fft", after, [x], attributes)
    swap = [*range(before.ndim)]
    swap[axis], swap[last] = last, axis
    permutation = low.memo(("transpose", tuple(swap)), lambda: {"permutation": low.d.axes[tuple(swap)]})
    moved = [t.with_shape(tuple([t.shape[a] for a in swap])) for t in (before, after)]
    x = low.op("transpose", moved[0], [x], permutation)
    return low.op("transpose", after, [low.op("fft", moved[1], [x], attributes)], permutation)
