"""Functions of one number, element by element.

Integers become floats of the default dtype, but for `relu` and its kind. At a kink the slope is that of the flat side:
0 for `relu` at 0, for `relu6` at 0 and 6, for `hard_tanh` at -1 and 1; that of the identity for `leaky_relu`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from functorch_lite.host import activation as host
from functorch_lite.nn.eager import at_once
from functorch_lite.numpy import dispatch
from functorch_lite.numpy.promote import AS_IS, INEXACT, as_array, canonical_axis, promote
from functorch_lite.prims import activation as p
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.slicing import slice as static_slice
from functorch_lite.prims.special import erfc, expm1, log1p
from functorch_lite.trace import at, typeof

__all__ = [
    "celu", "elu", "gelu", "glu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "identity", "leaky_relu",
    "log1mexp", "log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_sign", "softplus",
    "sparse_plus", "sparse_sigmoid", "squareplus", "swish", "tanh",
]  # fmt: skip


def _function(name: str, lower: Callable, kernel: Callable | None, doc: str, rule: str = INEXACT) -> Callable:
    """A function of one array: by operations in a trace, by NumPy at once on the host."""
    made = dispatch.unary(name, lambda x: lower(as_array(name, x)), kernel and _wide(kernel), doc, rule)
    made.__module__ = "functorch_lite.nn"
    return made


def _wide(kernel):
    """A kernel for float32 and float64 only: narrow floats must be computed in float32 and rounded once."""

    def refusing(x):
        if x.dtype.char not in "fd":
            raise TypeError
        return kernel(x)

    return refusing


def identity(x):
    """x itself, as an array."""
    return as_array("identity", x)


relu = _function("relu", p.relu, host.relu, "max(x, 0); its slope at 0 is 0.", AS_IS)
relu6 = _function(
    "relu6", lambda x: e.clamp(0, x, 6), lambda x: np.minimum(np.maximum(x, 0), 6), "min(max(x, 0), 6).", AS_IS)
hard_tanh = _function(
    "hard_tanh", lambda x: e.clamp(-1, x, 1), lambda x: np.minimum(np.maximum(x, -1), 1), "min(max(x, -1), 1).", AS_IS)


# ---- smooth steps ----


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def _log_sigmoid(x):
    return e.neg(p.softplus(e.neg(x)))


sigmoid = _function("sigmoid", e.logistic, _logistic, "1 / (1 + exp(-x)).")
log_sigmoid = _function(
    "log_sigmoid", _log_sigmoid, lambda x: -host.softplus(-x), "log(sigmoid(x)), without loss for very negative x.")
softplus = _function("softplus", p.softplus, host.softplus, "log(1 + exp(x)), without overflow.")
tanh = _function("tanh", e.tanh, np.tanh, "The hyperbolic tangent.")
soft_sign = _function("soft_sign", lambda x: e.div(x, e.convert(e.add(e.abs_(x), 1.0), typeof(x).dtype)), None,
                      "x / (|x| + 1).")  # fmt: skip


def _hard_sigmoid(x):
    return e.div(e.clamp(0.0, e.add(x, 3.0), 6.0), 6.0)


hard_sigmoid = _function("hard_sigmoid", _hard_sigmoid, None, "min(max(x + 3, 0), 6) / 6.")
sparse_sigmoid = _function(
    "sparse_sigmoid", lambda x: e.mul(e.clamp(0.0, e.add(x, 1.0), 2.0), 0.5), None, "min(max(x + 1, 0), 2) / 2.")


def _sparse_plus(x):
    curve = e.mul(e.square(e.add(x, 1.0)), 0.25)
    return e.select(e.le(x, -1.0), 0.0, e.select(e.ge(x, 1.0), x, curve))


sparse_plus = _function(
    "sparse_plus", _sparse_plus, None, "0 up to -1, (x + 1)^2 / 4 up to 1, then x: the integral of `sparse_sigmoid`.")


def _log1mexp(x):
    near = e.log(e.neg(expm1(e.neg(x))))
    return e.select(e.lt(x, math.log(2)), near, log1p(e.neg(e.exp(e.neg(x)))))


log1mexp = _function(
    "log1mexp", _log1mexp, None,
    """log(1 - exp(-x)) for x > 0, without loss.

    Source: Maechler, Accurately computing log(1 - exp(-|a|)), the R package Rmpfr (2012).
    """)  # fmt: skip


# ---- linear for large x ----

silu = swish = _function(
    "silu", lambda x: e.mul(x, e.logistic(x)), lambda x: x * _logistic(x), "x sigmoid(x), also called `swish`.")
mish = _function("mish", lambda x: e.mul(x, e.tanh(p.softplus(x))), None, "x tanh(softplus(x)).")
hard_silu = hard_swish = _function(
    "hard_silu", lambda x: e.mul(x, _hard_sigmoid(x)), None, "x hard_sigmoid(x), also called `hard_swish`.")

_SLOPE = 2 * math.sqrt(2 / math.pi)


def _gelu_tanh(x, times, plus, logistic):
    """x (1 + tanh(z)) / 2 = x logistic(2z), which loses nothing for negative z."""
    return times(x, logistic(times(x, plus(times(times(x, x), 0.044715 * _SLOPE), _SLOPE))))


_gelu_approximate = _function(
    "gelu", lambda x: _gelu_tanh(x, e.mul, e.add, e.logistic),
    lambda x: _gelu_tanh(x, np.multiply, np.add, _logistic), "")  # fmt: skip
_gelu_exact = _function("gelu", lambda x: e.mul(e.mul(x, 0.5), erfc(e.mul(x, -math.sqrt(0.5)))), None, "")


def gelu(x, approximate=True):
    """x times the distribution function of the normal distribution at x.

    approximate: by tanh, as x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2; else by the error function.
    Source: Hendrycks & Gimpel, arXiv:1606.08415.
    """
    return _gelu_approximate(x) if approximate else _gelu_exact(x)


def _with_number(kernel, x, number):
    return at_once(kernel, x, number) if type(number) in (float, int) else None


def _host_leaky_relu(x, slope):
    return np.where(x >= 0, x, x * x.dtype.type(slope))


def _host_elu(x, alpha):
    return np.where(x > 0, x, np.expm1(x) * x.dtype.type(alpha))


def leaky_relu(x, negative_slope=0.01):
    """x where it is at least 0, else negative_slope x."""
    made = _with_number(_host_leaky_relu, x, negative_slope)
    if made is not None:
        return made
    x, slope = promote("leaky_relu", INEXACT, as_array("leaky_relu", x), negative_slope)
    return e.select(e.ge(x, 0.0), x, e.mul(x, slope))


def elu(x, alpha=1.0):
    """x where it is positive, else alpha (exp(x) - 1)."""
    made = _with_number(_host_elu, x, alpha)
    if made is not None:
        return made
    x, alpha = promote("elu", INEXACT, as_array("elu", x), alpha)
    return _elu(x, expm1(x), alpha)


def _elu(x, below, alpha):
    return e.select(e.gt(x, 0.0), x, below if type(alpha) is float and alpha == 1.0 else e.mul(below, alpha))


def celu(x, alpha=1.0):
    """x where it is positive, else alpha (exp(x / alpha) - 1): its slope is continuous for every alpha."""
    x, alpha = promote("celu", INEXACT, as_array("celu", x), alpha)
    return _elu(x, expm1(e.div(x, alpha)), alpha)


def selu(x):
    """The scaled `elu` that keeps mean 0 and variance 1. Source: Klambauer et al., arXiv:1706.02515."""
    (x,) = promote("selu", INEXACT, as_array("selu", x))
    return e.mul(_elu(x, expm1(x), 1.6732632423543772), 1.0507009873554805)


def squareplus(x, b=4.0):
    """(x + sqrt(x^2 + b)) / 2, without loss for negative x. Source: Barron, arXiv:2112.11687."""
    x, b = promote("squareplus", INEXACT, as_array("squareplus", x), b)
    root = e.sqrt(e.add(e.square(x), b))
    return e.select(e.ge(x, 0.0), e.mul(e.add(x, root), 0.5), e.div(_half(b), e.sub(root, x)))


def _half(x):
    return 0.5 * x if type(x) is float else e.mul(x, 0.5)


def glu(x, axis=-1):
    """a sigmoid(b), where a and b are the halves of `x` along `axis`. Raises ValueError if its size is odd."""
    (x,) = promote("glu", INEXACT, as_array("glu", x))
    type_ = typeof(x)
    axis = canonical_axis("glu", axis, type_.ndim)
    n = type_.shape[axis]
    if n % 2:
        raise ValueError(f"glu: the size along axis {axis} is even, got {type_} at {at()}")
    place = lambda k: tuple([k if a == axis else 0 for a in range(type_.ndim)])
    limit = lambda k: tuple([k if a == axis else m for a, m in enumerate(type_.shape)])
    gate = static_slice(x, place(n // 2), limit(n))
    return e.mul(static_slice(x, place(0), limit(n // 2)), e.logistic(gate))
