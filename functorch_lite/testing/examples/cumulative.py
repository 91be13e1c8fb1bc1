"""How the primitives of `prims/cumulative.py` stand in drawn programs."""

import numpy as np

from functorch_lite.testing.examples.record import add


def running(name, text, inside=None, kinked=False):
    def make(b):
        x = b.operand("f", lambda v: v.ndim and v.size)
        axis, back = b.choices.integer(x.ndim - 1), b.choices.chance(3)
        x = b.into(x, *inside) if inside else x
        away = (lambda x: _gaps(x, axis)) if kinked else None
        options = ", reverse=True" if back else ""
        b.emit(name, f"{text}({{0}}, axis={axis}{options})", x, check=b.check(away))

    add(name, make)


def _gaps(x, axis):
    return np.diff(np.sort(x, axis=axis), axis=axis)


running("cumsum", "lax.cumsum")
running("cumprod", "lax.cumprod", inside=(-2.0, 2.0))
running("cumlogsumexp", "lax.cumlogsumexp", inside=(-4.0, 4.0))
running("cummax", "lax.cummax", kinked=True)
running("cummin", "lax.cummin", kinked=True)
