"""Derivatives without differentiation: extrapolated differences, and the complex step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from functorch_lite import dtypes
from functorch_lite.array import asarray
from functorch_lite.config import disable_jit
from functorch_lite.ir import Graph, subgraphs
from functorch_lite.testing.bounds import SAFETY

_LEVELS = 7
_STARTS = {8: (0.08, 2e-3, 5e-5), 4: (0.2, 0.02), 2: (0.5,), 1: (0.5,)}  # by bytes of the real dtype
_SIDES = {8: (1e-4, 1e-5), 4: (1e-1, 1e-2)}  # steps at which slopes from the two sides are compared, by bytes

# Where f(x + ih) / h is the derivative: analytic operations, and those that only move elements.
_ANALYTIC = frozenset(
    "full iota reshape transpose broadcast rev reduce_sum add neg sub mul div square integer_pow exp log sin cos tan "
    "tanh logistic sqrt rsqrt slice pad concatenate cumsum cumprod recurrence reduce_prod dot name sinh cosh expm1 "
    "log1p asinh atan call remat scan gather dynamic_slice dynamic_update_slice scatter_add scatter".split()
)


class Limit(NamedTuple):
    """Per result, the derivative and the error it may have."""

    values: list[np.ndarray | None]
    errors: list[float]


def along(fun: Callable, xs: Sequence, ts: Sequence, noise: Sequence[float]) -> Limit:
    """The derivative of `fun(*xs) -> list of float arrays` along `ts`, by central differences extrapolated to step 0.

    noise: how far rounding carries each result. Ridders' table, halving the step; of several first steps, per result
    the one that settles best. Source: Ridders, Adv. Eng. Software 4 (1982).
    """
    size = max([1.0, *[float(np.max(np.abs(t), initial=0.0)) for t in map(np.asarray, ts)]])
    best: list = [(np.inf, None)] * len(noise)  # None: nowhere finite
    bytes_ = min([8, *[dtypes.real_of(x.dtype).itemsize for x in xs]])
    for start in _STARTS[bytes_]:
        for k, found in enumerate(_ridders(fun, xs, ts, start / size, noise)):
            if found[0] < best[k][0]:
                best[k] = found
    return Limit([v for _, v in best], [e for e, _ in best])


def _ridders(fun, xs, ts, step: float, noise) -> list[tuple[float, np.ndarray]]:
    """Per result, (error, derivative) with the smallest error in the table that begins with this step."""
    best: list = [(np.inf, None)] * len(noise)
    previous: list[list] = []
    for level in range(_LEVELS):
        row = [_central(fun, xs, ts, step)]
        for k in range(level):
            factor = 4.0 ** (k + 1)
            row.append([(factor * a - b) / (factor - 1) for a, b in zip(row[k], previous[k], strict=True)])
            for i, made in enumerate(row[k + 1]):
                error = max(_apart(made, row[k][i]), _apart(made, previous[k][i]))
                error += 2 * noise[i] / step
                if error < best[i][0]:
                    best[i] = (error, made)
        previous, step = row, step / 2
    return best


def _apart(a, b) -> float:
    with np.errstate(all="ignore"):
        apart = float(np.max(np.abs(a - b), initial=0.0))
    return apart if np.isfinite(apart) else np.inf


def _central(fun, xs, ts, step: float) -> list[np.ndarray]:
    up, down = _at(fun, xs, ts, step), _at(fun, xs, ts, -step)
    with np.errstate(all="ignore"):
        return [(a - b) / (2 * step) for a, b in zip(up, down, strict=True)]


def _at(fun, xs, ts, step: float) -> list[np.ndarray]:
    moved = [asarray(_moved(x, t, step)) for x, t in zip(xs, ts, strict=True)]
    return [_wide(y) for y in fun(*moved)]


def _moved(x, t, step):
    return np.asarray(_wide(x) + step * _wide(t)).astype(np.asarray(x).dtype)


def _wide(x) -> np.ndarray:
    x = np.asarray(x)
    return x.astype(np.complex128 if dtypes.is_complex(x.dtype) else np.float64)


def one_sided(fun: Callable, xs: Sequence, ts: Sequence, noise: Sequence[float]) -> int | None:
    """The first result whose derivatives from the two sides differ however small the step is: a kink or a jump.

    Of a smooth function the gap falls with the step; at a kink it stays, at a jump it grows.
    """
    steps = _SIDES.get(min([8, *[dtypes.real_of(x.dtype).itemsize for x in xs]]))
    if steps is None:
        return None  # narrow floats do not resolve it
    gaps, slopes = [], []
    for step in steps:
        middle, up, down = (_at(fun, xs, ts, k * step) for k in (0, 1, -1))
        with np.errstate(all="ignore"):
            gaps.append([_apart(a - m, m - b) / step for m, a, b in zip(middle, up, down, strict=True)])
        slopes = [_apart(a, b) / step for a, b in zip(up, down, strict=True)]
    for k, (far, near) in enumerate(zip(*gaps, strict=True)):
        floor = 4 * SAFETY * noise[k] / steps[-1] + 10 * steps[-1] + 1e-3 * slopes[k]
        if near > floor and near > 0.5 * far:
            return k
    return None


def analytic(graph: Graph) -> bool:
    """Whether all operations, at any depth, are analytic."""
    return all(e.prim.name in _ANALYTIC and all(map(analytic, subgraphs(e.params))) for e in graph.eqns)


def complex_step(fun: Callable, xs: Sequence, ts: Sequence) -> list[np.ndarray]:
    """The derivative of an analytic `fun` of reals, exact up to rounding: the imaginary part of f(x + ih t) / h.

    Source: Squire & Trapp, SIAM Review 40 (1998).
    """
    single = any(dtypes.real_of(x.dtype).itemsize < 8 for x in xs)
    step, dtype = (1e-12, np.complex64) if single else (1e-25, np.complex128)
    moved = [asarray((_wide(x) + 1j * step * _wide(t)).astype(dtype)) for x, t in zip(xs, ts, strict=True)]
    with disable_jit():  # compiled functions of complex numbers lose imaginary parts as small as that
        return [np.asarray(y).imag.astype(np.float64) / step for y in fun(*moved)]
