"""The functions of `functorch_lite.numpy` under `vmap` and both modes of differentiation."""

import numpy as np
import pytest
from numpy_cases import agree, operand

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite.numpy import linalg

MASK = np.array([True, False, True, True])
SQUARE = operand(50, (4, 4), "float64", special=False)
SMOOTH = {
    "logaddexp": lambda x: fnp.logaddexp(x, 0.5),
    "logaddexp2": lambda x: fnp.logaddexp2(x[..., ::-1], x),
    "hypot": lambda x: fnp.hypot(x, 1.5),
    "sinc": lambda x: fnp.sinc(x / 3),
    "arctan2": lambda x: fnp.arctan2(x, 2.0),
    "power": lambda x: fnp.power(fnp.abs(x) + 1, x / 4),
    "integer power": lambda x: fnp.power(x, 3),
    "negative power": lambda x: fnp.power(x + 20, -2),
    "remainder": lambda x: fnp.remainder(x, 0.7),
    "copysign": lambda x: fnp.copysign(x + 20, -1.0),
    "heaviside": lambda x: fnp.heaviside(x, 0.5) * x,
    "ldexp": lambda x: fnp.ldexp(x, 3),
    "frexp": lambda x: fnp.frexp(x + 0.01)[0],
    "modf": lambda x: fnp.modf(x + 0.01)[0],
    "clip": lambda x: fnp.clip(x, -2.3, 3.1),
    "nan_to_num": fnp.nan_to_num,
    "fmax": lambda x: fnp.fmax(x, 0.3),
    "log10": lambda x: fnp.log10(x + 20),
    "exp2": fnp.exp2,
    "cbrt": lambda x: fnp.cbrt(x + 20),
    "sum": lambda x: fnp.sum(x, 0),
    "masked sum": lambda x: fnp.sum(x, -1, where=MASK),
    "prod": fnp.prod,
    "mean": lambda x: fnp.mean(x, -1, keepdims=True),
    "var": lambda x: fnp.var(x, -1, ddof=1),
    "masked var": lambda x: fnp.var(x, -1, where=MASK),
    "std": lambda x: fnp.std(x + fnp.arange(4.0), 0),
    "average": lambda x: fnp.average(x, -1, weights=np.arange(1.0, 5)),
    "max": lambda x: fnp.max(x + np.arange(4) / 64, -1),
    "nanmean": lambda x: fnp.nanmean(fnp.where(x > 0, x, np.nan), -1),
    "cumsum": lambda x: fnp.cumsum(x, -1),
    "cumprod": lambda x: fnp.cumprod(x, 0),
    "median": lambda x: fnp.median(x + np.arange(4) / 64, -1),
    "quantile": lambda x: fnp.quantile(x + np.arange(4) / 64, np.array([0.1, 0.7]), 0),
    "nanquantile": lambda x: fnp.nanquantile(x + np.arange(4) / 64, 0.3, -1),
    "cov": lambda x: fnp.cov(x[..., :2, :]) if x.ndim > 1 else fnp.cov(x),
    "diff": lambda x: fnp.diff(x, 2),
    "gradient": lambda x: fnp.gradient(x, axis=-1),
    "trapezoid": fnp.trapezoid,
    "interp": lambda x: fnp.interp(x + 0.01, np.array([-9.0, 0, 9]), np.array([1.0, 5, -3])),
    "polyval": lambda x: fnp.polyval(np.array([1.0, 2, 3]), x),
    "tril": lambda x: fnp.tril(fnp.outer(x, x)),
    "diagonal": lambda x: fnp.diagonal(fnp.outer(x, x)),
    "diag": lambda x: fnp.diagflat(x),
    "matmul": lambda x: x @ SQUARE,
    "einsum": lambda x: fnp.einsum("...i,...i,ij->...j", x, x, SQUARE),
    "outer": lambda x: fnp.outer(x, np.arange(3.0)),
    "kron": lambda x: fnp.kron(x, np.arange(2.0)),
    "norm": lambda x: linalg.norm(x + 20, axis=-1),
    "3-norm": lambda x: linalg.norm(x + 20, 3, axis=-1),
    "matrix_power": lambda x: linalg.matrix_power(fnp.outer(x, x), 3) if x.ndim == 1 else x,
    "linspace": lambda x: fnp.linspace(x, 1.0, 3, axis=-1),
    "convolve": lambda x: fnp.convolve(fnp.ravel(x), np.array([1.0, 2, -1])),
    "cross": lambda x: fnp.cross(x[..., :3], x[..., 1:]),
}
STEPS = {
    "floor_divide": lambda x: fnp.floor_divide(x, 0.7),
    "argmax": lambda x: fnp.argmax(x, -1),
    "isclose": lambda x: fnp.isclose(x, 1.0),
    "any": lambda x: fnp.any(x > 2, -1),
    "bincount": lambda x: fnp.bincount(fnp.abs(x).astype(int).ravel(), length=5),
    "histogram": lambda x: fnp.histogram(x, 3, (-2.1, 4.3))[0],
    "gcd": lambda x: fnp.gcd(x.astype(int), 12),
    "integer powers": lambda x: fnp.power(x.astype(int), fnp.abs(x).astype(int) % 4),
    "round": lambda x: fnp.round(x, 1),
    "count_nonzero": lambda x: fnp.count_nonzero(x, -1),
    "nanargmin": lambda x: fnp.nanargmin(fnp.where(x > 0, x, np.nan), -1),
}


@pytest.mark.parametrize("name", [*SMOOTH, *STEPS])
def test_a_mapped_function_is_a_loop(name):
    f = SMOOTH.get(name) or STEPS[name]
    x = operand(len(name), (3, 4), "float64", special=False)
    want = np.stack([np.asarray(f(fnp.asarray(row))) for row in x])
    agree(fl.vmap(f)(x), want)
    agree(fl.vmap(f, in_axes=1)(np.ascontiguousarray(x.T)), want)


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_are_slopes(name):
    """Forward mode agrees with central differences, and reverse mode with forward mode."""
    f = SMOOTH[name]
    x = operand(len(name) + 1, (3, 4), "float64", special=False) / 2 + 1 / 64
    t, h = operand(len(name) + 2, (3, 4), "float64", special=False), 1e-6
    y, dy = fl.jvp(f, (x,), (t,))
    slope = (np.asarray(f(fnp.asarray(x + h * t))) - np.asarray(f(fnp.asarray(x - h * t)))) / (2 * h)
    scale = 1 + np.abs(slope).max()
    np.testing.assert_allclose(np.asarray(dy) / scale, slope / scale, atol=1e-6)
    ct = operand(len(name) + 3, y.shape, "float64", special=False)
    (back,) = fl.vjp(f, x)[1](fnp.asarray(ct))
    np.testing.assert_allclose(np.sum(np.asarray(back) * t), np.sum(np.asarray(dy) * ct), rtol=1e-9, atol=1e-9 * scale)
