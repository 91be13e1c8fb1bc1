"""How samplers read their arguments: dtypes, and parameters that broadcast to the shape of the sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from functorch_lite import dtypes
from functorch_lite.config import config
from functorch_lite.numpy.promote import operand
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.shape import broadcast
from functorch_lite.random.keys import shape_of
from functorch_lite.trace import SCALARS, at, typeof


def float_dtype(name: str, dtype: Any) -> np.dtype:
    """The float dtype of a sample; None: the default. Raises TypeError for other dtypes."""
    if dtype is None:
        return config.default_float
    found = dtypes.canonical(dtype)
    if not dtypes.is_float(found):
        raise TypeError(f"{name}: samples are floats, not {dtypes.short(found)}, at {at()}; choose a float dtype")
    return found


def sample_shape(name: str, shape: Any, *parameters: Any) -> tuple[int, ...]:
    """The shape of a sample, to which all parameters must broadcast; None: the shape that they broadcast to."""
    known = [np.shape(x) if type(x) in SCALARS else typeof(x).shape for x in parameters]
    try:
        least = np.broadcast_shapes(*known)
        if shape is None:
            return least
        shape = shape_of(name, shape)
        if np.broadcast_shapes(shape, least) == shape:
            return shape
    except ValueError:
        pass
    raise ValueError(f"{name}: parameters of shapes {', '.join(map(str, known))} do not broadcast to the shape {shape}, "
                     f"at {at()}; give that shape or other parameters")  # fmt: skip


def parameter(name: str, x: Any) -> Any:
    """A parameter as an array or a Python scalar."""
    return operand(name, x)


def fitted(x: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """A parameter in the dtype and the shape of the sample; a Python scalar remains one, rounded to the dtype."""
    if type(x) in SCALARS:
        return float(np.asarray(x).astype(dtype)) if dtypes.is_float(dtype) else x
    x = e.convert(x, dtype)
    return x if x.shape == shape else broadcast(x, shape)
