"""`progress`: tells a display how many turns of a loop are done.

Operands: the handle of the display (see `prims.effect`); how many turns are done, an int32; of how many in all, 0 where
nobody knows; whether there are more to come. It has no results. Most calls tell nothing: see `control.counted.due`.
"""

from __future__ import annotations

from functorch_lite.ir import Primitive
from functorch_lite.prims.effect import functions
from functorch_lite.prims.reduce import reduce_max, reduce_or
from functorch_lite.prims.shape import reshape
from functorch_lite.prims.slicing import slice as slice_
from functorch_lite.trace import bind

EVENT = "progress"  # the kind of effect; rows of `vmap` need not be run one by one for it


def _jvp(xs, ts):
    return bind(progress_p, *xs), []


def _vmap(size, xs, batched, *, axis_name=None):
    """All rows together are as far as the one that is farthest, and run as long as any of them does."""
    if size:
        handle, done, total, going = xs
        handle = reshape(slice_(handle, (0,), (1,)), ()) if batched[0] else handle
        done, total = [reduce_max(x, (0,)) if b else x for x, b in zip((done, total), batched[1:3], strict=True)]
        bind(progress_p, handle, done, total, reduce_or(going, (0,)) if batched[3] else going)
    return [], ()


def _infer(handle, done, total, going):
    return ()


progress_p = Primitive("progress", many=True, infer=_infer, effects=(EVENT,), jvp=_jvp, vmap=_vmap)


class Displays:
    """The displays that one run of a program has open, so that they are closed if it fails."""

    def __init__(self):
        self.open: list = []

    def tell(self, handle: int, done: int, total: int, going: bool) -> None:
        display = functions.holder(handle)
        if going and display not in self.open:
            self.open.append(display)
        display.fun(done, total, going)
        if not going and display in self.open:
            self.open.remove(display)

    def abandon(self, before: int = 0) -> None:
        """The run has failed: close the displays that were opened since there were so many."""
        while len(self.open) > before:
            self.open.pop().fun.close()
