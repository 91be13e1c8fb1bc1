"""New primitives by users: the record of its mathematics, its NumPy function, its lowering; and a check of all three.

>>> import functorch_lite as fl
>>> from functorch_lite import extend
>>> halved_p = extend.elementwise("extend_halved", jvp=(lambda t, y, x: extend.bind(halved_p, t),),
...                               transpose=lambda ct, x: (extend.bind(halved_p, ct),))
>>> @extend.host(halved_p)
... def halved_on_host(in_types, out_types):
...     return lambda x: x / 2
>>> @extend.lowering(halved_p)
... def halved_in_xla(low, xs, in_types, out_types):
...     return low.op("multiply", out_types[0], [xs[0], low.constant(0.5, out_types[0])])
>>> halved = lambda x: extend.bind(halved_p, x)
>>> float(fl.grad(halved)(3.0))
0.5
>>> extend.check(halved, fl.numpy.arange(3.0))

The function of another language that was registered with jaxlib's FFI under a name is called in a lowering by
`low.op("custom_call", out_types, xs, {...})`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from functorch_lite import dtypes
from functorch_lite.api.arguments import check_callable, name_of
from functorch_lite.api.forward import jvp
from functorch_lite.api.jit import jit
from functorch_lite.api.reverse import vjp
from functorch_lite.api.vmap import vmap
from functorch_lite.array import asarray
from functorch_lite.config import disable_jit
from functorch_lite.host.registry import host
from functorch_lite.ir import ArrayType, Primitive, array_type
from functorch_lite.prims.linear import Linear
from functorch_lite.prims.pointwise import elementwise
from functorch_lite.trace import at, bind, typeof
from functorch_lite.xla.module import lowering

__all__ = [
    "ArrayType", "Linear", "Primitive", "array_type", "bind", "check", "elementwise", "host", "lowering", "typeof",
]  # fmt: skip


def check(fun: Callable, *args, tol: float = 1e-4) -> None:
    """Check a function of a new primitive at `args`, float64 or float32 arrays, against what its parts must agree on.

    The NumPy function against the compiled one, the derivative against differences, reverse against forward mode, and
    vmap against the loop over each choice of mapped arguments. Raises AssertionError saying which law is broken.
    """
    check_callable("extend.check", fun)
    xs = [asarray(x) for x in args]
    with disable_jit():
        plain = fun(*xs)
    _agree(fun, "the NumPy function and the lowering", plain, jit(fun)(*xs), tol)
    exact = [x for x in xs if dtypes.is_inexact(x.dtype)]
    if exact and dtypes.is_inexact(plain.dtype):
        _check_derivative(fun, xs, plain, tol)
    for k in range(1, 2 ** len(xs)):
        axes = tuple([0 if k >> i & 1 else None for i in range(len(xs))])
        rows = [asarray(np.stack([np.asarray(x)] * 2)) if a == 0 else x for x, a in zip(xs, axes, strict=True)]
        _agree(fun, f"vmap over {axes} and the loop", np.stack([np.asarray(plain)] * 2), vmap(fun, axes)(*rows), tol)


def _check_derivative(fun, xs, y, tol) -> None:
    rng = np.random.default_rng(0)
    step = 1e-3 if y.dtype.itemsize < 8 else 1e-6
    inexact = [dtypes.is_inexact(x.dtype) for x in xs]
    ts = [asarray(rng.standard_normal(x.shape).astype(x.dtype)) if i else np.zeros(x.shape, dtypes.float0)
          for x, i in zip(xs, inexact, strict=True)]  # fmt: skip
    moved = lambda s: [asarray(np.asarray(x) + s * np.asarray(t)) if i else x
                       for x, t, i in zip(xs, ts, inexact, strict=True)]  # fmt: skip
    forward = jvp(fun, xs, ts)[1]
    near = (np.asarray(fun(*moved(step)), np.float64) - np.asarray(fun(*moved(-step)), np.float64)) / (2 * step)
    _agree(fun, "the jvp rule and the limit of differences", near, forward, max(tol, 10 * step))
    ct = asarray(rng.standard_normal(y.shape).astype(y.dtype))
    cts = vjp(fun, *xs)[1](ct)
    there = np.sum(np.asarray(ct, np.float64) * np.asarray(forward))
    back = sum([np.sum(np.asarray(c, np.float64) * np.asarray(t, np.float64))
                for c, t, i in zip(cts, ts, inexact, strict=True) if i])  # fmt: skip
    _agree(fun, "reverse and forward mode", there, back, tol)


def _agree(fun, what, a, b, tol) -> None:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or not np.allclose(a, b, rtol=tol, atol=tol, equal_nan=True):
        raise AssertionError(f"`{name_of(fun)}`: {what} disagree, {a.tolist()} against {b.tolist()}, at {at()}")
